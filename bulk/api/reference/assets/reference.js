// The REST API, as its own OpenAPI document describes it.
import { CopyButton, Empty, html, render, ThemeButton, useEffect, useMemo, useState } from './ui.js';

const verbs = ['get', 'post', 'put', 'patch', 'delete'];

// calls lists what the document has: {id, verb, path, section, about, op}, in the order of sections.
function calls(doc) {
  const all = [];
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const verb of verbs) {
      const op = item[verb];
      if (op) all.push({ id: op.operationId, verb, path, section: op.tags?.[0] || 'other', about: op.summary || '', op });
    }
  }
  const first = ['messages', 'statistics', 'campaigns', 'contacts', 'webhooks', 'inbound', 'balance', 'accounts'];
  const place = name => { const i = first.indexOf(name); return i < 0 ? first.length : i; };
  return all.sort((a, b) => place(a.section) - place(b.section) || a.section.localeCompare(b.section));
}

const resolve = (doc, schema) => schema?.$ref ? doc.components.schemas[schema.$ref.split('/').pop()] : schema;

// typeOf says in a few words what a value is.
function typeOf(doc, schema) {
  if (!schema) return '';
  if (schema.$ref) return schema.$ref.split('/').pop();
  const kind = Array.isArray(schema.type) ? schema.type.join(' or ') : schema.type || 'any value';
  if (kind === 'array') return 'array of ' + typeOf(doc, schema.items);
  return schema.format ? `${kind}, ${schema.format}` : kind;
}

function bounds(schema) {
  const said = [];
  if (schema.enum) said.push('one of ' + schema.enum.join(', '));
  if (schema.minimum != null) said.push('from ' + schema.minimum);
  if (schema.maximum != null) said.push('to ' + schema.maximum);
  if (schema.maxLength != null) said.push(`at most ${schema.maxLength} characters`);
  if (schema.default != null) said.push('default ' + schema.default);
  return said.join(', ');
}

function Member({ doc, name, schema, must, note, depth }) {
  const said = [note, schema.description, bounds(schema)].filter(Boolean).join('; ');
  return html`<li><code>${name}</code>${must && html` <span class="must" title="required">*</span>`}<span class="type">${typeOf(doc, schema)}</span>
    ${said && html`<span class="note">${said}</span>`}
    <${Members} doc=${doc} schema=${schema} depth=${depth + 1} />
  </li>`;
}

// Members shows what an object, or an array of objects, is made of.
function Members({ doc, schema, depth = 0 }) {
  let inner = resolve(doc, schema);
  if (inner?.type === 'array') inner = resolve(doc, inner.items);
  const names = Object.keys(inner?.properties || {});
  if (!names.length || depth > 6) return null;
  const list = html`<ul class="tree">${names.map(name =>
    html`<${Member} key=${name} doc=${doc} name=${name} schema=${inner.properties[name]} must=${inner.required?.includes(name)} depth=${depth} />`)}</ul>`;
  return depth < 1 ? list : html`<details><summary class="dim small">${names.length === 1 ? '1 member' : `${names.length} members`}</summary>${list}</details>`;
}

