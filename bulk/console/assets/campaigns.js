// Campaigns: one text to many recipients, with its progress.
import { html, Ask, count, share, useState } from './ui.js';
import { Table } from './table.js';
import { named, t } from './strings.js';
import { ask, useAsked } from './net.js';
import { Badge, Field, Loading, Nothing, When, Wrong, may, restOf, seesAll, useForm } from './parts.js';

const done = c => c.total_recipients > 0 ? Math.min(1, c.progress.processed / c.total_recipients) : 0;
const Progress = ({ of, label }) => html`<span class="progress"><progress max="1" value=${of} aria-label=${label}></progress> <bdi dir="ltr">${share(of)}</bdi></span>`;
const columns = () => [
  { key: 'created', label: t('created'), width: 23, get: c => c.created_at, show: v => html`<${When} at=${v}/>` }, { key: 'name', label: t('name'), width: 13, grow: true, get: c => c.name, show: (v, c) => html`<a href=${'#/campaigns/' + c.campaign_id}><bdi>${v}</bdi></a>` },
  { key: 'status', label: t('status'), width: 16, get: c => named('status', c.status), show: (v, c) => html`<${Badge} state=${c.status}/>` }, { key: 'progress', label: t('progress'), width: 20, get: done, show: (v, c) => html`<${Progress} of=${v} label=${c.name}/>` },
  ...(seesAll() ? [{ key: 'account', label: t('account'), num: true, width: 9, get: c => c.account_id }] : []),
  { key: 'recipients', label: t('recipients'), num: true, width: 13, get: c => c.total_recipients, show: count }, { key: 'sent', label: t('sent'), num: true, width: 12, get: c => c.progress.sent, show: count },
  { key: 'delivered', label: t('delivered'), num: true, width: 14, get: c => c.progress.messages?.DELIVERED ?? 0, show: count },
];

export function Campaigns({ rest }) {
  const { data, error, again } = useAsked('/campaigns?limit=100', 3000);
  const [making, make] = useState(false);
  if (rest[0]) return html`<${Campaign} id=${rest[0]} key=${rest[0]}/>`;
  return html`<div class="stack">${may('campaigns') && !making && html`<div class="row"><button class="primary" id="new" onClick=${() => make(true)}>${t('newCampaign')}</button></div>`}
    ${making && html`<${Create} onClose=${() => { make(false); again(); }}/>`}<${Wrong} error=${error} again=${again}/>
    <section class="card">${!data ? !error && html`<${Loading} tall/>` : html`<${Table} id="campaigns" columns=${columns()} rows=${data.campaigns} noun="campaigns" rowKey=${c => c.campaign_id} onRow=${c => { location.hash = '#/campaigns/' + c.campaign_id; }} empty=${html`<${Nothing} title=${t('noCampaigns')} hint=${t('noCampaignsHint')}/>`}/>`}</section></div>`;
}

