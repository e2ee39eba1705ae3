// The form of a connector. Secrets are written and never shown; of a connector that is there only what was changed is sent.
import { html, useRef, useState } from './ui.js';
import { t } from './strings.js';
import { ask } from './net.js';
import { Area, Check, Choice, Field, Wrong, restOf, useForm } from './parts.js';
import { Rows } from './rows.js';
import { blank, bodyOf, entry, fieldsOf, shown } from './connectorfields.js';

const classes = ['throttled', 'temporary', 'no_route', 'permanent', 'rejected'], answers = ['accepted', ...classes, 'unavailable', 'unknown'];
const states = ['delivered', 'failed', 'rejected', 'expired', 'unknown', 'pending'];
const kinds = ['', 'alphanumeric', 'international', 'national', 'short'];
const advanced = ['response_timeout', 'enquire_link', 'reconnect_min', 'reconnect_max', 'message_ids', 'unknown', 'trace_tlv', 'throttle_scope', 'charset', 'failover_after', 'source_rules', 'dest_rules', 'statuses'];

// ConnectorForm makes a connector, or changes one: `of`.
export function ConnectorForm({ of, onDone, onClose }) {
  const [was] = useState(() => fieldsOf(of?.settings));
  const form = useForm(was), v = form.values, f = form.field, http = v.kind === 'http';
  const save = e => {
    e.preventDefault();
    form.run(async v => {
      const body = bodyOf(v, of && was);
      if (!of) onDone(await ask('POST', '/connectors', body)); else if (Object.keys(body).length === 0) onClose(); else onDone(await ask('PATCH', '/connectors/' + encodeURIComponent(of.name), body));
    });
  };
  const opened = useRef(advanced.some(k => Array.isArray(was[k]) && was[k].length > 0));
  opened.current ||= advanced.some(k => f(k).error); // and it stays so
  const id = name => 'c-' + name.replaceAll('/', '-');
  const input = (name, label, more = {}) => html`<${Field} id=${id(name)} label=${label} dir="ltr" autocapitalize="none" spellcheck="false" ...${more} ...${f(name)}/>`;
  const number = (name, label, unit) => input(name, label, { unit, inputmode: 'decimal' });
  const secret = (name, label, set) => input(name, label, { type: 'password', autocomplete: 'new-password', hint: set ? t('secretSet') : t('secretHidden') });
  const choice = (name, label, options, more = {}) => html`<${Choice} id=${id(name)} label=${label} options=${options} ...${more} ...${f(name)}/>`;
  const check = (name, label) => html`<${Check} id=${id(name)} label=${label} ...${f(name)}/>`;
  const rows = (name, legend, add, columns, more = {}) => html`<${Rows} form=${form} name=${name} id=${id(name)} legend=${legend} add=${add} columns=${columns} blank=${blank[name]} entry=${(r, i) => entry(name, r, i)} ...${more}/>`;
  const words = (prefix, all) => all.map(x => [x, t(prefix + x)]);
  const address = [{ key: 'kind', label: t('addressKind'), width: 1.6, options: kinds.map(k => [k, t('address_' + (k || 'any'))]) }, { key: 'prefix', label: t('beginsWith'), width: 1.2 }, { key: 'ton', label: 'TON', inputmode: 'numeric', width: 0.8 }, { key: 'npi', label: 'NPI', inputmode: 'numeric', width: 0.8 }, { key: 'strip', label: t('strip'), inputmode: 'numeric' }, { key: 'prepend', label: t('prepend') }];
  const finder = 'json:messages.0.id', secure = http ? v['http/url'].trim().startsWith('https://') : v.tls;
  const tls = secure && html`<div class="formgrid">${input('tls_server_name', t('tlsName'), { hint: t('tlsNameHint') })}<${Area} id="c-tls_ca" label=${t('tlsCA')} hint=${t('tlsCAHint')} rows="3" dir="ltr" spellcheck="false" ...${f('tls_ca')}/></div>`;
  return html`<form class="card stack" id="connectorform" onSubmit=${save} autocomplete="off"><h2>${of ? html`<bdi>${of.name}</bdi>` : t('newConnector')}</h2><${Wrong} error=${restOf(form.problem, shown)}/>
    <div class="formgrid">${input('name', t('name'), { required: true })}${!of && choice('kind', t('kind'), [['smpp', 'SMPP'], ['http', t('kindHTTP')]])}${!http && input('address', t('address'), { placeholder: 'smsc.example:2775', required: true })}
      ${input('system_id', t('systemID'))}${secret('password', t('password'), of?.password_set)}${!http && input('system_type', 'system_type')}</div>
    ${http && html`<fieldset><legend>${t('request')}</legend>${input('http/url', 'URL', { required: true, placeholder: 'https://api.example.com/sms?to={{to}}', hint: t('templateHint') })}
      <div class="formgrid">${choice('http/method', t('method'), ['POST', 'GET', 'PUT', 'PATCH'])}${choice('http/auth', t('authentication'), words('auth_', ['none', 'basic', 'bearer']))}${choice('http/format', t('format'), words('format_', ['json', 'form', 'xml', 'text']))}${choice('http/split', t('carries'), words('split_', ['message', 'part']))}</div>
      ${v['http/method'] !== 'GET' || v['http/body'] || f('http/body').error ? html`<${Area} id="c-http-body" label=${t('body')} rows="4" dir="ltr" spellcheck="false" placeholder=${'{"from":"{{from}}","to":"{{to}}","text":"{{text}}"}'} ...${f('http/body')}/>` : ''}
      ${rows('http/headers', t('headers'), t('addHeader'), [{ key: 'name', label: t('name'), placeholder: 'X-Request-Id' }, { key: 'value', label: t('value'), width: 2, placeholder: '{{ref}}' }])}</fieldset>
    <fieldset><legend>${t('answer')}</legend><div class="formgrid">${input('http/id', t('answerID'), { placeholder: finder, hint: t('finderHint') })}${input('http/error', t('answerError'), { placeholder: 'json:error.code', hint: t('answerErrorHint') })}</div>
      ${rows('http/rules', t('answerRules'), t('addAnswer'), [{ key: 'status', label: t('httpStatus'), placeholder: '2xx, 400-404' }, { key: 'value', label: t('valueAt'), width: 1.5, placeholder: 'json:error.code' }, { key: 'is', label: t('isOneOf'), placeholder: '12|13' }, { key: 'like', label: t('fits'), width: 1.2, placeholder: '(?i)no route' }, { key: 'class', label: t('means'), width: 1.5, options: words('class_', answers) }], { ordered: true, hint: t('answerRulesHint') })}</fieldset>
    <fieldset><legend>${t('receipts')}</legend>${check('receipts', t('receiptsCome'))}${v.receipts && html`<div class="formgrid">${input('http/callback/base', t('ourAddress'), { placeholder: 'https://sms.example.net', hint: t('ourAddressHint') })}${secret('callback_secret', t('callbackSecret'), of?.callback_secret_set)}${input('http/callback/answer', t('ourAnswer'), { placeholder: 'OK' })}</div>
      <div class="formgrid">${input('http/callback/id', t('answerID'), { required: true, placeholder: 'json:messageId' })}${input('http/callback/status', t('receiptState'), { required: true, placeholder: 'json:status' })}${input('http/callback/items', t('receiptItems'), { placeholder: 'results', hint: t('receiptItemsHint') })}${input('http/callback/error', t('answerError'))}${input('http/callback/to', t('receiptTo'))}</div>
      ${rows('http/callback/states', t('theirStates'), t('addState'), [{ key: 'name', label: t('theirWord'), placeholder: 'DELIVERED_TO_HANDSET' }, { key: 'value', label: t('means'), options: words('state_', states) }], { hint: t('theirStatesHint') })}`}</fieldset>`}
    <fieldset><legend>${t('speed')}</legend><div class="formgrid">${!http && choice('bind', t('bind'), [['trx', t('bind_trx')], ['txrx', t('bind_txrx')], ['outbind', t('bind_outbind')]])}${number('binds', http ? t('connections') : t('binds'))}${number('window', http ? t('requestsAtOnce') : t('windowUse'))}${number('tps', t('limit'), t('perSecond'))}
      ${v.bind === 'outbind' && !http && html`${input('outbind_listen', t('outbindListen'), { placeholder: '0.0.0.0:2780' })}${input('outbind_system_id', t('outbindID'))}${secret('outbind_password', t('outbindPassword'))}`}</div></fieldset>
    ${(!http || secure) && html`<fieldset><legend>TLS</legend><div class="row">${!http && check('tls', t('tlsOn'))}${secure && check('tls_insecure', t('tlsInsecure'))}</div>${tls}</fieldset>`}
    <details class="advanced" open=${opened.current}><summary>${t('advanced')}</summary><div class="stack"><div class="formgrid">${input('response_timeout', t('responseTimeout'))}${!http && input('enquire_link', t('enquireLink'))}${input('reconnect_min', t('reconnectMin'))}${input('reconnect_max', t('reconnectMax'))}${input('failover_after', t('failoverAfter'))}
      ${choice('unknown', t('onUnknown'), [['resend', t('resend')], ['hold', t('hold')], ['fail', t('failIt')]])}${!http && html`${choice('message_ids', t('messageIDs'), ['auto', 'raw', 'hex2dec', 'dec2hex'])}${choice('charset', t('charset'), ['gsm7', 'gsm7_packed', 'latin1', 'ucs2'])}${choice('throttle_scope', t('throttleScope'), [['connector', t('allBinds')], ['bind', t('oneBind')]])}`}</div>
      ${!http && check('trace_tlv', t('traceTLV'))}
      ${rows('source_rules', t('sourceRules'), t('addAddressRule'), [...address, { key: 'replace', label: t('replaceBy'), width: 1.2 }], { ordered: true, hint: t('addressRulesHint') })}
      ${rows('dest_rules', t('destRules'), t('addAddressRule'), address, { ordered: true, hint: t('addressRulesHint') })}
      ${!http && rows('statuses', t('statusClasses'), t('addStatus'), [{ key: 'name', label: 'command_status', placeholder: 'ESME_RINVDSTADR, 0x400' }, { key: 'value', label: t('means'), options: words('class_', classes) }], { hint: t('statusClassesHint') })}</div></details>
    <div class="row"><button class="primary" id="save" disabled=${form.busy}>${t(of ? 'save' : 'create')}</button><button type="button" onClick=${onClose}>${t('cancel')}</button></div></form>`;
}
