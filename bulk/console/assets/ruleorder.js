// The order of the rules, by dragging or by keys. It is put in force as one table: all rules move, or none.
import { html, useRef, useState } from './ui.js';
import { t } from './strings.js';
import { ask, fault, get } from './net.js';
import { Wrong } from './parts.js';

const moved = (list, from, to) => { const next = [...list], [one] = next.splice(from, 1); next.splice(to, 0, one); return next; };
const mark = rules => JSON.stringify(rules.map(r => [r.id, r.updated_at]));

export function RuleOrder({ rules, takes, onDone, onClose }) {
  const [list, set] = useState(rules);
  const [over, setOver] = useState(null); // where what is dragged would go
  const [said, say] = useState('');
  const [problem, fail] = useState(null);
  const [busy, work] = useState(false);
  const drag = useRef(null), place = useRef();
  const move = (from, to, focus) => {
    if (to < 0 || to >= list.length || to === from) return;
    set(moved(list, from, to));
    say(t('nowAt', { name: list[from].name, n: to + 1, all: list.length }));
    // The button of this rule keeps the focus; at an end its other one gets it.
    if (focus) requestAnimationFrame(() => { const row = place.current?.children[to], b = row?.querySelector(`[data-move=${focus}]`); (b?.disabled ? row.querySelector('[data-move]:not(:disabled)') : b)?.focus(); });
  };
  const save = async () => {
    work(true); fail(null);
    try {
      // What others changed meanwhile is neither lost nor guessed.
      const now = await get('/routes');
      if (mark(now.routes) !== mark(rules)) throw fault('routes', t('rulesChanged'));
      await ask('PUT', '/routes', { routes: list.map((r, i) => ({ ...r, priority: (list.length - i) * 10 })) });
      onDone();
    } catch (e) { fail(e); } finally { work(false); }
  };
  return html`<section class="card stack" id="order"><div><h2>${t('changeOrder')}</h2><p class="dim small">${t('orderHint')}</p></div><${Wrong} error=${problem}/>
    <ol class="order" ref=${place}>${list.map((r, i) => html`<li key=${r.id} data-name=${r.name} draggable="true" class=${over === i ? 'over' : ''}
        onDragStart=${e => { drag.current = i; e.dataTransfer.effectAllowed = 'move'; e.dataTransfer.setData('text/plain', r.name); }} onDragOver=${e => { if (drag.current != null) { e.preventDefault(); if (over !== i) setOver(i); } }}
        onDrop=${e => { e.preventDefault(); move(drag.current, i); }} onDragEnd=${() => { drag.current = null; setOver(null); }}>
      <span class="grip" aria-hidden="true">⠿</span><b><bdi>${r.name}</bdi></b><span class="dim small what"><bdi>${takes(r.match)}</bdi></span>
      <button class="small" data-move="up" disabled=${i === 0} aria-label=${t('up') + ' ' + r.name} onClick=${() => move(i, i - 1, 'up')}>↑</button><button class="small" data-move="down" disabled=${i === list.length - 1} aria-label=${t('down') + ' ' + r.name} onClick=${() => move(i, i + 1, 'down')}>↓</button></li>`)}</ol>
    <p class="sr" aria-live="polite">${said}</p>
    <div class="row"><button class="primary" id="saveorder" disabled=${busy} onClick=${save}>${t('save')}</button><button onClick=${onClose}>${t('cancel')}</button></div></section>`;
}
