// What several pages of the console use: fields, badges, times, lists, and a GSM counter.
import { html, Empty, none, useLayoutEffect, useRef, useState } from './ui.js';
import { Table } from './table.js';
import { named, t } from './strings.js';
import { session } from './net.js';

const zone = () => { const m = -new Date().getTimezoneOffset(), two = n => String(Math.floor(Math.abs(n))).padStart(2, '0'); return `UTC${m < 0 ? '−' : '+'}${two(m / 60)}:${two(m % 60)}`; };
const two = n => String(n).padStart(2, '0');
export const moment = text => {
  if (!text) return none;
  const d = new Date(text);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
};
export const When = ({ at }) => at ? html`<time dir="ltr" datetime=${at} title=${moment(at) + ' ' + zone()}>${moment(at)}</time>` : none;
export const Id = ({ children }) => html`<bdi dir="ltr" class="mono">${children}</bdi>`;

const looks = {
  DELIVRD: 'go', ENROUTE: 'wait', ACCEPTD: 'wait', UNDELIV: 'bad', REJECTD: 'bad', accepted: 'go', throttled: 'wait', temporary: 'wait', unavailable: 'bad', permanent: 'bad', rejected: 'bad', no_route: 'bad', unknown: 'bad',
  bound: 'go', waiting: 'wait', left: '', later: '', no: '',
  complete: 'go', firing: 'bad', resolved: 'go', NO_ROUTE: 'bad', PART: 'wait', writing: 'wait', closing: 'wait',
  DELIVERED: 'go', SENT: 'go', up: 'go', active: 'go', RUNNING: 'go', COMPLETED: 'go', matches: 'go',
  PENDING: 'wait', SCHEDULED: 'wait', degraded: 'wait', paused: 'wait', PAUSED: 'wait', HELD: 'wait', DRAFT: '', PENDING_APPROVAL: 'wait', connecting: 'wait', draining: 'wait',
  FAILED: 'bad', REJECTED: 'bad', EXPIRED: 'bad', UNKNOWN: 'bad', down: 'bad', CANCELLED: '', stopped: '', lost: 'bad', disabled: '',
};
const signs = { go: '●', wait: '◐', bad: '✗' };
export const Badge = ({ state, label }) => html`<span class=${'badge ' + (looks[state] ?? '')}><i aria-hidden="true">${signs[looks[state]] ?? '○'}</i> <bdi>${label ?? named('status', state)}</bdi></span>`;

export const Wrong = ({ error, again }) => error && html`<div class="banner bad" role="alert"><b aria-hidden="true">✗</b><span>${error.message}</span>${again && html`<button onClick=${again}>${t('retry')}</button>`}</div>`;
export const Loading = ({ tall }) => html`<div class=${'skeleton' + (tall ? ' tall' : '')} aria-busy="true"></div>`;
export const Nothing = ({ title, hint }) => html`<${Empty} title=${title}>${hint}</${Empty}>`;

// Tell shows more of something, over the page.
export function Tell({ title, children, onClose }) {
  const ref = useRef();
  useLayoutEffect(() => { ref.current.showModal(); }, []);
  return html`<dialog class="tell" ref=${ref} onClose=${onClose} onClick=${e => e.target === ref.current && ref.current.close()}><h2>${title}</h2>${children}<div class="row"><button type="button" onClick=${() => ref.current.close()}>${t('close')}</button></div></dialog>`;
}

// Fact is a line of what is known; nothing when it is not known.
export const Fact = ({ name, children }) => children != null && children !== '' && html`<div><dt>${name}</dt><dd>${children}</dd></div>`;

// Field is a label, a box, and what is wrong with it.
export function Field({ id, label, hint, error, unit, wide, children, ...input }) {
  const box = children ?? html`<input id=${id} aria-invalid=${!!error} aria-describedby=${error || hint ? id + '-says' : null} ...${input}/>`;
  return html`<div class=${'field' + (error ? ' wrong' : '') + (wide ? ' wide' : '')}><label for=${id}>${label}</label><div class="box">${box}${unit && html`<span class="unit">${unit}</span>`}</div>
    ${error ? html`<span class="error" id=${id + '-says'} role="alert">${error}</span>` : hint && html`<span class="hint" id=${id + '-says'}>${hint}</span>`}</div>`;
}

// Choice is a Field with a list to choose from: options are values, or pairs of value and what is shown.
export const Choice = ({ id, label, hint, error, options, ...select }) => html`<${Field} id=${id} label=${label} hint=${hint} error=${error}><select id=${id} aria-invalid=${!!error} aria-describedby=${error || hint ? id + '-says' : null} ...${select}>
  ${options.map(o => { const [value, shown] = Array.isArray(o) ? o : [o, o]; return html`<option key=${value} value=${value}>${shown}</option>`; })}</select></${Field}>`;