const types = { csv: 'text/csv', txt: 'text/csv', xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', ndjson: 'application/x-ndjson', jsonl: 'application/x-ndjson' };

function Create({ onClose }) {
  const form = useForm({ name: '', sender_id: '', message_content: '', max_tps: '', numbers: '' });
  const [file, setFile] = useState(null);
  const [made, setMade] = useState(null);
  const go = e => {
    e.preventDefault();
    form.run(async v => {
      const { numbers, max_tps: tps, ...rest } = v, body = { ...rest };
      if (!body.sender_id) delete body.sender_id;
      if (tps) body.max_tps = +tps;
      const list = numbers.split(/[\s,;]+/).filter(Boolean);
      if (list.length && !made) body.recipients = list;
      // What was made and whose file was wrong is not made twice.
      let c = made ?? await ask('POST', '/campaigns', body);
      setMade(c);
      if (file) c = await ask('POST', `/campaigns/${c.campaign_id}/recipients?name=${encodeURIComponent(file.name)}`, file, types[file.name.split('.').pop().toLowerCase()] ?? 'text/csv');
      location.hash = '#/campaigns/' + c.campaign_id;
      onClose();
    });
  };
  return html`<form class="card stack" onSubmit=${go} id="campaign"><h2>${t('newCampaign')}</h2><${Wrong} error=${restOf(form.problem, ['name', 'sender_id', 'message_content', 'max_tps'])}/>
    <div class="formgrid"><${Field} id="name" label=${t('name')} required ...${form.field('name')}/><${Field} id="sender_id" label=${t('sender')} dir="ltr" ...${form.field('sender_id')}/><${Field} id="max_tps" label=${t('maxTPS')} unit=${t('perSecond')} inputmode="numeric" dir="ltr" ...${form.field('max_tps')}/></div>
    <${Field} id="message_content" label=${t('campaignText', { name: '{name}' })} error=${form.problem?.fields?.message_content}><textarea id="message_content" dir="auto" rows="3" required ...${form.field('message_content')}></textarea></${Field}>
    <div class="formgrid"><${Field} id="file" label=${t('file')}><input id="file" type="file" accept=".csv,.txt,.xlsx,.ndjson,.jsonl" onChange=${e => setFile(e.target.files[0] ?? null)}/></${Field}>
      <${Field} id="numbers" label=${t('orNumbers')}><textarea id="numbers" dir="ltr" rows="3" ...${form.field('numbers')}></textarea></${Field}></div>
    <div class="row"><button class="primary" id="go" disabled=${form.busy}>${t('create')}</button><button type="button" onClick=${onClose}>${t('cancel')}</button></div></form>`;
}

// What can be done in which state; the API decides.
const actions = { DRAFT: ['start'], SCHEDULED: ['pause', 'cancel'], RUNNING: ['pause', 'cancel'], PAUSED: ['resume', 'cancel'], PENDING_APPROVAL: ['approve', 'cancel'] };
const plain = { pause: 'pause', resume: 'resume', approve: 'approve', start: 'start', cancel: 'cancel' };

function Campaign({ id }) {
  const path = '/campaigns/' + encodeURIComponent(id);
  const { data: c, error, again } = useAsked(path, 2000);
  const [failed, fail] = useState(null);
  const [asking, setAsking] = useState('');
  const act = async what => { try { await ask('POST', path + '/' + what); fail(null); } catch (e) { fail(e); } again(); };
  const back = html`<p><a href="#/campaigns">${document.dir === 'rtl' ? '→' : '←'} ${t('campaigns')}</a></p>`;
  if (!c) return html`<div class="stack">${back}${error ? html`<${Wrong} error=${error} again=${again}/>` : html`<${Loading} tall/>`}</div>`;
  const left = Math.max(0, c.total_recipients - c.progress.processed), dangerous = what => what === 'start' || what === 'cancel';
  return html`<div class="stack">${back}<${Wrong} error=${failed ?? error}/><section class="card"><div class="head"><h2><bdi>${c.name}</bdi></h2><${Badge} state=${c.status}/><span class="grow"></span>
      ${may('campaigns') && html`<div class="row">${(actions[c.status] ?? []).map(what => html`<button key=${what} data-act=${what} class=${what === 'cancel' ? 'danger' : what === 'start' || what === 'resume' ? 'primary' : ''} onClick=${() => dangerous(what) ? setAsking(what) : act(what)}>${t(plain[what])}</button>`)}</div>`}</div>
    <${Progress} of=${done(c)} label=${c.name}/><blockquote class="text" dir="auto">${c.message_content}</blockquote>
    <dl class="figures"><div><dt>${t('recipients')}</dt><dd>${count(c.total_recipients)}</dd></div><div><dt>${t('tpsIn')}</dt><dd>${count(c.progress.accepted)}</dd></div><div><dt>${t('sent')}</dt><dd>${count(c.progress.sent)}</dd></div><div><dt>${t('delivered')}</dt><dd>${count(c.progress.messages?.DELIVERED ?? 0)}</dd></div><div><dt>${t('failed')}</dt><dd>${count((c.progress.messages?.FAILED ?? 0) + (c.progress.messages?.REJECTED ?? 0) + (c.progress.messages?.EXPIRED ?? 0) + c.progress.refused)}</dd></div><div><dt>${t('limit')}</dt><dd>${c.max_tps ? count(c.max_tps) + t('perSecond') : t('none')}</dd></div></dl>
    ${c.rows_refused > 0 && html`<p class="acceptable small"><a href=${'/api/v1' + path + '/errors'} download>${t('refusedRows', { n: c.rows_refused })}</a></p>`}${c.last_error && html`<p class="fail small"><bdi dir="ltr">${c.last_error}</bdi></p>`}</section>
    ${asking && html`<${Ask} title=${t(asking === 'start' ? 'startAsk' : 'cancelCampaignAsk', { name: c.name })} yes=${t(asking === 'start' ? 'start' : 'stop')} danger=${asking === 'cancel'} onYes=${() => act(asking)} onNo=${() => setAsking('')}>${asking === 'start' ? t('startSays', { n: c.total_recipients }) : t('cancelCampaignSays', { n: left })}</${Ask}>`}</div>`;
}