const quoted = text => `'${text.replaceAll("'", `'\\''`)}'`;

// commandOf is a command line that makes the call.
function commandOf({ verb, path, op }) {
  const words = ['curl'];
  if (verb !== 'get') words.push('-X', verb.toUpperCase());
  if (op.security) words.push('-H', '"X-API-Key: $KEY"');
  if (op.parameters?.some(p => p.name === 'Idempotency-Key')) words.push('-H', '"Idempotency-Key: $(uuidgen)"');
  const content = op.requestBody?.content;
  if (content?.['application/json']) {
    const example = content['application/json'].example;
    words.push('--json', quoted(example ? JSON.stringify(example) : '{}'));
  } else if (content) {
    words.push('-H', `'Content-Type: ${Object.keys(content)[0]}'`, '--data-binary', '@file');
  }
  words.push(/[{}]/.test(path) ? `'${location.origin}${path}'` : location.origin + path);
  return words.join(' ');
}

function Parameters({ doc, all }) {
  if (!all?.length) return null;
  const where = { query: 'query', path: 'in the path', header: 'header' };
  return html`<h3>Parameters</h3><ul class="tree">${all.map(p =>
    html`<${Member} key=${p.name} doc=${doc} name=${p.name} schema=${p.schema} must=${p.required} note=${[where[p.in], p.description].filter(Boolean).join('; ')} depth=${1} />`)}</ul>`;
}

function Body({ doc, body }) {
  if (!body) return null;
  return Object.entries(body.content).map(([kind, media]) =>
    html`<h3 key=${kind}>Body: ${kind}${body.required ? '' : ', optional'}</h3>${media.schema
      ? html`<${Members} doc=${doc} schema=${media.schema} />` : html`<p class="small dim">the file's octets</p>`}`);
}

function Answers({ doc, all }) {
  const codes = Object.keys(all).sort();
  const good = codes.filter(code => code < '400'), bad = codes.filter(code => code >= '400');
  return html`${good.map(code => {
    const [kind, media] = Object.entries(all[code].content || {})[0] || [];
    return html`<h3 key=${code}>Answer ${code}${kind ? `: ${kind}` : ''}</h3>${media?.schema
      ? html`<${Members} doc=${doc} schema=${media.schema} />` : html`<p class="small dim">${kind ? 'as its kind says' : 'no body'}</p>`}`;
  })}
  <h3>Problems</h3><div class="codes">${bad.map(code => html`<div key=${code}><span>${code}</span><span>${(all[code]['x-codes'] || [all[code].description]).map(c => html`<code key=${c}>${c}</code>`)}</span></div>`)}</div>`;
}

function Call({ doc, call }) {
  const { id, verb, path, about, op } = call;
  const command = commandOf(call);
  return html`<article class="card call" id=${id} aria-label=${`${verb.toUpperCase()} ${path}`}>
    <div class="line"><span class=${'verb ' + verb}>${verb.toUpperCase()}</span><a class="path" href=${'#' + id}>${path}</a></div>
    <p class="about">${about}${op['x-scopes']?.length && html` <span class="dim small">Key with scope ${op['x-scopes'].join(', ')}.</span>`}${!op.security && html` <span class="dim small">No credentials needed.</span>`}</p>
    <div class="command-head"><span class="label">Command</span><${CopyButton} text=${command} class="quiet" /></div>
    <pre class="command">${command}</pre>
    <div class="halves">
      <div><${Parameters} doc=${doc} all=${op.parameters} /><${Body} doc=${doc} body=${op.requestBody} /></div>
      <div><${Answers} doc=${doc} all=${op.responses} /></div>
    </div>
  </article>`;
}

// withinSection is a path as it stands under its section's name.
const withinSection = ({ path, section }) => path.replace('/api/v1/' + section, '').replace(/^\//, '') || '/' + section;

const sectionsOf = list => [...list.reduce((m, c) => m.set(c.section, [...m.get(c.section) || [], c]), new Map())];

function Page({ doc }) {
  const [filter, setFilter] = useState('');
  const all = useMemo(() => calls(doc), [doc]);
  const word = filter.trim().toLowerCase();
  const shown = word ? all.filter(c => `${c.verb} ${c.path} ${c.about} ${c.id}`.toLowerCase().includes(word)) : all;
  const sections = sectionsOf(shown);
  const [wide] = useState(() => matchMedia('(min-width: 901px)').matches);
  useEffect(() => { if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView(); }, []);
  return html`<header class="bar"><h1>REST API</h1><span class="dim small">${doc.info.title} ${doc.info.version} · ${all.length} calls</span>
    <input class="push" type="search" placeholder="Filter, such as campaign" aria-label="Filter the calls" value=${filter} onInput=${e => setFilter(e.target.value)} />
    <a class="button" href="../openapi.json" download="openapi.json">openapi.json</a><${ThemeButton} /></header>
  <div class="page">
    <details class="side" open=${wide}><summary class="label">Calls</summary><nav aria-label="Calls">${sections.map(([name, list]) => html`<h2 key=${name}>${name}</h2>${list.map(c =>
      html`<a key=${c.id} href=${'#' + c.id} title=${c.about}><span class=${'verb ' + c.verb}>${c.verb === 'delete' ? 'DEL' : c.verb.toUpperCase()}</span><span>${withinSection(c)}</span></a>`)}`)}</nav></details>
    <main class="stack">
      ${!word && html`<p class="intro">${doc.info.description} Send an API key as <code>X-API-Key</code> or as bearer token, or system_id and password as Basic.</p>`}
      ${!shown.length && html`<${Empty} title="No call matches">Look for a part of a path, a method or a word of what the call does.</${Empty}>`}
      ${sections.map(([name, list]) => html`<section key=${name} class="section stack"><h2>${name}</h2>${list.map(c => html`<${Call} key=${c.id} doc=${doc} call=${c} />`)}</section>`)}
    </main>
  </div>`;
}

function App() {
  const [doc, setDoc] = useState(null);
  const [wrong, setWrong] = useState('');
  const load = () => {
    setWrong('');
    fetch('../openapi.json').then(r => r.ok ? r.json() : Promise.reject(new Error(`the platform answers ${r.status}`))).then(setDoc, e => setWrong(e.message));
  };
  useEffect(load, []);
  if (wrong) return html`<main><div class="banner bad"><b>The document cannot be read</b><span>${wrong}</span><button onClick=${load}>Try again</button></div></main>`;
  return doc ? html`<${Page} doc=${doc} />` : html`<main><div class="skeleton" aria-busy="true"></div></main>`;
}

render(html`<${App} />`, document.getElementById('app'));
