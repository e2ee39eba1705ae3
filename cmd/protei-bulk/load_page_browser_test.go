package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"protei-bulk/load/scenario/scenariotest"
)

// browser is a real one that looks at a page.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	broken []string // guarded by mu: what the page's script has thrown
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Fatal("this test looks at the page in a real browser: apt-get install chromium (make test does it as root)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, func(ev any) {
		if e, ok := ev.(*runtime.EventExceptionThrown); ok {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.broken = append(b.broken, fmt.Sprint(e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
		}
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.broken) > 0 {
			t.Errorf("the page's script failed: %s", strings.Join(b.broken, "; "))
		}
	})
	b.size(1280, 900)
	return b
}

func (b *browser) size(width, height int64) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(width, height)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) open(url string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(url)); err != nil {
		b.t.Fatal(err)
	}
}

// js evaluates an expression to a text.
func (b *browser) js(expression string) string {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until evaluates an expression until it is true.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	for end := time.Now().Add(60 * time.Second); ; {
		// An error is a page that is about to be replaced by the next one.
		if ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+expression+")")); err == nil && ok {
			return
		} else if time.Now().After(end) {
			b.t.Fatalf("%s: not within a minute, %v; the page shows %.1500s", what, err, b.js("document.body.innerText"))
		}
		time.Sleep(100 * time.Millisecond) // between two looks
	}
}

// has waits for an element and a text in it.
func (b *browser) has(selector, text string) {
	b.t.Helper()
	b.until(selector+" with "+text, fmt.Sprintf("[...document.querySelectorAll(%q)].some(e => e.textContent.includes(%q))", selector, text))
}

func (b *browser) click(selector string) {
	b.t.Helper()
	b.until(selector, fmt.Sprintf("document.querySelector(%q)", selector))
	b.js(fmt.Sprintf("document.querySelector(%q).click()", selector))
}

// fill types into a field as people do: the page hears of it.
func (b *browser) fill(selector, text string) {
	b.t.Helper()
	b.until(selector, fmt.Sprintf("document.querySelector(%q)", selector))
	b.js(fmt.Sprintf(`(e => { e.value = %q; e.dispatchEvent(new Event('input', {bubbles: true})); })(document.querySelector(%q))`, text, selector))
}

// fits says that nothing is wider than the screen.
func (b *browser) fits(what string) {
	b.t.Helper()
	if over := b.js(`Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) > innerWidth`); over != "false" {
		b.t.Errorf("%s: wider than the screen", what)
	}
}

