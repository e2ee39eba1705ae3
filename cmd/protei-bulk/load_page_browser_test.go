package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"protei-bulk/internal/browser"
	"protei-bulk/load/scenario/scenariotest"
)

// TestPageInABrowser runs a test from the form, changes it, stops it, and looks at every tab.
func TestPageInABrowser(t *testing.T) {
	target := scenariotest.Start(t, scenariotest.Faults{RejectEvery: 7})
	p := startPage(t, pageFlagsFor(target)...)
	b := browser.New(t)
	b.Open(p.url)
	b.Has("h2", "Start a test")
	b.Until("the command", `document.querySelector('#command').textContent.includes('--users 6')`)
	b.Fill("#f-user_count", "5")
	b.Until("the changed command", `document.querySelector('#command').textContent.includes('--users 5')`)
	if command := b.JS(`document.querySelector('#command').textContent`); strings.Contains(command, "devpass1") || !strings.Contains(command, "--headless") {
		t.Errorf("the command is %s", command)
	}
	b.JS(`(import(new URL('ui.js', document.querySelector('script[type=module]').src)).then(m => { window.ui = m; }), 'asked')`)
	b.Until("figures as they are read", `window.ui && ui.byUnit('cores')(0.1634) === '0.163 cores' && ui.byUnit('cores')(2) === '2 cores' && ui.byUnit('')(1234) === '1,234'`)
	b.Click("#start")
	b.Has("#state", "Running")
	b.Has("#users", "5")
	b.Until("requests", `+document.querySelector('#requests tfoot td:nth-child(3)').textContent.replace(',', '') > 0`)
	before := b.JS(`document.querySelector('#requests tfoot td:nth-child(3)').textContent`)
	b.Until("moving numbers", fmt.Sprintf(`document.querySelector('#requests tfoot td:nth-child(3)').textContent !== %q`, before))

	b.Click("#edit")
	b.Fill("dialog #f-user_count", "none")
	b.Click("#update")
	b.Has("dialog .error", "none")
	b.Fill("dialog #f-user_count", "8")
	b.Fill("dialog #f-spawn_rate", "100")
	b.Click("#update")
	b.Has("#users", "8")

	b.Click("#tab-charts")
	b.Until("charts", `document.querySelectorAll('.chart canvas').length >= 8`)
	b.JS(`document.querySelector('.chart .u-over').dispatchEvent(new MouseEvent('mousemove', {clientX: 300, clientY: 400, bubbles: true}))`)
	b.Open("about:blank")
	b.Open(p.url + "#charts") // a reload shows the whole run
	b.Until("the run after a reload", `[...document.querySelectorAll('.chart .legend b')].some(e => /\d/.test(e.textContent))`)
	b.Click("#tab-failures")
	b.Has("#failures td", "422")
	b.Click("#tab-ratio")
	b.Has(".ratio li", "MessagingUser")
	b.Click("#tab-targets")
	b.Has("table.plain th", "P95")
	b.Click("#tab-delivery")
	b.Has(".ledger th", "delivered")
	b.Click("#tab-workers")
	b.Has(".empty", "alone")
	b.Click("#tab-system")
	b.Has(".chart h2", "lateness")
	b.Click("#tab-logs")
	b.Has(".loglines", "8 users wanted")

	b.Click("#theme")
	dark := b.JS(`document.documentElement.dataset.theme`)
	b.Open("about:blank")
	b.Open(p.url + "#statistics")
	b.Has("#state", "Running")
	if got := b.JS(`document.documentElement.dataset.theme`); got != dark || got != "dark" {
		t.Errorf("the theme after a reload is %q, was %q", got, dark)
	}
	b.Size(390, 844)
	for _, tab := range []string{"statistics", "charts", "failures", "exceptions", "ratio", "targets", "delivery", "system", "workers", "logs", "download"} {
		b.Click("#tab-" + tab)
		b.Until(tab, fmt.Sprintf(`document.querySelector('#tab-%s').getAttribute('aria-selected') === 'true'`, tab))
		b.Fits(tab + " on a phone")
	}
	b.Size(1280, 900)
	b.Click("#stop")
	b.Has("#state", "Stopped")
	b.Has("#verdict", "FAILURES")
	b.Click("#new")
	b.Has("h2", "New test")
	b.Until("what was typed before", `document.querySelector('#f-user_count').value === '5'`)
	b.Size(390, 844)
	b.Fits("the form on a phone")
	if code := p.end(); code != 1 { // requests failed, and no target was named
		t.Errorf("exit code %d", code)
	}
}

