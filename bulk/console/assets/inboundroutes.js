// Routes of messages from mobiles: whose they are. Those of a customer are shown; operators change them and try them out.
import { html, Ask, none, useState } from './ui.js';
import { t } from './strings.js';
import { ask, useAsked } from './net.js';
import { Badge, Check, Choice, Field, Listed, Wrong, may, restOf, seesAll, useForm } from './parts.js';

const Text = ({ children }) => html`<bdi dir="ltr">${children || none}</bdi>`;
const columns = (edit, remove) => [
  { key: 'order', label: t('order'), num: true, width: 9, get: r => r.order }, { key: 'name', label: t('name'), width: 14, get: r => r.name, show: v => html`<bdi>${v || none}</bdi>` },
  ...(may('inbound') ? [{ key: 'act', label: '', width: 17, get: () => '', show: (v, r) => html`<span class="row"><button class="small" data-act="edit" onClick=${() => edit(r)}>${t('edit')}</button><button class="small danger" data-act="delete" onClick=${() => remove(r)}>${t('delete')}</button></span>` }] : []),
  { key: 'to', label: t('to'), width: 10, get: r => r.to, show: v => html`<${Text}>${v || t('all')}</${Text}>` }, { key: 'from', label: t('mobile'), width: 10, get: r => r.from, show: v => html`<${Text}>${v || t('all')}</${Text}>` },
  { key: 'keyword', label: t('firstWord'), width: 11, get: r => r.keyword, show: v => html`<bdi>${v || none}</bdi>` }, { key: 'pattern', label: t('textPattern'), width: 14, get: r => r.pattern, show: v => html`<${Text}>${v}</${Text}>` },
  ...(seesAll() ? [{ key: 'account', label: t('account'), num: true, width: 9, get: r => r.account_id }] : []),
  { key: 'deliver', label: t('deliveredBy'), width: 16, grow: true, get: r => r.url || r.deliver, show: v => html`<${Text}>${v}</${Text}>` }, { key: 'state', label: t('state'), width: 13, get: r => t(r.disabled ? 'disabled' : 'active'), show: (v, r) => html`<${Badge} state=${r.disabled ? 'disabled' : 'active'}/>` },
];

export function InboundRoutes() {
  const routes = useAsked('/inbound/routes', 10000);
  const [editing, edit] = useState(null); // a route, or 'new'
  const [deleting, setDeleting] = useState(null);
  const [failed, fail] = useState(null);
  const remove = async r => { try { await ask('DELETE', '/inbound/routes/' + r.route_id); fail(null); } catch (e) { fail(e); } routes.again(); };
  return html`<${Wrong} error=${failed ?? routes.error} again=${routes.again}/>
    ${may('inbound') && editing === null && html`<div class="row"><button class="primary" id="new" onClick=${() => edit('new')}>${t('newInboundRoute')}</button></div>`}
    ${editing && html`<${RouteForm} key=${editing.route_id ?? ''} of=${editing === 'new' ? null : editing} onDone=${() => { edit(null); routes.again(); }} onClose=${() => edit(null)}/>`}
    <section class="card"><${Listed} id="inbound-routes" of=${routes} rows=${routes.data?.routes} columns=${columns(edit, setDeleting)} noun="rows" rowKey=${r => r.route_id} nothing=${t('noInboundRoutes')} hint=${t('noInboundRoutesHint')}/></section>
    ${seesAll() && html`<${Trial}/>`}
    ${deleting && html`<${Ask} title=${t('deleteAsk', { name: deleting.name || deleting.keyword || deleting.to || deleting.route_id })} yes=${t('delete')} danger onYes=${() => remove(deleting)} onNo=${() => setDeleting(null)}>${t('deleteInboundRouteSays')}</${Ask}>`}`;
}

const members = ['name', 'order', 'to', 'from', 'keyword', 'pattern', 'account_id', 'url', 'disabled'];
const whole = ['order', 'account_id'];