// TestPageInABrowser runs a test from the form, changes it, stops it, and looks at every tab.
func TestPageInABrowser(t *testing.T) {
	target := scenariotest.Start(t, scenariotest.Faults{RejectEvery: 7})
	p := startPage(t, pageFlagsFor(target)...)
	b := newBrowser(t)
	b.open(p.url)
	b.has("h2", "Start a test")
	b.until("the command", `document.querySelector('#command').textContent.includes('--users 6')`)
	b.fill("#f-user_count", "5")
	b.until("the changed command", `document.querySelector('#command').textContent.includes('--users 5')`)
	if command := b.js(`document.querySelector('#command').textContent`); strings.Contains(command, "devpass1") || !strings.Contains(command, "--headless") {
		t.Errorf("the command is %s", command)
	}
	b.js(`(import(new URL('ui.js', document.querySelector('script[type=module]').src)).then(m => { window.ui = m; }), 'asked')`)
	b.until("figures as they are read", `window.ui && ui.byUnit('cores')(0.1634) === '0.163 cores' && ui.byUnit('cores')(2) === '2 cores' && ui.byUnit('')(1234) === '1,234'`)
	b.click("#start")
	b.has("#state", "Running")
	b.has("#users", "5")
	b.until("requests", `+document.querySelector('#requests tfoot td:nth-child(3)').textContent.replace(',', '') > 0`)
	before := b.js(`document.querySelector('#requests tfoot td:nth-child(3)').textContent`)
	b.until("moving numbers", fmt.Sprintf(`document.querySelector('#requests tfoot td:nth-child(3)').textContent !== %q`, before))

	b.click("#edit")
	b.fill("dialog #f-user_count", "none")
	b.click("#update")
	b.has("dialog .error", "none")
	b.fill("dialog #f-user_count", "8")
	b.fill("dialog #f-spawn_rate", "100")
	b.click("#update")
	b.has("#users", "8")

	b.click("#tab-charts")
	b.until("charts", `document.querySelectorAll('.chart canvas').length >= 8`)
	b.js(`document.querySelector('.chart .u-over').dispatchEvent(new MouseEvent('mousemove', {clientX: 300, clientY: 400, bubbles: true}))`)
	b.open("about:blank")
	b.open(p.url + "#charts") // a reload shows the whole run
	b.until("the run after a reload", `[...document.querySelectorAll('.chart .legend b')].some(e => /\d/.test(e.textContent))`)
	b.click("#tab-failures")
	b.has("#failures td", "422")
	b.click("#tab-ratio")
	b.has(".ratio li", "MessagingUser")
	b.click("#tab-targets")
	b.has("table.plain th", "P95")
	b.click("#tab-delivery")
	b.has(".ledger th", "delivered")
	b.click("#tab-workers")
	b.has(".empty", "alone")
	b.click("#tab-system")
	b.has(".chart h2", "lateness")
	b.click("#tab-logs")
	b.has(".loglines", "8 users wanted")

	b.click("#theme")
	dark := b.js(`document.documentElement.dataset.theme`)
	b.open("about:blank")
	b.open(p.url + "#statistics")
	b.has("#state", "Running")
	if got := b.js(`document.documentElement.dataset.theme`); got != dark || got != "dark" {
		t.Errorf("the theme after a reload is %q, was %q", got, dark)
	}
	b.size(390, 844)
	for _, tab := range []string{"statistics", "charts", "failures", "exceptions", "ratio", "targets", "delivery", "system", "workers", "logs", "download"} {
		b.click("#tab-" + tab)
		b.until(tab, fmt.Sprintf(`document.querySelector('#tab-%s').getAttribute('aria-selected') === 'true'`, tab))
		b.fits(tab + " on a phone")
	}
	b.size(1280, 900)
	b.click("#stop")
	b.has("#state", "Stopped")
	b.has("#verdict", "FAILURES")
	b.click("#new")
	b.has("h2", "New test")
	b.until("what was typed before", `document.querySelector('#f-user_count').value === '5'`)
	b.size(390, 844)
	b.fits("the form on a phone")
	if code := p.end(); code != 1 { // requests failed, and no target was named
		t.Errorf("exit code %d", code)
	}
}

