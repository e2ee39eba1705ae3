// The tabs other than the charts.
import { html, useEffect, useMemo, useState, count, rate, share, latency, millis, bytes, clock, zone, span, none, byUnit, Empty, memory, isDark, CopyButton } from './ui.js';
import { Table } from './table.js';
import { ask, state, rowIndex } from './store.js';

const figure = (key, label, show, width, more) => ({ key, label, num: true, width, show, get: r => r[rowIndex(key)], ...more });
let statColumns = null;
const statistics = () => statColumns ??= [
  { key: 'method', label: 'Type', width: 10, get: r => r[0], cls: () => 'method' },
  { key: 'name', label: 'Name', width: 28, grow: true, get: r => r[1] || (r === state.tick.total ? 'Aggregated' : '') },
  figure('requests', '# Requests', count, 12),
  figure('failures', '# Fails', count, 9, { cls: r => r[rowIndex('failures')] > 0 ? 'bad' : '' }),
  figure('throttled', '# Throttled', count, 11, { hidden: true }),
  figure('p50', 'Median', millis, 9, { title: 'Median response time, ms' }),
  figure('p66', '66 %', millis, 9, { hidden: true }), figure('p75', '75 %', millis, 9, { hidden: true }), figure('p80', '80 %', millis, 9, { hidden: true }),
  figure('p90', '90 %', millis, 9, { hidden: true }),
  figure('p95', '95 %', millis, 9, { title: '95th percentile of the response time, ms' }),
  figure('p98', '98 %', millis, 9, { hidden: true }),
  figure('p99', '99 %', millis, 9, { title: '99th percentile of the response time, ms' }),
  figure('p999', '99.9 %', millis, 9, { hidden: true }), figure('p9999', '99.99 %', millis, 9, { hidden: true }),
  figure('avg', 'Average', millis, 10, { title: 'Average response time, ms' }),
  figure('min', 'Min', millis, 9), figure('max', 'Max', millis, 9),
  figure('size', 'Size', count, 9, { title: 'Average size of an answer, bytes' }),
  figure('messages', '# Messages', count, 12, { hidden: true }),
  figure('rps', 'RPS', rate, 9, { title: 'Requests a second, last 10 s' }),
  figure('fps', 'Fails/s', rate, 11, { title: 'Failures a second, last 10 s', cls: r => r[rowIndex('fps')] > 0 ? 'bad' : '' }),
];

export function Statistics({ tick }) {
  const rows = tick.rows ?? [];
  return html`<section class="card"><${Table} id="requests" columns=${statistics()} rows=${rows} total=${rows.length ? tick.total : null} rowKey=${r => r[0] + ' ' + r[1]} noun="names"
    empty=${html`<${Empty} title="No request yet">The first answers show up here a second after the first users have started.</${Empty}>`}/>
    ${rows.length > 0 && html`<p class="dim small" style=${{ marginTop: '32px' }}>Times in ms, since the start of the run or the last reset. RPS and fails/s over the last 10 s.</p>`}</section>`;
}

// useFetched asks again when key changes, at most every two seconds.
function useFetched(path, key) {
  const [got, set] = useState({ data: null, error: '' });
  const [round, again] = useState(0);
  useEffect(() => {
    let off = false;
    ask(path).then(data => !off && set({ data, error: '' }), e => !off && set(old => ({ ...old, error: e.message })));
    return () => { off = true; };
  }, [path, key, round]);
  return { ...got, again: () => again(round + 1) };
}

const Broken = ({ error, again }) => html`<div class="banner bad" role="alert"><b>✗</b><span>${error}</span><button onClick=${again}>Try again</button></div>`;

const failureColumns = [
  { key: 'count', label: '# Failures', num: true, width: 14, show: count, get: r => r[0] },
  { key: 'method', label: 'Type', width: 9, get: r => r[1], cls: () => 'method' },
  { key: 'name', label: 'Name', width: 30, get: r => r[2] },
  { key: 'error', label: 'Message', width: 50, grow: true, get: r => r[3] },
  { key: 'first', label: 'First seen', num: true, width: 13, get: r => r[4], show: v => html`<span title=${zone(v)}>${clock(v)}</span>` },
  { key: 'last', label: 'Last seen', num: true, width: 15, get: r => r[5], show: v => html`<span title=${zone(v)}>${clock(v)}</span>` },
];

