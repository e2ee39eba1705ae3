// Connectors: how each bind does; start, pause, stop, and what waits given to another one.
import { html, Ask, count, none, rate, useState } from './ui.js';
import { Table } from './table.js';
import { named, t } from './strings.js';
import { ask, useAsked } from './net.js';
import { Badge, Choice, Loading, Nothing, When, Wrong, may } from './parts.js';
import { ConnectorForm } from './connectorform.js';
import { ConnectorTrial } from './connectortrial.js';

export function Connectors() {
  const { data, error, again } = useAsked('/connectors', 2000);
  const [failed, fail] = useState(null);
  const [asking, setAsking] = useState(null); // { what: pause, stop or move, c: of which }
  const [to, setTo] = useState(''); // where what waits goes
  const [moved, setMoved] = useState(null);
  const [trying, setTrying] = useState('');
  const [deleting, setDeleting] = useState(null);
  const [editing, edit] = useState(null); // a name, or '' for a new one
  const [busy, work] = useState('');
  const act = async (c, what) => { work(c.name); try { await ask('POST', `/connectors/${encodeURIComponent(c.name)}/${what}`); fail(null); } catch (e) { fail(e); } work(''); again(); };
  const move = async c => { setMoved(null); try { setMoved({ n: (await ask('POST', `/connectors/${encodeURIComponent(c.name)}/move`, { to })).moved, from: c.name, to }); fail(null); } catch (e) { fail(e); } again(); };
  const others = c => data.connectors.map(o => o.name).filter(name => name !== c.name);
  const remove = async c => { try { await ask('DELETE', '/connectors/' + encodeURIComponent(c.name)); fail(null); } catch (e) { fail(e); } again(); };
  const form = of => html`<${ConnectorForm} key=${of?.name ?? ''} of=${of} onDone=${() => { edit(null); again(); }} onClose=${() => edit(null)}/>`;
  if (!data) return error ? html`<${Wrong} error=${error} again=${again}/>` : html`<${Loading} tall/>`;
  return html`<div class="stack"><${Wrong} error=${failed ?? error} again=${error && again}/>${moved && html`<div class="banner good" role="status" id="moved"><b aria-hidden="true">✓</b><bdi>${t('movedSays', { n: moved.n, from: moved.from, to: moved.to })}</bdi></div>`}
    ${may('connectors') && editing === null && html`<div class="row"><button class="primary" id="new" onClick=${() => edit('')}>${t('newConnector')}</button></div>`}${editing === '' && form(null)}
    ${data.connectors.length === 0 && html`<section class="card"><${Nothing} title=${t('noConnectors')} hint=${t('noConnectorsHint')}/></section>`}
    ${data.connectors.map(c => editing === c.name ? form(c) : html`<section class="card connector" key=${c.name} data-name=${c.name}><div class="head"><h2><bdi>${c.name}</bdi></h2><${Badge} state=${c.state}/><span class="dim small"><bdi dir="ltr">${c.kind} ${c.address}</bdi>${c.node != null && html` · ${t('node')} ${c.node}`}</span><span class="grow"></span>
      ${may('connectors') && html`<div class="row">${c.mode !== 'running' && html`<button data-act="start" disabled=${busy === c.name} onClick=${() => act(c, 'start')}>${t('start')}</button>`}
        ${c.mode === 'running' && html`<button data-act="pause" disabled=${busy === c.name} onClick=${() => setAsking({ what: 'pause', c })}>${t('pause')}</button>`}
        ${c.mode !== 'stopped' && html`<button class="danger" data-act="stop" disabled=${busy === c.name} onClick=${() => setAsking({ what: 'stop', c })}>${t('stop')}</button>`}
        ${others(c).length > 0 && html`<button data-act="move" onClick=${() => { setTo(others(c)[0]); setAsking({ what: 'move', c }); }}>${t('moveWaiting')}</button>`}${c.settings?.http && html`<button data-act="test" aria-expanded=${trying === c.name} onClick=${() => setTrying(trying === c.name ? '' : c.name)}>${t('tryOut')}</button>`}
        ${c.settings && !c.fixed && html`<button data-act="edit" disabled=${editing !== null} onClick=${() => edit(c.name)}>${t('edit')}</button><button data-act="delete" class="danger" onClick=${() => setDeleting(c)}>${t('delete')}</button>`}</div>`}</div>
      <dl class="figures"><div><dt>${t('binds')}</dt><dd dir="ltr">${c.bound} / ${c.binds}</dd></div><div><dt>${t('windowUse')}</dt><dd dir="ltr">${count(c.in_flight)} / ${count(c.window)}</dd></div><div><dt>${t('queued')}</dt><dd>${count(c.queued)}</dd></div><div><dt>${t('sent')}</dt><dd>${count(c.submitted)}</dd></div><div><dt>${t('throttled')}</dt><dd class=${c.throttled ? 'acceptable' : ''}>${count(c.throttled)}${c.paced_tps ? html` <small>${t('paced', { n: rate(c.paced_tps) })}</small>` : ''}</dd></div><div><dt>${t('limit')}</dt><dd>${c.tps ? rate(c.tps) + t('perSecond') : t('none')}</dd></div></dl>
      ${c.last_error && html`<p class="fail small">${t('lastError')}: <bdi dir="ltr">${c.last_error}</bdi></p>`}
      ${c.links?.length > 0 && html`<details><summary>${t('binds')} (${c.links.length})</summary><${Table} id=${'binds'} columns=${bindColumns} rows=${c.links} noun="rows" filter=${false} rowKey=${b => b.index}/></details>`}${trying === c.name && html`<${ConnectorTrial} of=${c} onClose=${() => setTrying('')}/>`}</section>`)}
    ${asking?.what === 'move' && html`<${Ask} title=${t('moveAsk', { name: asking.c.name })} yes=${t('moveWaiting')} danger onYes=${() => move(asking.c)} onNo=${() => setAsking(null)}><div class="stack"><p>${t('moveSays', { waiting: t('waitFor', { n: asking.c.queued }) })}</p><${Choice} id="moveto" label=${t('smsc')} options=${others(asking.c)} value=${to} onInput=${e => setTo(e.target.value)}/></div></${Ask}>`}
    ${asking && asking.what !== 'move' && html`<${Ask} title=${t(asking.what + 'Ask', { name: asking.c.name })} yes=${t(asking.what)} danger=${asking.what === 'stop'} onYes=${() => act(asking.c, asking.what)} onNo=${() => setAsking(null)}>${t(asking.what + 'Says', { waiting: t('waitFor', { n: asking.c.queued }) })}</${Ask}>`}
    ${deleting && html`<${Ask} title=${t('deleteAsk', { name: deleting.name })} yes=${t('delete')} danger onYes=${() => remove(deleting)} onNo=${() => setDeleting(null)}>${t('deleteConnectorSays', { waiting: t('waitFor', { n: deleting.queued }) })}</${Ask}>`}</div>`;
}

const bindColumns = [
  { key: 'index', label: t('bind'), num: true, width: 8, get: b => b.index }, { key: 'type', label: t('type'), width: 12, get: b => named('type', b.type) }, { key: 'state', label: t('state'), width: 16, get: b => named('status', b.state), show: (v, b) => html`<${Badge} state=${b.state}/>${b.throttled ? ' ' + t('throttled') : ''}` },
  { key: 'since', label: t('since'), width: 23, get: b => b.since, show: v => html`<${When} at=${v}/>` }, { key: 'window', label: t('windowUse'), num: true, width: 12, get: b => b.in_flight, show: (v, b) => html`<bdi dir="ltr">${v} / ${b.window}</bdi>` },
  { key: 'lost', label: t('unanswered'), num: true, width: 12, get: b => b.unanswered, show: count }, { key: 'error', label: t('error'), width: 30, grow: true, get: b => b.error ?? '', show: v => html`<bdi dir="ltr">${v || none}</bdi>` },
];
