package report

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser starts a headless Chromium.
func browser(t *testing.T) context.Context {
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
	ctx, cancel = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// reading is what the page shows after some use.
type reading struct {
	Legend  string `json:"legend"`
	Time    string `json:"time"`
	First   string `json:"first"`
	Theme   string `json:"theme"`
	Cursors int    `json:"cursors"`
}

// TestPageInABrowser opens the report as its readers do: on a desk and on a phone, with the cursor on a chart, sorted,
// in both themes. Nothing may be wider than the screen, and the script may not fail.
func TestPageInABrowser(t *testing.T) {
	ctx := browser(t)
	run := play(t, small(failing()))
	Judge(run, GuideTargets())
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(render(t, run)), 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var broken []string
	err := chromedp.Listen(ctx, func(ev any) {
		if e, ok := ev.(*runtime.EventExceptionThrown); ok {
			mu.Lock()
			broken = append(broken, e.ExceptionDetails.Text)
			mu.Unlock()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	const overflow = `Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth`
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate("file://"+file)))
	desk, err := chromedp.Run(ctx, chromedp.Evaluate[int](overflow))
	must(err)
	page, err := chromedp.Run(ctx, chromedp.Evaluate[reading](`(() => {
		const plot = document.querySelector('[data-chart=latency] .plot'), box = plot.getBoundingClientRect();
		plot.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + box.width / 2, clientY: box.top}));
		document.querySelector('.sortable thead th:nth-child(3)').click();
		document.getElementById('theme').click();
		return {
			legend: document.querySelector('[data-chart=latency] .legend').textContent,
			time: document.querySelector('[data-chart=users] .at').textContent,
			first: document.querySelector('.sortable tbody td:nth-child(2)').textContent,
			theme: document.documentElement.dataset.theme,
			cursors: [...document.querySelectorAll('.cursor')].filter(c => !c.hidden).length,
		}})()`))
	must(err)
	must(chromedp.Do(ctx, chromedp.EmulateViewport(390, 844)))
	phone, err := chromedp.Run(ctx, chromedp.Evaluate[int](overflow))
	must(err)
	mu.Lock()
	defer mu.Unlock()
	if len(broken) > 0 {
		t.Errorf("the script failed: %s", strings.Join(broken, "; "))
	}
	if desk > 0 || phone > 0 {
		t.Errorf("wider than the screen: by %d px on a desk, by %d px on a phone", desk, phone)
	}
	if !strings.Contains(page.Legend, " ms") || page.Time != "0:12" {
		t.Errorf("the cursor in the middle of 25 s shows %q at %q", page.Legend, page.Time)
	}
	if page.Cursors != len(charts(run)) {
		t.Errorf("%d of %d charts show the cursor", page.Cursors, len(charts(run)))
	}
	if page.First != "submit_sm" {
		t.Errorf("sorted by requests, %q is first", page.First)
	}
	if page.Theme != "dark" && page.Theme != "light" {
		t.Errorf("theme %q after a click", page.Theme)
	}
}