export function Failures({ tick }) {
  const pace = tick.busy ? Math.floor((tick.run?.seq ?? 0) / 3) : 'end';
  const f = useFetched('api/failures', (tick.run?.number ?? 0) + '.' + pace + '.' + (tick.failures > 0));
  const rows = f.data?.rows ?? [];
  return html`<section class="card">${f.error && html`<${Broken} ...${f}/>`}
    <${Table} id="failures" columns=${failureColumns} rows=${rows} rowKey=${r => r[1] + r[2] + r[3]} sort=${{ key: 'count', down: true }} noun="errors"
    empty=${f.data && html`<${Empty} title=${tick.total?.[2] ? 'No request has failed ✓' : 'Nothing has failed yet'}>Failed requests are listed here by name and error text, the most frequent first. Throttled answers are no failures.</${Empty}>`}/></section>`;
}

export function Exceptions({ tick }) {
  const f = useFetched('exceptions', (tick.run?.number ?? 0) + '.' + tick.exceptions + '.' + (tick.exceptions ? Math.floor((tick.run?.seq ?? 0) / 5) : 0));
  const list = f.data?.exceptions ?? [];
  return html`<section class="card">${f.error && html`<${Broken} ...${f}/>`}
    ${f.data && !list.length && html`<${Empty} title="No task has broken">Tasks of a scenario that panic, or users that can not start, are listed here with their traceback.</${Empty}>`}
    ${list.map(e => html`<details class="exception" key=${e.msg}><summary><b>${count(e.count)}</b><span>${e.msg}</span></summary><pre class="trace">${e.traceback || 'No traceback.'}</pre></details>`)}</section>`;
}

export function Ratio({ tick }) {
  const f = useFetched('tasks', tick.run?.number ?? 0);
  if (!f.data) return f.error ? html`<${Broken} ...${f}/>` : html`<div class="skeleton"></div>`;
  const part = (title, classes, note) => html`<section class="card"><div class="head"><h2>${title}</h2><span class="dim small">${note}</span></div><ul class="ratio">
    ${Object.entries(classes).map(([name, c]) => html`<li class="top" key=${name}><span>${name}</span><span class="of">${share(c.ratio)}</span><span class="bar0"><i style=${{ width: c.ratio * 100 + '%' }}></i></span></li>
      ${Object.entries(c.tasks).sort((a, b) => b[1].ratio - a[1].ratio).map(([t, r]) => html`<li key=${name + t}><span class="task">${t}</span><span class="of">${share(r.ratio)}</span><span class="bar0"><i style=${{ width: r.ratio * 100 + '%' }}></i></span></li>`)}`)}</ul></section>`;
  return html`<div class="two">${part('Per class', f.data.per_class, 'share of the users, and of a class’s iterations')}${part('In total', f.data.total, 'share of all iterations, if each class ran at one pace')}</div>`;
}

const signs = { pass: '✓', acceptable: '~', invalid: '?', fail: '✗' };

export function Targets({ tick }) {
  const v = tick.verdict;
  if (!v) return html`<section class="card"><${Empty} title="No judgement yet">The targets are judged over the measured window: the time at full load, less the warm-up.</${Empty}></section>`;
  const window = v.to > v.from ? `${span(v.to - v.from)} measured, from ${span(v.from)} to ${span(v.to)}` : 'the load has not stood still yet: no measured window';
  const row = r => html`<tr key=${r.label + r.decides}><th><span class=${'sign ' + r.class}>${signs[r.class] ?? none}</span>${r.label}</th><td class="n">${r.limit}</td><td class="n ok">${r.acceptable}</td>
    <td class="n strong">${r.measured}</td><td class="n whole dim">${r.whole}</td><td class=${r.class}>${r.grade}${r.why && html`<small>${r.why}</small>`}</td></tr>`;
  const named = v.rows.filter(r => r.decides || !v.named), rest = v.rows.filter(r => !r.decides && v.named);
  return html`<section class="card"><div class="head"><div><div class=${'word ' + v.class}>${tick.busy && v.word === 'DONE' ? 'SO FAR' : v.word}</div>
      <p class="dim small">${tick.busy ? 'So far: ' : ''}${window}</p></div></div>
    <div class="hscroll"><table class="plain"><thead><tr><th>Metric</th><th class="n">Target</th><th class="n ok">Acceptable</th><th class="n">Measured</th><th class="n whole">Whole run</th><th>Grade</th></tr></thead>
    <tbody>${named.map(row)}${rest.length > 0 && html`<tr class="group"><th colspan="6">The guide’s other targets, for reference</th></tr>`}${rest.map(row)}</tbody></table></div>
    ${v.reasons.map(r => html`<p class="dim small" style=${{ marginTop: '8px' }}>${r}</p>`)}</section>`;
}

