// Numbers that are not written to: the blacklist and the opt-outs, of everybody or of an account.
import { html, Ask, Tabs, count, none, useState } from './ui.js';
import { t } from './strings.js';
import { ask, query, useAsked, usePages } from './net.js';
import { Area, Choice, Field, Id, Listed, When, Wrong, may, restOf, seesAll, useForm } from './parts.js';

const columns = remove => [
  { key: 'number', label: t('numberOf'), width: 20, get: n => n.number, show: v => html`<${Id}>${v}</${Id}>` },
  ...(seesAll() ? [{ key: 'account', label: t('account'), width: 12, get: n => n.account_id ?? t('everybody') }] : []),
  { key: 'sender', label: t('sender'), width: 14, get: n => n.sender ?? '', show: v => v ? html`<bdi dir="ltr">${v}</bdi>` : html`<span class="dim">${t('all')}</span>` },
  ...(may('numbers') ? [{ key: 'act', label: '', width: 13, get: () => '', show: (v, n) => html`<button class="small" data-act="remove" onClick=${() => remove(n)}>${t('remove')}</button>` }] : []),
  { key: 'since', label: t('since'), width: 23, get: n => n.since, show: v => html`<${When} at=${v}/>` }, { key: 'source', label: t('source'), width: 24, grow: true, get: n => n.source, show: v => html`<bdi dir="auto">${v || none}</bdi>` },
];

export function Numbers({ rest }) {
  const kind = rest[0] === 'optouts' ? 'optouts' : 'blacklist';
  return html`<div class="stack"><${Tabs} key="tabs" tabs=${['blacklist', 'optouts'].map(id => ({ id, label: t(id) }))} active=${kind} onSelect=${id => { location.hash = '#/blocked/' + id; }}/><${List} key=${kind} kind=${kind}/></div>`;
}

function List({ kind }) {
  const search = useForm({ number: '', account: 'all' });
  const [number, setNumber] = useState('');
  const [asking, setAsking] = useState(null);
  const [failed, fail] = useState(null);
  const all = seesAll(), owner = all ? search.values.account : 'me';
  const { data: accounts } = useAsked(all ? '/accounts' : null);
  const list = usePages('/' + kind + query({ account_id: owner, number, limit: 100 }), 'numbers', 10000);
  const remove = async n => { try { await ask('DELETE', `/${kind}/${encodeURIComponent(n.number)}` + query({ account_id: n.account_id ?? 'all', sender: n.sender })); fail(null); } catch (e) { fail(e); } list.again(); };
  return html`<p class="dim small">${t(kind + 'Hint')}</p>
    <form class="card search" id="find" onSubmit=${e => { e.preventDefault(); setNumber(search.values.number.trim()); }}><div class="formgrid">
      ${all && html`<${Choice} id="owner" label=${t('listOf')} options=${[['all', t('everybody')], ...(accounts?.accounts ?? []).map(a => [String(a.account_id), `${a.name} (${a.account_id})`])]} ...${search.field('account')}/>`}
      <${Field} id="number" label=${t('numberOf')} type="search" inputmode="tel" dir="ltr" ...${search.field('number')}/></div><div class="row"><button class="primary" id="search">${t('search')}</button></div></form>
    <${Wrong} error=${failed ?? list.error} again=${list.again}/>
    <section class="card"><${Listed} id="numbers" of=${list} columns=${columns(setAsking)} noun="numbers" rowKey=${n => n.number + ',' + (n.sender ?? '')} nothing=${t('noNumbers')} hint=${t('noNumbersHint')}/></section>
    ${may('numbers') && html`<${Change} kind=${kind} owner=${owner} onDone=${list.again}/>`}
    ${asking && html`<${Ask} title=${t('removeAsk', { n: asking.number })} yes=${t('remove')} danger onYes=${() => remove(asking)} onNo=${() => setAsking(null)}>${t('removeSays')}</${Ask}>`}`;
}

// Change puts numbers on the list or takes them from it: typed, or in a file.
function Change({ kind, owner, onDone }) {
  const form = useForm({ numbers: '', sender: '' });
  const [file, setFile] = useState(null);
  const [done, setDone] = useState(null);
  const [asking, setAsking] = useState(false);
  const go = how => form.run(async v => {
    setDone(null);
    const path = '/' + kind + (how === 'remove' ? '/remove' : '') + query({ account_id: owner, sender: v.sender.trim() });
    const numbers = v.numbers.split(/[\n,;]+/).map(n => n.trim()).filter(Boolean);
    try {
      setDone({ how, ...await (file ? ask('POST', path, file, 'text/csv') : ask('POST', path, { numbers })) });
    } catch (p) { if (p.code === 'invalid_number') p.fields.numbers = p.message; throw p; }
    form.set('numbers', ''); setFile(null); onDone();
  });
  return html`<form class="card stack" id="change" onSubmit=${e => { e.preventDefault(); go('add'); }}><h2>${t('changeList')}</h2><${Wrong} error=${restOf(form.problem, ['numbers', 'sender'])}/>
    ${done && html`<div class=${'banner ' + (done.refused ? 'warn' : 'good')} role="status" id="changed"><b>${t(done.how === 'remove' ? 'removedOf' : 'addedOf', { n: done.added ?? done.removed, all: done.total })}</b>${done.refused > 0 && html`<span>${t('refusedNumbers', { n: done.refused })}</span>${done.errors.slice(0, 5).map(e => html`<span key=${e.index}><bdi dir="ltr">#${e.index}: ${e.detail}</bdi></span>`)}`}</div>`}
    <div class="formgrid"><${Area} id="list" label=${t('numbersOneALine')} rows="4" dir="ltr" inputmode="tel" disabled=${!!file} ...${form.field('numbers')}/>
      <div class="stack"><${Field} id="listfile" label=${t('numbersFile')} hint=${t('numbersFileHint')}><input id="listfile" type="file" accept=".csv,.txt" aria-describedby="listfile-says" key=${done ? done.total + done.how : ''} onChange=${e => setFile(e.target.files[0] ?? null)}/></${Field}>
      <${Field} id="onlysender" label=${t('onlySender')} hint=${t('onlySenderHint')} dir="ltr" ...${form.field('sender')}/></div></div>
    <div class="row"><button class="primary" id="add" disabled=${form.busy}>${t('addNumbers')}</button><button type="button" class="danger" id="take" disabled=${form.busy || !file && !form.values.numbers.trim()} onClick=${() => setAsking(true)}>${t('removeNumbers')}</button></div>
    ${asking && html`<${Ask} title=${t('removeManyAsk')} yes=${t('remove')} danger onYes=${() => go('remove')} onNo=${() => setAsking(false)}>${t('removeSays')}</${Ask}>`}</form>`;
}
