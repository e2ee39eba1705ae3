(() => {
  const root = document.documentElement, button = document.getElementById('theme');
  const store = { get: () => { try { return localStorage.getItem('theme') } catch { return null } }, set: v => { try { localStorage.setItem('theme', v) } catch {} } };
  const dark = () => root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  const label = () => { button.textContent = dark() ? 'Light' : 'Dark' };
  if (store.get()) root.dataset.theme = store.get();
  button.hidden = false; label();
  button.onclick = () => { root.dataset.theme = dark() ? 'light' : 'dark'; store.set(root.dataset.theme); label() };

  const digits = (v, n) => v.toLocaleString('en', { maximumSignificantDigits: n, minimumSignificantDigits: n });
  const show = (unit, v) => v == null ? '–'
    : unit === 'ms' ? (v >= 999.5 ? digits(v / 1000, 3) + ' s' : v === 0 ? '0 ms' : v < 0.995 ? v.toFixed(2) + ' ms' : digits(v, 3) + ' ms')
    : unit === 'percent' ? (v < 9.95 ? v.toFixed(1) : v.toFixed(0)) + ' %'
    : unit === 'number' ? v.toLocaleString('en', { maximumFractionDigits: v < 100 ? 2 : 0 })
    : v.toLocaleString('en', { maximumFractionDigits: v > 0 && v < 100 && unit === 'rate' ? 1 : 0 });
  const charts = [...document.querySelectorAll('.chart')].map((el, i) => ({
    ...chartData[i], plot: el.querySelector('.plot'), at: el.querySelector('.at'),
    cursor: el.querySelector('.cursor'), values: [...el.querySelectorAll('.legend b')],
  }));
  let index = -1;
  const move = i => {
    index = i;
    for (const c of charts) {
      if (!c.plot) continue;
      c.cursor.hidden = i < 0;
      c.at.textContent = i < 0 ? '' : cursorTime[i];
      if (i >= 0) c.cursor.style.left = cursorAt[i] + '%';
      c.values.forEach((b, s) => { b.textContent = i < 0 ? '' : show(c.unit, c.series[s][i]) });
    }
  };
  const nearest = x => {
    let lo = 0, hi = cursorAt.length - 1;
    while (lo < hi) { const mid = (lo + hi) >> 1; if (cursorAt[mid] < x) lo = mid + 1; else hi = mid }
    return lo > 0 && x - cursorAt[lo - 1] < cursorAt[lo] - x ? lo - 1 : lo;
  };
  for (const c of charts) {
    if (!c.plot) continue;
    c.plot.addEventListener('pointermove', e => {
      const box = c.plot.getBoundingClientRect();
      move(nearest((e.clientX - box.left) / box.width * 100));
    });
    c.plot.addEventListener('pointerleave', () => move(-1));
    c.plot.addEventListener('blur', () => move(-1));
    c.plot.addEventListener('keydown', e => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
      if (!step) return;
      e.preventDefault();
      move(Math.min(Math.max(index + step, 0), cursorAt.length - 1));
    });
  }

  const number = s => { const v = parseFloat(s.replace(/[,<\s]/g, '')); return isNaN(v) ? -1 : v };
  for (const th of document.querySelectorAll('.sortable thead th')) {
    th.tabIndex = 0;
    const sort = () => {
      const table = th.closest('table'), col = th.cellIndex, numeric = th.classList.contains('n');
      const down = th.getAttribute('aria-sort') ? th.getAttribute('aria-sort') === 'ascending' : numeric;
      for (const o of table.querySelectorAll('th[aria-sort]')) o.removeAttribute('aria-sort');
      th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const text = r => r.cells[col].textContent, body = table.tBodies[0];
      body.append(...[...body.rows].sort((a, b) => (numeric ? number(text(a)) - number(text(b)) : text(a).localeCompare(text(b))) * (down ? -1 : 1)));
    };
    th.onclick = sort;
    th.onkeydown = e => { if (e.key === 'Enter' || e.key === ' ') { e.preventDefault(); sort() } };
  }
})();
