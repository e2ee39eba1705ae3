// Connectors and the rules that choose among them.
import { html, Ask, count, none, rate, useState } from './ui.js';
import { Table } from './table.js';
import { t } from './strings.js';
import { ask, useAsked } from './net.js';
import { Badge, Field, Id, Loading, Nothing, When, Wrong, may, restOf, useForm } from './parts.js';

export function Connectors() {
  const { data, error, again } = useAsked('/connectors', 2000);
  const [failed, fail] = useState(null);
  const [stopping, setStopping] = useState(null);
  const [busy, work] = useState('');
  const act = async (c, what) => { work(c.name); try { await ask('POST', `/connectors/${encodeURIComponent(c.name)}/${what}`); fail(null); } catch (e) { fail(e); } work(''); again(); };
  if (!data) return error ? html`<${Wrong} error=${error} again=${again}/>` : html`<${Loading} tall/>`;
  return html`<div class="stack"><${Wrong} error=${failed ?? error} again=${error && again}/>
    ${data.connectors.length === 0 && html`<section class="card"><${Nothing} title=${t('noConnectors')} hint=${t('noConnectorsHint')}/></section>`}
    ${data.connectors.map(c => html`<section class="card connector" key=${c.name} data-name=${c.name}><div class="head"><h2><bdi>${c.name}</bdi></h2><${Badge} state=${c.state}/><span class="dim small"><bdi dir="ltr">${c.kind} ${c.address}</bdi></span><span class="grow"></span>
      ${may('connectors') && html`<div class="row">${c.mode !== 'running' && html`<button data-act="start" disabled=${busy === c.name} onClick=${() => act(c, 'start')}>${t('start')}</button>`}
        ${c.mode === 'running' && html`<button data-act="pause" disabled=${busy === c.name} onClick=${() => act(c, 'pause')}>${t('pause')}</button>`}
        ${c.mode !== 'stopped' && html`<button class="danger" data-act="stop" disabled=${busy === c.name} onClick=${() => setStopping(c)}>${t('stop')}</button>`}</div>`}</div>
      <dl class="figures"><div><dt>${t('binds')}</dt><dd dir="ltr">${c.bound} / ${c.binds}</dd></div><div><dt>${t('windowUse')}</dt><dd dir="ltr">${count(c.in_flight)} / ${count(c.window)}</dd></div><div><dt>${t('queued')}</dt><dd>${count(c.queued)}</dd></div><div><dt>${t('sent')}</dt><dd>${count(c.submitted)}</dd></div><div><dt>${t('throttled')}</dt><dd class=${c.throttled ? 'acceptable' : ''}>${count(c.throttled)}${c.paced_tps ? html` <small>${t('paced', { n: rate(c.paced_tps) })}</small>` : ''}</dd></div><div><dt>${t('limit')}</dt><dd>${c.tps ? rate(c.tps) + t('perSecond') : t('none')}</dd></div></dl>
      ${c.last_error && html`<p class="fail small">${t('lastError')}: <bdi dir="ltr">${c.last_error}</bdi></p>`}
      ${c.links?.length > 0 && html`<details><summary>${t('binds')} (${c.links.length})</summary><${Table} id=${'binds'} columns=${bindColumns} rows=${c.links} noun=${t('rows')} filter=${false} rowKey=${b => b.index}/></details>`}</section>`)}
    ${stopping && html`<${Ask} title=${t('stopAsk', { name: stopping.name })} yes=${t('stop')} danger onYes=${() => act(stopping, 'stop')} onNo=${() => setStopping(null)}>${t('stopSays', { n: count(stopping.queued) })}</${Ask}>`}</div>`;
}

const bindColumns = [
  { key: 'index', label: t('bind'), num: true, width: 8, get: b => b.index }, { key: 'type', label: t('type'), width: 12, get: b => b.type }, { key: 'state', label: t('state'), width: 16, get: b => b.state, show: (v, b) => html`<${Badge} state=${v === 'bound' ? 'up' : v} label=${v}/>${b.throttled ? ' ' + t('throttled') : ''}` },
  { key: 'since', label: t('since'), width: 21, get: b => b.since, show: v => html`<${When} at=${v}/>` }, { key: 'window', label: t('windowUse'), num: true, width: 12, get: b => b.in_flight, show: (v, b) => html`<bdi dir="ltr">${v} / ${b.window}</bdi>` },
  { key: 'lost', label: t('unanswered'), num: true, width: 12, get: b => b.unanswered, show: count }, { key: 'error', label: t('error'), width: 30, grow: true, get: b => b.error ?? '', show: v => html`<bdi dir="ltr">${v || none}</bdi>` },
];

