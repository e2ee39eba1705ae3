import { html, render, useEffect, useState, count, rate, share, latency, span, none, Tile, Tabs, ThemeButton, memory } from './ui.js';
import { column, rowIndex, start, state, subscribe } from './store.js';
import { Edit, ResetButton, StartForm, StopButton } from './form.js';
import { Charts, DeliveryCharts, System } from './charts.js';
import { Delivery, Download, Exceptions, Failures, Logs, Ratio, Statistics, Targets, Workers } from './views.js';

const words = { ready: 'Ready', starting: 'Starting', spawning: 'Ramping', running: 'Running', stopping: 'Stopping', draining: 'Draining', stopped: 'Stopped', failed: 'Not started' };
const looks = { starting: 'wait', spawning: 'wait', running: 'go', stopping: 'wait', draining: 'wait', failed: 'bad' };
const verdictSigns = { pass: '✓', acceptable: '~', invalid: '?', fail: '✗' };
const signs = { go: '●', wait: '◐', bad: '✗' };

function useStore() {
  const [, set] = useState(0);
  useEffect(() => subscribe(() => set(n => n + 1)), []);
  return state;
}

function Header({ tick, onNew, formOpen }) {
  const [editing, setEditing] = useState(false);
  const run = tick.run, total = tick.total, look = looks[tick.state] ?? '';
  const rps = total?.[rowIndex('rps')] ?? 0, failures = total ? total[rowIndex('failures')] / (total[rowIndex('requests')] || 1) : 0;
  const live = tick.state === 'spawning' || tick.state === 'running';
  const ended = tick.state === 'stopped' && total;
  return html`<header class="bar"><div class="page first">
    <div class="brand"><img src="icon.svg" alt="" width="28" height="28"/><div class="where"><b>Load test</b><span title=${run?.host}>${run?.host ?? state.config.form.host}</span></div></div>
    <div class="now" aria-live="off"><span class=${'pill ' + look} id="state" data-state=${tick.state}>${signs[look] ?? '○'} ${words[tick.state]}</span>
      ${tick.state === 'stopped' && tick.verdict && html`<span class=${'pill ' + ({ pass: 'go', acceptable: 'wait', invalid: 'wait', fail: 'bad' }[tick.verdict.named ? tick.verdict.class : ''] ?? '')} id="verdict">${verdictSigns[tick.verdict.named ? tick.verdict.class : ''] ?? ''} ${tick.verdict.word}</span>`}
      ${live && html`<span class="fig"><b id="users">${count(tick.users)}</b> <span class="dim">users</span></span>`}
      ${tick.workers && html`<span class="fig"><b>${tick.workers.length}</b> <span class="dim">workers</span></span>`}
      ${live && html`<span class="fig"><b>${rate(rps)}</b> <span class="dim">req/s</span></span>`}
      ${ended && html`<span class="fig"><b>${count(total[2])}</b> <span class="dim">requests</span></span>`}
      ${total && html`<span class=${'fig ' + (failures > 0 ? 'fail' : '')}><b>${share(failures)}</b> <span class=${failures > 0 ? '' : 'dim'}>failures</span></span>`}
      ${tick.ledger && html`<span class=${'fig ' + (tick.ledger.lost ? 'fail' : '')}><b>${count(tick.ledger.lost)}</b> <span class=${tick.ledger.lost ? '' : 'dim'}>lost</span></span>`}
      ${run && tick.elapsed > 0 && html`<span class="fig dim">${span(tick.elapsed)}</span>`}</div>
    <div class="acts">
      ${live && html`<button id="edit" onClick=${() => setEditing(true)}>Edit</button>`}
      ${total && (live || tick.state === 'stopped') && !formOpen && html`<${ResetButton} tick=${tick}/>`}
      ${tick.busy && html`<${StopButton} tick=${tick}/>`}
      ${!tick.busy && run && !formOpen && html`<button class="primary" id="new" onClick=${onNew}>New test</button>`}
      <${ThemeButton}/>
      ${state.config.login && html`<form method="post" action="logout"><button class="quiet">Sign out</button></form>`}</div>
    ${editing && html`<${Edit} tick=${tick} onClose=${() => setEditing(false)}/>`}
  </div></header>`;
}

