// The start form: what is typed stays, errors stand beside their field, and the command that would do the same is shown.
import { html, useEffect, useRef, useState, CopyButton, Ask, count } from './ui.js';
import { ask, state } from './store.js';

let kept = null; // what was typed, while the page is open
const draft = () => kept ??= fromForm(state.config.form);
const text = list => (list ?? []).join('\n');
const fromForm = f => ({ ...f, set: text(f.set), target: text(f.target), user_classes: f.user_classes?.length ? f.user_classes : state.config.class_names });
const toForm = d => ({
  ...d, set: d.set.split('\n'), target: d.target.split('\n'),
  user_classes: d.user_classes.length === state.config.class_names.length && !state.config.form.user_classes?.length ? [] : d.user_classes,
});

export function Field({ name, label, unit, hint, error, children, wide }) {
  return html`<div class=${'field ' + (error ? 'wrong ' : '') + (wide ? 'wide' : '')} data-field=${name}>
    <label for=${'f-' + name}>${label}</label><div class="box">${children}${unit && html`<span class="unit">${unit}</span>`}</div>
    ${error ? html`<p class="error" role="alert" id=${'e-' + name}>✗ ${error}</p>` : hint && html`<p class="hint">${hint}</p>`}</div>`;
}

export function StartForm({ onStarted, failure, onCancel }) {
  const [d, set] = useState(draft);
  const [errors, setErrors] = useState({});
  const [command, setCommand] = useState('');
  const [sending, setSending] = useState(false);
  const serial = useRef(0), fields = useRef();
  const change = (name, value) => { kept = { ...d, [name]: value }; set(kept); };
  const check = async () => {
    const mine = ++serial.current;
    try {
      const answer = await ask('api/check', toForm(d));
      if (mine !== serial.current) return;
      setErrors(answer.errors);
      if (answer.command) setCommand(answer.command);
    } catch { /* the connection's banner says it */ }
  };
  useEffect(() => { const t = setTimeout(check, 250); return () => clearTimeout(t); }, [d]);
  const send = async e => {
    e.preventDefault();
    setSending(true);
    serial.current++;
    try { await ask('api/start', toForm(d)); onStarted(); } catch (err) {
      setErrors(Object.keys(err.fields ?? {}).length ? err.fields : { '': err.message });
      setTimeout(() => fields.current?.querySelector('.wrong input, .wrong select, .wrong textarea')?.focus());
    }
    setSending(false);
  };
  const input = (name, props) => html`<input id=${'f-' + name} name=${name} value=${d[name]} onInput=${e => change(name, e.target.value)} autocomplete="off" spellcheck=${false}
    aria-invalid=${errors[name] ? 'true' : null} aria-describedby=${errors[name] ? 'e-' + name : null} ...${props}/>`;
  const area = (name, placeholder) => html`<textarea id=${'f-' + name} name=${name} value=${d[name]} onInput=${e => change(name, e.target.value)} placeholder=${placeholder} spellcheck=${false} rows="3"></textarea>`;
  const shape = state.config.shapes.includes(d.shape_class) || d.shape_class === '' ? d.shape_class : 'own';
  const distributed = state.config.distributed && !(state.tick?.workers?.length > 0);
  const more = ['rate', 'profile', 'set', 'target', 'user_classes'].some(n => errors[n] || (n === 'user_classes' ? state.config.picker : d[n]));
  return html`<form class="card form stack" onSubmit=${send} ref=${fields} noValidate>
    <div class="head" style=${{ margin: 0 }}><div><h2 style=${{ fontSize: '20px', lineHeight: '28px' }}>${state.tick?.run ? 'New test' : 'Start a test'}</h2>
      <p class="dim small">${state.config.scenario}</p></div>${onCancel && html`<button type="button" class="quiet" onClick=${onCancel}>Back to run #${state.tick.run.number}</button>`}</div>
    ${failure && html`<div class="banner bad" role="alert"><b>✗ The test could not start.</b><span style=${{ whiteSpace: 'pre-wrap' }}>${failure}</span></div>`}
    ${errors[''] && html`<div class="banner bad" role="alert"><b>✗</b><span style=${{ whiteSpace: 'pre-wrap' }}>${errors['']}</span></div>`}
    <div class="formgrid">
      <${Field} name="user_count" label="Number of users" unit="users" hint="At the peak, all at once." error=${errors.user_count}>${input('user_count', { inputMode: 'numeric' })}</${Field}>
      <${Field} name="spawn_rate" label="Ramp up" unit="users/s" hint="Started a second, evenly." error=${errors.spawn_rate}>${input('spawn_rate', { inputMode: 'decimal' })}</${Field}>
      <${Field} name="run_time" label="Run time" hint="20s, 3m, 1h30m. Empty: until you stop it." error=${errors.run_time}>${input('run_time', { placeholder: 'until stopped' })}</${Field}>
      <${Field} name="host" label="Host" wide=${true} hint="Base address of the platform under test." error=${errors.host}>${input('host', { inputMode: 'url' })}</${Field}>
      <${Field} name="shape_class" label="Load shape" hint=${shape === 'own' ? 'Corners TIME:USERS with straight lines between them.' : 'The number of users sets its peak.'} error=${errors.shape_class}>
        <select id=${shape === 'own' ? null : 'f-shape_class'} aria-label="Load shape" value=${shape} onChange=${e => change('shape_class', e.target.value === 'own' ? '0s:0,60s:100,120s:0' : e.target.value)}>
          <option value="">Flat: users at the ramp up</option>${state.config.shapes.map(s => html`<option value=${s}>${s}</option>`)}<option value="own">Own corners …</option></select></${Field}>
      ${shape === 'own' && html`<${Field} name="corners" label="Corners" error="">${input('shape_class')}</${Field}>`}
    </div>
    <details open=${more}><summary>More: open model, targets, settings, user classes</summary><div class="formgrid">
      <${Field} name="rate" label="Rate (open model)" hint="500/s, 30/m, 0s:0,60s:2000/s. Iterations start at these times, whatever the answers take." error=${errors.rate}>${input('rate', { placeholder: 'none' })}</${Field}>
      <${Field} name="profile" label="Profile" hint="A label in the reports, to group runs." error=${errors.profile}>${input('profile')}</${Field}>
      <${Field} name="target" label="Targets" hint="One a line: p95=100ms:200ms, errors=0.1%, lost=0, or guide. They decide the verdict." error=${errors.target}>${area('target', 'p95=100ms:200ms')}</${Field}>
      <${Field} name="set" label="Settings of the scenario" hint=${'One a line: ' + state.config.settings.slice(0, 6).join(', ') + ' …'} error=${errors.set}>${area('set', 'bulk=10-100')}</${Field}>
      ${(state.config.picker || errors.user_classes) && html`<div class=${'field wide ' + (errors.user_classes ? 'wrong' : '')} data-field="user_classes"><span class="label">User classes</span>
        <div class="classes">${state.config.class_names.map(c => html`<label class="check" key=${c}><input type="checkbox" checked=${d.user_classes.includes(c)}
          onChange=${e => change('user_classes', state.config.class_names.filter(n => n === c ? e.target.checked : d.user_classes.includes(n)))}/>${c}</label>`)}</div>
        ${errors.user_classes && html`<p class="error" role="alert">✗ ${errors.user_classes}</p>`}</div>`}
    </div></details>
    <div class="stack" style=${{ gap: '8px' }}><div class="row" style=${{ justifyContent: 'space-between' }}><h3>The same from a terminal</h3><${CopyButton} text=${command} label="Copy command"/></div>
      <pre class="command" id="command">${command || '…'}</pre></div>
    <div class="row"><button class="primary" id="start" disabled=${sending || distributed}>${sending ? 'Starting …' : 'Start'}</button>
      ${distributed && html`<span class="dim small">No worker has joined yet: start some with --worker.</span>`}</div>
  </form>`;
}

// Edit changes users, ramp up and rate of the test under way.
export function Edit({ tick, onClose }) {
  const [d, set] = useState({ user_count: String(tick.users), spawn_rate: String(state.config.form.spawn_rate || 1), rate: tick.run.rate });
  const [errors, setErrors] = useState({});
  const ref = useRef();
  useEffect(() => { ref.current.showModal(); ref.current.querySelector('input').select(); }, []);
  const send = async e => {
    e.preventDefault();
    try { await ask('api/edit', { ...d, rate: d.rate === tick.run.rate ? '' : d.rate }); ref.current.close(); } catch (err) {
      setErrors(Object.keys(err.fields ?? {}).length ? err.fields : { '': err.message });
    }
  };
  const input = name => html`<input id=${'f-' + name} name=${name} value=${d[name]} onInput=${e => set({ ...d, [name]: e.target.value })} autocomplete="off"/>`;
  return html`<dialog ref=${ref} onClose=${onClose}><form onSubmit=${send} noValidate class="stack">
    <h2 style=${{ margin: 0 }}>Change the load</h2>
    ${errors[''] && html`<div class="banner bad" role="alert">✗ ${errors['']}</div>`}
    <${Field} name="user_count" label="Number of users" unit="users" hint=${tick.run.shape && `In the place of what the shape ${tick.run.shape} asks for.`} error=${errors.user_count}>${input('user_count')}</${Field}>
    <${Field} name="spawn_rate" label="Ramp up, or down" unit="users/s" error=${errors.spawn_rate}>${input('spawn_rate')}</${Field}>
    ${tick.run.rate && html`<${Field} name="rate" label="Rate (open model)" error=${errors.rate}>${input('rate')}</${Field}>`}
    <div class="row" style=${{ margin: 0 }}><button type="button" onClick=${() => ref.current.close()}>Cancel</button><button class="primary" id="update">Update</button></div></form></dialog>`;
}

export function StopButton({ tick }) {
  const [asking, setAsking] = useState(false);
  const late = tick.state === 'stopping' || tick.state === 'draining';
  const go = () => ask('api/stop', {}).catch(() => {});
  if (!late) return html`<button class="danger" id="stop" onClick=${go} title=${`Stop ${count(tick.users)} users, then wait for open receipts`}>Stop</button>`;
  return html`<button class="danger" id="stop" onClick=${() => setAsking(true)}>End now</button>
    ${asking && html`<${Ask} title="End without waiting?" yes="End now" danger=${true} onYes=${go} onNo=${() => setAsking(false)}>
      ${count(tick.ledger?.open ?? 0)} messages still wait for their receipt. They will count as open, and the target is not asked about them.</${Ask}>`}`;
}

export function ResetButton({ tick }) {
  const [asking, setAsking] = useState(false);
  return html`<button id="reset" onClick=${() => setAsking(true)}>Reset</button>
    ${asking && html`<${Ask} title="Forget the figures?" yes="Reset" danger=${true} onYes=${() => ask('api/reset', {}).catch(() => {})} onNo=${() => setAsking(false)}>
      The figures of ${count(tick.total?.[2] ?? 0)} requests and their charts begin anew. The ledger forgets nothing, and the users go on.</${Ask}>`}`;
}
