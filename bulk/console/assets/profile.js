// The own sign-in: password and second factor.
import { html, useState } from './ui.js';
import { t } from './strings.js';
import { ask, session, setSession } from './net.js';
import { Badge, Field, Id, Wrong, restOf, useForm } from './parts.js';

// Code is a QR code, dark on light in either theme, as cameras want it.
const Code = ({ qr }) => html`<svg class="qr" id="qr" role="img" aria-label=${t('qrCode')} viewBox=${`-4 -4 ${qr.size + 8} ${qr.size + 8}`} shape-rendering="crispEdges"><rect x="-4" y="-4" width=${qr.size + 8} height=${qr.size + 8} fill="#fff"/><path d=${qr.path} fill="#000"/></svg>`;

export function Profile({ forced }) {
  const me = session.now, words = useForm({ current_password: '', password: '' }), factor = useForm({ password: '', code: '' });
  const [offer, setOffer] = useState(null);
  const [told, tell] = useState('');
  const change = e => { e.preventDefault(); words.run(async v => { setSession(await ask('POST', '/session/password', v)); words.reset(); tell(t('changed')); if (forced) location.hash = '#/dashboard'; }); };
  const start = () => factor.run(async () => setOffer(await ask('POST', '/session/totp')));
  const set = e => { e.preventDefault(); factor.run(async v => { setSession(me.two_factor ? await ask('DELETE', '/session/totp', { password: v.password }) : await ask('PUT', '/session/totp', { ...v, secret: offer.secret })); factor.reset(); setOffer(null); }); };
  return html`<div class="stack narrow">${forced && html`<div class="banner warn" role="status">${t('mustChange')}</div>`}${told && html`<div class="banner good" role="status">${told}</div>`}
    <form class="card stack" id="password" onSubmit=${change}><h2>${t('changePassword')}</h2><${Wrong} error=${restOf(words.problem, ['current_password', 'password'])}/><input type="text" hidden autocomplete="username" value=${me.user}/>
      <${Field} id="current" label=${t('current')} type="password" autocomplete="current-password" dir="ltr" required ...${words.field('current_password')}/><${Field} id="new" label=${t('newPassword')} hint=${t('passwordHint')} type="password" autocomplete="new-password" dir="ltr" required ...${words.field('password')}/><div class="row"><button class="primary" disabled=${words.busy}>${t('changePassword')}</button></div></form>
    ${!forced && html`<form class="card stack" id="factor" onSubmit=${set}><div class="head"><h2>${t('twoFactor')}</h2><${Badge} state=${me.two_factor ? 'active' : 'disabled'} label=${t(me.two_factor ? 'on' : 'off')}/></div><${Wrong} error=${restOf(factor.problem, ['password', 'code'])}/>
      ${offer && html`<p class="small">${t('totpHint')}</p><${Code} qr=${offer.qr}/><dl class="facts"><div><dt>${t('totpSecret')}</dt><dd><${Id}>${offer.secret.replace(/(.{4})/g, '$1 ')}</${Id}></dd></div></dl><p><a href=${offer.url}>${t('openApp')}</a></p><${Field} id="totp" label=${t('code')} hint=${t('codeHint')} inputmode="numeric" autocomplete="one-time-code" dir="ltr" required ...${factor.field('code')}/>`}
      ${(offer || me.two_factor) && html`<${Field} id="prove" label=${t('current')} type="password" autocomplete="current-password" dir="ltr" required ...${factor.field('password')}/>`}
      <div class="row">${offer || me.two_factor ? html`<button class=${me.two_factor ? 'danger' : 'primary'} disabled=${factor.busy}>${t(me.two_factor ? 'totpOff' : 'totpOn')}</button>` : html`<button type="button" id="setup" onClick=${start}>${t('totpStart')}</button>`}</div></form>`}</div>`;
}