function RouteForm({ of, onDone, onClose }) {
  const form = useForm(Object.fromEntries(members.map(k => [k, k === 'disabled' ? of?.disabled ?? false : String(of?.[k] ?? (k === 'order' ? 100 : ''))])));
  const { data } = useAsked('/accounts');
  const save = e => {
    e.preventDefault();
    form.run(async v => {
      const body = Object.fromEntries(members.map(k => [k, typeof v[k] === 'string' ? v[k].trim() : v[k]]).filter(([k, x]) => x !== '' || of && !whole.includes(k)));
      for (const k of whole) if (k in body && !isNaN(body[k])) body[k] = +body[k];
      onDone(await (of ? ask('PATCH', '/inbound/routes/' + of.route_id, body) : ask('POST', '/inbound/routes', body)));
    });
  };
  const input = (name, label, more = {}) => html`<${Field} id=${'i-' + name} label=${label} dir="ltr" autocapitalize="none" spellcheck="false" ...${more} ...${form.field(name)}/>`;
  return html`<form class="card stack" id="inboundform" onSubmit=${save} autocomplete="off"><h2>${t(of ? 'edit' : 'newInboundRoute')}</h2><${Wrong} error=${restOf(form.problem, members)}/>
    <div class="formgrid">${input('name', t('name'), { dir: 'auto' })}${input('order', t('order'), { inputmode: 'numeric', hint: t('lowestFirst') })}<${Choice} id="i-account_id" label=${t('account')} options=${[...(of ? [] : [['', t('ownAccount')]]), ...(data?.accounts ?? []).map(a => [String(a.account_id), `${a.name} (${a.account_id})`])]} ...${form.field('account_id')}/></div>
    <div class="formgrid">${input('to', t('to'), { hint: t('orBegin') })}${input('from', t('mobile'), { hint: t('orBegin') })}${input('keyword', t('firstWord'), { dir: 'auto' })}${input('pattern', t('textPattern'))}</div>
    <div class="formgrid">${input('url', t('webhookAddress'), { hint: t('webhookAddressHint'), placeholder: 'https://' })}</div><${Check} id="i-disabled" label=${t('ruleOff')} ...${form.field('disabled')}/>
    <div class="row"><button class="primary" id="save" disabled=${form.busy}>${t(of ? 'save' : 'create')}</button><button type="button" onClick=${onClose}>${t('cancel')}</button></div></form>`;
}

// Trial says which route wants a message.
function Trial() {
  const form = useForm({ from: '', to: '', text: '' });
  const [said, say] = useState(null);
  const name = r => r.name || r.keyword || r.to || r.route_id;
  const go = e => { e.preventDefault(); say(null); form.run(async v => say(await ask('POST', '/inbound/routes/test', { from: v.from.trim(), to: v.to.trim(), text: v.text }))); };
  return html`<form class="card stack" onSubmit=${go} id="inboundtrial"><div><h2>${t('dryRun')}</h2><p class="dim small">${t('inboundTrialHint')}</p></div><${Wrong} error=${restOf(form.problem, ['from', 'to', 'text'])}/>
    <div class="formgrid"><${Field} id="try-from" label=${t('mobile')} dir="ltr" inputmode="tel" ...${form.field('from')}/><${Field} id="try-to" label=${t('to')} dir="ltr" required ...${form.field('to')}/><${Field} id="try-text" label=${t('text')} dir="auto" ...${form.field('text')}/></div>
    <div class="row"><button class="primary" id="try" disabled=${form.busy}>${t('tryOut')}</button></div>
    ${said && html`<div class=${'banner ' + (said.route ? 'good' : 'bad')} role="status" id="said"><b>${said.route ? html`<bdi>${t('routeWants', { r: name(said.route) })}</bdi>` : t('noRouteWants')}</b>${said.passed_over.map(p => html`<span key=${p.route.route_id}><bdi>${name(p.route)}</bdi>: <bdi dir="ltr">${p.reason}</bdi></span>`)}</div>`}</form>`;
}
