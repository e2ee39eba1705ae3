// Messages: find one, look at it, cancel it; send one.
import { html, Ask, CopyButton, count, none, useMemo, useState } from './ui.js';
import { Table } from './table.js';
import { named, t } from './strings.js';
import { ask, query, useAsked, usePages } from './net.js';
import { Badge, Fact, Field, Id, Loading, More, Nothing, When, Wrong, amount, may, measure, moment, restOf, seesAll, useForm } from './parts.js';

const statuses = ['PENDING', 'SCHEDULED', 'SENT', 'DELIVERED', 'FAILED', 'REJECTED', 'EXPIRED', 'CANCELLED', 'HELD', 'UNKNOWN'];
const columns = () => [
  { key: 'at', label: t('submitted'), width: 23, get: m => m.submitted_at, show: v => html`<${When} at=${v}/>` },
  { key: 'status', label: t('status'), width: 15, get: m => named('status', m.status), show: (v, m) => html`<${Badge} state=${m.status}/>` },
  { key: 'to', label: t('recipient'), width: 16, get: m => m.to, show: v => html`<${Id}>${v}</${Id}>` },
  { key: 'from', label: t('sender'), width: 12, get: m => m.from, show: v => html`<bdi dir="ltr">${v}</bdi>` },
  { key: 'text', label: t('text'), width: 12, grow: true, get: m => m.text, show: v => html`<bdi>${v}</bdi>` },
  { key: 'parts', label: t('parts'), num: true, width: 7, get: m => m.parts, show: count },
  ...(seesAll() ? [{ key: 'account', label: t('account'), num: true, width: 9, get: m => m.account_id }] : []),
  { key: 'smsc', label: t('smsc'), width: 14, get: m => m.smsc ?? '', hidden: true },
  { key: 'error', label: t('error'), num: true, width: 8, get: m => m.error_code ?? null, show: v => v ?? none },
  { key: 'id', label: t('id'), width: 20, get: m => m.message_id, show: v => html`<a href=${'#/messages/' + encodeURIComponent(v)}><${Id}>${v}</${Id}></a>` },
];

// The answers with which SMSCs refuse a message, by their command_status. What the network says in a receipt has codes of its own.
const answers = { 1: 'RINVMSGLEN', 8: 'RSYSERR', 10: 'RINVSRCADR', 11: 'RINVDSTADR', 20: 'RMSGQFUL', 67: 'RINVESMCLASS', 69: 'RSUBMITFAIL', 88: 'RTHROTTLED', 97: 'RINVSCHED', 98: 'RINVEXPIRY', 100: 'RX_T_APPN', 101: 'RX_P_APPN', 102: 'RX_R_APPN', 254: 'RDELIVERYFAILURE', 255: 'RUNKNOWNERR' };
const errorText = m => !m.sent_at && answers[m.error_code] ? m.error_code + ' ESME_' + answers[m.error_code] : m.error_code;

export function Messages({ rest }) {
  const shown = useMemo(columns, []);
  const form = useForm({ to: '', from: '', id: '', status: '' });
  const [asked, setAsked] = useState({});
  const list = usePages(rest[0] ? null : '/messages' + query({ ...asked, limit: 100 }), 'messages', 5000);
  const open = id => { location.hash = '#/messages/' + encodeURIComponent(id); };
  const search = e => {
    e.preventDefault();
    const { id, ...q } = form.values;
    if (id.trim()) open(id.trim()); else setAsked({ ...q, to: q.to.trim(), from: q.from.trim() });
  };
  if (rest[0]) return html`<${Message} id=${rest[0]} key=${rest[0]}/>`;
  return html`<div class="stack"><form class="card search" onSubmit=${search}><div class="formgrid">
      <${Field} id="to" label=${t('recipient')} type="search" dir="ltr" inputmode="tel" ...${form.field('to')}/><${Field} id="from" label=${t('sender')} dir="ltr" ...${form.field('from')}/>
      <${Field} id="id" label=${t('id')} dir="ltr" spellcheck="false" ...${form.field('id')}/>
      <${Field} id="status" label=${t('status')}><select id="status" ...${form.field('status')}><option value="">${t('all')}</option>${statuses.map(s => html`<option key=${s} value=${s}>${named('status', s)}</option>`)}</select></${Field}></div>
      <div class="row"><button class="primary" id="search">${t('search')}</button></div></form>
    <${Wrong} error=${list.error} again=${list.again}/>
    <section class="card">${list.rows == null ? !list.error && html`<${Loading} tall/>` : html`<${Table} id="messages" columns=${shown} rows=${list.rows} noun="messages" rowKey=${m => m.message_id} onRow=${m => open(m.message_id)}
      empty=${html`<${Nothing} title=${t('noMessages')} hint=${t('noMessagesHint')}/>`} tools=${html`<button onClick=${list.again}>${t('refresh')}</button>`}/>`}
      <${More} of=${list}/></section></div>`;
}

