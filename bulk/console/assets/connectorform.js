// The form of a connector. Secrets are written and never shown; of a connector that is there only what was changed is sent.
import { html, useState } from './ui.js';
import { t } from './strings.js';
import { ask, fault } from './net.js';
import { Area, Check, Choice, Field, Wrong, restOf, useForm } from './parts.js';

// What the API takes when nothing is said.
const defaults = {
  name: '', kind: 'smpp', address: '', system_id: '', system_type: '', tls: false, tls_server_name: '', tls_insecure: false, tls_ca: '', bind: 'trx', outbind_listen: '', outbind_system_id: '',
  binds: 2, window: 100, tps: 0, response_timeout: '10s', enquire_link: '30s', reconnect_min: '1s', reconnect_max: '30s', message_ids: 'auto', unknown: 'resend', trace_tlv: false, throttle_scope: 'connector', charset: 'gsm7', failover_after: '30s',
};
const numbers = ['binds', 'window', 'tps'], secrets = { password: '', outbind_password: '', callback_secret: '' };
const advanced = ['response_timeout', 'enquire_link', 'reconnect_min', 'reconnect_max', 'message_ids', 'unknown', 'trace_tlv', 'throttle_scope', 'charset', 'failover_after'];
const rest = { source_rules: [], dest_rules: [], statuses: {} }; // by their JSON
const text = v => v == null || typeof v === 'object' && !Object.keys(v).length ? '' : JSON.stringify(v, null, 1);
const first = s => ({ ...Object.fromEntries(Object.entries(defaults).map(([k, v]) => [k, typeof v === 'boolean' ? s?.[k] ?? v : String(s?.[k] ?? v)])), ...secrets, http: text(s?.http), more: text(s && Object.fromEntries(Object.keys(rest).filter(k => s[k]).map(k => [k, s[k]]))) });

function json(v, field) {
  if (!v.trim()) return {};
  try { const made = JSON.parse(v); if (made && typeof made === 'object' && !Array.isArray(made)) return made; } catch { /* said below */ }
  throw fault(field, t('notJSON'));
}

function changes(v, was) {
  const body = {};
  for (const [k, x] of Object.entries(v)) {
    if (x === was[k] || k === 'http' || k === 'more') continue;
    body[k] = numbers.includes(k) ? x.trim() === '' ? 0 : isNaN(x) ? x : +x : x;
  }
  if (v.http !== was.http) body.http = json(v.http, 'http');
  if (v.more !== was.more) {
    const more = json(v.more, 'more'), strange = Object.keys(more).find(k => !(k in rest));
    if (strange) throw fault('more', t('noneOf', { name: strange, all: Object.keys(rest).join(', ') }));
    for (const k of Object.keys(rest)) if (JSON.stringify(more[k]) !== JSON.stringify(json(was.more, 'more')[k])) body[k] = more[k] ?? rest[k];
  }
  return body;
}