function Tiles({ tick }) {
  const last = (name, n = 60) => column(name).slice(-n), t = tick.total, at = name => t?.[rowIndex(name)];
  const now = tick.point, p = name => now?.[state.config.point_columns.indexOf(name)];
  const split = text => { const [v, ...unit] = text.split(' '); return { value: v, unit: unit.join(' ') }; };
  const failures = t && at('requests') ? at('failures') / at('requests') : null;
  const drained = tick.state === 'draining' || tick.state === 'stopped';
  const l = tick.ledger;
  return html`<div class=${'tiles' + (state.lost ? ' stale' : '')}>
    <${Tile} name="Requests per second" value=${rate(drained ? (t && tick.loaded ? at('requests') / tick.loaded : null) : at('rps'))} note=${drained ? 'average of the run' : 'last 10 s'} values=${last('requests')}/>
    <${Tile} name="Response time, p95" ...${split(latency(drained ? at('p95') : p('p95') ?? null))} note=${drained ? 'whole run' : 'median ' + latency(p('p50'))} values=${last('p95')}/>
    <${Tile} name="Failures" ...${split(share(failures))} cls=${failures > 0 ? 'fail' : ''} note=${t ? count(at('failures')) + ' of ' + count(at('requests')) : ''} values=${last('failures')}/>
    <${Tile} name="Users" value=${count(tick.users)} note=${tick.rate ? rate(tick.rate) + ' iterations/s wanted' : tick.run?.shape || ''} values=${last('users')}/>
    <${Tile} name="Messages per second" value=${rate(drained ? (l && tick.loaded ? l.accepted / tick.loaded : null) : p('messages'))} note=${l ? rate(p('receipts')) + ' receipts/s' : ''} values=${last('messages')}/>
    <${Tile} name="Receipts awaited" value=${count(l?.open)} cls=${l?.lost ? 'fail' : ''} note=${l ? (l.lost ? '✗ ' : '') + count(l.lost) + ' lost of ' + count(l.accepted) : ''} values=${last('open')}/>
  </div>`;
}

function Banners({ tick }) {
  const hot = tick.busy && tick.overload;
  const saturated = !hot && tick.verdict?.saturated;
  return html`${state.lost && html`<div class="banner warn" role="status" id="lost"><b>◌ No connection to the load tester.</b><span>What you see is from ${new Date(state.seen).toLocaleTimeString('en-GB')}. The page comes back by itself.</span></div>`}
    ${hot && html`<div class="banner warn" role="status" id="overload"><b>! The load tester is overloaded.</b><span>${tick.overload}</span></div>`}
    ${saturated && html`<div class="banner warn" id="saturated"><b>! The load tester ${tick.busy ? 'has been' : 'was'} saturated.</b><span>${tick.verdict.saturated}. A missed TPS or latency target says nothing about the target then.</span></div>`}
    ${tick.state === 'starting' && html`<div class="banner" role="status"><b>Starting.</b><span>${tick.say}</span></div>`}
    ${(tick.state === 'stopping' || tick.state === 'draining') && html`<div class="banner" role="status"><b>${words[tick.state]}.</b><span>${tick.say} ${tick.ledger?.open ? count(tick.ledger.open) + ' open.' : ''}</span></div>`}
    ${tick.state === 'stopped' && tick.say && html`<div class="banner warn"><b>Ended early:</b><span style=${{ whiteSpace: 'pre-wrap' }}>${tick.say}</span></div>`}`;
}

const first = () => location.hash.slice(1) || 'statistics';