function Message({ id }) {
  const { data: m, error, again } = useAsked('/messages/' + encodeURIComponent(id), 2000);
  const [asking, setAsking] = useState(false);
  const [failed, fail] = useState(null);
  const act = async (method, path) => { try { await ask(method, path); fail(null); again(); } catch (e) { fail(e); } };
  const back = html`<p><a href="#/messages">${document.dir === 'rtl' ? '→' : '←'} ${t('messages')}</a></p>`;
  if (!m) return html`<div class="stack">${back}${error ? html`<${Wrong} error=${error.status === 404 ? new Error(t('notFound')) : error} again=${again}/>` : html`<${Loading} tall/>`}</div>`;
  const path = '/messages/' + encodeURIComponent(m.message_id), steps = history(m);
  return html`<div class="stack">${back}<${Wrong} error=${failed}/>
    <section class="card"><div class="head"><h2><${Id}>${m.message_id}</${Id}></h2><div class="row"><${Badge} state=${m.status}/>
      ${may('messages') && ['PENDING', 'SCHEDULED', 'HELD'].includes(m.status) && html`<button class="danger" id="cancel" onClick=${() => setAsking(true)}>${t('cancelMessage')}</button>`}
      ${may('messages') && m.status === 'HELD' && html`<button onClick=${() => act('POST', path + '/release')}>${t('release')}</button>`}</div></div>
    <blockquote class="text" id="text" dir="auto">${m.text}</blockquote>
    <dl class="facts two"><${Fact} name=${t('recipient')}><${Id}>${m.to}</${Id}></${Fact}><${Fact} name=${t('sender')}><bdi dir="ltr">${m.from}</bdi></${Fact}><${Fact} name=${t('encoding')}>${m.encoding}, ${t('parts')}: ${m.parts}</${Fact}><${Fact} name=${t('priority')}>${named('priority', m.priority)}</${Fact}>
      <${Fact} name=${t('account')}>${seesAll() ? m.account_id : null}</${Fact}><${Fact} name=${t('smsc')}>${m.smsc}</${Fact}><${Fact} name=${t('route')}>${m.route}</${Fact}><${Fact} name=${t('attempts')}>${count(m.attempts)}</${Fact}><${Fact} name=${t('error')}>${m.error_code && html`<bdi dir="ltr">${errorText(m)}</bdi>`}</${Fact}><${Fact} name=${t('price')}>${m.price != null ? amount(m.price) : null}</${Fact}>
      <${Fact} name=${t('reference')}>${m.client_ref && html`<bdi>${m.client_ref}</bdi>`}</${Fact}><${Fact} name=${t('validUntil')}>${m.valid_until && html`<${When} at=${m.valid_until}/>`}</${Fact}></dl></section>
    <div class="pair"><section class="card"><div class="head"><h2>${t('history')}</h2></div><ol class="steps">${steps.map(s => html`<li key=${s.key}><${When} at=${s.at}/> <span>${s.label}</span></li>`)}</ol>${m.possible_duplicate && html`<p class="acceptable small">${t('possibleDuplicate')}</p>`}</section>
    <section class="card"><div class="head"><h2>${t('parts')}</h2></div><${Table} id="parts" columns=${partColumns} rows=${m.segments ?? []} noun="parts" filter=${false} rowKey=${p => p.part}/></section></div>
    ${asking && html`<${Ask} title=${t('cancelAsk')} yes=${t('cancelMessage')} danger onYes=${() => act('DELETE', path)} onNo=${() => setAsking(false)}>${t('cancelSays', { to: m.to })}</${Ask}>`}</div>`;
}

const partColumns = [
  { key: 'part', label: t('part'), num: true, width: 7, get: p => p.part }, { key: 'status', label: t('status'), width: 16, get: p => named('status', p.status), show: (v, p) => html`<${Badge} state=${p.status}/>` },
  { key: 'smsc', label: t('smscID'), width: 22, grow: true, get: p => p.smsc_message_id ?? '', show: v => html`<${Id}>${v || none}</${Id}>` }, { key: 'attempts', label: t('attempts'), num: true, width: 9, get: p => p.attempts },
  { key: 'sent', label: t('sentAt'), width: 23, get: p => p.sent_at ?? '', show: v => html`<${When} at=${v}/>` }, { key: 'done', label: t('done'), width: 23, get: p => p.done_at ?? '', show: v => html`<${When} at=${v}/>` },
];

