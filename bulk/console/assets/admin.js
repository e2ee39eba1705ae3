// Accounts, the people who sign in, the log of changes, and the system.
import { html, Ask, bytes, count, none, rate, useState } from './ui.js';
import { Table } from './table.js';
import { named, t } from './strings.js';
import { ask, query, session, useAsked, usePages } from './net.js';
import { Badge, Fact, Field, Id, Loading, More, Nothing, Tell, When, Wrong, amount, may, restOf, useForm } from './parts.js';

const accountColumns = act => [
  { key: 'id', label: t('number'), num: true, width: 11, get: a => a.account_id }, { key: 'name', label: t('name'), width: 20, grow: true, get: a => a.name, show: v => html`<bdi>${v}</bdi>` }, { key: 'role', label: t('role'), width: 12, get: a => named('role', a.role) },
  { key: 'system', label: t('systemID'), width: 16, get: a => a.system_id ?? '', show: v => html`<bdi dir="ltr">${v || none}</bdi>` }, { key: 'tps', label: t('tps'), num: true, width: 11, get: a => a.tps, show: v => v ? rate(v) : t('unlimited') }, { key: 'quota', label: t('quota'), num: true, width: 14, get: a => a.daily_quota, show: v => v ? count(v) : t('unlimited') },
  { key: 'state', label: t('state'), width: 14, get: a => t(a.disabled ? 'disabled' : 'active'), show: (v, a) => html`<${Badge} state=${a.disabled ? 'disabled' : 'active'}/>` },
  ...(may('accounts') ? [{ key: 'act', label: '', width: 14, get: () => '', show: (v, a) => html`<button class="small" onClick=${() => act(a)}>${t(a.disabled ? 'enable' : 'disable')}</button>` }] : []),
];

export function Accounts() {
  const { data, error, again } = useAsked('/accounts', 10000);
  const [failed, fail] = useState(null);
  const [asking, setAsking] = useState(null);
  const [made, setMade] = useState(null);
  const form = useForm({ name: '', system_id: '', tps: '' });
  const set = async (a, disabled) => { try { await ask('PATCH', '/accounts/' + a.account_id, { disabled }); fail(null); } catch (e) { fail(e); } again(); };
  const create = e => { e.preventDefault(); form.run(async v => { const body = { name: v.name }; if (v.system_id) body.system_id = v.system_id; if (v.tps) body.tps = +v.tps; setMade(await ask('POST', '/accounts', body)); form.reset(); again(); }); };
  return html`<div class="stack"><${Wrong} error=${failed ?? error} again=${error && again}/>
    <section class="card">${!data ? !error && html`<${Loading} tall/>` : html`<${Table} id="accounts" columns=${accountColumns(a => a.disabled ? set(a, false) : setAsking(a))} rows=${data.accounts} noun="accounts" rowKey=${a => a.account_id} empty=${html`<${Nothing} title=${t('noAccounts')}/>`}/>`}</section>
    <${Money}/>
    ${may('accounts') && html`<form class="card stack" id="account" onSubmit=${create}><h2>${t('newAccount')}</h2><${Wrong} error=${restOf(form.problem, ['name', 'system_id', 'tps'])}/>
      ${made && html`<div class="banner good" role="status"><b><bdi>${made.name}</bdi></b><bdi dir="auto">${t('accountMade', { key: made.api_key })}</bdi></div>`}
      <div class="formgrid"><${Field} id="name" label=${t('name')} required ...${form.field('name')}/><${Field} id="system_id" label=${t('systemID')} dir="ltr" ...${form.field('system_id')}/><${Field} id="tps" label=${t('tps')} unit=${t('perSecond')} inputmode="decimal" dir="ltr" ...${form.field('tps')}/></div><div class="row"><button class="primary" disabled=${form.busy}>${t('create')}</button></div></form>`}
    ${asking && html`<${Ask} title=${t('disableAsk', { name: asking.name })} yes=${t('disable')} danger onYes=${() => set(asking, true)} onNo=${() => setAsking(null)}>${t('disableSays')}</${Ask}>`}</div>`;
}