const list = v => v?.length ? v.join(', ') : '';
function takes(m = {}) {
  const all = [['+', m.prefixes], [t('sender') + ' ', m.senders], [t('account') + ' ', m.accounts], ['', m.encodings], ['', m.priorities], ['#', m.tags], [t('text') + ' ', m.keywords]].filter(([, v]) => v?.length).map(([before, v]) => before + list(v));
  if (m.text) all.push('/' + m.text + '/');
  if (m.windows?.length) all.push('⏲');
  return all.join(' · ') || t('everything');
}

const ruleColumns = [
  { key: 'priority', label: t('order'), num: true, width: 9, get: r => r.priority }, { key: 'name', label: t('name'), width: 18, get: r => r.name, show: v => html`<bdi>${v}</bdi>` }, { key: 'match', label: t('matches'), width: 30, grow: true, get: r => takes(r.match), show: v => html`<bdi>${v}</bdi>` },
  { key: 'strategy', label: t('strategy'), width: 14, get: r => r.strategy }, { key: 'targets', label: t('targets'), width: 24, get: r => r.targets.map(a => a.connector).join(', '), show: v => html`<bdi dir="ltr">${v}</bdi>` },
  { key: 'state', label: t('state'), width: 13, get: r => r.disabled ? 'disabled' : 'active', show: v => html`<${Badge} state=${v} label=${t(v)}/>` },
];
const judgedColumns = [
  { key: 'name', label: t('route'), width: 18, get: r => r.route, show: v => html`<bdi>${v}</bdi>` }, { key: 'verdict', label: t('verdict'), width: 14, get: r => r.verdict, show: v => html`<${Badge} state=${v}/>` },
  { key: 'why', label: t('why'), width: 40, grow: true, get: r => list(r.reasons), show: v => html`<bdi dir="ltr">${v || none}</bdi>` },
];

export function Routes() {
  const { data, error, again } = useAsked('/routes', 5000);
  const form = useForm({ to: '', from: '', text: '', account: '' });
  const [said, say] = useState(null);
  const go = e => { e.preventDefault(); say(null); form.run(async v => { const body = { to: v.to.trim(), text: v.text }; if (v.from.trim()) body.from = v.from.trim(); if (v.account.trim()) body.account = v.account.trim(); say(await ask('POST', '/routes/test', body)); }); };
  return html`<div class="stack"><${Wrong} error=${error} again=${again}/><section class="card">${!data ? !error && html`<${Loading} tall/>` : html`<${Table} id="routes" columns=${ruleColumns} rows=${data.routes} noun=${t('rows')} rowKey=${r => r.id} empty=${html`<${Nothing} title=${t('noRoutes')} hint=${t('noRoutesHint')}/>`}/>`}</section>
    <form class="card stack" onSubmit=${go} id="dryrun"><div><h2>${t('dryRun')}</h2><p class="dim small">${t('dryRunHint')}</p></div><${Wrong} error=${restOf(form.problem, ['to', 'from', 'text', 'account'])}/>
      <div class="formgrid"><${Field} id="to" label=${t('recipient')} dir="ltr" required ...${form.field('to')}/><${Field} id="from" label=${t('sender')} dir="ltr" ...${form.field('from')}/><${Field} id="account" label=${t('account')} dir="ltr" ...${form.field('account')}/><${Field} id="text" label=${t('text')} dir="auto" ...${form.field('text')}/></div>
      <div class="row"><button class="primary" id="try" disabled=${form.busy}>${t('tryOut')}</button></div>
      ${said && html`<div class=${'banner ' + (said.connector ? 'good' : 'bad')} role="status" id="said"><b>${said.connector ? t('wouldGo', { c: said.connector, r: said.route || '–' }) : t('noMatch')}</b><span><bdi dir="ltr">${said.why}</bdi></span></div>
        ${said.rules?.length > 0 && html`<${Table} id="judged" columns=${judgedColumns} rows=${said.rules} noun=${t('rows')} filter=${false} rowKey=${r => r.route_id}/>`}`}</form></div>`;
}