// history is what is known of a message's life, in order.
function history(m) {
  const steps = [{ key: 'a', at: m.submitted_at, label: t('submitted') }];
  if (m.schedule_at) steps.push({ key: 's', at: m.schedule_at, label: t('scheduled') });
  if (m.sent_at) steps.push({ key: 't', at: m.sent_at, label: t('sentAt') + (m.smsc ? ' · ' + m.smsc : '') });
  if (m.done_at) steps.push({ key: 'd', at: m.done_at, label: named('status', m.status) });
  return steps.sort((a, b) => new Date(a.at) - new Date(b.at));
}

const encodings = ['AUTO', 'GSM7', 'UCS2'];
export function Send() {
  const form = useForm({ to: '', from: '', text: '', encoding: 'AUTO', priority: 'NORMAL', flash: false });
  const [done, setDone] = useState(null);
  const v = form.values, size = measure(v.text, v.encoding);
  const body = () => ({ to: v.to.trim(), text: v.text, encoding: v.encoding, priority: v.priority, ...(v.from.trim() ? { from: v.from.trim() } : {}), ...(v.flash ? { flash: true, encoding: v.encoding === 'AUTO' ? (size.gsm ? 'GSM7' : 'UCS2') : v.encoding } : {}) });
  const go = e => { e.preventDefault(); setDone(null); form.run(async () => { setDone(await ask('POST', '/messages', body())); }); };
  const quote = s => "'" + s.replace(/'/g, "'\\''") + "'";
  const command = `protei-bulk message send --to ${quote(v.to.trim() || '+…')}${v.from.trim() ? ' --from ' + quote(v.from.trim()) : ''} --text ${quote(v.text || '…')}`;
  return html`<div class="sendgrid"><form class="card stack" onSubmit=${go} id="send"><${Wrong} error=${restOf(form.problem, ['to', 'from', 'text', 'encoding', 'flash'])}/>
      ${done && html`<div class="banner good" role="status" id="accepted"><b aria-hidden="true">✓</b><span>${t('sentOK', { id: done.message_id, parts: t('count_parts', { n: done.parts }), encoding: done.encoding })}</span> <a href=${'#/messages/' + done.message_id}>${t('follow')}</a></div>`}
      <div class="formgrid"><${Field} id="to" label=${t('to')} hint=${t('toHint')} dir="ltr" inputmode="tel" required ...${form.field('to')}/><${Field} id="from" label=${t('from')} hint=${t('fromHint')} dir="ltr" ...${form.field('from')}/></div>
      <${Field} id="text" label=${t('text')} error=${form.problem?.fields?.text}><textarea id="text" dir="auto" rows="5" required ...${form.field('text')}></textarea></${Field}>
      <p class="small dim" id="counter" aria-live="polite">${t('counter', { n: size.n })} · ${t('count_parts', { n: size.parts })} · ${t('counterLeft', { left: size.left })} · ${size.gsm ? 'GSM7' : 'UCS2'}${v.encoding === 'AUTO' && size.strange ? html`<br/>${t('unicodeBecause', { c: size.strange })}` : ''}</p>
      <div class="formgrid"><${Field} id="encoding" label=${t('encoding')} error=${form.problem?.fields?.encoding}><select id="encoding" ...${form.field('encoding')}>${encodings.map(e => html`<option key=${e} value=${e}>${e === 'AUTO' ? t('automatic') : e}</option>`)}</select></${Field}>
      <${Field} id="priority" label=${t('priority')}><select id="priority" ...${form.field('priority')}>${['LOW', 'NORMAL', 'HIGH', 'CRITICAL'].map(p => html`<option key=${p} value=${p}>${named('priority', p)}</option>`)}</select></${Field}></div>
      <label class="check"><input type="checkbox" checked=${v.flash} onChange=${e => form.set('flash', e.target.checked)}/>${t('flash')}</label>
      <div class="row"><button class="primary" id="go" disabled=${form.busy}>${t('sendNow')}</button></div>
      <div><div class="spread"><span class="label">${t('command')}</span><${CopyButton} text=${command}/></div><pre class="command" dir="ltr">${command}</pre></div></form>
    <figure class="phone" aria-label=${t('preview')}><figcaption dir="ltr">${v.from || '—'}</figcaption><div class="screen">${v.text ? html`<p class=${'bubble' + (v.flash ? ' flash' : '')} dir="auto" id="bubble">${v.text}</p>` : html`<p class="dim small">${t('previewEmpty')}</p>`}</div></figure></div>`;
}
