// Rows of fields that are added, removed and ordered by mouse and by keys.
import { html, useLayoutEffect, useRef } from './ui.js';
import { t } from './strings.js';
import { Choice, Field } from './parts.js';

// Rows are the list form.values[name]. columns are {key, label, width?, options?, and attributes of the box}; entry gives the
// place of a row in the errors of the API. The focus stays where the hands are: in the new row, at the button that was
// pressed, or at the one that took its place.
export function Rows({ form, name, id, legend, hint, columns, blank, entry, ordered, add }) {
  const list = form.values[name], box = useRef(), wanted = useRef('');
  useLayoutEffect(() => {
    if (wanted.current) box.current.querySelector(wanted.current)?.focus();
    wanted.current = '';
  });
  const set = (rows, focus) => { wanted.current = focus; form.forgive(name); form.set(name, rows); };
  const change = (i, key, x) => { if (key === 'name') form.forgive(entry(list[i], i)); form.set(name, list.map((r, k) => k === i ? { ...r, [key]: x } : r)); };
  const drop = i => set(list.filter((r, k) => k !== i), list.length === 1 ? '.add' : `[data-row="${Math.min(i, list.length - 2)}"] [data-row-act=remove]`);
  const move = (i, to) => {
    const rows = [...list], end = to === 0 || to === list.length - 1;
    [rows[i], rows[to]] = [rows[to], rows[i]];
    set(rows, `[data-row="${to}"] [data-row-act=${(to < i) !== end ? 'up' : 'down'}]`); // at an end the other button gets it
  };
  const fields = form.problem?.fields ?? {}, said = new Set();
  const at = place => { if (place in fields) said.add(place); return fields[place]; };
  const lines = list.map((r, i) => {
    const place = entry(r, i), wrong = at(place), says = `${id}-${i}-says`;
    const cell = ({ key, label, width, options, ...box }) => {
      const own = at(`${name}/${i}/${key}`) ?? at(`${place}/${key}`), more = wrong && !own ? { 'aria-invalid': true, 'aria-describedby': says } : {};
      const all = { id: `${id}-${i}-${key}`, label, value: r[key], onInput: e => change(i, key, e.target.value), error: own, ...more, ...box };
      return options ? html`<${Choice} options=${options} ...${all}/>` : html`<${Field} dir="ltr" autocapitalize="none" spellcheck="false" ...${all}/>`;
    };
    const button = (act, sign, says, off, go) => html`<button type="button" data-row-act=${act} disabled=${off} aria-label=${`${says} ${i + 1}`} title=${says} onClick=${go}>${sign}</button>`;
    return html`<div class=${'line' + (wrong ? ' wrong' : '')} key=${i} data-row=${i} role="group" aria-label=${`${legend} ${i + 1}`}>${columns.map(cell)}
      <div class="acts">${ordered && html`${button('up', '↑', t('up'), i === 0, () => move(i, i - 1))}${button('down', '↓', t('down'), i === list.length - 1, () => move(i, i + 1))}`}${button('remove', '✕', t('remove'), false, () => drop(i))}</div>
      ${wrong && html`<span class="error" role="alert" id=${says}>${wrong}</span>`}</div>`;
  });
  const rest = Object.keys(fields).filter(k => (k === name || k.startsWith(name + '/')) && !said.has(k)).map(k => fields[k]);
  const style = { '--columns': columns.map(c => `minmax(0,${c.width ?? 1}fr)`).join(' ') };
  return html`<fieldset class="rows" id=${id} ref=${box} style=${style}><legend>${legend}</legend>${hint && html`<p class="dim small">${hint}</p>`}${lines}
    ${rest.length > 0 && html`<span class="error" role="alert">${rest.join(' ')}</span>`}
    <div class="row"><button type="button" class="add" onClick=${() => set([...list, blank], `[data-row="${list.length}"] input, [data-row="${list.length}"] select`)}>${add}</button></div></fieldset>`;
}
