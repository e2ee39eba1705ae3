// The form of a rule: which messages it takes, and to which connectors they go.
import { html, useState } from './ui.js';
import { named, t } from './strings.js';
import { ask, useAsked } from './net.js';
import { Area, Check, Choice, Field, Wrong, restOf, useForm } from './parts.js';

const lists = ['accounts', 'prefixes', 'senders', 'keywords', 'tags']; // of a match, in one box each
const encodings = ['GSM7', 'LATIN1', 'UCS2', 'BINARY'], priorities = ['LOW', 'NORMAL', 'HIGH', 'CRITICAL'];
const strategies = ['failover', 'split', 'round_robin', 'least_cost'];
const parts = text => text.split(/[\n,]+/).map(x => x.trim()).filter(Boolean);
const number = x => String(x).trim() === '' ? 0 : isNaN(x) ? x : +x;
const window0 = { days: '', from: '', to: '', zone: '' };

const first = r => ({
  name: r?.name ?? '', priority: String(r?.priority ?? 0), disabled: r?.disabled ?? false, strategy: r?.strategy ?? 'failover', price: r?.price == null ? '' : String(r.price),
  ...Object.fromEntries(lists.map(k => [k, (r?.match[k] ?? []).join(', ')])), encodings: r?.match.encodings ?? [], priorities: r?.match.priorities ?? [],
  min_parts: String(r?.match.min_parts ?? ''), max_parts: String(r?.match.max_parts ?? ''), text: r?.match.text ?? '', windows: (r?.match.windows ?? []).map(w => ({ ...window0, ...w })),
  targets: (r?.targets ?? [{ connector: '' }]).map(a => ({ connector: a.connector, weight: String(a.weight ?? ''), cost: String(a.cost ?? '') })),
});

function rule(v, had) {
  const match = {}, some = (k, x) => { if (x.length) match[k] = x; };
  for (const k of lists) some(k, k === 'accounts' ? parts(v[k]).map(number) : parts(v[k]));
  some('encodings', v.encodings); some('priorities', v.priorities); some('text', v.text);
  for (const k of ['min_parts', 'max_parts']) if (v[k].trim() && v[k].trim() !== '0') match[k] = number(v[k]);
  some('windows', v.windows.map(w => Object.fromEntries(Object.entries(w).map(([k, x]) => [k, x.trim()]).filter(([, x]) => x))));
  const targets = v.targets.map(a => ({ connector: a.connector, ...(a.weight.trim() && { weight: number(a.weight) }), ...(a.cost.trim() && { cost: number(a.cost) }) }));
  const body = { name: v.name.trim(), priority: number(v.priority), disabled: v.disabled, strategy: v.strategy, match, targets };
  if (v.price.trim() || had) body.price = v.price.trim() ? number(v.price) : null;
  return body;
}

// swap gives a list with two of its items exchanged.
const swap = (list, i, k) => { const next = [...list]; [next[i], next[k]] = [next[k], next[i]]; return next; };

