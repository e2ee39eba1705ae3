// The charts of the run: all on one time axis, with one cursor.
import { html, useEffect, useState, count, rate, share, latency, bytes, byUnit, memory, Empty } from './ui.js';
import { Chart } from './chart.js';
import { Menu } from './table.js';
import { ask, column, columns, extra, state } from './store.js';

const levels = ['p50', 'p66', 'p75', 'p80', 'p90', 'p95', 'p98', 'p99', 'p999', 'p9999', 'max'];
const palette = { p50: '1', p66: '4', p75: '5', p80: '6', p90: '4', p95: '2', p98: '5', p99: '3', p999: '6', p9999: '5', max: 'bad' };

const zero = values => values.map(v => v ?? null);
const percent = v => share(v);

// useAll are the charts of earlier runs in front of the current one.
function useAll(on, number) {
  const [runs, set] = useState(null);
  useEffect(() => { if (on) ask('api/history?runs=all').then(h => set(h.runs), () => {}); else set(null); }, [on, number]);
  return runs;
}

export function Charts({ tick }) {
  const [chosen, setChosen] = useState(() => memory.get('percentiles', ['p50', 'p95', 'p99']));
  const [all, setAll] = useState(false);
  const past = useAll(all, tick.run?.number);
  if (!state.cols || state.cols[0].length === 0) return html`<section class="card"><${Empty} title="No chart yet">Charts begin with the first second of a test, and a reload shows the whole run.</${Empty}></section>`;
  const names = state.config.quantiles;
  const flip = level => { const next = levels.filter(l => l === level ? !chosen.includes(l) : chosen.includes(l)); setChosen(next); memory.set('percentiles', next); };
  let col = column, markers = tick.run.markers;
  if (all && past) {
    const before = past.filter(r => r.number !== tick.run.number);
    const cols = columns(before.flatMap(r => r.points).concat(transpose(state.cols, state.config.point_columns.length)));
    col = name => cols[state.config.point_columns.indexOf(name)];
    markers = before.flatMap(r => r.markers.slice(0, 1)).concat(tick.run.markers);
  }
  const x = col('x'), base = { x, markers, started: all ? 0 : tick.run.started };
  const limits = (tick.verdict?.rows ?? []).filter(r => chosen.includes(r.metric) && (r.decides || !tick.verdict.named)).map(r => ({ label: `${r.metric} ${r.limit}`, value: r.value * 1000, color: palette[r.metric] }));
  const throttled = col('throttled').some(v => v > 0);
  const rates = col('rate').some(v => v > 0);
  const picker = html`<${Menu} label="Percentiles">${levels.map((l, i) => html`<label class="check" key=${l}><input type="checkbox" checked=${chosen.includes(l)} onChange=${() => flip(l)}/>${names[i]}</label>`)}</${Menu}>`;
  return html`<div class="stack"><div class="row" style=${{ justifyContent: 'space-between' }}>
      <span class="dim small">Drag over a chart to zoom, double-click to see all.${state.cols[0].length > 1 && column('width')[0] > 1.5 ? ' The older part has one point for 10 s and more; its percentiles are exact.' : ''}</span>
      ${tick.run.number > 1 && html`<label class="check"><input type="checkbox" checked=${all} onChange=${e => setAll(e.target.checked)}/>Earlier runs, too</label>`}</div>
    <div class="charts">
    <${Chart} ...${base} title="Requests per second" show=${rate} series=${[{ label: 'requests/s', values: col('requests'), color: '1', fill: true }, { label: 'failures/s', values: col('failures'), color: 'bad' }, ...(throttled ? [{ label: 'throttled/s', values: col('throttled'), color: '2' }] : [])]}/>
    <${Chart} ...${base} title="Response time" show=${latency} log=${true} limits=${limits} tools=${picker} series=${levels.map((l, i) => ({ label: names[i], values: col(l), color: palette[l], level: l })).filter(s => chosen.includes(s.level))}/>
    <${Chart} ...${base} title="Messages and receipts per second" show=${rate} series=${[{ label: 'messages/s', values: col('messages'), color: '1' }, { label: 'DLR/s', values: col('receipts'), color: '4' }]}/>
    <${Chart} ...${base} title=${rates ? 'Users and rate' : 'Users'} show=${count} series=${[{ label: 'users', values: col('users'), color: '3', fill: true }, ...(rates ? [{ label: 'iterations/s wanted', values: col('rate'), color: '2' }] : [])]}/>
    <${OneName} tick=${tick} levels=${chosen}/>
    <${Generator} tick=${tick}/>
    </div></div>`;
}

const transpose = (cols, width) => cols[0].map((_, i) => cols.slice(0, width).map(c => c[i]));