// TestPageShowsMistakesInABrowser: beside the field, and what was typed stays.
func TestPageShowsMistakesInABrowser(t *testing.T) {
	target := scenariotest.Start(t, scenariotest.Faults{})
	p := startPage(t, pageFlagsFor(target)...)
	b := browser.New(t)
	b.Open(p.url)
	b.Has("h2", "Start a test")
	b.JS(`document.querySelector('details').open = true`)
	for field, tc := range map[string]struct{ typed, want string }{
		"host":       {"localhost:8080", "http://HOST"},
		"spawn_rate": {"fast", "no number"},
		"run_time":   {"soon", "20s, 3m"},
		"rate":       {"-5/s", "-5"},
		"target":     {"p95", "p95"},
		"set":        {"speed=9", "smpp_users"},
	} {
		b.Fill("#f-"+field, tc.typed)
		b.Has(fmt.Sprintf(`[data-field=%q] .error`, field), tc.want)
	}
	b.JS(`(e => { e.value = 'own'; e.dispatchEvent(new Event('change', {bubbles: true})); })(document.querySelector('[data-field=shape_class] select'))`)
	b.Fill(`[data-field=corners] input`, "0s:0,nonsense")
	b.Has(`[data-field=shape_class] .error`, "nonsense")
	b.Click("#start")
	b.Until("the mistakes after Start", `document.querySelectorAll('.field.wrong').length >= 6`)
	if got := b.JS(`document.querySelector('#f-host').value + ' ' + document.querySelector('#f-rate').value + ' ' + document.querySelector('[data-field=corners] input').value`); got != "localhost:8080 -5/s 0s:0,nonsense" {
		t.Errorf("of what was typed, %q is left", got)
	}
	b.Has("#state", "Ready")
	// A target that is not there: the canary says so, and the form keeps what was typed.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + silent.Addr().String()
	silent.Close()
	b.Open("about:blank")
	b.Open(p.url)
	b.Fill("#f-host", gone)
	b.Until("no mistake", `!document.querySelector('.field.wrong')`)
	b.Click("#start")
	b.Has(".banner.bad", "does not answer")
	b.Until("the host that was typed", fmt.Sprintf(`document.querySelector('#f-host').value === %q`, gone))
	p.end()
}

// TestPageOutlivesARestart: a page left open finds the next process on the same port, and the connection's loss is told.
func TestPageOutlivesARestart(t *testing.T) {
	target := scenariotest.Start(t, scenariotest.Faults{})
	p := startPage(t, pageFlagsFor(target, "--autostart")...)
	b := browser.New(t)
	b.Open(p.url)
	b.Has("#state", "Running")
	p.end()
	b.Has("#lost", "No connection")
	port := strings.TrimSuffix(p.url[strings.LastIndex(p.url, ":")+1:], "/")
	again := startPage(t, pageFlagsFor(target, "--web-port", port, "--autostart", "-u", "3")...)
	b.Until("the new process", `!document.querySelector('#lost') && document.querySelector('#users')?.textContent === '3'`)
	b.Until("its history", `document.querySelectorAll('.tile svg path').length > 0`)
	again.end()
}

