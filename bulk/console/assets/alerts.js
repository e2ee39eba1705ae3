// Alerts: what fires, what fired, whom it is told, and from when on.
import { html, Ask, count, none, useState } from './ui.js';
import { named, t } from './strings.js';
import { ask, useAsked } from './net.js';
import { Badge, Check, Field, Listed, When, Wrong, may, restOf, useForm } from './parts.js';
import { ChannelForm } from './channelform.js';

const Text = ({ children }) => html`<bdi dir="ltr">${children || none}</bdi>`;
const alertColumns = [
  { key: 'at', label: t('at'), width: 23, get: a => a.at, show: v => html`<${When} at=${v}/>` }, { key: 'state', label: t('state'), width: 15, get: a => named('status', a.state), show: (v, a) => html`<${Badge} state=${a.state}/>` },
  { key: 'rule', label: t('alertRule'), width: 18, get: a => a.rule, show: v => html`<${Text}>${v}</${Text}>` }, { key: 'subject', label: t('about'), width: 14, get: a => a.subject, show: v => html`<${Text}>${v}</${Text}>` },
  { key: 'summary', label: t('details'), width: 30, grow: true, get: a => a.summary, show: v => html`<${Text}>${v}</${Text}>` }, { key: 'since', label: t('since'), width: 23, get: a => a.since, show: v => html`<${When} at=${v}/>` },
];

export function Alerts() {
  const alerts = useAsked('/alerts?limit=100', 5000);
  const firing = alerts.data?.firing;
  return html`<div class="stack"><${Wrong} error=${alerts.error} again=${alerts.again}/>
    <section class="card" id="firing"><div class="head"><h2>${t('firingNow')}</h2></div>${firing?.length === 0 ? html`<p><${Badge} state="resolved" label=${t('noAlerts')}/></p>`
      : html`<${Listed} id="firing-alerts" of=${alerts} rows=${firing} columns=${alertColumns} noun="rows" filter=${false} rowKey=${a => a.rule + ' ' + a.subject}/>`}</section>
    <${Channels}/><${Rules}/>
    <section class="card"><div class="head"><h2>${t('alertHistory')}</h2></div><${Listed} id="alert-history" of=${alerts} rows=${alerts.data && (alerts.data.history ?? [])} columns=${alertColumns} noun="rows" rowKey=${a => a.at + a.rule + a.subject} nothing=${t('noHistory')} hint=${t('noHistoryHint')}/></section></div>`;
}

const where = c => c.kind === 'email' ? c.to.join(', ') : c.url;
const channelColumns = act => [
  { key: 'name', label: t('name'), width: 16, get: c => c.name, show: v => html`<${Text}>${v}</${Text}>` },
  ...(may('alerts') ? [{ key: 'act', label: '', width: 24, get: () => '', show: (v, c) => html`<span class="row"><button class="small" data-act="test" onClick=${() => act(c, 'test')}>${t('sendTest')}</button><button class="small" data-act="edit" onClick=${() => act(c, 'edit')}>${t('edit')}</button><button class="small danger" data-act="delete" onClick=${() => act(c, 'delete')}>${t('delete')}</button></span>` }] : []),
  { key: 'kind', label: t('kind'), width: 14, get: c => t('channel_' + c.kind) }, { key: 'where', label: t('tellsWhom'), width: 28, grow: true, get: where, show: v => html`<${Text}>${v}</${Text}>` },
  { key: 'rules', label: t('alertRules'), width: 18, get: c => c.rules.join(', '), show: v => v ? html`<${Text}>${v}</${Text}>` : t('all') }, { key: 'state', label: t('state'), width: 13, get: c => t(c.disabled ? 'disabled' : 'active'), show: (v, c) => html`<${Badge} state=${c.disabled ? 'disabled' : 'active'}/>` },
];