// Area is a Field of several lines.
export const Area = ({ id, label, hint, error, wide, ...area }) => html`<${Field} id=${id} label=${label} hint=${hint} error=${error} wide=${wide}><textarea id=${id} aria-invalid=${!!error} aria-describedby=${error || hint ? id + '-says' : null} ...${area}></textarea></${Field}>`;
export const Check = ({ id, label, value, onInput }) => html`<label class="check"><input id=${id} type="checkbox" checked=${value} onChange=${onInput}/>${label}</label>`;

// Listed is a table of what was asked for: a skeleton before it comes, and what would fill it when there is nothing.
export const Listed = ({ of, rows = of.rows, nothing, hint, ...table }) => !rows ? !of.error && html`<${Loading} tall/>`
  : rows.length === 0 ? html`<${Nothing} title=${nothing} hint=${hint}/>` : html`<${Table} rows=${rows} ...${table}/><${More} of=${of}/>`;

// More is below a list that goes on.
export const More = ({ of }) => of.next && html`<div class="row more"><button id="more" onClick=${of.more}>${t('more')}</button></div>`;

// said is what the API says of a field, or of something in it.
const said = (problem, name) => { const f = problem?.fields ?? {}, key = Object.keys(f).find(k => k === name || k.startsWith(name + '/')); return f[key]; };

// useForm keeps what is typed, and what the API says about it.
export function useForm(first) {
  const [values, set] = useState(first);
  const [problem, fail] = useState(null);
  const [busy, work] = useState(false);
  return {
    values, problem, busy,
    set: (name, v) => set(old => ({ ...old, [name]: v })),
    // forgive forgets what was said of a field and of what is in it.
    forgive: name => fail(old => {
      const fields = Object.entries(old?.fields ?? {}), left = fields.filter(([k]) => k !== name && !k.startsWith(name + '/'));
      return left.length === fields.length ? old : left.length ? Object.assign(new Error(old.message), { fields: Object.fromEntries(left) }) : null;
    }),
    reset: () => { set(first); fail(null); },
    field: name => ({ value: values[name], onInput: e => { const v = e.target.type === 'checkbox' ? e.target.checked : e.target.value; set(old => ({ ...old, [name]: v })); }, error: said(problem, name) }),
    async run(fn) {
      if (busy) return;
      work(true); fail(null);
      try { await fn(values); } catch (e) { if (!e.fields) throw e; fail(e); } finally { work(false); }
    },
  };
}

// restOf is a problem that does not belong to the fields shown alone.
export const restOf = (problem, shown) => {
  const fields = Object.keys(problem?.fields ?? {});
  return problem && (fields.length === 0 || fields.some(f => !shown.some(name => f === name || f.startsWith(name + '/')))) ? problem : null;
};

// may says whether the role permits it; the API decides.
const writes = {
  admin: () => true, operator: what => !['accounts', 'users', 'system', 'webhook'].includes(what), auditor: () => false,
  customer: what => ['messages', 'campaigns', 'numbers', 'replay', 'webhook'].includes(what), // webhook: of the own account
};
export const may = what => writes[session.now?.role]?.(what) ?? false;

// The GSM 7-bit alphabet (3GPP TS 23.038 §6.2.1), and what costs two of it.
const basic = '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà';
const extended = '\f^{}\\[~]|€';
export function measure(text, encoding = 'AUTO') {
  let septets = 0, strange = '';
  for (const c of text) {
    if (basic.includes(c)) septets++; else if (extended.includes(c)) septets += 2; else strange ||= c;
  }
  const gsm = encoding === 'GSM7' || encoding === 'AUTO' && !strange;
  const used = gsm ? septets : text.length, one = gsm ? 160 : 70, many = gsm ? 153 : 67;
  if (used <= one) return { n: used, parts: used ? 1 : 0, left: one - used, gsm, strange };
  // What takes two units is not split: it moves to the next part as a whole.
  let parts = 1, at = 0;
  for (const c of text) {
    const w = gsm ? (extended.includes(c) ? 2 : 1) : c.length;
    if (at + w > many) { parts++; at = 0; }
    at += w;
  }
  return { n: used, parts, left: many - at, gsm, strange };
}

// seesAll says whether the role sees what belongs to other accounts.
export const seesAll = () => session.now?.role !== 'customer';

// amount is money, to the last of its six digits.
export const amount = v => typeof v === 'number' ? v.toLocaleString('en', { maximumFractionDigits: 6 }) : v ?? none;