// TestPageBeyondLoopbackInABrowser: nobody starts a test without the token, and with it the page works.
func TestPageBeyondLoopbackInABrowser(t *testing.T) {
	target := scenariotest.Start(t, scenariotest.Faults{})
	p := startPage(t, pageFlagsFor(target, "--web-host", "0.0.0.0")...)
	_, port, _ := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(p.url, "http://"), "/"))
	p.url = "http://127.0.0.1:" + port + "/"
	for _, path := range []string{"swarm", "stop", "api/start"} {
		if status, m := p.post(path, nil); status != http.StatusUnauthorized {
			t.Errorf("%s without the token: %d %v", path, status, m)
		}
	}
	_, rest, ok := strings.Cut(p.out.text(), "Token:")
	if !ok {
		t.Fatalf("no token was printed: %s", p.out.text())
	}
	token := strings.Fields(rest)[0]
	b := browser.New(t)
	b.Open(p.url)
	b.Until("the sign-in page", `document.querySelector('#token')`)
	b.JS(`(document.querySelector('#token').value = 'a wrong one', document.querySelector('form').submit())`)
	b.Until("the mistake", `document.querySelector('#wrong').hidden === false && document.querySelector('#wrong').textContent.includes('not the token')`)
	b.JS(fmt.Sprintf(`(document.querySelector('#token').value = %q, document.querySelector('form').submit())`, token))
	b.Has("h2", "Start a test")
	b.Click("#start")
	b.Has("#state", "Running")
	p.end()
}

// errorTexts is a target that fails every request with another text.
func errorTexts(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	n := 0
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		n++
		text := fmt.Sprintf(`{"title":"error number %d <script>alert(1)</script>","status":500,"detail":"detail %d"}`, n, n)
		mu.Unlock()
		w.Header().Set("Content-Type", "application/problem+json")
		http.Error(w, text, http.StatusInternalServerError)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return "http://" + ln.Addr().String()
}

// TestPageWithManyErrorsInABrowser: 10,000 different error texts, 200 request names; the page still answers at once.
func TestPageWithManyErrorsInABrowser(t *testing.T) {
	names := &strings.Builder{}
	names.WriteString("name: many\nusers:\n  U:\n    wait: 0\n    tasks:\n")
	for i := range 200 {
		fmt.Fprintf(names, "      - {get: /n%d, name: name %03d}\n", i, i)
	}
	file := filepath.Join(t.TempDir(), "many.yaml")
	if err := os.WriteFile(file, []byte(names.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startPage(t, "-f", file, "-H", errorTexts(t), "-u", "20", "-r", "100", "--autostart", "--no-receipts")
	p.until("10,000 failures", func(m map[string]any) bool {
		rows, _ := m["stats"].([]any)
		if len(rows) == 0 {
			return false
		}
		n, _ := rows[len(rows)-1].(map[string]any)["num_failures"].(float64)
		return n >= 10_000 && len(rows) > 200
	})
	b := browser.New(t)
	b.Open(p.url + "#failures")
	b.Until("the failures", `document.querySelectorAll('#failures tbody tr').length > 5`)
	b.Until("only the rows in view", `document.querySelectorAll('#failures tbody tr').length < 100`)
	took := b.JS(`(() => { const t = performance.now(), f = document.querySelector('input[type=search]'); f.value = 'name 007'; f.dispatchEvent(new Event('input', {bubbles: true})); return performance.now() - t; })()`)
	b.Until("the filter", `/^\s*\d+ of/.test(document.querySelector('[data-count]').textContent)`)
	t.Logf("the filter took %s ms", took)
	if n := b.JS(`document.querySelectorAll('script').length`); n != "2" {
		t.Errorf("the document has %s scripts", n)
	}
	b.Click("#tab-statistics")
	b.Until("200 names", `document.querySelector('[data-count]').textContent.includes('200')`)
	b.Click("#requests thead th:nth-child(2) button")
	b.Until("sorted by name", `document.querySelector('#requests tbody tr td:nth-child(2)').textContent.includes('000')`)
	b.JS(`document.querySelector('.scroll').scrollTop = 150 * 32`)
	b.Until("the rows further down", `[...document.querySelectorAll('#requests tbody td:nth-child(2)')].some(e => e.textContent.includes('name 150'))`)
	p.end()
}
