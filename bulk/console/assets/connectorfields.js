// What the form of a connector shows of its settings, and what it sends of what was typed. The names of fields are the
// places of the API: http/callback/id. What is shown and not changed is sent to nobody.
import { t } from './strings.js';

// What the API takes when nothing is said.
const plain = {
  name: '', kind: 'smpp', address: '', system_id: '', system_type: '', tls: false, tls_server_name: '', tls_insecure: false, tls_ca: '', bind: 'trx', outbind_listen: '', outbind_system_id: '',
  binds: 2, window: 100, tps: 0, response_timeout: '10s', enquire_link: '30s', reconnect_min: '1s', reconnect_max: '30s', message_ids: 'auto', unknown: 'resend', trace_tlv: false, throttle_scope: 'connector', charset: 'gsm7', failover_after: '30s',
};
const secrets = ['password', 'outbind_password', 'callback_secret'], figures = ['binds', 'window', 'tps'];
const onlySMPP = ['address', 'system_type', 'tls', 'bind', 'outbind_listen', 'outbind_system_id', 'outbind_password', 'enquire_link', 'message_ids', 'trace_tlv', 'throttle_scope', 'charset', 'statuses'];
const onlyHTTP = ['http', 'callback_secret'];
const api = { url: '', method: 'POST', body: '', format: 'json', split: 'message', auth: 'none', id: '', error: '' }; // of http
const receipts = ['base', 'items', 'id', 'status', 'error', 'to', 'answer']; // of http/callback

// Rows as they are added. Statuses, headers and states are rows of a name and a value.
export const blank = {
  source_rules: { kind: '', prefix: '', ton: '', npi: '', strip: '', prepend: '', replace: '' }, dest_rules: { kind: '', prefix: '', ton: '', npi: '', strip: '', prepend: '' },
  statuses: { name: '', value: 'temporary' }, 'http/headers': { name: '', value: '' }, 'http/rules': { status: '', value: '', is: '', like: '', class: 'rejected' }, 'http/callback/states': { name: '', value: 'delivered' },
};
export const shown = [...Object.keys(plain), ...secrets, ...Object.keys(blank), ...Object.keys(api).map(k => 'http/' + k), ...receipts.map(k => 'http/callback/' + k)];

const texts = (like, o) => Object.fromEntries(Object.keys(like).map(k => [k, o?.[k] == null ? '' : String(o[k])]));
const pairs = o => Object.entries(o ?? {}).map(([name, value]) => ({ name, value }));
const addresses = (list, like) => (list ?? []).map(r => ({ ...texts(like, r), kind: r.kind === 'any' ? '' : r.kind ?? '' }));

// fieldsOf is what the form shows of settings; of none what the API takes when nothing is said.
export function fieldsOf(s) {
  const http = s?.http, back = http?.callback;
  return {
    ...Object.fromEntries(Object.entries(plain).map(([k, v]) => [k, typeof v === 'boolean' ? s?.[k] ?? v : String(s?.[k] ?? v)])), ...Object.fromEntries(secrets.map(k => [k, ''])),
    source_rules: addresses(s?.source_rules, blank.source_rules), dest_rules: addresses(s?.dest_rules, blank.dest_rules), statuses: pairs(s?.statuses),
    ...Object.fromEntries(Object.entries(api).map(([k, v]) => ['http/' + k, http?.[k] || v])), 'http/headers': pairs(http?.headers), 'http/rules': (http?.rules ?? []).map(r => texts(blank['http/rules'], r)),
    receipts: back != null, ...Object.fromEntries(receipts.map(k => ['http/callback/' + k, back?.[k] ?? ''])), 'http/callback/states': pairs(back?.states),
  };
}

const number = x => x.trim() === '' ? 0 : isNaN(x) ? x : +x; // what is no number the API refuses
const place = name => name.replaceAll('~', '~0').replaceAll('/', '~1');

// settings is what the fields say, and in faults what the page itself finds wrong.
function settings(v, faults) {
  const whole = (field, x) => /^\d*$/.test(x.trim()) ? +x : void (faults[field] = t('notWhole'));
  const address = field => v[field].map((r, i) => {
    const rule = {};
    for (const [k, x] of Object.entries(r)) {
      const counted = ['ton', 'npi', 'strip'].includes(k);
      if (x === '' || counted && x.trim() === '') continue;
      const said = counted ? whole(`${field}/${i}/${k}`, x) : x;
      if (k !== 'strip' || said !== 0) rule[k] = said;
    }
    return rule;
  });
  const map = field => {
    const made = Object.create(null);
    v[field].forEach((r, i) => {
      const name = r.name.trim();
      if (name === '') faults[`${field}/${i}/name`] = t('needed'); else if (name in made) faults[`${field}/${i}/name`] = t('twice', { name });
      made[name] = r.value;
    });
    return made;
  };
  const of = (prefix, names) => Object.fromEntries(names.map(k => [k, k === 'body' ? v[prefix + k] : v[prefix + k].trim()]));
  const http = v.kind === 'http', secure = http ? v['http/url'].trim().startsWith('https://') : v.tls;
  const made = {};
  for (const [k, was] of Object.entries(plain)) made[k] = figures.includes(k) ? number(v[k]) : typeof was === 'string' && k !== 'tls_ca' ? v[k].trim() : v[k];
  for (const k of secrets) made[k] = v[k];
  made.source_rules = address('source_rules'); made.dest_rules = address('dest_rules');
  if (!secure) Object.assign(made, { tls_server_name: '', tls_insecure: false, tls_ca: '' });
  if (v.bind !== 'outbind') made.outbind_listen = '';
  if (http) {
    made.http = { ...of('http/', Object.keys(api)), headers: map('http/headers'), rules: v['http/rules'].map(r => texts(blank['http/rules'], r)), callback: v.receipts ? { ...of('http/callback/', receipts), states: map('http/callback/states') } : null };
    for (const k of onlySMPP) delete made[k];
  } else {
    made.statuses = map('statuses');
    for (const k of onlyHTTP) delete made[k];
  }
  return made;
}

const differs = (a, b) => JSON.stringify(a) !== JSON.stringify(b);
const changed = (now, before) => Object.fromEntries(Object.entries(now).filter(([k, x]) => differs(x, before?.[k])));

// bodyOf is what is sent: of a new connector what is not as the API takes it anyway, of one that is there what was changed.
// It throws what the page itself finds wrong, each at its field.
export function bodyOf(v, was) {
  const faults = {}, now = settings(v, faults), before = settings(was ?? { ...fieldsOf(), kind: v.kind }, {});
  if (Object.keys(faults).length) throw Object.assign(new Error(Object.values(faults)[0]), { fields: faults });
  const body = changed(now, before);
  if (body.http) body.http = was ? changed(now.http, before.http) : now.http;
  if (!was) { body.name = now.name; body.kind = now.kind; if (now.http) body.http = now.http; }
  return body;
}

// entry is the place of a row in the errors of the API: those of a map are by name.
export const entry = (field, row, i) => 'name' in blank[field] ? `${field}/${place(row.name.trim())}` : `${field}/${i}`;