// ConnectorForm makes a connector, or changes one: `of`.
export function ConnectorForm({ of, onDone, onClose }) {
  const [was] = useState(() => first(of?.settings));
  const form = useForm(was), v = form.values, f = form.field, http = v.kind === 'http';
  const save = e => {
    e.preventDefault();
    form.run(async v => {
      const body = changes(v, was);
      if (!of) { body.name = v.name.trim(); body.kind = v.kind; }
      onDone(await (of ? ask('PATCH', '/connectors/' + encodeURIComponent(of.name), body) : ask('POST', '/connectors', body)));
    });
  };
  const input = (name, label, more = {}) => html`<${Field} id=${'c-' + name} label=${label} dir="ltr" autocapitalize="none" spellcheck="false" ...${more} ...${f(name)}/>`;
  const number = (name, label, unit) => input(name, label, { unit, inputmode: 'decimal' });
  const secret = (name, label, set) => input(name, label, { type: 'password', autocomplete: 'new-password', hint: set ? t('secretSet') : t('secretHidden') });
  const choice = (name, label, options) => html`<${Choice} id=${'c-' + name} label=${label} options=${options} ...${f(name)}/>`;
  const check = (name, label) => html`<${Check} id=${'c-' + name} label=${label} ...${f(name)}/>`;
  const shown = [...Object.keys(defaults), ...Object.keys(secrets), ...Object.keys(rest), 'http', 'more'];
  const moreError = f('more').error ?? Object.keys(rest).map(k => f(k).error).find(Boolean);
  return html`<form class="card stack" id="connectorform" onSubmit=${save} autocomplete="off"><h2>${of ? html`<bdi>${of.name}</bdi>` : t('newConnector')}</h2><${Wrong} error=${restOf(form.problem, shown)}/>
    <div class="formgrid">${input('name', t('name'), { required: true })}${!of && choice('kind', t('kind'), [['smpp', 'SMPP'], ['http', t('kindHTTP')]])}${!http && input('address', t('address'), { placeholder: 'smsc.example:2775', required: true })}
      ${input('system_id', t('systemID'))}${secret('password', t('password'), of?.password_set)}${!http && input('system_type', 'system_type')}</div>
    ${http && html`<div class="formgrid"><${Area} id="c-http" label=${t('httpAPI')} hint=${t('httpAPIHint')} rows="10" dir="ltr" spellcheck="false" required ...${f('http')}/></div><div class="formgrid">${secret('callback_secret', t('callbackSecret'), of?.callback_secret_set)}</div>`}
    <fieldset><legend>${t('speed')}</legend><div class="formgrid">${!http && choice('bind', t('bind'), [['trx', t('bind_trx')], ['txrx', t('bind_txrx')], ['outbind', t('bind_outbind')]])}${number('binds', http ? t('connections') : t('binds'))}${number('window', http ? t('requestsAtOnce') : t('windowUse'))}${number('tps', t('limit'), t('perSecond'))}
      ${v.bind === 'outbind' && !http && html`${input('outbind_listen', t('outbindListen'), { placeholder: '0.0.0.0:2780' })}${input('outbind_system_id', t('outbindID'))}${secret('outbind_password', t('outbindPassword'))}`}</div></fieldset>
    ${!http && html`<fieldset><legend>TLS</legend><div class="row">${check('tls', t('tlsOn'))}${v.tls && check('tls_insecure', t('tlsInsecure'))}</div>${v.tls && html`<div class="formgrid">${input('tls_server_name', t('tlsName'), { hint: t('tlsNameHint') })}<${Area} id="c-tls_ca" label=${t('tlsCA')} hint=${t('tlsCAHint')} rows="3" dir="ltr" spellcheck="false" ...${f('tls_ca')}/></div>`}</fieldset>`}
    <details class="advanced" open=${advanced.some(k => f(k).error) || moreError}><summary>${t('advanced')}</summary><div class="stack"><div class="formgrid">${input('response_timeout', t('responseTimeout'))}${!http && input('enquire_link', t('enquireLink'))}${input('reconnect_min', t('reconnectMin'))}${input('reconnect_max', t('reconnectMax'))}${input('failover_after', t('failoverAfter'))}
      ${choice('unknown', t('onUnknown'), [['resend', t('resend')], ['hold', t('hold')], ['fail', t('failIt')]])}${!http && html`${choice('message_ids', t('messageIDs'), ['auto', 'raw', 'hex2dec', 'dec2hex'])}${choice('charset', t('charset'), ['gsm7', 'gsm7_packed', 'latin1', 'ucs2'])}${choice('throttle_scope', t('throttleScope'), [['connector', t('allBinds')], ['bind', t('oneBind')]])}`}</div>
      ${!http && check('trace_tlv', t('traceTLV'))}<${Area} id="c-more" label=${t('rulesJSON')} hint=${'source_rules, dest_rules, statuses'} rows="4" dir="ltr" spellcheck="false" ...${f('more')} error=${moreError}/></div></details>
    <div class="row"><button class="primary" id="save" disabled=${form.busy}>${t(of ? 'save' : 'create')}</button><button type="button" onClick=${onClose}>${t('cancel')}</button></div></form>`;
}
