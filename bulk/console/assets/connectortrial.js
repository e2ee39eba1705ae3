// A dry run of an aggregator's API: what would be sent, and how answers and receipts would be understood. Nothing is sent.
import { html, useState } from './ui.js';
import { t } from './strings.js';
import { ask } from './net.js';
import { Area, Badge, Choice, Fact, Field, Id, Wrong, restOf, useForm } from './parts.js';

const encodings = ['AUTO', 'GSM7', 'UCS2', 'LATIN1', 'BINARY'];

export function ConnectorTrial({ of, onClose }) {
  const receipts = of.settings.http.callback != null;
  const form = useForm({ from: 'SHOP', to: '+15550001234', text: 'test', encoding: 'AUTO', status: '', answer: '', query: '', receipt: '' }), f = form.field, v = form.values;
  const [said, say] = useState(null);
  const go = e => {
    e.preventDefault(); say(null);
    form.run(async v => {
      const body = { from: v.from.trim(), to: v.to.trim(), text: v.text, encoding: v.encoding };
      if (v.status.trim() || v.answer) body.answer = { status: /^\d+$/.test(v.status.trim()) ? +v.status : v.status.trim() === '' ? 200 : v.status, body: v.answer };
      if (receipts && (v.query.trim() || v.receipt)) body.receipt = { query: v.query.trim(), body: v.receipt };
      say(await ask('POST', `/connectors/${encodeURIComponent(of.name)}/test`, body));
    });
  };
  const known = ['from', 'to', 'text', 'encoding', 'answer', ...(receipts ? ['receipt'] : [])];
  return html`<form class="stack inner" id="connectortrial" onSubmit=${go}><div><h3>${t('dryRun')}</h3><p class="dim small">${t('connectorTrialHint')}</p></div><${Wrong} error=${restOf(form.problem, known)}/>
    <div class="formgrid"><${Field} id="t-to" label=${t('recipient')} dir="ltr" inputmode="tel" required ...${f('to')}/><${Field} id="t-from" label=${t('sender')} dir="ltr" ...${f('from')}/><${Choice} id="t-encoding" label=${t('encoding')} options=${encodings.map(e => [e, e === 'AUTO' ? t('automatic') : e])} ...${f('encoding')}/></div>
    <${Area} id="t-text" label=${t('text')} rows="2" dir="auto" ...${f('text')}/>
    <div class="formgrid"><${Field} id="t-status" label=${t('httpStatus')} dir="ltr" inputmode="numeric" placeholder="200" ...${f('status')} error=${f('answer').error}/><${Area} id="t-answer" label=${t('answerTried')} hint=${t('answerTriedHint')} rows="3" dir="ltr" spellcheck="false" value=${v.answer} onInput=${f('answer').onInput}/></div>
    ${receipts && html`<div class="formgrid"><${Field} id="t-query" label=${t('receiptQuery')} dir="ltr" placeholder="id=7&status=DELIVRD" ...${f('query')}/><${Area} id="t-receipt" label=${t('receiptTried')} rows="3" dir="ltr" spellcheck="false" ...${f('receipt')}/></div>`}
    <div class="row"><button class="primary" id="try" disabled=${form.busy}>${t('tryOut')}</button><button type="button" onClick=${onClose}>${t('close')}</button></div>
    ${said && html`<div class="stack" id="tried" role="status">${said.requests.map((r, i) => html`<pre class="command" dir="ltr" key=${i}>${`${r.method} ${r.url}\n${Object.entries(r.headers).map(([k, x]) => `${k}: ${x}\n`).join('')}\n${r.body}`.trimEnd()}</pre>`)}
      ${said.answer && html`<dl class="facts"><${Fact} name=${t('answerMeans')}><${Badge} state=${said.answer.class} label=${t('class_' + said.answer.class)}/></${Fact}><${Fact} name=${t('smscID')}>${said.answer.id && html`<${Id}>${said.answer.id}</${Id}>`}</${Fact}><${Fact} name=${t('error')}>${said.answer.code}</${Fact}><${Fact} name=${t('details')}>${said.answer.detail && html`<bdi dir="ltr">${said.answer.detail}</bdi>`}</${Fact}></dl>`}
      ${said.receipts?.length > 0 && html`<dl class="facts">${said.receipts.map((r, i) => html`<div key=${i}><dt><${Id}>${r.id}</${Id}>${r.to && html` · <${Id}>${r.to}</${Id}>`}</dt><dd><${Badge} state=${r.status}/>${r.code > 0 && ` · ${t('error')} ${r.code}`}</dd></div>`)}</dl>`}</div>`}</form>`;
}