// TestPageShowsMistakesInABrowser: beside the field, and what was typed stays.
func TestPageShowsMistakesInABrowser(t *testing.T) {
	target := scenariotest.Start(t, scenariotest.Faults{})
	p := startPage(t, pageFlagsFor(target)...)
	b := newBrowser(t)
	b.open(p.url)
	b.has("h2", "Start a test")
	b.js(`document.querySelector('details').open = true`)
	for field, tc := range map[string]struct{ typed, want string }{
		"host":       {"localhost:8080", "http://HOST"},
		"spawn_rate": {"fast", "no number"},
		"run_time":   {"soon", "20s, 3m"},
		"rate":       {"-5/s", "-5"},
		"target":     {"p95", "p95"},
		"set":        {"speed=9", "smpp_users"},
	} {
		b.fill("#f-"+field, tc.typed)
		b.has(fmt.Sprintf(`[data-field=%q] .error`, field), tc.want)
	}
	b.js(`(e => { e.value = 'own'; e.dispatchEvent(new Event('change', {bubbles: true})); })(document.querySelector('[data-field=shape_class] select'))`)
	b.fill(`[data-field=corners] input`, "0s:0,nonsense")
	b.has(`[data-field=shape_class] .error`, "nonsense")
	b.click("#start")
	b.until("the mistakes after Start", `document.querySelectorAll('.field.wrong').length >= 6`)
	if got := b.js(`document.querySelector('#f-host').value + ' ' + document.querySelector('#f-rate').value + ' ' + document.querySelector('[data-field=corners] input').value`); got != "localhost:8080 -5/s 0s:0,nonsense" {
		t.Errorf("of what was typed, %q is left", got)
	}
	b.has("#state", "Ready")
	// A target that is not there: the canary says so, and the form keeps what was typed.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + silent.Addr().String()
	silent.Close()
	b.open("about:blank")
	b.open(p.url)
	b.fill("#f-host", gone)
	b.until("no mistake", `!document.querySelector('.field.wrong')`)
	b.click("#start")
	b.has(".banner.bad", "does not answer")
	b.until("the host that was typed", fmt.Sprintf(`document.querySelector('#f-host').value === %q`, gone))
	p.end()
}

// TestPageOutlivesARestart: a page left open finds the next process on the same port, and the connection's loss is told.
func TestPageOutlivesARestart(t *testing.T) {
	target := scenariotest.Start(t, scenariotest.Faults{})
	p := startPage(t, pageFlagsFor(target, "--autostart")...)
	b := newBrowser(t)
	b.open(p.url)
	b.has("#state", "Running")
	p.end()
	b.has("#lost", "No connection")
	port := strings.TrimSuffix(p.url[strings.LastIndex(p.url, ":")+1:], "/")
	again := startPage(t, pageFlagsFor(target, "--web-port", port, "--autostart", "-u", "3")...)
	b.until("the new process", `!document.querySelector('#lost') && document.querySelector('#users')?.textContent === '3'`)
	b.until("its history", `document.querySelectorAll('.tile svg path').length > 0`)
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
	b := newBrowser(t)
	b.open(p.url)
	b.until("the sign-in page", `document.querySelector('#token')`)
	b.js(`(document.querySelector('#token').value = 'a wrong one', document.querySelector('form').submit())`)
	b.until("the mistake", `document.querySelector('#wrong').hidden === false && document.querySelector('#wrong').textContent.includes('not the token')`)
	b.js(fmt.Sprintf(`(document.querySelector('#token').value = %q, document.querySelector('form').submit())`, token))
	b.has("h2", "Start a test")
	b.click("#start")
	b.has("#state", "Running")
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
	b := newBrowser(t)
	b.open(p.url + "#failures")
	b.until("the failures", `document.querySelectorAll('#failures tbody tr').length > 5`)
	b.until("only the rows in view", `document.querySelectorAll('#failures tbody tr').length < 100`)
	took := b.js(`(() => { const t = performance.now(), f = document.querySelector('input[type=search]'); f.value = 'name 007'; f.dispatchEvent(new Event('input', {bubbles: true})); return performance.now() - t; })()`)
	b.until("the filter", `/^\s*\d+ of/.test(document.querySelector('[data-count]').textContent)`)
	t.Logf("the filter took %s ms", took)
	if n := b.js(`document.querySelectorAll('script').length`); n != "2" {
		t.Errorf("the document has %s scripts", n)
	}
	b.click("#tab-statistics")
	b.until("200 names", `document.querySelector('[data-count]').textContent.includes('200')`)
	b.click("#requests thead th:nth-child(2) button")
	b.until("sorted by name", `document.querySelector('#requests tbody tr td:nth-child(2)').textContent.includes('000')`)
	b.js(`document.querySelector('.scroll').scrollTop = 150 * 32`)
	b.until("the rows further down", `[...document.querySelectorAll('#requests tbody td:nth-child(2)')].some(e => e.textContent.includes('name 150'))`)
	p.end()
}
