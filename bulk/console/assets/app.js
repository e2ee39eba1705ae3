// The console's shell: sign-in, navigation, and one page at a time. Pages are in files of their own.
import { html, render, useEffect, useState, ThemeButton, count, rate } from './ui.js';
import { named, t, otherLanguage } from './strings.js';
import { ask, get, live, session, setSession, useLive, watchSession } from './net.js';
import { Field, Loading, Wrong, restOf, useForm } from './parts.js';
import { Dashboard } from './dashboard.js';
import { Messages, Send } from './messages.js';
import { Connectors } from './connectors.js';
import { Routes } from './routes.js';
import { Campaigns } from './campaigns.js';
import { Numbers } from './numbers.js';
import { Webhooks } from './webhooks.js';
import { Records } from './cdr.js';
import { Inbound } from './inbound.js';
import { Alerts } from './alerts.js';
import { Accounts, Audit, System, Users } from './admin.js';
import { Profile } from './profile.js';

const staff = ['admin', 'operator', 'auditor'], everybody = [...staff, 'customer'];
const pages = [
  { id: 'dashboard', page: Dashboard, who: everybody },
  { group: 'traffic', id: 'messages', page: Messages, who: everybody }, { id: 'send', page: Send, who: ['admin', 'operator', 'customer'] }, { id: 'campaigns', page: Campaigns, who: everybody }, { id: 'inbound', page: Inbound, who: everybody }, { id: 'blocked', page: Numbers, who: everybody },
  { group: 'network', id: 'connectors', page: Connectors, who: staff }, { id: 'routes', page: Routes, who: staff }, { id: 'webhooks', page: Webhooks, who: everybody }, { id: 'cdr', page: Records, who: staff }, { id: 'alerts', page: Alerts, who: staff },
  { group: 'administration', id: 'accounts', page: Accounts, who: everybody }, { id: 'users', page: Users, who: staff }, { id: 'audit', page: Audit, who: staff }, { id: 'system', page: System, who: staff },
];
let group = '';
for (const p of pages) p.group = group = p.group ?? group;

