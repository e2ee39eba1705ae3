// Package browser is a real, headless browser for tests of pages. [New] starts a Chromium that ends with the test, and
// fails the test when a script of the page throws. It waits inside the page, for what the page shows. Only tests import
// it. Its goroutines are those of chromedp, which end with the test.
package browser

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"protei-bulk/internal/chromium"
)

const patient = time.Minute // until a condition must hold

// Browser looks at one page at a time.
type Browser struct {
	t   testing.TB
	ctx context.Context

	mu     sync.Mutex
	thrown []string // guarded by mu: by scripts of the pages
	logged []string // guarded by mu: errors in the console of the pages
}

// New starts a browser with a window of 1280 × 900.
func New(t testing.TB) *Browser {
	t.Helper()
	ctx, stop, err := chromium.Start(context.Background(), t.TempDir())
	if err != nil {
		t.Fatalf("this test looks at the page in a real browser: %v (make test does it as root)", err)
	}
	t.Cleanup(stop)
	b := &Browser{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.thrown) > 0 {
			t.Errorf("the page's script failed: %s", strings.Join(b.thrown, "; "))
		}
	})
	b.Size(1280, 900)
	return b
}

func (b *Browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.thrown = append(b.thrown, fmt.Sprint(e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			b.logged = append(b.logged, e.Entry.Text)
		}
	}
}

// Logged returns the errors in the console until now: what was not found, refused, or against the page's policy.
func (b *Browser) Logged() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.logged, "; ")
}

// Size sets the window's size.
func (b *Browser) Size(width, height int64) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(width, height)); err != nil {
		b.t.Fatal(err)
	}
}

// Open goes to an address and waits until it is loaded.
func (b *Browser) Open(url string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(url)); err != nil {
		b.t.Fatal(err)
	}
}

// JS evaluates an expression to a text.
func (b *Browser) JS(expression string) string {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// look is a promise of whether a condition holds within a second. What throws does not hold: the element may not be
// there yet.
const look = `new Promise(done => {
	const end = performance.now() + 1000, go = () => {
		let holds = false, why = '';
		try { holds = !!(%s); } catch (e) { why = String(e); }
		if (holds || performance.now() > end) done([holds, why]); else setTimeout(go, 20);
	};
	go();
})`

// Until waits until an expression is true.
func (b *Browser) Until(what, expression string) {
	b.t.Helper()
	for end := time.Now().Add(patient); ; {
		// An error is a page that makes room for the next one.
		said, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]any](fmt.Sprintf(look, expression), chromedp.EvalAwaitPromise))
		if err == nil && len(said) == 2 && said[0] == true {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("%s: not within %s: %v %v; the page shows %.1500s", what, patient, said, err, b.JS("document.body.innerText"))
		}
	}
}

// Has waits for an element and a text in it.
func (b *Browser) Has(selector, text string) {
	b.t.Helper()
	b.Until(selector+" with "+text, fmt.Sprintf("[...document.querySelectorAll(%q)].some(e => e.textContent.includes(%q))", selector, text))
}

// With waits for an element and runs a statement of it, which calls it e.
func (b *Browser) With(selector, statement string) {
	b.t.Helper()
	b.Until(selector, fmt.Sprintf("document.querySelector(%q)", selector))
	b.JS(fmt.Sprintf("(e => { %s })(document.querySelector(%q))", statement, selector))
}

// Click waits for an element and clicks it.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	b.With(selector, "e.click();")
}

// Fill waits for a field and types into it as people do: the page hears of it.
func (b *Browser) Fill(selector, text string) {
	b.t.Helper()
	b.With(selector, fmt.Sprintf(`e.value = %q; e.dispatchEvent(new Event('input', {bubbles: true}));`, text))
}

// Press types keys where the focus is, as a keyboard does: "\t", "\r", " " or text.
func (b *Browser) Press(keys string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.KeyEvent(keys)); err != nil {
		b.t.Fatal(err)
	}
}

// Fits says that nothing is wider than the screen.
func (b *Browser) Fits(what string) {
	b.t.Helper()
	if over := b.JS(`Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth`); over[0] != '-' && over != "0" {
		b.t.Errorf("%s: wider than the screen by %s px", what, over)
	}
}

// Picture writes what the window shows to a file.
func (b *Browser) Picture(file string) {
	b.t.Helper()
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(file, shot, 0o600); err != nil {
		b.t.Fatal(err)
	}
}