// OneName is the timeline of one request name, asked for when it is chosen.
function OneName({ tick, levels: chosen }) {
  const names = (tick.rows ?? []).map(r => r[0] + '\t' + r[1]);
  const [wanted, setWanted] = useState('');
  const name = names.includes(wanted) ? wanted : names[0] ?? '';
  const [series, set] = useState(null);
  const pace = tick.busy ? Math.floor(tick.run.seq / 3) : tick.state;
  useEffect(() => {
    if (!name) return;
    let off = false;
    const [method, path] = name.split('\t');
    ask(`api/series?method=${encodeURIComponent(method)}&name=${encodeURIComponent(path)}`).then(s => !off && set({ ...s, name }), () => {});
    return () => { off = true; };
  }, [name, pace, tick.run.number]);
  if (!name) return null;
  const fresh = series?.name === name && series.run === tick.run.number ? series : null;
  const at = i => fresh ? fresh.points.map(p => p[i]) : [];
  const base = { x: at(0), markers: tick.run.markers, started: tick.run.started };
  const choose = html`<select class="small" id="one-name" aria-label="Request name" value=${name} onChange=${e => setWanted(e.target.value)}>${names.map(n => html`<option value=${n} key=${n}>${n.replace('\t', ' ')}</option>`)}</select>`;
  const qs = state.config.quantiles;
  return html`<${Chart} ...${base} title="One name" tools=${choose} show=${rate} series=${[{ label: 'requests/s', values: at(2), color: '1', fill: true }, { label: 'failures/s', values: at(3), color: 'bad' }]}/>
    <${Chart} ...${base} title=${'Response time of ' + name.split('\t')[1]} show=${latency} log=${true} series=${levels.map((l, i) => ({ label: qs[i], values: at(5 + i), color: palette[l], level: l })).filter(s => chosen.includes(s.level))}/>`;
}

export function Generator({ tick }) {
  const base = { x: column('x'), markers: tick.run.markers, started: tick.run.started };
  const dropped = column('dropped');
  return html`<${Chart} ...${base} title="Load tester: lateness of starts" show=${latency} limits=${[{ label: 'late above 25 ms', value: 25, color: '2' }]} series=${[{ label: 'p95', values: column('late_p95'), color: '4' }]}/>
    <${Chart} ...${base} title=${dropped.some(v => v > 0) ? 'Load tester: dropped iterations' : 'Load tester: CPU'} show=${dropped.some(v => v > 0) ? count : percent} top=${dropped.some(v => v > 0) ? 0 : 1}
      series=${dropped.some(v => v > 0) ? [{ label: 'dropped', values: zero(dropped), color: 'bad' }] : [{ label: 'of the machine', values: column('generator_cpu'), color: '4' }, { label: 'stolen by the host', values: column('steal'), color: 'bad' }]}/>`;
}

export function DeliveryCharts({ tick }) {
  if (!state.cols) return null;
  const base = { x: column('x'), markers: tick.run.markers, started: tick.run.started };
  return html`<div class="charts"><${Chart} ...${base} title="Messages and receipts per second" show=${rate} series=${[{ label: 'messages/s', values: column('messages'), color: '1' }, { label: 'DLR/s', values: column('receipts'), color: '4' }]}/>
    <${Chart} ...${base} title="Messages that await their receipt" show=${count} series=${[{ label: 'open', values: column('open'), color: '2', fill: true }]}/></div>`;
}

// System is what the target, and what stands behind it, says about itself: whatever series there are, by source.
export function System({ tick }) {
  if (!state.cols) return html`<section class="card"><${Empty} title="No run yet">CPU and memory of the target, and every other series that the run samples, appear with the first test.</${Empty}></section>`;
  const base = { x: column('x'), markers: tick.run.markers, started: tick.run.started };
  const limit = metric => (tick.verdict?.rows ?? []).filter(r => r.metric === metric && (r.decides || !tick.verdict.named)).map(r => ({ label: 'target ' + r.limit, value: r.value, color: '2' }));
  const measured = name => column(name).some(v => v != null);
  const groups = {};
  (tick.run.series ?? []).forEach((s, i) => (groups[s.source + '\u0000' + s.unit] ??= []).push({ ...s, i }));
  const off = (tick.run.series ?? []).filter(s => s.off);
  const builtin = measured('target_cpu') || measured('target_memory');
  return html`<div class="stack">
    ${!builtin && html`<div class="banner"><b>The target’s CPU and memory are not measured.</b><span>They come from its /metrics: process_cpu_seconds_total and process_resident_memory_bytes.</span></div>`}
    ${off.length > 0 && html`<div class="banner warn"><b>Not measured now:</b><span>${off.map(s => `${s.label || s.name} (${s.off})`).join(', ')}</span></div>`}
    <div class="charts">
    ${builtin && html`<${Chart} ...${base} title="CPU of the target" show=${percent} top=${1} limits=${limit('cpu')} series=${[{ label: 'of its cores', values: column('target_cpu'), color: '1', fill: true }]}/>
    <${Chart} ...${base} title="Memory of the target" show=${percent} top=${1} limits=${limit('memory')} series=${[{ label: 'of its limit', values: column('target_memory'), color: '3', fill: true }]}/>
    <${Chart} ...${base} title="Resident memory" show=${bytes} binary=${true} series=${[{ label: 'target, without mapped files', values: column('target_rss'), color: '3' }, { label: 'load tester', values: column('generator_rss'), color: '4' }]}/>`}
    ${Object.values(groups).flatMap(list => chunk(list, 6)).map(list => html`<${Chart} key=${list[0].name} ...${base} title=${list.length === 1 ? list[0].label || list[0].name : list[0].source || list[0].label} note=${list.length === 1 ? list[0].source : ''} show=${byUnit(list[0].unit)} binary=${list[0].unit.startsWith('bytes')}
      series=${list.map((s, n) => ({ label: s.label || s.name, values: extra(s.i), color: String(n % 6 + 1) }))}/>`)}
    <${Generator} tick=${tick}/></div></div>`;
}

const chunk = (list, n) => list.length <= n ? [list] : [list.slice(0, n), ...chunk(list.slice(n), n)];
