// A table that sorts, filters, hides columns, copies itself as CSV and shows 10,000 rows as smoothly as ten: only the
// rows in view are in the document.
import { html, memory, words, CopyButton, useEffect, useLayoutEffect, useMemo, useRef, useState } from './ui.js';

const rowHeight = 32, beyond = 8;

// columns: {key, label, title?, get(row), show(value, row)?, num?, width (ch), hidden?, cls?(row)}. One whose label is
// empty has buttons: it is always shown, and neither sorted nor copied.
export function Table({ id, columns, rows, total, empty, sort: first, tools, rowKey, filter = true, onRow, noun = 'rows' }) {
  const [hidden, setHidden] = useState(() => new Set(memory.get('columns:' + id, columns.filter(c => c.hidden).map(c => c.key))));
  const [sort, setSort] = useState(() => memory.get('sort:' + id, first ?? null));
  const [query, setQuery] = useState('');
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const box = useRef();
  const shown = columns.filter(c => !hidden.has(c.key));
  const list = useMemo(() => {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    let out = rows;
    if (words.length) out = out.filter(r => { const text = columns.filter(c => !c.num).map(c => c.get(r)).join(' ').toLowerCase(); return words.every(w => text.includes(w)); });
    const by = sort && columns.find(c => c.key === sort.key);
    if (by) {
      const dir = sort.down ? -1 : 1;
      out = [...out].sort((a, b) => {
        const x = by.get(a), y = by.get(b);
        if (x == null || y == null) return (x == null) - (y == null);
        return dir * (by.num ? x - y : String(x).localeCompare(String(y)));
      });
    }
    return out;
  }, [rows, query, sort, columns]);
  useLayoutEffect(() => { if (box.current) setHeight(box.current.clientHeight || 600); }, [list.length > 20]);
  const flip = c => {
    const next = sort?.key === c.key ? { key: c.key, down: !sort.down } : { key: c.key, down: !!c.num };
    setSort(next); memory.set('sort:' + id, next);
  };
  const toggle = key => {
    const next = new Set(hidden);
    next.has(key) ? next.delete(key) : next.add(key);
    setHidden(next); memory.set('columns:' + id, [...next]);
  };
  const csv = () => {
    const copied = shown.filter(c => c.label);
    const cell = v => /[",\n\r]/.test(v = String(v ?? '')) || /^[=+\-@\t]/.test(v) && isNaN(v) ? '"' + v.replace(/"/g, '""') + '"' : v;
    return [copied.map(c => cell(c.label)), ...list.map(r => copied.map(c => cell(c.get(r))))].map(r => r.join(',')).join('\r\n') + '\r\n';
  };
  const from = Math.max(0, Math.floor(top / rowHeight) - beyond), to = Math.min(list.length, Math.ceil((top + height) / rowHeight) + beyond);
  const small = matchMedia('(max-width: 640px)').matches;
  const wide = c => small && c.grow ? Math.min(c.width, 24) : c.width ?? 10;
  const width = shown.reduce((sum, c) => sum + wide(c), 0);
  const cell = (c, r) => html`<td class=${(c.num ? 'n ' : '') + (c.cls?.(r) ?? '')} title=${c.num ? null : String(c.get(r) ?? '')}>${c.show ? c.show(c.get(r), r) : c.get(r)}</td>`;
  const sign = c => sort?.key === c.key ? (sort.down ? ' ↓' : ' ↑') : '';
  const bare = rows.length === 0 && empty; // nothing to filter, to count and to copy
  return html`${(!bare || tools) && html`<div class="tools">
      ${filter && !bare && html`<input type="search" placeholder=${words.filter} aria-label=${words.filter + ' ' + words.named(noun)} value=${query} onInput=${e => { setQuery(e.target.value); if (box.current) box.current.scrollTop = 0; }}/>`}
      ${!bare && html`<span class="dim small" data-count>${query ? words.of.replace('{n}', list.length.toLocaleString('en')).replace('{all}', words.counted(rows.length, noun)) : words.counted(rows.length, noun)}</span>`}
      <span class="grow" style=${{ flex: 1 }}></span>${tools}
      ${!bare && html`<${Menu} label=${words.columns}>${columns.filter(c => c.label).map(c => html`<label class="check" key=${c.key}><input type="checkbox" checked=${!hidden.has(c.key)} onChange=${() => toggle(c.key)}/>${c.label}</label>`)}</${Menu}>
      <${CopyButton} text=${csv} label=${words.copyCSV}/>`}</div>`}
    ${bare ? empty : html`<div class="scroll tall" style=${{ marginTop: '12px' }} ref=${box} onScroll=${e => { setTop(e.target.scrollTop); setHeight(e.target.clientHeight); }} tabindex="0">
    <table class="data" id=${id} style=${{ minWidth: width + 'ch' }}>
      <colgroup>${shown.map(c => html`<col key=${c.key} style=${{ width: c.grow ? 'auto' : (c.width ?? 10) + 'ch' }}/>`)}</colgroup>
      <thead><tr>${shown.map(c => html`<th key=${c.key} class=${c.num ? 'n' : ''} title=${c.title ?? c.label} aria-sort=${sort?.key === c.key ? (sort.down ? 'descending' : 'ascending') : null}>
        ${c.label && html`<button type="button" onClick=${() => flip(c)}>${c.label}${sign(c)}</button>`}</th>`)}</tr></thead>
      <tbody>
        ${from > 0 && html`<tr class="pad" key="above"><td colspan=${shown.length} style=${{ height: from * rowHeight + 'px' }}></td></tr>`}
        ${list.slice(from, to).map((r, i) => html`<tr key=${rowKey ? rowKey(r) : from + i} onClick=${onRow && (() => onRow(r))}>${shown.map(c => cell(c, r))}</tr>`)}
        ${to < list.length && html`<tr class="pad" key="below"><td colspan=${shown.length} style=${{ height: (list.length - to) * rowHeight + 'px' }}></td></tr>`}
      </tbody>
      ${total && html`<tfoot><tr>${shown.map(c => html`<td class=${(c.num ? 'n ' : '') + (c.cls?.(total) ?? '')}>${c.show ? c.show(c.get(total), total) : c.get(total)}</td>`)}</tr></tfoot>`}
    </table></div>`}`;
}

// Menu opens a small panel that closes by a click elsewhere and by Escape.
export function Menu({ label, children }) {
  const ref = useRef();
  useEffect(() => {
    const away = e => { if (ref.current?.open && (e.type === 'keydown' ? e.key === 'Escape' : !ref.current.contains(e.target))) ref.current.open = false; };
    document.addEventListener('pointerdown', away);
    document.addEventListener('keydown', away);
    return () => { document.removeEventListener('pointerdown', away); document.removeEventListener('keydown', away); };
  }, []);
  return html`<details class="menu" ref=${ref}><summary>${label}</summary><div>${children}</div></details>`;
}
