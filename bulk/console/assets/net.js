// The REST API as the signed-in user: one function to ask, the session, and what comes each second.
import { useEffect, useRef, useState } from './ui.js';
import { t } from './strings.js';

export const session = { now: null };
const watchers = new Set();
export const watchSession = fn => { watchers.add(fn); return () => watchers.delete(fn); };
export function setSession(s, why = '') { if (s?.user !== session.now?.user) forget(); session.now = s; session.why = why; watchers.forEach(fn => fn()); }

// Problem is what the API answers when it does not do it: a sentence, and one for each field.
export class Problem extends Error {
  constructor(status, p, wait) {
    super(p.detail || p.title || 'HTTP ' + status);
    this.status = status; this.code = p.code ?? ''; this.wait = wait;
    this.fields = Object.fromEntries((p.errors ?? []).map(e => [e.pointer.replace(/^[/?]/, ''), e.detail]));
  }
}

// fault is what the page itself finds wrong with a field.
export const fault = (field, says) => Object.assign(new Error(says), { fields: { [field]: says } });

export async function ask(method, path, body, type = 'application/json') {
  const headers = { 'X-CSRF-Token': session.now?.csrf_token ?? '-' };
  if (body !== undefined) headers['Content-Type'] = type;
  let response;
  try {
    response = await fetch('/api/v1' + path, { method, headers, credentials: 'same-origin', body: body === undefined || type !== 'application/json' ? body : JSON.stringify(body) });
  } catch { throw new Problem(0, { detail: t('noAnswer') }); }
  const answer = (response.headers.get('Content-Type') ?? '').includes('json') ? await response.json() : {};
  if (response.ok) return answer;
  if (response.status === 401 && session.now && path !== '/session') setSession(null, t('sessionEnded'));
  if (answer.code === 'password_change_needed' && session.now) setSession({ ...session.now, must_change: true });
  throw new Problem(response.status, answer, +response.headers.get('Retry-After'));
}
export const get = path => ask('GET', path);
export const query = values => {
  const q = new URLSearchParams(Object.entries(values).filter(([, v]) => v !== '' && v != null));
  return q.size ? '?' + q : '';
};

// useAsked asks, again each `every` ms when it is given, and keeps what it had while it asks.
export function useAsked(path, every) {
  const [got, set] = useState({ data: null, error: null, path: null });
  const [round, again] = useState(0);
  useEffect(() => {
    if (!path) return;
    let off = false, timer;
    const go = async () => {
      try { const data = await get(path); if (!off) set({ data, error: null, path }); } catch (error) { if (!off) set(old => ({ ...old, error })); }
      if (!off && every) timer = setTimeout(go, document.hidden ? every * 4 : every);
    };
    go();
    return () => { off = true; clearTimeout(timer); };
  }, [path, every, round]);
  return { data: got.path === path ? got.data : null, error: got.error, again: () => again(n => n + 1) };
}

// usePages is a list that goes on where next_cursor says. The first page is asked for again each `every` ms until somebody
// reads further: then nothing moves.
export function usePages(path, member, every) {
  const blank = { path, rows: null, next: null, error: null, pages: 0 };
  const [got, set] = useState(blank);
  const current = useRef();
  current.current = path;
  const mine = got.path === path ? got : blank, further = mine.pages > 1;
  const load = async cursor => {
    let page, error = null;
    try { page = await get(path + (cursor ? (path.includes('?') ? '&' : '?') + 'cursor=' + encodeURIComponent(cursor) : '')); } catch (e) { error = e; }
    if (current.current !== path) return;
    set(old => {
      const before = old.path === path ? old : blank;
      return error ? { ...before, error } : { path, rows: cursor ? [...before.rows, ...page[member]] : page[member], next: page.next_cursor, error, pages: cursor ? before.pages + 1 : 1 };
    });
  };
  useEffect(() => {
    if (!path || further) return;
    load();
    const timer = every && setInterval(() => document.hidden || load(), every);
    return () => clearInterval(timer);
  }, [path, further, every]);
  return { rows: mine.rows, next: mine.next, error: mine.error, again: () => load(), more: () => load(mine.next) };
}