function App() {
  const s = useStore();
  const [tab, setTab] = useState(first());
  const [form, setForm] = useState(false);
  const [logsSeen, setLogsSeen] = useState(() => memory.get('logs', 0));
  useEffect(() => { const go = () => setTab(first()); addEventListener('hashchange', go); return () => removeEventListener('hashchange', go); }, []);
  const tick = s.tick;
  useEffect(() => { if (tick?.state === 'failed') setForm(true); }, [tick?.state]);
  useEffect(() => { if (tick) document.title = `${words[tick.state]}${tick.total && tick.busy ? ' · ' + rate(tick.total[rowIndex('rps')]) + ' req/s' : ''} · Load test`; });
  if (s.phase === 'error') return html`<main class="lone"><div class="card stack"><h2>The page could not be read</h2><p class="dim">${s.error}</p><div><button class="primary" onClick=${start}>Try again</button></div></div></main>`;
  if (!tick) return html`<main class="page"><div class="tiles">${[1, 2, 3, 4, 5, 6].map(() => html`<div class="skeleton"></div>`)}</div><div class="skeleton" style=${{ minHeight: '320px' }}></div></main>`;
  const select = id => { history.replaceState(null, '', '#' + id); setTab(id); };
  const seen = n => { setLogsSeen(n); memory.set('logs', n); };
  const showForm = !tick.busy && (form || !tick.run);
  const named = tick.verdict?.rows.filter(r => r.decides && (r.class === 'fail' || r.class === 'invalid')).length ?? 0;
  const tabs = [
    { id: 'statistics', label: 'Statistics' }, { id: 'charts', label: 'Charts' }, { id: 'failures', label: 'Failures', count: tick.failures, bad: true }, { id: 'exceptions', label: 'Exceptions', count: tick.exceptions, bad: true },
    { id: 'ratio', label: 'Ratio' }, { id: 'targets', label: 'Targets', count: named, bad: true }, { id: 'delivery', label: 'Delivery' }, { id: 'system', label: 'Target system' }, { id: 'workers', label: 'Workers', count: tick.workers?.length },
    { id: 'logs', label: 'Logs', dot: tab !== 'logs' && tick.alerts > logsSeen }, { id: 'download', label: 'Download' },
  ];
  const views = {
    statistics: () => html`<${Statistics} tick=${tick}/>`, charts: () => html`<${Charts} tick=${tick}/>`, failures: () => html`<${Failures} tick=${tick}/>`, exceptions: () => html`<${Exceptions} tick=${tick}/>`,
    ratio: () => html`<${Ratio} tick=${tick}/>`, targets: () => html`<${Targets} tick=${tick}/>`, delivery: () => html`<${Delivery} tick=${tick} charts=${html`<${DeliveryCharts} tick=${tick}/>`}/>`,
    system: () => html`<${System} tick=${tick}/>`, workers: () => html`<${Workers} tick=${tick}/>`, logs: () => html`<${Logs} tick=${tick} onSeen=${seen}/>`, download: () => html`<${Download} tick=${tick}/>`,
  };
  return html`<${Header} tick=${tick} formOpen=${showForm} onNew=${() => setForm(true)}/>
    ${!showForm && html`<nav class="bar" style=${{ background: 'var(--card)', borderBottom: '1px solid var(--line)' }} aria-label="Views"><div class="page"><${Tabs} tabs=${tabs} active=${views[tab] ? tab : 'statistics'} onSelect=${select}/></div></nav>`}
    <main class="page"><${Banners} tick=${tick}/>
    ${showForm ? html`<${StartForm} failure=${tick.state === 'failed' ? tick.say : ''} onStarted=${() => setForm(false)} onCancel=${tick.run ? () => setForm(false) : null}/>`
      : html`<${Tiles} tick=${tick}/><div role="tabpanel" aria-labelledby=${'tab-' + tab} class=${'stack' + (s.lost ? ' stale' : '')}>${(views[tab] ?? views.statistics)()}</div>`}
    </main>`;
}

render(html`<${App}/>`, document.getElementById('app'));
start();
