package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"protei-bulk/bulk"
	"protei-bulk/smsc"
)

// consolePages are those of an admin.
var consolePages = []string{"dashboard", "messages", "send", "campaigns", "connectors", "routes", "accounts", "users", "audit", "system", "profile"}

// startConsole is a platform in dev mode with a simulator, and where its console is.
func startConsole(t *testing.T) (url string) {
	t.Helper()
	sim, err := smsc.New(smsc.Options{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Stop(context.Background()) })
	c := bulk.DefaultConfig()
	c.Data, c.HTTP, c.SMPP, c.Durability, c.MinFreeDisk = t.TempDir(), "127.0.0.1:0", "off", "none", 0
	c.Upstream = "smpp://dev:dev@" + sim.Addr() + "?binds=2&window=100"
	p, err := bulk.New(bulk.Options{Config: c, Dev: true, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return "http://" + p.HTTPAddr() + "/"
}

// post calls REST with the API key of the dev mode.
func post(t *testing.T, url, path, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"api/v1/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", "dev-api-key")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode >= 300 {
		t.Fatalf("POST %s: %d %s", path, resp.StatusCode, text)
	}
}

func (b *browser) signIn(url string) {
	b.t.Helper()
	b.open(url)
	b.fill("#user", "dev")
	b.fill("#password", "dev-console-pass")
	b.click("#go")
	b.until("the dashboard", `document.querySelector('#state')`)
}

// visit opens a page by its address and waits until it has what it shows.
func (b *browser) visit(page string) {
	b.t.Helper()
	b.js(fmt.Sprintf(`(location.hash = '#/%s')`, page))
	if page != "profile" {
		b.until(page, fmt.Sprintf(`document.querySelector('#nav-%s[aria-current=page]')`, page))
	}
	b.until(page+" without a skeleton", `document.querySelector('main') && !document.querySelector('.skeleton')`)
	if wrong := b.js(`[...document.querySelectorAll('.banner.bad')].map(e => e.textContent).join(' ')`); wrong != "" {
		b.t.Errorf("%s: %s", page, wrong)
	}
}

// picture keeps what the page looks like when CONSOLE_PICTURES names a folder.
func (b *browser) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("CONSOLE_PICTURES")
	if dir == "" {
		return
	}
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shot, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// TestConsoleInABrowser signs in, sends, follows, stops and starts a connector, makes a campaign, and looks at each page.
func TestConsoleInABrowser(t *testing.T) {
	url := startConsole(t)
	b := newBrowser(t)
	b.open(url)
	b.fill("#user", "dev")
	b.fill("#password", "wrong horse battery")
	b.click("#go")
	b.has(".banner.bad", "wrong")
	b.picture("sign-in")
	b.fill("#password", "dev-console-pass")
	b.click("#go")
	b.has("#state", "Running")
	b.until("charts", `document.querySelectorAll('.chart canvas').length === 3`)

	b.visit("send")
	b.fill("textarea#text", "Price 5€ [ok]")
	b.has("#counter", "16 characters")
	b.fill("textarea#text", strings.Repeat("a", 161))
	b.has("#counter", "2 parts")
	b.fill("textarea#text", "Привет")
	b.has("#counter", "UCS2")
	b.fill("#from", "SHOP")
	b.fill("#to", "12")
	b.click("#go")
	b.has(".field.wrong .error", "at least 5")
	b.until("what was typed", `document.querySelector('textarea#text').value === 'Привет'`)
	b.fill("#to", "+4915112345678")
	b.fill("#from", "SHOP")
	b.click("#go")
	b.has("#accepted", "1 parts")
	b.click("#accepted a")
	b.has(".badge", "DELIVERED")
	b.has("#text", "Привет")
	b.has(".steps", "DELIVERED")
	b.visit("messages")
	b.fill("#to", "4915112345678")
	b.click("#search")
	b.has("#messages td", "DELIVERED")
	b.fill("#to", "4999")
	b.click("#search")
	b.has(".empty", "No message")

	b.visit("connectors")
	b.has(".connector .badge", "up")
	b.click("[data-act=pause]")
	b.until("paused", `document.querySelector('[data-act=start]')`)
	b.click("[data-act=start]")
	b.until("running again", `document.querySelector('[data-act=pause]')`)

	b.visit("campaigns")
	b.click("#new")
	b.fill("#name", "Spring")
	b.fill("#message_content", "Hello {name}")
	b.fill("#sender_id", "SHOP")
	b.js(`(e => { const d = new DataTransfer(); d.items.add(new File(['to,name\n+4915112345670,Ada\n+4915112345671,Bob\n'], 'people.csv')); e.files = d.files; e.dispatchEvent(new Event('change', {bubbles: true})); })(document.querySelector('#file'))`)
	b.click("#campaign #go")
	b.has("main h2", "Spring")
	b.click("[data-act=start]")
	b.has("dialog", "2 recipients")
	b.click("dialog button.primary")
	b.has(".badge", "COMPLETED")

	b.visit("routes")
	b.fill("#dryrun #to", "+4915112345678")
	b.click("#try")
	b.has("#said", "default")
	b.visit("audit")
	b.has("#audit td", "dev")
	b.visit("system")
	b.has("#settings td", "durability")
	b.visit("users")
	b.fill("#newuser #name", "ann")
	b.click("#newuser button.primary")
	b.has("#made", "ann")

	for _, theme := range []string{"light", "dark"} {
		b.js(fmt.Sprintf(`((document.documentElement.dataset.theme || 'light') !== %q && document.querySelector('#theme').click())`, theme))
		for _, size := range [][2]int64{{1280, 900}, {390, 844}} {
			b.size(size[0], size[1])
			for _, page := range consolePages {
				b.visit(page)
				name := fmt.Sprintf("%s-%s-%d", page, theme, size[0])
				b.fits(name)
				b.picture(name)
			}
		}
	}
	b.click("#menu")
	b.until("the menu of a phone", `getComputedStyle(document.querySelector('#side')).display !== 'none'`)
	b.click("#nav-messages")
	b.until("the menu closes", `getComputedStyle(document.querySelector('#side')).display === 'none'`)
	b.size(1280, 900)
	b.click("#signout")
	b.until("the sign-in", `document.querySelector('#signin')`)
	b.open("about:blank")
	b.open(url + "#/system")
	b.until("the sign-in again", `document.querySelector('#signin')`)
}

// TestConsoleInArabic: right to left, and no string without a translation.
func TestConsoleInArabic(t *testing.T) {
	url := startConsole(t)
	post(t, url, "messages", `{"from":"SHOP","to":"+4915112345678","text":"مرحبا"}`)
	b := newBrowser(t)
	b.signIn(url)
	b.js(`(import('/strings.js').then(m => { window.all = Object.entries(m.catalogue); }), '')`)
	b.until("the catalogue", `window.all`)
	if missing := b.js(`all.filter(([k, v]) => v.length !== 2 || !v[0] || !v[1]).map(([k]) => k)`); missing != "" {
		t.Errorf("without a translation: %s", missing)
	}
	if places := b.js(`all.filter(([k, [en, ar]]) => k !== 'campaignText' && String((en.match(/\{\w+\}/g) ?? []).sort()) !== String((ar.match(/\{\w+\}/g) ?? []).sort())).map(([k]) => k)`); places != "" {
		t.Errorf("with other places for values: %s", places)
	}
	b.click("#language")
	b.until("right to left", `document.documentElement.dir === 'rtl' && document.documentElement.lang === 'ar' && document.querySelector('#state')`)
	for _, page := range consolePages {
		for _, size := range [][2]int64{{1280, 900}, {390, 844}} {
			b.size(size[0], size[1])
			b.visit(page)
			b.fits(page + " in Arabic")
			b.picture(fmt.Sprintf("ar-%s-%d", page, size[0]))
		}
	}
	b.visit("messages")
	b.until("a number from left to right", `[...document.querySelectorAll('#messages bdi[dir=ltr]')].some(e => e.textContent.includes('4915112345678'))`)
}

// TestConsoleShowsTextAsText: markup in any field is text, and the page's policy would not run it.
func TestConsoleShowsTextAsText(t *testing.T) {
	url := startConsole(t)
	const evil = `<script>window.evil=1</script><img src=x onerror=window.evil=2>`
	quoted := fmt.Sprintf("%q", evil)
	post(t, url, "messages", `{"from":"SHOP","to":"+4915112345678","client_ref":"<img src=x onerror=evil>","text":`+quoted+`}`)
	post(t, url, "accounts", `{"name":"<img src=x onerror=window.evil=3>"}`)
	post(t, url, "campaigns", `{"name":"<svg onload=window.evil=4>","sender_id":"SHOP","message_content":`+quoted+`,"recipients":["+4915112345679"]}`)
	post(t, url, "routes", `{"name":"r","match":{"text":"<img src=x onerror=window.evil=5>"},"targets":[{"connector":"default"}]}`)
	b := newBrowser(t)
	b.signIn(url)
	b.visit("messages")
	b.has("#messages td", "<script>window.evil=1</script>")
	b.js(`(document.querySelector('#messages td a').click(), '')`)
	b.has("blockquote", "onerror=window.evil=2")
	b.has(".facts", "<img src=x onerror=evil>")
	b.visit("campaigns")
	b.has("#campaigns td", "<svg onload")
	b.click("#campaigns td a")
	b.has("h2", "<svg onload")
	b.has("blockquote", "<script>")
	b.visit("accounts")
	b.has("#accounts td", "<img src=x onerror=window.evil=3>")
	b.visit("routes")
	b.has("#routes td", "onerror=window.evil=5")
	b.visit("audit")
	b.has("#audit td", "onerror=window.evil=3")
	b.visit("send")
	b.fill("textarea#text", evil)
	b.has("#bubble", evil)
	if got := b.js(`window.evil + ' ' + document.querySelectorAll('main img, main svg[onload], main script').length`); got != "undefined 0" {
		t.Errorf("markup ran or became elements: %s", got)
	}
	b.js(`(document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.evil=6">'), '')`) // as a fault of ours would
	b.until("the image failed", `[...document.querySelectorAll('body > img')].every(e => e.complete)`)
	if got := b.js(`window.evil`); got != "undefined" {
		t.Errorf("the content policy lets handlers in markup run: %s", got)
	}
}

// TestConsoleAsCustomer: the pages of an account, and nothing of others.
func TestConsoleAsCustomer(t *testing.T) {
	url := startConsole(t)
	post(t, url, "accounts", `{"name":"shop"}`)
	post(t, url, "users", `{"name":"cara","role":"customer","account_id":2,"password":"correct horse battery"}`)
	post(t, url, "messages", `{"from":"SHOP","to":"+4915112345678","text":"of dev"}`)
	b := newBrowser(t)
	b.open(url)
	b.fill("#user", "cara")
	b.fill("#password", "correct horse battery")
	b.click("#go")
	b.has(".banner.warn", "password")
	b.fill("#current", "correct horse battery")
	b.fill("#new", "another long password")
	b.click("#password button")
	b.has("#state", "Running")
	if pages := b.js(`[...document.querySelectorAll('#side a')].map(e => e.id.slice(4))`); pages != "dashboard,messages,send,campaigns,accounts" {
		t.Errorf("the pages of a customer are %s", pages)
	}
	b.visit("messages")
	b.has(".empty", "No message")
	b.js(`(location.hash = '#/system')`)
	b.until("no page of others", `document.querySelector('h1').textContent === 'Dashboard'`)
}

// TestConsoleFiles: the pages' files are small, and are served with a policy.
func TestConsoleFiles(t *testing.T) {
	url := startConsole(t)
	total := 0
	for _, name := range []string{
		"", "app.js", "net.js", "parts.js", "strings.js", "dashboard.js", "messages.js", "traffic.js", "campaigns.js", "admin.js", "console.css", "tokens.css", "icon.svg",
		"ui.js", "table.js", "chart.js", "vendor/preact.mjs", "vendor/hooks.mjs", "vendor/htm.mjs", "vendor/uplot.js", "vendor/uplot.css",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+name, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "gzip")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", name, resp.Status, err)
		}
		total += len(body)
		if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q", name, policy)
		}
		if name == "" && (bytes.Contains(body, []byte("http:")) || bytes.Contains(body, []byte("https:"))) {
			t.Error("the page names another host")
		}
	}
	t.Logf("%d octets compressed", total)
	if total > 300_000 {
		t.Errorf("the files have %d octets compressed, more than 300,000", total)
	}
}