// What comes each second: by an event stream, or by asking when there is none; and, for those who see everything, what the
// platform remembers of the last hour. Points are a second apart for fifteen minutes, and ten seconds apart before.
export const live = { tick: null, points: [], seen: 0, lost: false };
const liveWatchers = new Set();
let source = null, poll = null, closing = null, past = [], recent = [], turn = 0;
const keepRecent = 900, fold = 10, hour = 3600, rates = ['in', 'out', 'delivered', 'failed'];
const tell = () => liveWatchers.forEach(fn => fn());

// point is what happened between two figures.
function point(tick, before) {
  const seconds = (tick.at - before.at) / 1000, per = (a, b) => b == null || a == null || a < b ? null : (a - b) / seconds;
  const of = name => per(tick[name], before[name]);
  return { at: tick.at / 1000, in: of('accepted'), out: of('submitted'), delivered: of('delivered'), failed: of('failed'), queued: tick.queued, inFlight: tick.in_flight };
}

// folded makes one point of several: rates by their mean, the rest as it was last.
function folded(points) {
  const one = { ...points.at(-1) };
  for (const name of rates) { const known = points.map(p => p[name]).filter(v => v != null); one[name] = known.length ? known.reduce((a, b) => a + b) / known.length : null; }
  return one;
}

function arrange() {
  if (recent.length > keepRecent) past.push(folded(recent.splice(0, fold)));
  const first = (recent.at(-1)?.at ?? 0) - hour;
  past = past.filter(p => p.at >= first);
  live.points = [...past, ...recent];
}

function take(tick) {
  const before = live.tick;
  if (before && tick.at <= before.at) return;
  live.tick = tick; live.seen = Date.now(); live.lost = false;
  if (before) {
    if (tick.at - before.at > 5000) recent.push({ at: before.at / 1000 + 1 }); // a hole
    recent.push(point(tick, before));
  } else remember();
  arrange(); tell();
}

// forget leaves nothing to the next one who signs in.
function forget() {
  source?.close(); source = null; clearTimeout(poll); poll = null; turn++;
  past = []; recent = []; live.tick = null; live.points = []; live.seen = 0; live.lost = false;
}

// remember asks for the last hour, once for who is signed in.
async function remember() {
  const mine = turn;
  let figures;
  try { ({ figures } = await get('/live/history')); } catch { return; } // what comes now is shown all the same
  if (mine !== turn) return;
  const began = recent[0]?.at ?? Infinity;
  past = figures.slice(1).map((f, i) => point(f, figures[i])).filter(p => p.at < began);
  arrange(); tell();
}

function listen() {
  source = new EventSource('/api/v1/live');
  source.onmessage = e => take(JSON.parse(e.data));
  source.onerror = () => { if (source?.readyState === EventSource.CLOSED) { source = null; askInstead(); } };
}

// askInstead is for proxies that hold streams back; it goes back to the stream when it can.
function askInstead() {
  clearTimeout(poll);
  if (!liveWatchers.size) return;
  let tries = 0;
  const go = async () => {
    try { take(await get('/live?once=true')); } catch { /* the header tells that the figures are old */ }
    if (!liveWatchers.size || !session.now) return;
    if (++tries % 10 === 0) { listen(); return; }
    poll = setTimeout(go, 2000);
  };
  go();
}

export function useLive() {
  const [, set] = useState(0);
  useEffect(() => {
    const fn = () => set(n => n + 1);
    clearTimeout(closing);
    liveWatchers.add(fn);
    if (!source) listen();
    const look = setInterval(() => {
      const lost = live.seen > 0 && Date.now() - live.seen > 5000;
      if (lost !== live.lost) { live.lost = lost; tell(); }
      if (lost && source && Date.now() - live.seen > 8000 && !poll) { source.close(); source = null; askInstead(); }
    }, 1000);
    return () => {
      liveWatchers.delete(fn); clearInterval(look);
      closing = setTimeout(() => { if (!liveWatchers.size) { source?.close(); source = null; clearTimeout(poll); poll = null; } }, 1000);
    };
  }, []);
  return live;
}
