// Rules that choose among connectors, and a dry run.
import { html, Ask, none, useState } from './ui.js';
import { Table } from './table.js';
import { named, t } from './strings.js';
import { ask, useAsked } from './net.js';
import { Badge, Field, Loading, Nothing, Wrong, amount, may, restOf, useForm } from './parts.js';
import { RuleForm } from './ruleform.js';
import { RuleOrder } from './ruleorder.js';

const maxOrdered = 500; // more are ordered by their priority

const list = v => v?.length ? v.join(', ') : '';
function takes(m = {}) {
  const all = [['+', m.prefixes], [t('sender') + ' ', m.senders], [t('account') + ' ', m.accounts], ['', m.encodings], ['', m.priorities?.map(p => named('priority', p))], ['#', m.tags], [t('text') + ' ', m.keywords]].filter(([, v]) => v?.length).map(([before, v]) => before + list(v));
  if (m.text) all.push('/' + m.text + '/');
  for (const w of m.windows ?? []) all.push([w.days, (w.from || w.to) && `${w.from ?? ''}–${w.to ?? ''}`, w.zone].filter(Boolean).join(' '));
  return all.join(' · ') || t('everything');
}

const ruleColumns = (edit, remove) => [
  { key: 'priority', label: t('priority'), num: true, width: 11, get: r => r.priority }, { key: 'name', label: t('name'), width: 14, get: r => r.name, show: v => html`<bdi>${v}</bdi>` },
  ...(may('routes') ? [{ key: 'act', label: '', width: 17, get: () => '', show: (v, r) => html`<span class="row"><button class="small" data-act="edit" onClick=${() => edit(r)}>${t('edit')}</button><button class="small danger" data-act="delete" onClick=${() => remove(r)}>${t('delete')}</button></span>` }] : []),
  { key: 'match', label: t('matches'), width: 18, grow: true, get: r => takes(r.match), show: v => html`<bdi>${v}</bdi>` },
  { key: 'strategy', label: t('strategy'), width: 22, get: r => t('strategy_' + r.strategy) }, { key: 'targets', label: t('targets'), width: 16, get: r => r.targets.map(a => a.connector).join(', '), show: v => html`<bdi dir="ltr">${v}</bdi>` },
  { key: 'price', label: t('price'), num: true, width: 9, get: r => r.price, show: v => amount(v) },
  { key: 'state', label: t('state'), width: 13, get: r => t(r.disabled ? 'disabled' : 'active'), show: (v, r) => html`<${Badge} state=${r.disabled ? 'disabled' : 'active'}/>` },
];
const judgedColumns = [
  { key: 'name', label: t('route'), width: 18, get: r => r.route, show: v => html`<bdi>${v}</bdi>` }, { key: 'verdict', label: t('verdict'), width: 14, get: r => named('status', r.verdict), show: (v, r) => html`<${Badge} state=${r.verdict}/>` },
  { key: 'why', label: t('why'), width: 40, grow: true, get: r => list(r.reasons), show: v => html`<bdi dir="ltr">${v || none}</bdi>` },
];

export function Routes() {
  const { data, error, again } = useAsked('/routes', 5000);
  const form = useForm({ to: '', from: '', text: '', account: '' });
  const [said, say] = useState(null);
  const go = e => { e.preventDefault(); say(null); form.run(async v => { const body = { to: v.to.trim(), text: v.text }; if (v.from.trim()) body.from = v.from.trim(); if (v.account.trim()) body.account = v.account.trim(); say(await ask('POST', '/routes/test', body)); }); };
  const [failed, fail] = useState(null);
  const [deleting, setDeleting] = useState(null);
  const [editing, edit] = useState(null); // a rule, 'new' or 'order'
  const remove = async r => { try { await ask('DELETE', '/routes/' + r.id); fail(null); } catch (e) { fail(e); } again(); };
  const done = () => { edit(null); again(); };
  return html`<div class="stack"><${Wrong} error=${failed ?? error} again=${error && again}/>
    ${may('routes') && data && editing === null && html`<div class="row"><button class="primary" id="new" onClick=${() => edit('new')}>${t('newRule')}</button>${data.routes.length > 1 && data.routes.length <= maxOrdered && html`<button id="reorder" onClick=${() => edit('order')}>${t('changeOrder')}</button>`}</div>`}
    ${editing === 'order' ? html`<${RuleOrder} rules=${data.routes} takes=${takes} onDone=${done} onClose=${done}/>` : editing && html`<${RuleForm} key=${editing.id ?? 0} of=${editing === 'new' ? null : editing} onDone=${done} onClose=${() => edit(null)}/>`}
    <section class="card">${!data ? !error && html`<${Loading} tall/>` : html`<${Table} id="routes" columns=${ruleColumns(edit, setDeleting)} rows=${data.routes} noun="rows" rowKey=${r => r.id} empty=${html`<${Nothing} title=${t('noRoutes')} hint=${t('noRoutesHint')}/>`}/>`}</section>
    <form class="card stack" onSubmit=${go} id="dryrun"><div><h2>${t('dryRun')}</h2><p class="dim small">${t('dryRunHint')}</p></div><${Wrong} error=${restOf(form.problem, ['to', 'from', 'text', 'account'])}/>
      <div class="formgrid"><${Field} id="to" label=${t('recipient')} dir="ltr" required ...${form.field('to')}/><${Field} id="from" label=${t('sender')} dir="ltr" ...${form.field('from')}/><${Field} id="account" label=${t('account')} dir="ltr" ...${form.field('account')}/><${Field} id="text" label=${t('text')} dir="auto" ...${form.field('text')}/></div>
      <div class="row"><button class="primary" id="try" disabled=${form.busy}>${t('tryOut')}</button></div>
      ${said && html`<div class=${'banner ' + (said.connector ? 'good' : 'bad')} role="status" id="said"><b>${said.connector ? t('wouldGo', { c: said.connector, r: said.route || '–' }) : t('noMatch')}</b><span><bdi dir="ltr">${said.why}</bdi></span></div>
        ${said.rules?.length > 0 && html`<${Table} id="judged" columns=${judgedColumns} rows=${said.rules} noun="rows" filter=${false} rowKey=${r => r.route_id}/>`}`}</form>
    ${deleting && html`<${Ask} title=${t('deleteAsk', { name: deleting.name })} yes=${t('delete')} danger onYes=${() => remove(deleting)} onNo=${() => setDeleting(null)}>${t('deleteRuleSays')}</${Ask}>`}</div>`;
}