export function Delivery({ tick, charts }) {
  const l = tick.ledger;
  if (!l) return html`<section class="card"><${Empty} title="Nothing was sent yet">Every message is followed from its submit to its delivery receipt; this is where none can hide.</${Empty}></section>`;
  const of = n => l.accepted ? share(n / l.accepted) : '';
  const lines = [
    [0, 'Messages sent', l.issued], [1, 'rejected or throttled', l.rejected], [1, 'unanswered', l.unanswered, '', l.unanswered > 0], [1, 'answer awaited', l.awaiting], [1, 'accepted', l.accepted],
    [2, 'delivered', l.delivered, of(l.delivered)], [2, 'failed by the SMSC', l.failed, of(l.failed)], [2, 'receipt awaited', l.open, of(l.open)],
    [2, 'pending after the drain', l.pending, '', l.pending > 0], [2, 'lost', l.lost, '', l.lost > 0],
    [0, 'Receipts', l.receipts], [1, 'duplicate', l.duplicate_receipts], [1, 'without a submit', l.receipts_without_submit, '', l.receipts_without_submit > 0], [1, 'before the response', l.receipts_before_response],
  ];
  const parts = [['delivered', 'pass', l.delivered], ['failed by the SMSC', 'acceptable', l.failed], ['receipt awaited', 'open', l.open + l.pending], ['lost', 'fail', l.lost]].filter(p => p[2] > 0);
  const d = tick.dlr, names = state.config.quantiles;
  const closes = l.issued === l.accepted + l.rejected + l.unanswered + l.awaiting && l.accepted === l.delivered + l.failed + l.open + l.pending + l.lost;
  return html`<div class="stack"><div class="two"><section class="card"><div class="head"><h2>Ledger</h2><span class=${'small ' + (closes ? 'pass' : 'fail')}>${closes ? '✓ it closes: every message is in one line' : tick.busy ? '… being counted' : '✗ it does not close'}</span></div>
    ${parts.length > 0 && html`<div class="stackbar" role="img" aria-label="What became of the accepted messages">${parts.map(p => html`<i class=${p[1]} style=${{ flexGrow: p[2] }}></i>`)}</div>
      <div class="key">${parts.map(p => html`<span><i class=${p[1]}></i>${p[0]} ${of(p[2])}</span>`)}</div>`}
    <table class="plain ledger"><tbody>${lines.map(([depth, label, n, note, bad]) => html`<tr class=${'d' + depth + (bad ? ' bad' : '')}><th>${label}</th><td class="n">${count(n)}</td><td class="n dim">${note ?? ''}</td></tr>`)}</tbody></table></section>
    <section class="card"><div class="head"><h2>Submit → DLR</h2><span class="dim small">${count(d[0])} receipts</span></div>
    ${d[0] ? html`<dl class="facts"><div><dt>average</dt><dd>${latency(d[1])}</dd></div>${names.map((n, i) => html`<div><dt>${n}</dt><dd>${latency(d[2 + i])}</dd></div>`)}</dl>`
      : html`<${Empty} title="No receipt yet">The time from a submit to its delivery receipt shows up here. With --no-receipts none are asked for.</${Empty}>`}</section></div>${charts}</div>`;
}

