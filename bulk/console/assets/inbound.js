// Messages from mobiles: find one, look at it, deliver it again; and the routes that say whose they are.
import { html, Ask, Tabs, count, none, useState } from './ui.js';
import { named, t } from './strings.js';
import { ask, query, useAsked, usePages } from './net.js';
import { Badge, Choice, Fact, Field, Id, Listed, Loading, When, Wrong, may, seesAll, useForm } from './parts.js';
import { InboundRoutes } from './inboundroutes.js';

const statuses = ['PART', 'PENDING', 'DELIVERED', 'NO_ROUTE', 'EXPIRED', 'FAILED'];
const open = id => { location.hash = '#/inbound/' + encodeURIComponent(id); };
const columns = () => [
  { key: 'at', label: t('receivedAt'), width: 23, get: m => m.received_at, show: v => html`<${When} at=${v}/>` }, { key: 'status', label: t('status'), width: 16, get: m => named('status', m.status), show: (v, m) => html`<${Badge} state=${m.status}/>` },
  { key: 'from', label: t('mobile'), width: 17, get: m => m.from, show: v => html`<${Id}>${v}</${Id}>` }, { key: 'to', label: t('to'), width: 14, get: m => m.to, show: v => html`<bdi dir="ltr">${v}</bdi>` },
  { key: 'text', label: t('text'), width: 20, grow: true, get: m => m.text, show: v => html`<bdi>${v}</bdi>` },
  ...(seesAll() ? [{ key: 'account', label: t('account'), num: true, width: 10, get: m => m.account_id ?? null, show: v => v ?? none }] : []),
  { key: 'id', label: t('id'), width: 20, get: m => m.message_id, show: v => html`<a href=${'#/inbound/' + encodeURIComponent(v)}><${Id}>${v}</${Id}></a>` },
];

export function Inbound({ rest }) {
  if (rest[0] && rest[0] !== 'routes') return html`<${Message} id=${rest[0]} key=${rest[0]}/>`;
  const tab = rest[0] ?? 'messages';
  return html`<div class="stack"><${Tabs} key="tabs" tabs=${[{ id: 'messages', label: t('messages') }, { id: 'routes', label: t('inboundRoutes') }]} active=${tab} onSelect=${id => { location.hash = id === 'routes' ? '#/inbound/routes' : '#/inbound'; }}/>
    ${tab === 'routes' ? html`<${InboundRoutes}/>` : html`<${Messages}/>`}</div>`;
}

function Messages() {
  const form = useForm({ from: '', to: '', status: '' });
  const [asked, setAsked] = useState({});
  const list = usePages('/inbound/messages' + query({ ...asked, limit: 100 }), 'messages', 5000);
  return html`<form class="card search" onSubmit=${e => { e.preventDefault(); setAsked({ ...form.values }); }}><div class="formgrid"><${Field} id="from" label=${t('mobile')} type="search" dir="ltr" inputmode="tel" ...${form.field('from')}/><${Field} id="to" label=${t('to')} dir="ltr" ...${form.field('to')}/>
      <${Choice} id="status" label=${t('status')} options=${[['', t('all')], ...statuses.map(s => [s, named('status', s)])]} ...${form.field('status')}/></div><div class="row"><button class="primary" id="search">${t('search')}</button></div></form>
    <${Wrong} error=${list.error} again=${list.again}/>
    <section class="card"><${Listed} id="inbound" of=${list} columns=${columns()} noun="messages" rowKey=${m => m.message_id} onRow=${m => open(m.message_id)} nothing=${t('noInbound')} hint=${t('noInboundHint')}/></section>`;
}

const replayable = ['PENDING', 'DELIVERED', 'NO_ROUTE', 'FAILED'];

function Message({ id }) {
  const path = '/inbound/messages/' + encodeURIComponent(id);
  const { data: m, error, again } = useAsked(path, 2000);
  const [failed, fail] = useState(null);
  const [done, setDone] = useState(false);
  const [asking, setAsking] = useState(false);
  const replay = async () => { try { await ask('POST', path + '/replay'); fail(null); setDone(true); } catch (e) { fail(e); setDone(false); } again(); };
  const back = html`<p><a href="#/inbound">${document.dir === 'rtl' ? '→' : '←'} ${t('inbound')}</a></p>`;
  if (!m) return html`<div class="stack">${back}${error ? html`<${Wrong} error=${error.status === 404 ? new Error(t('notFound')) : error} again=${again}/>` : html`<${Loading} tall/>`}</div>`;
  return html`<div class="stack">${back}<${Wrong} error=${failed}/>${done && html`<div class="banner good" role="status" id="replayed"><b aria-hidden="true">✓</b>${t('deliveredAgain')}</div>`}
    <section class="card"><div class="head"><h2><${Id}>${m.message_id}</${Id}></h2><div class="row"><${Badge} state=${m.status}/>${may('replay') && replayable.includes(m.status) && html`<button id="replay" onClick=${() => m.status === 'DELIVERED' ? setAsking(true) : replay()}>${t('deliverAgain')}</button>`}</div></div>
    <blockquote class="text" dir="auto">${m.text}</blockquote>
    <dl class="facts two"><${Fact} name=${t('mobile')}><${Id}>${m.from}</${Id}></${Fact}><${Fact} name=${t('to')}><bdi dir="ltr">${m.to}</bdi></${Fact}><${Fact} name=${t('receivedAt')}><${When} at=${m.received_at}/></${Fact}><${Fact} name=${t('done')}>${m.done_at && html`<${When} at=${m.done_at}/>`}</${Fact}>
      <${Fact} name=${t('encoding')}>${m.encoding}, ${t('parts')}: ${count(m.parts)}</${Fact}><${Fact} name=${t('account')}>${m.account_id}</${Fact}><${Fact} name=${t('smsc')}>${m.smsc && html`<bdi>${m.smsc}</bdi>`}</${Fact}><${Fact} name=${t('address')}>${m.url && html`<bdi dir="ltr">${m.url}</bdi>`}</${Fact}><${Fact} name="UDH">${m.udh && html`<${Id}>${m.udh}</${Id}>`}</${Fact}></dl></section>
    ${asking && html`<${Ask} title=${t('deliverAgainAsk')} yes=${t('deliverAgain')} onYes=${replay} onNo=${() => setAsking(false)}>${t('deliverAgainSays')}</${Ask}>`}</div>`;
}