function Money() {
  const { data: b } = useAsked('/balance', 10000), { data: u } = useAsked('/accounts/me/usage', 10000);
  if (!b || !u) return null;
  return html`<section class="card"><dl class="figures"><div><dt>${t('account')}</dt><dd><bdi>${session.now?.account}</bdi></dd></div><div><dt>${t('balance')}</dt><dd>${b.unlimited ? t('unlimited') : amount(b.available) + ' ' + b.currency}</dd></div><div><dt>${t('usage')}</dt><dd>${u.day.quota ? t('usedOf', { n: count(u.day.parts), all: count(u.day.quota) }) : count(u.day.parts)}</dd></div></dl></section>`;
}

const userColumns = act => [
  { key: 'name', label: t('user'), width: 22, grow: true, get: u => u.name, show: v => html`<bdi dir="ltr">${v}</bdi>` }, { key: 'role', label: t('role'), width: 13, get: u => named('role', u.role) }, { key: 'account', label: t('account'), width: 16, get: u => u.account, show: v => html`<bdi>${v}</bdi>` },
  { key: 'factor', label: t('twoFactor'), width: 15, get: u => u.two_factor ? t('on') : t('off') }, { key: 'state', label: t('state'), width: 14, get: u => t(u.disabled ? 'disabled' : 'active'), show: (v, u) => html`<${Badge} state=${u.disabled ? 'disabled' : 'active'}/>` },
  ...(may('users') ? [{ key: 'act', label: '', width: 40, get: () => '', show: (v, u) => html`<span class="row"><button class="small" onClick=${() => act(u, 'password')}>${t('resetPassword')}</button><button class="small" onClick=${() => act(u, 'disable')}>${t(u.disabled ? 'enable' : 'disable')}</button><button class="small danger" onClick=${() => act(u, 'delete')}>${t('deleteUser')}</button></span>` }] : []),
];

export function Users() {
  const { data, error, again } = useAsked('/users', 10000);
  const [failed, fail] = useState(null);
  const [asking, setAsking] = useState(null);
  const [made, setMade] = useState(null);
  const form = useForm({ name: '', role: 'operator', account_id: '' });
  const path = u => '/users/' + encodeURIComponent(u.name);
  const act = async (u, what) => {
    if (what === 'delete') { setAsking(u); return; }
    try { if (what === 'password') setMade(await ask('POST', path(u) + '/password')); else await ask('PATCH', path(u), { disabled: !u.disabled }); fail(null); } catch (e) { fail(e); }
    again();
  };
  const remove = async u => { try { await ask('DELETE', path(u)); fail(null); } catch (e) { fail(e); } again(); };
  const create = e => { e.preventDefault(); form.run(async v => { const body = { name: v.name, role: v.role }; if (v.account_id) body.account_id = +v.account_id; setMade(await ask('POST', '/users', body)); form.reset(); again(); }); };
  return html`<div class="stack"><${Wrong} error=${failed ?? error} again=${error && again}/>
    ${made?.password && html`<div class="banner good" role="status" id="made"><bdi dir="auto">${t('userMade', { name: made.name, password: made.password })}</bdi></div>`}
    <section class="card">${!data ? !error && html`<${Loading} tall/>` : html`<${Table} id="users" columns=${userColumns(act)} rows=${data.users} noun="users" rowKey=${u => u.name}/>`}</section>
    ${may('users') && html`<form class="card stack" id="newuser" onSubmit=${create}><h2>${t('newUser')}</h2><${Wrong} error=${restOf(form.problem, ['name', 'role', 'account_id'])}/><div class="formgrid"><${Field} id="name" label=${t('user')} dir="ltr" autocapitalize="none" required ...${form.field('name')}/>
      <${Field} id="role" label=${t('role')} error=${form.problem?.fields?.role}><select id="role" ...${form.field('role')}>${['admin', 'operator', 'auditor', 'customer'].map(r => html`<option key=${r} value=${r}>${named('role', r)}</option>`)}</select></${Field}><${Field} id="account_id" label=${t('accountNumber')} hint=${t('accountNumberHint')} inputmode="numeric" dir="ltr" ...${form.field('account_id')}/></div><div class="row"><button class="primary" disabled=${form.busy}>${t('create')}</button></div></form>`}
    ${asking && html`<${Ask} title=${t('deleteAsk', { name: asking.name })} yes=${t('deleteUser')} danger onYes=${() => remove(asking)} onNo=${() => setAsking(null)}>${t('deleteSays')}</${Ask}>`}</div>`;
}

