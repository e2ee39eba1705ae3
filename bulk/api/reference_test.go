package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// TestReferencePage opens the page in a real browser: every call of the document is there, with a
// command line, nothing is fetched from elsewhere or refused by the policy, and the filter works.
func TestReferencePage(t *testing.T) {
	p := start(t, options{})
	calls := 0
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(p.do(t, "GET", "/api/v1/openapi.json", "").Body), &doc); err != nil {
		t.Fatal(err)
	}
	for _, item := range doc.Paths {
		calls += len(item)
	}
	resp, err := http.Get(p.URL + "/api/v1/reference/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if policy := resp.Header.Get("Content-Security-Policy"); resp.StatusCode != 200 || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("%s with policy %q", resp.Status, policy)
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
		}
	}
	if path == "" {
		t.Fatal("this test looks at the page in a real browser: apt-get install chromium (make test does it as root)")
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()))...)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	wrong := make(chan string, 100)
	if err := chromedp.Listen(ctx, func(ev any) {
		switch e := ev.(type) {
		case *runtime.EventExceptionThrown:
			wrong <- fmt.Sprint("thrown: ", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError {
				wrong <- "logged: " + e.Entry.Text
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	do := func(actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		for _, action := range actions {
			if err := chromedp.Do(ctx, action); err != nil {
				t.Fatal(err)
			}
		}
	}
	js := func(expression string) string {
		t.Helper()
		text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String("+expression+")"))
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		return text
	}
	all := strconv.Itoa(calls)
	do(chromedp.EmulateViewport(390, 844), chromedp.Navigate(p.URL+"/api/v1/reference/"), chromedp.WaitVisible("#sendMessage"))
	articles, commands := js("document.querySelectorAll('article').length"), js("document.querySelectorAll('article pre.command').length")
	if wide := js("document.documentElement.scrollWidth > innerWidth"); wide != "false" {
		t.Error("at the width of a phone the page scrolls sideways")
	}
	command := js("document.querySelector('#sendMessage pre.command').textContent")
	do(chromedp.SendKeys("input[type=search]", "release"), chromedp.WaitNotPresent("#sendMessage"))
	found := js("[...document.querySelectorAll('article')].map(e => e.id)")
	if articles != all || commands != all || calls < 50 {
		t.Errorf("%s calls and %s commands are shown of %s", articles, commands, all)
	}
	if want := "curl -X POST -H \"X-API-Key: $KEY\" -H \"Idempotency-Key: $(uuidgen)\" --json '{"; !strings.HasPrefix(command, want) {
		t.Errorf("the command %q does not begin with %q", command, want)
	}
	if found != "releaseMessage" {
		t.Errorf("%q match \"release\"", found)
	}
	select {
	case text := <-wrong:
		t.Error(text)
	default:
	}
}
