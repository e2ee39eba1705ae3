// Is it all right, what is wrong, where to look next.
import { html, Tile, count, rate, share, none } from './ui.js';
import { Chart } from './chart.js';
import { Table } from './table.js';
import { named, t } from './strings.js';
import { useLive } from './net.js';
import { Badge, Loading, Nothing } from './parts.js';

const split = text => { const [value, ...unit] = text.split(' '); return { value, unit: unit.join(' ') }; };

export function Dashboard() {
  const { tick, points, lost } = useLive();
  if (!tick) return html`<div class="tiles">${[1, 2, 3, 4, 5, 6].map(() => html`<${Loading}/>`)}</div><${Loading} tall/>`;
  const last = points.at(-1) ?? {}, minute = name => points.slice(-60).filter(p => p.at > last.at - 61).map(p => p[name]), x = points.map(p => p.at), all = name => points.map(p => p[name] ?? null);
  const final = tick.delivered + tick.failed, staff = tick.connectors != null;
  const series = (label, name, color, fill) => ({ label, values: all(name), color, fill });
  return html`<div class=${'stack' + (lost ? ' stale' : '')}>
    ${!tick.closes && html`<div class="banner bad" role="alert"><b aria-hidden="true">✗</b> ${t('ledgerOpen')}</div>`}
    ${tick.firing > 0 && html`<div class="banner bad" role="status"><b>${t('alertsNow')}: ${count(tick.firing)}</b> ${(tick.alerts ?? []).map(a => html`<span key=${a}><bdi dir="ltr">${a}</bdi></span>`)}</div>`}
    <div class="tiles">
      <${Tile} name=${t('tpsIn')} value=${rate(last.in)} unit=${t('perSecond')} note=${count(tick.accepted) + ' ' + t('allTime')} values=${minute('in')}/>
      ${staff && html`<${Tile} name=${t('tpsOut')} value=${rate(last.out)} unit=${t('perSecond')} values=${minute('out')}/>`}
      <${Tile} name=${t('deliveryRate')} ...${split(share(final ? tick.delivered / final : null))} note=${t('deliveryNote')} values=${minute('delivered')}/>
      <${Tile} name=${t('failed')} value=${count(tick.failed)} cls=${tick.failed > 0 && last.failed > 0 ? 'fail' : ''} note=${t('failedNote')} values=${minute('failed')}/>
      <${Tile} name=${t('inFlight')} value=${count(tick.in_flight)} note=${tick.closes ? '✓ ' + t('ledgerOK') : ''} values=${minute('inFlight')}/>
      ${staff && html`<${Tile} name=${t('queued')} value=${count(tick.queued)} values=${minute('queued')}/>`}
    </div>
    <div class="charts">
      <${Chart} title=${t('throughput')} x=${x} show=${rate} series=${[series(t('tpsIn'), 'in', '1', true), ...(staff ? [series(t('tpsOut'), 'out', '2')] : [])]}/>
      <${Chart} title=${t('final')} x=${x} show=${rate} series=${[series(t('delivered'), 'delivered', '4', true), series(t('failed'), 'failed', 'bad')]}/>
      <${Chart} title=${t('depth')} x=${x} show=${count} series=${[series(t('inFlight'), 'inFlight', '3'), ...(staff ? [series(t('queued'), 'queued', '1', true)] : [])]}/>
    </div><p class="dim small">${t('waitingHere')}</p>
    ${staff && html`<section class="card"><div class="head"><h2>${t('connectors')}</h2><a href="#/connectors">${t('details')}</a></div>${tick.connectors.length === 0 ? html`<${Nothing} title=${t('noConnectors')} hint=${t('noConnectorsHint')}/>`
      : html`<ul class="links">${tick.connectors.map(c => html`<li key=${c.name}><b><bdi>${c.name}</bdi></b><${Badge} state=${c.state}/><span class="dim">${t('binds')} <bdi dir="ltr">${c.bound}/${c.binds}</bdi></span><span class="dim">${t('inFlight')} ${count(c.in_flight)}</span><span class="dim">${t('queued')} ${count(c.queued)}</span>${c.throttled > 0 && html`<span class="dim">${t('throttled')} ${count(c.throttled)}</span>`}${c.last_error && html`<span class="fail"><bdi dir="ltr">${c.last_error}</bdi></span>`}</li>`)}</ul>`}</section>
    <section class="card"><div class="head"><h2>${t('lanes')}</h2></div><${Table} id="lanes" columns=${laneColumns} rows=${tick.queues} noun="rows" filter=${false} rowKey=${r => r.connector + r.priority} empty=${html`<${Nothing} title=${t('noLanes')} hint=${t('noLanesHint')}/>`}/></section>`}</div>`;
}

const laneColumns = [
  { key: 'connector', label: t('lane'), width: 20, grow: true, get: r => r.connector }, { key: 'priority', label: t('priority'), width: 14, get: r => named('priority', r.priority) },
  { key: 'waiting', label: t('waiting'), num: true, width: 14, get: r => r.waiting, show: count }, { key: 'delayed', label: t('delayed'), num: true, width: 14, get: r => r.delayed, show: count },
  { key: 'memory', label: t('inMemory'), num: true, width: 14, get: r => r.in_memory, show: v => v == null ? none : count(v) },
];