const said = c => c.changes?.length ? c.changes.map(x => x.what + (x.before == null ? ' +' : x.after == null ? ' −' : '') + ': ' + Object.keys({ ...x.before, ...x.after }).map(k => `${k} ${JSON.stringify(x.before?.[k] ?? null)} → ${JSON.stringify(x.after?.[k] ?? null)}`).join(', ')).join('; ') : c.request ? JSON.stringify(c.request) : '';
const shown = v => v == null ? '–' : typeof v === 'string' ? v : JSON.stringify(v);
const who = e => e.user ? `${e.user} (${e.account})` : e.account, call = e => e.method + ' ' + e.path.replace('/api/v1', '');
const auditColumns = open => [
  { key: 'at', label: t('at'), width: 23, get: e => e.at, show: v => html`<${When} at=${v}/>` }, { key: 'act', label: '', width: 11, get: () => '', show: (v, e) => html`<button type="button" class="small" data-open=${e.id} onClick=${() => open(e)}>${t('details')}</button>` }, { key: 'who', label: t('who'), width: 18, get: who, show: v => html`<bdi>${v}</bdi>` }, { key: 'address', label: t('address'), width: 15, get: e => e.address, show: v => html`<bdi dir="ltr">${v}</bdi>` },
  { key: 'call', label: t('call'), width: 30, get: call, show: v => html`<bdi dir="ltr">${v}</bdi>` }, { key: 'change', label: t('change'), width: 22, grow: true, get: said, show: v => html`<bdi dir="ltr">${v || none}</bdi>` },
];

// Change is all that the log has of a change, a line for each member.
const Change = ({ of, onClose }) => html`<${Tell} title=${t('change')} onClose=${onClose}><dl class="facts"><${Fact} name=${t('at')}><${When} at=${of.at}/></${Fact}><${Fact} name=${t('who')}><bdi>${who(of)}</bdi></${Fact}><${Fact} name=${t('address')}><bdi dir="ltr">${of.address}</bdi></${Fact}><${Fact} name=${t('call')}><bdi dir="ltr">${call(of)}</bdi></${Fact}></dl>
  ${(of.changes ?? []).map((c, i) => html`<h3 key=${i}><bdi dir="ltr">${c.what}</bdi></h3><dl class="facts" dir="ltr">${Object.keys({ ...c.before, ...c.after }).map(k => html`<div key=${k}><dt>${k}</dt><dd>${shown(c.before?.[k])} → ${shown(c.after?.[k])}</dd></div>`)}</dl>`)}
  ${!of.changes?.length && of.request && html`<dl class="facts" dir="ltr">${Object.entries(of.request).map(([k, v]) => html`<div key=${k}><dt>${k}</dt><dd>${shown(v)}</dd></div>`)}</dl>`}</${Tell}>`;

