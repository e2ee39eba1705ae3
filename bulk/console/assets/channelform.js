// The form of a way to people: a webhook, e-mail, or an HTTP call by template. Its secret is written and never shown.
import { html } from './ui.js';
import { t } from './strings.js';
import { ask, useAsked } from './net.js';
import { Area, Check, Choice, Field, Wrong, restOf, useForm } from './parts.js';

const texts = { webhook: ['url'], email: ['server', 'security', 'user', 'from', 'to'], http: ['url', 'chat', 'body'] }; // by kind
const split = text => text.split(/[\s,;]+/).filter(Boolean);

export function ChannelForm({ of, onDone, onClose }) {
  const form = useForm({ name: of?.name ?? '', kind: of?.kind ?? 'webhook', rules: of?.rules ?? [], disabled: of?.disabled ?? false, secret: '', url: of?.url ?? '', body: of?.body ?? '', chat: of?.chat ?? '', server: of?.server ?? '', security: of?.security ?? 'starttls', user: of?.user ?? '', from: of?.from ?? '', to: (of?.to ?? []).join(', ') });
  const { data } = useAsked('/alerts/rules');
  const v = form.values, f = form.field;
  const save = e => {
    e.preventDefault();
    form.run(async v => {
      const body = { kind: v.kind, rules: v.rules, disabled: v.disabled, ...Object.fromEntries(texts[v.kind].map(k => [k, k === 'to' ? split(v.to) : v[k].trim()])) };
      if (v.secret) body.secret = v.secret;
      onDone(await ask('PUT', '/alerts/channels/' + encodeURIComponent(v.name.trim()), body));
    });
  };
  const input = (name, label, more = {}) => html`<${Field} id=${'h-' + name} label=${label} dir="ltr" autocapitalize="none" spellcheck="false" ...${more} ...${f(name)}/>`;
  return html`<form class="stack inner" id="channelform" onSubmit=${save} autocomplete="off"><h3>${of ? html`<bdi dir="ltr">${of.name}</bdi>` : t('newChannel')}</h3><${Wrong} error=${restOf(form.problem, ['name', 'kind', 'rules', 'disabled', 'secret', ...texts[v.kind]])}/>
    <div class="formgrid">${!of && input('name', t('name'), { required: true, hint: t('channelNameHint') })}<${Choice} id="h-kind" label=${t('kind')} options=${Object.keys(texts).map(k => [k, t('channel_' + k)])} ...${f('kind')}/>${v.kind !== 'email' && input('url', t('address'), { required: true, placeholder: 'https://' })}
      ${v.kind === 'email' && html`${input('server', t('mailServer'), { placeholder: 'mail.example:587', required: true })}<${Choice} id="h-security" label=${t('mailSecurity')} options=${[['starttls', 'STARTTLS'], ['tls', 'TLS'], ['none', t('none')]]} ...${f('security')}/>${input('user', t('user'))}${input('from', t('from'), { required: true })}${input('to', t('to'), { required: true, hint: t('severalByCommas') })}`}
      ${v.kind === 'http' && input('chat', t('chat'), { hint: '{{.Chat}}' })}${input('secret', t(v.kind === 'email' ? 'password' : 'secret'), { type: 'password', autocomplete: 'new-password', hint: of?.secret_set ? t('channelSecretSet') : t('secretHidden') })}</div>
    ${v.kind === 'http' && html`<${Area} id="h-body" label=${t('channelBody')} hint=${t('channelBodyHint')} rows="3" dir="ltr" spellcheck="false" ...${f('body')}/>`}
    <fieldset class="some"><legend>${t('onlyRules')}</legend><div class="row">${(data?.rules ?? []).map(r => html`<${Check} key=${r.name} id=${'h-rule-' + r.name} label=${html`<bdi dir="ltr">${r.name}</bdi>`} value=${v.rules.includes(r.name)} onInput=${e => form.set('rules', e.target.checked ? [...v.rules, r.name] : v.rules.filter(n => n !== r.name))}/>`)}</div>${f('rules').error && html`<span class="error" role="alert">${f('rules').error}</span>`}</fieldset>
    <${Check} id="h-disabled" label=${t('ruleOff')} ...${f('disabled')}/><div class="row"><button class="primary" id="savechannel" disabled=${form.busy}>${t('save')}</button><button type="button" onClick=${onClose}>${t('cancel')}</button></div></form>`;
}
