// What the page knows: the configuration, the last second, and the history. It comes from the server's event stream and
// heals by itself: after a lost connection, after seconds that were missed, after a restart of the load tester.
const listeners = new Set();
export const state = { phase: 'loading', config: null, tick: null, cols: null, seen: 0, lost: false, error: '', past: [] };
let index = {}, source = null, retry = null, healing = false, healedAt = 0;

export const subscribe = fn => { listeners.add(fn); return () => listeners.delete(fn); };
const tell = () => listeners.forEach(fn => fn());
const sleep = ms => new Promise(done => setTimeout(done, ms));

export class Refused extends Error { constructor(message, fields, status) { super(message); this.fields = fields; this.status = status; } }

export async function ask(path, body) {
  let response;
  try {
    response = await fetch(path, body === undefined ? {} : { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  } catch { throw new Refused('The load tester does not answer. Is it still running?', {}, 0); }
  if (response.status === 401) { location.href = 'login'; throw new Refused('Sign in again.', {}, 401); }
  const json = (response.headers.get('Content-Type') ?? '').includes('json');
  const answer = json ? await response.json() : { message: (await response.text()).trim() };
  if (!response.ok) throw new Refused(answer.message || 'HTTP ' + response.status, answer.errors ?? {}, response.status);
  return answer;
}

// column is a series of the current run by its name.
export const column = name => state.cols?.[index[name]] ?? [];
export const extra = i => state.cols?.[state.config.point_columns.length + i] ?? [];
export const rowIndex = name => state.config.row_columns.indexOf(name);

// gaps leaves a hole where no second was measured: a run may pause, and a laptop may sleep.
function put(cols, point, width) {
  const n = cols[0].length;
  if (n && point[0] - cols[0][n - 1] > point[1] * 1.8 + 1) {
    cols[0].push(point[0] - point[1]);
    for (let i = 1; i < width; i++) cols[i].push(null);
  }
  for (let i = 0; i < width; i++) cols[i].push(point[i] ?? null);
}

export function columns(points) {
  const width = Math.max(state.config.point_columns.length, ...points.map(p => p.length));
  const cols = Array.from({ length: width }, () => []);
  points.forEach(p => put(cols, p, width));
  return cols;
}

async function heal() {
  if (healing) return;
  healing = true;
  try {
    const wait = healedAt + 2000 - Date.now();
    if (wait > 0) await sleep(wait);
    const history = await ask('api/history');
    healedAt = Date.now();
    const run = history.runs.at(-1);
    state.number = run?.number ?? 0;
    state.seq = run?.seq ?? 0;
    state.cols = run ? columns(run.points) : null;
    tell();
  } catch { /* the stream tells what is wrong */ } finally { healing = false; }
}

function take(tick) {
  state.tick = tick;
  state.seen = Date.now();
  state.lost = false;
  if (tick.boot !== state.config.boot) { restarted(); return; }
  const run = tick.run;
  if (run && run.number !== state.number) {
    state.cols = null;
    heal();
  } else if (run && tick.point && run.seq > state.seq) {
    if (run.seq === state.seq + 1 && state.cols && tick.point.length >= state.cols.length && state.cols[0].length < 4000) {
      while (state.cols.length < tick.point.length) state.cols.push(new Array(state.cols[0].length).fill(null));
      put(state.cols, tick.point, tick.point.length);
      state.seq = run.seq;
      state.cols = [...state.cols];
    } else heal();
  } else if (run && run.seq < state.seq) heal();
  tell();
}

// restarted: another process answers. Its files may be newer, too.
async function restarted() {
  const config = await ask('api/config').catch(() => null);
  if (!config) return;
  if (config.version !== state.config.version) { location.reload(); return; }
  Object.assign(state, { config, number: 0, seq: 0, cols: null });
  await heal();
}

function listen() {
  source?.close();
  source = new EventSource('api/events');
  source.onmessage = e => take(JSON.parse(e.data));
  source.addEventListener('ping', () => { state.seen = Date.now(); if (state.lost) { state.lost = false; tell(); } });
  source.onerror = () => {
    if (!state.lost && Date.now() - state.seen > 3000) { state.lost = true; tell(); }
    if (source.readyState === EventSource.CLOSED) { clearTimeout(retry); retry = setTimeout(again, 1500); }
  };
}

// again is for streams that a browser gives up: the server said no, or a proxy did.
async function again() {
  try { await ask('api/config'); listen(); } catch { retry = setTimeout(again, 1500); }
}

export async function start() {
  try {
    state.config = await ask('api/config');
    index = Object.fromEntries(state.config.point_columns.map((name, i) => [name, i]));
    await heal();
    state.phase = 'ready';
    state.seen = Date.now();
    listen();
  } catch (e) { state.phase = 'error'; state.error = e.message; }
  tell();
}

setInterval(() => { const lost = state.phase === 'ready' && Date.now() - state.seen > 5000; if (lost !== state.lost) { state.lost = lost; tell(); } }, 1000);