export function Audit() {
  const [opened, open] = useState(null);
  const form = useForm({ user: '', what: '' });
  const [q, setQ] = useState({});
  const list = usePages('/audit' + query({ ...q, limit: 100 }), 'entries', 10000);
  return html`<div class="stack"><form class="card search" onSubmit=${e => { e.preventDefault(); setQ({ ...form.values }); }}><div class="formgrid"><${Field} id="user" label=${t('user')} dir="ltr" ...${form.field('user')}/><${Field} id="what" label=${t('change')} hint=${t('auditHint')} dir="ltr" ...${form.field('what')}/></div><div class="row"><button class="primary">${t('search')}</button></div></form>
    <${Wrong} error=${list.error} again=${list.again}/><section class="card">${!list.rows ? !list.error && html`<${Loading} tall/>` : html`<${Table} id="audit" columns=${auditColumns(open)} rows=${list.rows} noun="rows" rowKey=${e => e.id} empty=${html`<${Nothing} title=${t('noAudit')} hint=${t('noAuditHint')}/>`}/>`}
    <${More} of=${list}/></section>${opened && html`<${Change} of=${opened} onClose=${() => open(null)}/>`}</div>`;
}

const settingColumns = [
  { key: 'key', label: t('setting'), width: 28, get: s => s.key, show: v => html`<${Id}>${v}</${Id}>` }, { key: 'value', label: t('value'), width: 30, get: s => s.value, show: v => html`<${Id}>${v || none}</${Id}>` }, { key: 'meaning', label: t('meaning'), width: 50, grow: true, get: s => s.meaning, show: v => html`<bdi dir="ltr">${v}</bdi>` },
];
const nodeColumns = [
  { key: 'node', label: t('node'), num: true, width: 8, get: n => n.node }, { key: 'name', label: t('name'), width: 18, get: n => n.name, show: v => html`<bdi dir="ltr">${v}</bdi>` }, { key: 'state', label: t('state'), width: 13, get: n => named('status', n.state), show: (v, n) => html`<${Badge} state=${n.state}/>` }, { key: 'ready', label: t('isReady'), width: 16, get: n => n.ready ? t('ready') : t('notReady') + (n.reason ? ': ' + n.reason : '') },
  { key: 'version', label: t('version'), width: 16, get: n => n.version, show: v => html`<bdi dir="ltr">${v}</bdi>` }, { key: 'http', label: t('http'), width: 20, get: n => n.http, show: v => html`<bdi dir="ltr">${v}</bdi>` }, { key: 'roles', label: t('roles'), width: 24, grow: true, get: n => (n.roles ?? []).join(', '), show: v => html`<bdi dir="ltr">${v}</bdi>` },
];

export function System() {
  const { data: s, error, again } = useAsked('/system', 10000), { data: n } = useAsked('/nodes', 5000);
  if (!s) return error ? html`<${Wrong} error=${error} again=${again}/>` : html`<${Loading} tall/>`;
  return html`<div class="stack"><section class="card"><dl class="figures"><div><dt>${t('version')}</dt><dd dir="ltr">${s.version}</dd></div><div><dt>Go</dt><dd dir="ltr">${s.go.replace('go', '')} ${s.platform}</dd></div><div><dt>${t('started')}</dt><dd><${When} at=${s.started_at}/></dd></div><div><dt>${t('logLevel')}</dt><dd>${s.log_level}</dd></div><div><dt>${t('disk')}</dt><dd class=${s.disk.free < 2 * s.disk.min_free ? 'fail' : ''}><bdi>${t('freeOf', { free: bytes(s.disk.free), all: bytes(s.disk.total) })}</bdi></dd></div></dl></section>
    ${n && html`<section class="card"><div class="head"><h2>${t('nodes')}</h2></div><${Table} id="nodes" columns=${nodeColumns} rows=${n.nodes} noun="nodes" filter=${false} rowKey=${x => x.node}/></section>`}
    <section class="card"><div class="head"><h2>${t('settings')}</h2></div><${Table} id="settings" columns=${settingColumns} rows=${s.settings} noun="rows" rowKey=${x => x.key}/></section></div>`;
}
