// Webhooks: where final states and messages from mobiles are told, what could not be told, and telling it again.
import { html, Ask, CopyButton, count, none, useEffect, useState } from './ui.js';
import { named, t } from './strings.js';
import { ask, get, useAsked, usePages } from './net.js';
import { Badge, Choice, Field, Id, Listed, Loading, When, Wrong, may, restOf, seesAll, useForm } from './parts.js';

const Text = ({ children }) => html`<bdi dir="ltr">${children || none}</bdi>`;
const accountColumn = () => seesAll() ? [{ key: 'account', label: t('account'), num: true, width: 10, get: e => e.account_id }] : [];
const endpointColumns = () => [
  { key: 'url', label: t('address'), width: 34, grow: true, get: e => e.url, show: v => html`<${Text}>${v}</${Text}>` }, ...accountColumn(), { key: 'kind', label: t('tells'), width: 16, get: e => t('kind_' + e.kind) },
  { key: 'pending', label: t('waiting'), num: true, width: 10, get: e => e.pending, show: count }, { key: 'failures', label: t('failuresInARow'), num: true, width: 13, get: e => e.failures, show: count, cls: e => e.failures ? 'fail' : '' },
  { key: 'retry', label: t('retryAt'), width: 23, get: e => e.retry_at ?? '', show: v => html`<${When} at=${v}/>` }, { key: 'error', label: t('lastError'), width: 30, get: e => e.error ?? '', show: v => html`<${Text}>${v}</${Text}>` },
];
const page = kind => kind === 'inbound' ? 'inbound' : 'messages';
const failedColumns = replay => [
  { key: 'at', label: t('givenUpAt'), width: 23, get: f => f.failed_at, show: v => html`<${When} at=${v}/>` },
  { key: 'id', label: t('id'), width: 20, get: f => f.message_id, show: (v, f) => html`<a href=${`#/${page(f.kind)}/${encodeURIComponent(v)}`}><${Id}>${v}</${Id}></a>` },
  ...(may('replay') ? [{ key: 'act', label: '', width: 15, get: () => '', show: (v, f) => html`<button class="small" data-act="replay" onClick=${() => replay([f])}>${t('tellAgain')}</button>` }] : []), ...accountColumn(),
  { key: 'kind', label: t('tells'), width: 16, get: f => t('kind_' + f.kind) }, { key: 'status', label: t('status'), width: 15, get: f => f.status ? named('status', f.status) : '', show: (v, f) => v ? html`<${Badge} state=${f.status}/>` : none },
  { key: 'url', label: t('address'), width: 26, get: f => f.url, show: v => html`<${Text}>${v}</${Text}>` }, { key: 'error', label: t('error'), width: 30, grow: true, get: f => f.error, show: v => html`<${Text}>${v}</${Text}>` },
];

// replayAll tells what failed again: final states in requests of a thousand, messages from mobiles one by one.
async function replayAll(failed) {
  const done = { replayed: 0, skipped: [] };
  const ids = failed.filter(f => f.kind !== 'inbound').map(f => f.message_id);
  for (let i = 0; i < ids.length; i += 1000) {
    const answer = await ask('POST', '/webhooks/replay', { message_ids: ids.slice(i, i + 1000) });
    done.replayed += answer.replayed; done.skipped.push(...answer.skipped ?? []);
  }
  for (const f of failed.filter(f => f.kind === 'inbound')) {
    try { await ask('POST', `/inbound/messages/${encodeURIComponent(f.message_id)}/replay`); done.replayed++; } catch (e) { done.skipped.push({ message_id: f.message_id, reason: e.message }); }
  }
  return done;
}

function Done({ done }) {
  return html`<div class=${'banner ' + (done.replayed || !done.skipped.length ? 'good' : 'warn')} role="status" id="replayed"><b>${t('toldAgain', { n: done.replayed })}</b>
    ${done.skipped.length > 0 && html`<span>${t('notToldAgain', { n: done.skipped.length })}</span>${done.skipped.slice(0, 5).map(s => html`<span key=${s.message_id}><${Id}>${s.message_id}</${Id}>: <bdi dir="ltr">${s.reason}</bdi></span>`)}`}</div>`;
}

export function Webhooks() {
  const endpoints = useAsked('/webhooks/endpoints', 5000), failed = usePages('/webhooks/failed?limit=100', 'failed', 10000);
  const [asking, setAsking] = useState(null);
  const [done, setDone] = useState(null);
  const [wrong, fail] = useState(null);
  const replay = async list => { try { setDone(await replayAll(list)); fail(null); } catch (e) { fail(e); } endpoints.again(); failed.again(); };
  return html`<div class="stack"><${Wrong} error=${wrong ?? endpoints.error ?? failed.error} again=${() => { fail(null); endpoints.again(); failed.again(); }}/>${done && html`<${Done} done=${done}/>`}
    ${may('webhook') && html`<${Own}/>`}
    <section class="card"><div class="head"><h2>${t('endpoints')}</h2></div><${Listed} id="endpoints" of=${endpoints} rows=${endpoints.data?.endpoints} columns=${endpointColumns()} noun="rows" rowKey=${e => e.account_id + e.kind + e.url} nothing=${t('noEndpoints')} hint=${t('noEndpointsHint')}/></section>
    <section class="card"><div class="head"><h2>${t('givenUp')}</h2>${may('replay') && failed.rows?.length > 0 && html`<button id="all" onClick=${() => setAsking(failed.rows)}>${t('tellAllAgain', { n: failed.rows.length })}</button>`}</div>
      <${Listed} id="givenup" of=${failed} columns=${failedColumns(replay)} noun="rows" rowKey=${f => f.message_id + f.failed_at} nothing=${t('noneGivenUp')} hint=${t('noneGivenUpHint')}/></section>
    ${may('replay') && html`<${Since} onDone=${setDone}/>`}
    ${asking && html`<${Ask} title=${t('tellAgainAsk')} yes=${t('tellAgain')} onYes=${() => replay(asking)} onNo=${() => setAsking(null)}>${t('tellAgainSays', { n: asking.length, recognised: t('recognised') })}</${Ask}>`}</div>`;
}

// Own is where the final states of the own account go.
function Own() {
  const form = useForm({ dlr_url: '', webhook_secret: '' });
  const [now, setNow] = useState(null);
  const [saved, setSaved] = useState(false);
  const [wrong, fail] = useState(null);
  const have = w => { setNow(w); form.set('dlr_url', w.dlr_url); form.set('webhook_secret', ''); };
  const look = async () => { try { have(await get('/webhooks')); fail(null); } catch (e) { fail(e); } };
  useEffect(() => { look(); }, []);
  const save = e => { e.preventDefault(); setSaved(false); form.run(async v => { have(await ask('PUT', '/webhooks', { dlr_url: v.dlr_url.trim(), ...(v.webhook_secret.trim() ? { webhook_secret: v.webhook_secret.trim() } : {}) })); setSaved(true); }); };
  if (!now) return html`<section class="card"><${Wrong} error=${wrong} again=${look}/>${!wrong && html`<${Loading}/>`}</section>`;
  return html`<form class="card stack" id="ownwebhook" onSubmit=${save}><div><h2>${t('ownWebhook')}</h2><p class="dim small">${t('ownWebhookHint')}</p></div><${Wrong} error=${restOf(form.problem, ['dlr_url', 'webhook_secret'])}/>
    ${saved && html`<div class="banner good" role="status"><b aria-hidden="true">✓</b>${t('saved')}</div>`}
    <div class="formgrid"><${Field} id="dlr_url" label=${t('address')} type="url" placeholder="https://" dir="ltr" ...${form.field('dlr_url')}/><${Field} id="webhook_secret" label=${t('newSecret')} hint=${t('newSecretHint')} type="password" autocomplete="off" dir="ltr" ...${form.field('webhook_secret')}/></div>
    <div class="row"><button class="primary" disabled=${form.busy}>${t('save')}</button>${now.webhook_secret && html`<${CopyButton} text=${now.webhook_secret} label=${t('copySecret')}/>`}</div></form>`;
}

const finals = ['DELIVERED', 'FAILED', 'REJECTED', 'EXPIRED', 'CANCELLED', 'UNKNOWN'];

// Since tells the final states of a time again, a thousand at once.
function Since({ onDone }) {
  const form = useForm({ since: '', until: '', status: '' });
  const [told, tell] = useState(null);
  const go = e => {
    e.preventDefault();
    form.run(async v => {
      const done = { replayed: 0, skipped: [] }, body = { since: new Date(v.since).toISOString() };
      if (v.until) body.until = new Date(v.until).toISOString();
      if (v.status) body.status = v.status;
      do {
        const answer = await ask('POST', '/webhooks/replay', body);
        done.replayed += answer.replayed; done.skipped.push(...answer.skipped ?? []);
        body.cursor = answer.next_cursor;
        tell(done.replayed);
      } while (body.cursor);
      tell(null); onDone(done);
    });
  };
  return html`<form class="card stack" id="since-form" onSubmit=${go}><div><h2>${t('tellTime')}</h2><p class="dim small">${t('tellTimeHint')}</p></div><${Wrong} error=${restOf(form.problem, ['since', 'until', 'status'])}/>
    <div class="formgrid"><${Field} id="since" label=${t('acceptedFrom')} type="datetime-local" required ...${form.field('since')}/><${Field} id="until" label=${t('acceptedUntil')} type="datetime-local" ...${form.field('until')}/><${Choice} id="final" label=${t('status')} options=${[['', t('all')], ...finals.map(s => [s, named('status', s)])]} ...${form.field('status')}/></div>
    <div class="row"><button disabled=${form.busy}>${t('tellAgain')}</button>${told != null && html`<span class="dim small" role="status">${t('toldAgain', { n: told })}</span>`}</div></form>`;
}
