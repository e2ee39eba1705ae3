package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"protei-bulk/internal/chromium"
)

const cookie = "protei_bulk_session"

// signIn returns the token of a session of the user that serve --dev has.
func (b *bench) signIn(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+"api/v1/session", strings.NewReader(`{"user":"dev","password":"dev-console-pass"}`))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		if c.Name == cookie {
			return c.Value, nil
		}
	}
	return "", fmt.Errorf("sign in: %s, and no cookie", resp.Status)
}

// view reads an event stream until ctx ends. It says when the first event is there.
func (b *bench) view(ctx context.Context, first chan<- error) {
	told := false
	tell := func(err error) {
		if !told {
			told = true
			first <- err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"api/v1/live", nil)
	if err != nil {
		tell(err)
		return
	}
	req.Header.Set("Cookie", cookie+"="+b.token)
	client := &http.Client{Transport: &http.Transport{}} // a connection of its own
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		tell(err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		tell(fmt.Errorf("GET /live: %s", resp.Status))
		return
	}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data: ") {
			tell(nil)
		}
	}
	tell(errors.New("GET /live ended without an event"))
}

// load is what the browser says of one load of the dashboard: times in ms since the navigation began.
type load struct {
	Paint   float64 // first-contentful-paint
	Figures float64 // the first figures are shown
	Octets  float64 // of the page and its files, as they were sent
	Files   int
}

// loaded is a promise of a load. The figures come by the event stream, so the tiles have them
// after the files are there.
const loaded = `new Promise(done => {
	const go = () => {
		const paint = performance.getEntriesByName('first-contentful-paint')[0], tile = document.querySelector('.tile');
		if (!paint || !tile) { setTimeout(go, 5); return; }
		const figures = performance.now();
		const files = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].filter(e => !e.name.includes('/api/'));
		done({ Paint: paint.startTime, Figures: figures, Octets: files.reduce((sum, e) => sum + e.encodedBodySize, 0), Files: files.length });
	};
	go();
})`

// loadOnce loads the dashboard in a tab of its own, whose end ends the page's event stream, without a cache.
func (b *bench) loadOnce(ctx context.Context) (load, error) {
	ctx, cancel := chromedp.NewContext(ctx)
	defer cancel()
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		return load{}, err
	}
	if _, err := chromedp.Call(ctx, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true}); err != nil {
		return load{}, err
	}
	if _, err := chromedp.Call(ctx, network.SetCookie, network.SetCookieParams{Name: cookie, Value: b.token, URL: b.url}); err != nil {
		return load{}, err
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(b.url)); err != nil {
		return load{}, err
	}
	return chromedp.Run(ctx, chromedp.Evaluate[load](loaded, chromedp.EvalAwaitPromise))
}

// look loads the dashboard again and again in a browser that keeps nothing.
func (b *bench) look(ctx context.Context) error {
	if b.opts.loads == 0 {
		return nil
	}
	profile, err := os.MkdirTemp("", "protei-bulk-browser-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(profile)
	ctx, stop, err := chromium.Start(ctx, profile)
	if err != nil {
		return fmt.Errorf("%w, or -loads 0", err)
	}
	defer stop()
	if err := chromedp.Do(ctx); err != nil { // the browser starts
		return fmt.Errorf("browser: %w", err)
	}
	var paints, figures []float64
	var last load
	for range b.opts.loads + 1 { // the first one warms the browser up
		if last, err = b.loadOnce(ctx); err != nil {
			return fmt.Errorf("open the dashboard: %w", err)
		}
		paints, figures = append(paints, last.Paint), append(figures, last.Figures)
	}
	paints, figures = paints[1:], figures[1:]
	fmt.Printf("first paint     median %.0f ms, 95 of 100 within %.0f ms, longest of %d %.0f ms (asked for: a median below %v)\n",
		median(paints), most(paints), len(paints), slices.Max(paints), maxPaint)
	fmt.Printf("first figures   median %.0f ms, 95 of 100 within %.0f ms\n", median(figures), most(figures))
	fmt.Printf("files           %.1f kB in %d files, as they are sent (asked for: below %d kB)\n", last.Octets/1000, last.Files, maxOctets/1000)
	var missed error
	if median(paints) >= float64(maxPaint.Milliseconds()) {
		missed = fmt.Errorf("first paint after %.0f ms", median(paints))
	}
	if last.Octets >= maxOctets || last.Octets == 0 {
		missed = errors.Join(missed, fmt.Errorf("the page takes %.0f octets", last.Octets))
	}
	return missed
}

// most is the 95th percentile.
func most(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[(len(all)-1)*95/100]
}