const workerColumns = [
  { key: 'id', label: 'Worker', width: 24, grow: true, get: w => w[0] }, { key: 'host', label: 'Machine', width: 18, get: w => w[1] },
  { key: 'state', label: 'State', width: 12, get: w => w[2], cls: w => /missing|lost/.test(w[2]) ? 'bad' : '' },
  { key: 'users', label: '# Users', num: true, width: 10, show: count, get: w => w[3] },
  { key: 'rps', label: 'RPS', num: true, width: 10, show: rate, get: w => w[6] },
  { key: 'cpu', label: 'CPU', num: true, width: 9, show: share, get: w => w[4] },
  { key: 'memory', label: 'Memory', num: true, width: 12, show: bytes, get: w => w[5] },
  { key: 'clock', label: 'Clock offset', num: true, width: 13, show: latency, get: w => w[7] },
  { key: 'note', label: 'Note', width: 30, get: w => w[8] },
];

export function Workers({ tick }) {
  return html`<section class="card"><${Table} id="workers" columns=${workerColumns} rows=${tick.workers ?? []} rowKey=${w => w[0]} noun="workers"
    empty=${html`<${Empty} title=${state.config.distributed ? 'No worker has joined yet' : 'This process does it alone'}>
      ${state.config.distributed ? 'Start protei-bulk load --worker --master-host HERE on other machines; they show up here within a second.' : 'A test on many machines is started with protei-bulk load --master, and --worker on the others.'}</${Empty}>`}/></section>`;
}

export function Logs({ tick, onSeen }) {
  const f = useFetched('api/logs', tick.logs);
  const [words, setWords] = useState('');
  useEffect(() => { onSeen(tick.alerts); }, [tick.alerts]);
  const lines = (f.data?.lines ?? []).filter(l => !words || (l.text + l.level + l.from).toLowerCase().includes(words.toLowerCase())).reverse();
  return html`<section class="card"><div class="tools"><input type="search" placeholder="Filter" aria-label="Filter lines" value=${words} onInput=${e => setWords(e.target.value)}/>
    <span class="dim small">${count(lines.length)} ${lines.length === 1 ? 'line' : 'lines'}, the newest first</span><span style=${{ flex: 1 }}></span>
    <${CopyButton} text=${() => [...lines].reverse().map(l => new Date(l.at).toISOString() + ' ' + l.level + ' ' + l.text).join('\n')} label="Copy"/></div>
    ${f.error && html`<${Broken} ...${f}/>`}
    <div class="loglines" tabindex="0">${lines.length === 0 ? html`<span class="dim">No line${words ? ' with these words' : ' yet'}.</span>` : lines.map(l => html`<div key=${l.at + l.text} class=${l.level}><time title=${zone(l.at)}>${clock(l.at)}</time>${l.level !== 'INFO' ? l.level + '  ' : ''}${l.from ? '[' + l.from + '] ' : ''}${l.text}</div>`)}</div></section>`;
}

export function Download({ tick }) {
  const theme = isDark() ? 'dark' : 'light';
  if (!tick.run) return html`<section class="card"><${Empty} title="Nothing to download yet">After the first test has started: its report and Locust’s CSV files.</${Empty}></section>`;
  const item = (title, text, ...links) => html`<li><div><b>${title}</b><div class="dim small">${text}</div></div><div class="row">${links.map(([href, label, blank]) => html`<a class="button" href=${href} target=${blank ? '_blank' : null}>${label}</a>`)}</div></li>`;
  return html`<section class="card"><ul class="downloads">
    ${item('Report', 'Verdict, charts, tables and ledger in one HTML file that opens offline.' + (tick.busy ? ' The run so far.' : ''), ['stats/report?theme=' + theme, 'Open', true], ['stats/report?download=1', 'Download'])}
    ${item('Requests, CSV', 'One row a name, with eleven percentiles.', ['stats/requests/csv', 'Download'])}
    ${item('Full history, CSV', 'One row a second, wider in the older part of a long run.', ['stats/requests_full_history/csv', 'Download'])}
    ${item('Failures, CSV', 'One row an error text.', ['stats/failures/csv', 'Download'])}
    ${item('Exceptions, CSV', 'One row a broken task.', ['exceptions/csv', 'Download'])}
  </ul></section>
  <section class="card"><div class="head"><h2>The same from a terminal</h2><${CopyButton} text=${tick.run.command} label="Copy command"/></div><pre class="command">${tick.run.command}</pre></section>`;
}
