// A chart over time: uPlot with our tokens, one height and one time axis, a cursor that all charts share, the value of
// every series under it in the legend, limits as lines across and events as lines down.
import { html, isDark, onTheme, clock, count, span, useEffect, useRef, useState } from './ui.js';

const uPlot = globalThis.uPlot;
const height = 188;

const token = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const known = v => v != null && Number.isFinite(v);

// series: {label, values, color: '1'…'6' | 'bad', fill?, hidden?}; limits: {label, value, color}
export function Chart({ title, x, series, show, limits = [], markers = [], log = false, started, zero = true, note, tools, top, binary }) {
  const place = useRef(), plot = useRef(), legend = useRef(), at = useRef(), data = useRef(), zoomed = useRef(false);
  const [theme, setTheme] = useState(isDark());
  useEffect(() => onTheme(() => setTheme(isDark())), []);
  const useLog = log && spread(series) > 10;
  const shape = series.map(s => s.label + s.color).join('|') + useLog + theme + limits.map(l => l.label + l.value).join('|');
  data.current = { x, series, limits, markers, show, started, zero, top };

  // tell puts the values at a point, or the last ones, into the legend.
  const tell = i => {
    const d = data.current, last = d.x.length - 1, k = i ?? last;
    legend.current?.querySelectorAll('b').forEach((b, n) => { b.textContent = k >= 0 ? d.show(d.series[n].values[k]) : '–'; });
    if (at.current) at.current.textContent = i != null && d.x[i] ? clock(d.x[i] * 1000) + (d.started ? '  +' + span(d.x[i] - d.started / 1000) : '') : '';
  };

  useEffect(() => {
    if (!uPlot || !place.current) return;
    const dim = token('--dim'), grid = token('--grid'), line = token('--line');
    const font = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
    const range = (u, low, high) => {
      const d = data.current;
      if (!known(high)) return useLog ? [0.1, 10] : [0, 1];
      for (const l of d.limits) if (l.value < high * 4 && l.value > 0) high = Math.max(high, l.value);
      if (useLog) return [10 ** Math.floor(Math.log10(Math.max(low, 1e-3))), 10 ** Math.ceil(Math.log10(Math.max(high, 1e-2)) + 1e-9)];
      if (d.top && high <= d.top) return [0, d.top];
      const bottom = d.zero ? Math.min(0, low) : low;
      return high === bottom ? [bottom, bottom + 1] : [bottom, high + (high - bottom) * 0.08];
    };
    const time = (u, from, to) => { // of a single moment uPlot would make a day
      const xs = data.current.x;
      if (xs.length > 1) return [from, to];
      const last = xs[0] ?? Date.now() / 1000;
      return [last - 60, last];
    };
    const overlay = u => {
      const ctx = u.ctx, d = data.current, r = devicePixelRatio || 1;
      ctx.save();
      ctx.beginPath(); ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); ctx.clip();
      ctx.font = `${11 * r}px system-ui, sans-serif`;
      let lastLabel = -Infinity;
      for (const [ms, text] of d.markers) {
        const px = u.valToPos(ms / 1000, 'x', true);
        if (px < u.bbox.left - 1 || px > u.bbox.left + u.bbox.width + 1) continue;
        ctx.strokeStyle = dim; ctx.globalAlpha = 0.5; ctx.lineWidth = r; ctx.setLineDash([2 * r, 3 * r]);
        ctx.beginPath(); ctx.moveTo(px, u.bbox.top); ctx.lineTo(px, u.bbox.top + u.bbox.height); ctx.stroke();
        const w = ctx.measureText(text).width;
        if (px < lastLabel) continue;
        ctx.globalAlpha = 0.9; ctx.fillStyle = dim;
        const left = px + 4 * r + w > u.bbox.left + u.bbox.width;
        ctx.textAlign = left ? 'right' : 'left';
        ctx.fillText(text, left ? px - 4 * r : px + 4 * r, u.bbox.top + 12 * r);
        lastLabel = px + w + 12 * r;
      }
      for (const l of d.limits) {
        const py = u.valToPos(l.value, 'y', true);
        if (py < u.bbox.top) continue;
        ctx.globalAlpha = 0.9; ctx.strokeStyle = token('--s' + l.color) || dim; ctx.lineWidth = 1.25 * r; ctx.setLineDash([5 * r, 4 * r]);
        ctx.beginPath(); ctx.moveTo(u.bbox.left, py); ctx.lineTo(u.bbox.left + u.bbox.width, py); ctx.stroke();
      }
      ctx.restore();
    };
    const axis = { stroke: dim, font, grid: { stroke: grid, width: 1 }, ticks: { stroke: line, width: 1, size: 4 } };
    const opts = {
      width: place.current.clientWidth, height, legend: { show: false }, padding: [8, 32, 0, 0],
      cursor: { sync: { key: 'time', setSeries: false }, points: { size: 6 }, drag: { x: true, y: false }, y: false },
      scales: { x: { time: true, range: time }, y: { range, distr: useLog ? 3 : 1, log: 10 } },
      axes: [
        { ...axis, space: 70, size: 30, values: (u, ticks, _a, _f, step) => ticks.map(t => new Date(t * 1000).toLocaleTimeString('en-GB', step >= 60 ? { hour: '2-digit', minute: '2-digit' } : undefined)) },
        { ...axis, size: 62, space: 36, gap: 6, ...(binary ? { incrs: Array.from({ length: 45 }, (_, i) => 2 ** i) } : {}), values: (u, ticks) => ticks.map(t => t == null || useLog && Math.abs(Math.log10(t) % 1) > 1e-6 || data.current.show === count && !Number.isInteger(t) ? '' : data.current.show(t)), ...(useLog ? { filter: (u, splits) => splits } : {}) },
      ],
      series: [{}, ...series.map(s => {
        const color = token('--' + (s.color === 'bad' ? 'bad' : 's' + s.color));
        return { label: s.label, stroke: color, width: 1.5, spanGaps: false, points: { show: false }, fill: s.fill ? color + '1c' : undefined };
      })],
      hooks: { setSelect: [u => { if (u.select.width > 0) zoomed.current = true; }], drawAxes: [overlay], setCursor: [u => tell(u.cursor.idx ?? null)] },
    };
    zoomed.current = false;
    plot.current = new uPlot(opts, aligned(data.current), place.current);
    plot.current.over.addEventListener('dblclick', () => { zoomed.current = false; });
    const watch = new ResizeObserver(() => { const w = place.current?.clientWidth; if (w && plot.current && Math.abs(plot.current.width - w) > 1) plot.current.setSize({ width: w, height }); });
    watch.observe(place.current);
    return () => { watch.disconnect(); plot.current?.destroy(); plot.current = null; };
  }, [shape]);
  useEffect(() => {
    const u = plot.current;
    if (!u) return;
    u.setData(aligned(data.current), !zoomed.current);
    if (zoomed.current) u.redraw();
    tell(u.cursor.idx ?? null);
  });
  return html`<figure class="card chart"><div class="top"><h2>${title}</h2><span class="row">${tools}<span class="at" ref=${at}></span></span></div>
    <div class="legend" ref=${legend}>${series.map(s => html`<span key=${s.label} class=${'c' + s.color}><i></i>${s.label} <b>–</b></span>`)}
      ${limits.map(l => html`<span key=${l.label} class=${'c' + l.color}><i class="limit"></i>${l.label}</span>`)}</div>
    ${note && html`<div class="dim small">${note}</div>`}<div ref=${place} style=${{ minHeight: height + 'px' }}></div></figure>`;
}

// aligned is what uPlot draws: a hole in time becomes a hole in the lines.
function aligned({ x, series }) {
  return [x, ...series.map(s => s.values)];
}

function spread(series) {
  let low = Infinity, high = 0;
  for (const s of series) for (const v of s.values) if (v > 0) { if (v < low) low = v; if (v > high) high = v; }
  return high / low;
}