const place = () => { const [id, ...rest] = location.hash.replace(/^#\/?/, '').split('/'); return { id: id || 'dashboard', rest: rest.map(decodeURIComponent) }; };

function Brand() {
  return html`<a class="brand" href="#/dashboard"><img src="icon.svg" alt="" width="28" height="28"/><b>${t('product')}</b></a>`;
}

const LanguageButton = ({ id = 'language', look = 'quiet' }) => html`<button type="button" class=${look} id=${id} onClick=${otherLanguage} lang=${t('language') === 'English' ? 'en' : 'ar'}>${t('language')}</button>`;

function SignIn() {
  const [code, needCode] = useState(false);
  const form = useForm({ user: '', password: '', code: '' });
  const go = e => {
    e.preventDefault();
    form.run(async v => {
      try { setSession(await ask('POST', '/session', code ? v : { user: v.user, password: v.password })); } catch (p) {
        if (p.code === 'code_needed') { needCode(true); setTimeout(() => document.getElementById('code')?.focus()); return; }
        if (p.code === 'sign_in_refused') p.message = t('refused');
        if (p.code === 'too_many_sign_ins') p.message = t('limited', { n: p.wait });
        throw p;
      }
    });
  };
  return html`<main class="lone"><form class="card stack" onSubmit=${go} id="signin">
    <div class="spread"><${Brand}/><div class="row"><${LanguageButton}/><${ThemeButton}/></div></div>
    <h1>${t('signIn')}</h1>
    ${session.why && html`<div class="banner warn" role="status">${session.why}</div>`}
    <${Wrong} error=${form.problem}/>
    <${Field} id="user" label=${t('user')} autocomplete="username" autocapitalize="none" spellcheck="false" autofocus dir="ltr" required ...${form.field('user')}/>
    <${Field} id="password" label=${t('password')} type="password" autocomplete="current-password" dir="ltr" required ...${form.field('password')}/>
    ${code && html`<${Field} id="code" label=${t('code')} hint=${t('codeHint')} inputmode="numeric" autocomplete="one-time-code" dir="ltr" required ...${form.field('code')}/>`}
    <button class="primary wide" id="go" disabled=${form.busy}>${t('signIn')}</button></form></main>`;
}

function State() {
  const { tick, lost } = useLive();
  if (!tick) return null;
  const down = (tick.connectors ?? []).filter(c => c.mode === 'running' && c.bound < c.binds);
  const bad = tick.firing > 0 || down.some(c => c.bound === 0) || !tick.ready || !tick.closes;
  const look = lost ? 'wait' : bad ? 'bad' : 'go', last = live.points.at(-1);
  return html`<span class="now"><span class=${'pill ' + look} id="state">${{ go: '●', wait: '◐', bad: '✗' }[look]} ${t(lost ? 'lost' : bad ? 'trouble' : 'healthy')}</span>
    ${last?.in != null && html`<span class="fig hide"><b>${rate(last.in)}</b> <span class="dim">${t('tpsIn')}${t('perSecond')}</span></span>`}
    <span class="fig hide"><b>${count(tick.queued)}</b> <span class="dim">${t('queued')}</span></span></span>`;
}

function Shell() {
  const [at, set] = useState(place());
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const fn = () => {
      set(place()); setOpen(false);
      if (document.activeElement?.matches('[role=tab]')) return; // the arrow keys go on
      document.querySelector('main')?.focus({ preventScroll: true }); scrollTo(0, 0);
    };
    addEventListener('hashchange', fn);
    return () => removeEventListener('hashchange', fn);
  }, []);
  const me = session.now, forced = me.must_change;
  const own = pages.filter(p => p.who.includes(me.role));
  const page = forced ? null : own.find(p => p.id === at.id);
  const title = forced || at.id === 'profile' || !page ? t(at.id === 'profile' || forced ? 'profile' : 'dashboard') : t(page.id);
  useEffect(() => { document.title = title + ' · ' + t('product'); });
  const close = e => { if (open && e.key === 'Escape') { setOpen(false); document.getElementById('menu').focus(); } };
  const signOut = async () => { try { await ask('DELETE', '/session'); } finally { setSession(null); } };
  return html`<a class="skip" href="#main" onClick=${e => { e.preventDefault(); document.querySelector('main').focus(); }}>${title}</a>
    <header class="bar"><div class="first"><button class="quiet only-small" id="menu" aria-expanded=${open} aria-controls="side" onClick=${() => setOpen(!open)}><span aria-hidden="true">☰</span><span class="sr">${t('menu')}</span></button>
      <${Brand}/>${forced ? html`<span class="now"></span>` : html`<${State}/>`}<div class="acts"><${LanguageButton} look="quiet hide"/><${ThemeButton}/>
      <a class="button quiet hide" id="me" href="#/profile" title=${t('profile')}><bdi>${me.user}</bdi> <span class="dim">${named('role', me.role)}</span></a><button class="quiet hide" id="signout" onClick=${signOut}>${t('signOut')}</button></div></div></header>
    <div class="shell"><nav id="side" class=${open ? 'open' : ''} aria-label=${t('menu')} onKeyDown=${close}>${!forced && own.map((p, i) => html`${p.group !== (own[i - 1]?.group ?? '') && html`<b class="group" key=${p.group}>${t(p.group)}</b>`}<a key=${p.id} id=${'nav-' + p.id} href=${'#/' + p.id} aria-current=${p.id === page?.id ? 'page' : null}>${t(p.id)}</a>`)}
      <div class="own"><b class="group"><bdi>${me.user}</bdi> <span class="dim">${named('role', me.role)}</span></b><a id="side-me" href="#/profile" aria-current=${at.id === 'profile' ? 'page' : null}>${t('profile')}</a><${LanguageButton} id="side-language" look=""/><button id="side-signout" onClick=${signOut}>${t('signOut')}</button></div></nav>
    <main id="main" tabindex="-1"><h1 class=${page?.id === 'dashboard' ? 'sr' : ''}>${title}</h1>${live.lost && !forced && html`<div class="banner warn" role="status">${t('stale')}</div>`}
      ${forced || at.id === 'profile' ? html`<${Profile} forced=${forced}/>` : html`<${page?.page ?? Dashboard} key=${page?.id} rest=${at.rest}/>`}</main></div>`;
}

function App() {
  const [, set] = useState(0);
  const [first, begun] = useState(true);
  useEffect(() => watchSession(() => set(n => n + 1)), []);
  const [error, fail] = useState(null);
  const look = async () => {
    fail(null);
    try { setSession(await get('/session')); begun(false); } catch (e) { if (e.status === 401 || e.status === 403) begun(false); else fail(e); }
  };
  useEffect(() => { look(); }, []);
  if (error) return html`<main class="lone"><${Wrong} error=${error} again=${look}/></main>`;
  if (first) return html`<main class="lone"><${Loading} tall/></main>`;
  return session.now ? html`<${Shell}/>` : html`<${SignIn}/>`;
}

render(html`<${App}/>`, document.getElementById('app'));