// RuleForm makes a rule, or changes one: `of`.
export function RuleForm({ of, onDone, onClose }) {
  const [was] = useState(() => first(of));
  const form = useForm(was), v = form.values, f = form.field;
  const { data } = useAsked('/connectors');
  const names = [...new Set([...(data?.connectors ?? []).map(c => c.name), ...was.targets.map(a => a.connector)])].filter(Boolean);
  const save = e => { e.preventDefault(); form.run(async v => onDone(await (of ? ask('PATCH', '/routes/' + of.id, rule(v, of.price != null)) : ask('POST', '/routes', rule(v))))); };
  const at = path => f(path).error;
  const input = (name, label, more = {}) => html`<${Field} id=${'r-' + name} label=${label} dir="ltr" autocapitalize="none" spellcheck="false" ...${more} ...${f(name)} error=${at(name) ?? at('match/' + name)}/>`;
  const some = (name, label, all) => html`<fieldset class="some"><legend>${label}</legend><div class="row">${all.map(x => html`<${Check} key=${x} id=${`r-${name}-${x}`} label=${named('priority', x)} value=${v[name].includes(x)} onInput=${e => form.set(name, all.filter(y => y === x ? e.target.checked : v[name].includes(y)))}/>`)}</div>${at('match/' + name) && html`<span class="error" role="alert">${at('match/' + name)}</span>`}</fieldset>`;
  const change = (name, i, member, x) => form.set(name, v[name].map((item, k) => k === i ? { ...item, [member]: x } : item));
  const cell = (name, i, member, label, more = {}) => html`<${Field} id=${`r-${name}-${i}-${member}`} label=${label} dir="ltr" value=${v[name][i][member]} onInput=${e => change(name, i, member, e.target.value)} error=${at(`${name}/${i}/${member}`) ?? (member === 'days' ? at(`match/${name}/${i}`) : undefined)} ...${more}/>`;
  const drop = (name, i) => form.set(name, v[name].filter((_, k) => k !== i));
  const known = ['name', 'priority', 'disabled', 'strategy', 'price', 'targets', ...[...lists, 'encodings', 'priorities', 'min_parts', 'max_parts', 'text', 'windows'].map(k => 'match/' + k)];
  return html`<form class="card stack" id="ruleform" onSubmit=${save} autocomplete="off"><h2>${of ? html`<bdi>${of.name}</bdi>` : t('newRule')}</h2><${Wrong} error=${restOf(form.problem, known)}/>
    <div class="formgrid">${input('name', t('name'), { required: true, dir: 'auto' })}${input('priority', t('priority'), { inputmode: 'numeric', hint: t('highestFirst') })}${input('price', t('price'), { inputmode: 'decimal', hint: t('priceHint') })}</div>
    <fieldset><legend>${t('takesOnly')}</legend><p class="dim small">${t('takesHint')}</p><div class="formgrid">${input('prefixes', t('prefixes'), { placeholder: '49, +971' })}${input('senders', t('senders'), { placeholder: 'SHOP, BANK*' })}${input('accounts', t('accountNumbers'), { inputmode: 'numeric' })}${input('keywords', t('firstWord'), { dir: 'auto' })}${input('tags', t('tags'))}${input('text', t('textPattern'), { placeholder: '(?i)code' })}${input('min_parts', t('minParts'), { inputmode: 'numeric' })}${input('max_parts', t('maxParts'), { inputmode: 'numeric' })}</div>
      <div class="formgrid">${some('encodings', t('encoding'), encodings)}${some('priorities', t('priority'), priorities)}</div>
      ${v.windows.map((w, i) => html`<div class="line" key=${i}>${cell('windows', i, 'days', t('days'), { placeholder: 'mon-fri' })}${cell('windows', i, 'from', t('timeFrom'), { placeholder: '08:00' })}${cell('windows', i, 'to', t('timeTo'), { placeholder: '20:00' })}${cell('windows', i, 'zone', t('zone'), { placeholder: 'UTC' })}<button type="button" aria-label=${t('remove') + ' ' + (i + 1)} onClick=${() => drop('windows', i)}>✕</button></div>`)}
      <div class="row"><button type="button" id="addwindow" onClick=${() => form.set('windows', [...v.windows, window0])}>${t('addWindow')}</button></div></fieldset>
    <fieldset><legend>${t('targets')}</legend><div class="formgrid"><${Choice} id="r-strategy" label=${t('strategy')} options=${strategies.map(s => [s, t('strategy_' + s)])} ...${f('strategy')}/></div>
      ${v.targets.map((a, i) => html`<div class="line" key=${i}><${Choice} id=${'r-target-' + i} label=${t('smsc')} options=${[['', '–'], ...names]} value=${a.connector} onInput=${e => change('targets', i, 'connector', e.target.value)} error=${at(`targets/${i}/connector`)} required/>
        ${v.strategy === 'split' && cell('targets', i, 'weight', t('weight'), { inputmode: 'numeric' })}${v.strategy === 'least_cost' && cell('targets', i, 'cost', t('cost'), { inputmode: 'decimal' })}
        <button type="button" disabled=${i === 0} aria-label=${t('up') + ' ' + (i + 1)} onClick=${() => form.set('targets', swap(v.targets, i, i - 1))}>↑</button><button type="button" disabled=${i === v.targets.length - 1} aria-label=${t('down') + ' ' + (i + 1)} onClick=${() => form.set('targets', swap(v.targets, i, i + 1))}>↓</button><button type="button" disabled=${v.targets.length === 1} aria-label=${t('remove') + ' ' + (i + 1)} onClick=${() => drop('targets', i)}>✕</button></div>`)}
      ${form.problem?.fields?.targets && html`<span class="error" role="alert">${form.problem.fields.targets}</span>`}
      <div class="row"><button type="button" id="addtarget" onClick=${() => form.set('targets', [...v.targets, { connector: '', weight: '', cost: '' }])}>${t('addTarget')}</button></div></fieldset>
    <${Check} id="r-disabled" label=${t('ruleOff')} ...${f('disabled')}/>
    <div class="row"><button class="primary" id="save" disabled=${form.busy}>${t(of ? 'save' : 'create')}</button><button type="button" onClick=${onClose}>${t('cancel')}</button></div></form>`;
}
