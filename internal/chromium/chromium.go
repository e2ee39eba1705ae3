// Package chromium finds and starts a headless Chromium, for tests of pages and for benchmarks of them.
package chromium

import (
	"context"
	"errors"
	"os/exec"
	"time"

	"github.com/chromedp/chromedp"
)

const life = 4 * time.Minute // of one browser

// Start readies a headless browser, whose profile is kept in a folder, and returns the context of its first tab; it
// runs from the first action there until stop is called, 4 minutes at most.
func Start(ctx context.Context, profile string) (tab context.Context, stop context.CancelFunc, err error) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		return nil, nil, errors.New("there is no Chromium: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile))
	ctx, end := chromedp.NewExecAllocator(ctx, options...)
	ctx, expire := context.WithTimeout(ctx, life)
	tab, leave := chromedp.NewContext(ctx)
	return tab, func() { leave(); expire(); end() }, nil
}
