const app = document.getElementById('app');
const post = (path, body) => fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body ?? {}) });
app.innerHTML = '<p id="state">…</p><button id="start">Start</button> <button id="stop">Stop</button><pre id="out"></pre>';
const config = await (await fetch('api/config')).json();
document.getElementById('start').onclick = () => post('api/start', config.form);
document.getElementById('stop').onclick = () => post('api/stop');
new EventSource('api/events').onmessage = e => {
  const t = JSON.parse(e.data);
  document.getElementById('state').textContent = t.state + ' ' + t.say;
  document.getElementById('out').textContent = JSON.stringify(t, null, 1);
};