function Channels() {
  const channels = useAsked('/alerts/channels', 10000);
  const [editing, edit] = useState(null); // a channel, or 'new'
  const [deleting, setDeleting] = useState(null);
  const [failed, fail] = useState(null);
  const [tried, setTried] = useState(null);
  const remove = async c => { try { await ask('DELETE', '/alerts/channels/' + encodeURIComponent(c.name)); fail(null); } catch (e) { fail(e); } channels.again(); };
  const act = async (c, what) => {
    if (what === 'edit') { edit(c); return; }
    if (what === 'delete') { setDeleting(c); return; }
    setTried({ name: c.name });
    try { setTried({ name: c.name, ...await ask('POST', `/alerts/channels/${encodeURIComponent(c.name)}/test`) }); fail(null); } catch (e) { setTried(null); fail(e); }
  };
  return html`<section class="card stack"><div class="spread"><h2>${t('channels')}</h2>${may('alerts') && editing === null && html`<button id="newchannel" onClick=${() => edit('new')}>${t('newChannel')}</button>`}</div><${Wrong} error=${failed ?? channels.error} again=${channels.again}/>
    ${tried && html`<div class=${'banner ' + (tried.sent == null ? '' : tried.sent ? 'good' : 'bad')} role="status" id="tried"><b><bdi>${tried.name}</bdi></b> ${tried.sent == null ? t('sendingTest') : tried.sent ? t('testSent') : html`${t('testFailed')} <bdi dir="ltr">${tried.error}</bdi>`}</div>`}
    ${editing && html`<${ChannelForm} key=${editing.name ?? ''} of=${editing === 'new' ? null : editing} onDone=${() => { edit(null); channels.again(); }} onClose=${() => edit(null)}/>`}
    <div><${Listed} id="channels" of=${channels} rows=${channels.data?.channels} columns=${channelColumns(act)} noun="rows" filter=${false} rowKey=${c => c.name} nothing=${t('noChannels')} hint=${t('noChannelsHint')}/></div>
    ${deleting && html`<${Ask} title=${t('deleteAsk', { name: deleting.name })} yes=${t('delete')} danger onYes=${() => remove(deleting)} onNo=${() => setDeleting(null)}>${t('deleteChannelSays')}</${Ask}>`}</section>`;
}

const ruleColumns = edit => [
  { key: 'name', label: t('alertRule'), width: 20, get: r => r.name, show: v => html`<${Text}>${v}</${Text}>` },
  ...(may('alerts') ? [{ key: 'act', label: '', width: 10, get: () => '', show: (v, r) => html`<button class="small" data-act="edit" onClick=${() => edit(r)}>${t('edit')}</button>` }] : []),
  { key: 'meaning', label: t('meaning'), width: 46, grow: true, get: r => r.meaning, show: v => html`<${Text}>${v}</${Text}>` },
  { key: 'threshold', label: t('firesAt'), num: true, width: 12, get: r => r.threshold, show: (v, r) => html`<bdi dir="ltr">${r.below ? '≤' : '≥'} ${v.toLocaleString('en')}</bdi>` }, { key: 'for', label: t('forSeconds'), num: true, width: 12, get: r => r.for_seconds, show: v => html`<bdi dir="ltr">${count(v)} s</bdi>` },
  { key: 'state', label: t('state'), width: 13, get: r => t(r.disabled ? 'disabled' : 'active'), show: (v, r) => html`<${Badge} state=${r.disabled ? 'disabled' : 'active'}/>` },
];

function Rules() {
  const rules = useAsked('/alerts/rules', 10000);
  const [editing, edit] = useState(null);
  return html`<section class="card stack"><h2>${t('alertRules')}</h2><${Wrong} error=${rules.error} again=${rules.again}/>
    ${editing && html`<${RuleForm} key=${editing.name} of=${editing} onDone=${() => { edit(null); rules.again(); }} onClose=${() => edit(null)}/>`}
    <div><${Listed} id="alert-rules" of=${rules} rows=${rules.data?.rules} columns=${ruleColumns(edit)} noun="rows" filter=${false} rowKey=${r => r.name}/></div></section>`;
}

const figures = ['threshold', 'margin', 'for_seconds', 'repeat_seconds'];

function RuleForm({ of, onDone, onClose }) {
  const form = useForm({ ...Object.fromEntries(figures.map(k => [k, String(of[k])])), disabled: of.disabled });
  const save = e => { e.preventDefault(); form.run(async v => onDone(await ask('PATCH', '/alerts/rules/' + encodeURIComponent(of.name), { ...Object.fromEntries(figures.map(k => [k, v[k].trim() === '' || isNaN(v[k]) ? v[k] : +v[k]])), disabled: v.disabled }))); };
  const input = (name, label, more) => html`<${Field} id=${'a-' + name} label=${label} dir="ltr" inputmode="decimal" ...${more} ...${form.field(name)}/>`;
  return html`<form class="stack inner" id="alertruleform" onSubmit=${save}><h3><bdi dir="ltr">${of.name}</bdi></h3><${Wrong} error=${restOf(form.problem, [...figures, 'disabled'])}/>
    <div class="formgrid">${input('threshold', t('firesAt'), { hint: of.below ? t('andBelow') : t('andAbove') })}${input('margin', t('margin'), { hint: t('marginHint') })}${input('for_seconds', t('forSeconds'), { unit: 's' })}${input('repeat_seconds', t('repeatSeconds'), { unit: 's', hint: t('repeatHint') })}</div>
    <${Check} id="a-disabled" label=${t('ruleOff')} ...${form.field('disabled')}/><div class="row"><button class="primary" id="saverule" disabled=${form.busy}>${t('save')}</button><button type="button" onClick=${onClose}>${t('cancel')}</button></div></form>`;
}
