// What every page needs: Preact with htm, numbers as people read them, the theme, and small components.
import { h, render, Fragment } from './vendor/preact.mjs';
import htm from './vendor/htm.mjs';

export * from './vendor/hooks.mjs';
import { useEffect, useLayoutEffect, useRef, useState } from './vendor/hooks.mjs';
export { render, Fragment };
export const html = htm.bind(h);

// What the shared pieces say: a page in another language changes it.
export const words = { filter: 'Filter', columns: 'Columns', copyCSV: 'Copy CSV', copy: 'Copy', copied: 'Copied ✓', cancel: 'Cancel', of: '{n} of {all}', dark: 'Dark theme', light: 'Light theme',
  named: noun => noun, counted: (n, noun) => `${n.toLocaleString('en')} ${n === 1 ? noun.replace(/s$/, '') : noun}` };

// Numbers. "–" is nothing yet, "0" is zero.
export const none = '–';
const known = v => v != null && Number.isFinite(v);
const fixed = (v, digits) => v.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const significant = v => v.toLocaleString('en', { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });
export const count = v => known(v) ? fixed(v, 0) : none;
export const rate = v => known(v) ? fixed(v, v > 0 && v < 100 ? 1 : 0) : none;
export const share = v => {
  if (!known(v)) return none;
  const p = v * 100;
  if (p === 0) return '0 %';
  if (p < 0.01) return '< 0.01 %';
  if (p < 1) return fixed(p, 2) + ' %';
  if (p > 99 && p < 100) return fixed(Math.floor(p * 100) / 100, 2) + ' %';
  return fixed(p, p < 9.95 ? 1 : 0) + ' %';
};
export const latency = ms => {
  if (!known(ms)) return none;
  if (ms === 0) return '0 ms';
  if (ms < 0.995) return ms.toFixed(2) + ' ms';
  if (ms < 999.5) return significant(ms) + ' ms';
  return significant(ms / 1000) + ' s';
};
export const millis = ms => {
  if (!known(ms)) return none;
  return ms === 0 ? '0' : ms < 0.995 ? ms.toFixed(2) : ms < 1000 ? significant(ms) : fixed(ms, 0);
};
export const bytes = v => {
  if (!known(v)) return none;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let u = 0;
  while (Math.abs(v) >= 999.5 && u < units.length - 1) { v /= 1024; u++; }
  return (u === 0 ? fixed(v, 0) : significant(v)) + ' ' + units[u];
};
export const span = s => {
  if (!known(s)) return none;
  s = Math.round(s);
  const two = n => String(n).padStart(2, '0');
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
};
export const clock = ms => ms ? new Date(ms).toLocaleTimeString('en-GB') : none;
export const zone = ms => new Date(ms).toString();
// measure is a number of what comes in parts, too: 0.16 cores.
const measure = v => v % 1 && Math.abs(v) < 100 ? significant(v) : count(v);
// byUnit is how a series with this unit is read.
export const byUnit = unit => ({ share, bytes, '/s': rate, s: v => latency(known(v) ? v * 1000 : v), ms: latency, 'bytes/s': v => known(v) ? bytes(v) + '/s' : none, '': v => known(v) ? measure(v) : none })[unit]
  ?? (v => known(v) ? measure(v) + ' ' + unit : none);

// What is remembered, where the browser allows it.
export const memory = {
  get(key, otherwise) { try { const v = localStorage.getItem(key); return v == null ? otherwise : JSON.parse(v); } catch { return otherwise; } },
  set(key, value) { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* private window */ } },
};

const root = document.documentElement;
const system = matchMedia('(prefers-color-scheme: dark)');
export const isDark = () => root.dataset.theme ? root.dataset.theme === 'dark' : system.matches;
const chosen = memory.get('theme');
if (chosen === 'dark' || chosen === 'light') root.dataset.theme = chosen;
const themed = new Set();
export const onTheme = fn => { themed.add(fn); return () => themed.delete(fn); };
system.addEventListener('change', () => themed.forEach(fn => fn()));

export function ThemeButton() {
  const [dark, set] = useState(isDark());
  useEffect(() => onTheme(() => set(isDark())), []);
  const flip = () => { root.dataset.theme = isDark() ? 'light' : 'dark'; memory.set('theme', root.dataset.theme); themed.forEach(fn => fn()); };
  return html`<button type="button" class="quiet" id="theme" onClick=${flip} title=${dark ? words.light : words.dark}>
    <span aria-hidden="true">${dark ? '☀' : '☾'}</span><span class="sr">${dark ? words.light : words.dark}</span></button>`;
}

export async function copy(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* not over plain http */ }
  const area = document.createElement('textarea');
  area.value = text;
  area.style.position = 'fixed';
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  return done;
}

export function CopyButton({ text, label = words.copy, class: cls = '' }) {
  const [done, set] = useState(false);
  useEffect(() => { if (done) { const t = setTimeout(() => set(false), 1500); return () => clearTimeout(t); } }, [done]);
  const go = async () => set(await copy(typeof text === 'function' ? text() : text));
  return html`<button type="button" class=${cls} onClick=${go}>${done ? words.copied : label}</button>`;
}

export const Empty = ({ title, children }) => html`<div class="empty"><b>${title}</b>${children}</div>`;

// Spark is the last minute as a line without axes.
export function Spark({ values }) {
  const v = values.filter(known);
  if (v.length < 2) return html`<svg aria-hidden="true"></svg>`;
  const top = Math.max(...v) || 1, low = Math.min(0, ...v), n = values.length - 1;
  const at = (y, i) => `${(i / n * 100).toFixed(1)},${(23 - (y - low) / (top - low || 1) * 20).toFixed(1)}`;
  let path = '', area = '', open = null;
  const shut = () => { if (open) area += `${open.points}L${open.to},24L${open.from},24Z`; open = null; };
  values.forEach((y, i) => {
    if (!known(y)) { shut(); return; }
    const p = at(y, i), x = p.split(',')[0];
    path += (open ? 'L' : 'M') + p;
    open = open ? { ...open, points: open.points + 'L' + p, to: x } : { points: 'M' + p, from: x, to: x };
  });
  shut();
  return html`<svg viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true"><path class="area" d=${area}/><path d=${path}/></svg>`;
}

export const Tile = ({ name, value, unit, note, cls = '', values, title }) => html`<div class="tile" title=${title}>
  <div class="name">${name}</div><div class=${'value ' + cls}>${value}${unit && html`<small>${unit}</small>`}</div>
  ${note && html`<div class="note">${note}</div>`}${values && html`<${Spark} values=${values}/>`}</div>`;

// Ask is a question before something that can not be undone.
export function Ask({ title, children, yes, danger, onYes, onNo }) {
  const ref = useRef();
  useLayoutEffect(() => { ref.current.showModal(); }, []); // with the picture: nothing is clicked before it is open
  return html`<dialog ref=${ref} onClose=${onNo} onClick=${e => e.target === ref.current && ref.current.close()}>
    <h2>${title}</h2><div>${children}</div>
    <div class="row"><button type="button" onClick=${() => ref.current.close()}>${words.cancel}</button>
    <button type="button" class=${danger ? 'danger' : 'primary'} onClick=${() => { onYes(); ref.current.close(); }}>${yes}</button></div></dialog>`;
}

// Tabs follow the arrow keys.
export function Tabs({ tabs, active, onSelect }) {
  const list = useRef(), moved = useRef(false);
  const keys = e => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key] * (root.dir === 'rtl' ? -1 : 1);
    if (!step) return;
    const i = (tabs.findIndex(t => t.id === active) + step + tabs.length) % tabs.length;
    moved.current = true;
    onSelect(tabs[i].id);
    list.current.children[i].focus();
  };
  useEffect(() => {
    const b = list.current.querySelector('[aria-selected=true]');
    if (b && moved.current) b.focus(); // what the page shows now may have taken the focus
    moved.current = false;
    if (b) list.current.scrollLeft = b.offsetLeft - (list.current.clientWidth - b.offsetWidth) / 2;
  }, [active]);
  return html`<div class="tabs" role="tablist" ref=${list} onKeyDown=${keys}>${tabs.map(t => html`
    <button type="button" role="tab" key=${t.id} id=${'tab-' + t.id} aria-selected=${t.id === active} tabindex=${t.id === active ? 0 : -1} onClick=${() => onSelect(t.id)}>
      ${t.label}${t.count > 0 && html`<span class=${'count ' + (t.bad ? 'bad' : '')}>${count(t.count)}</span>`}${t.dot && html`<span class="dot"><span class="sr">new</span></span>`}</button>`)}</div>`;
}
