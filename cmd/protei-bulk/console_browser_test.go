package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk"
	"protei-bulk/client"
	"protei-bulk/internal/browser"
	"protei-bulk/smsc"
)

// consolePages are those of an admin.
var consolePages = []string{"dashboard", "messages", "send", "campaigns", "inbound", "inbound/routes", "blocked", "connectors", "routes", "webhooks", "cdr", "alerts", "accounts", "users", "audit", "system", "profile"}

// startConsole is a platform in dev mode with a simulator, and where its console is.
func startConsole(t *testing.T) (url string, sim *smsc.Simulator) {
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
	c.Webhooks.GiveUp, c.CDR.RotateBytes = bulk.Duration(time.Second), 1 // pages show what is given up and closed
	c.Webhooks.Allow = []string{"127.0.0.0/8"}
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
	return "http://" + p.HTTPAddr() + "/", sim
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

// visitor is a browser at the console.
type visitor struct {
	*browser.Browser
	t *testing.T
}

func visitConsole(t *testing.T, url string) visitor {
	t.Helper()
	v := visitor{browser.New(t), t}
	v.Open(url)
	return v
}

func (b visitor) signIn(user, password string) {
	b.t.Helper()
	b.Fill("#user", user)
	b.Fill("#password", password)
	b.Click("#go")
}

// ownPassword takes the place of the first one, and lets the user in.
func (b visitor) ownPassword(first string) {
	b.t.Helper()
	b.Fill("#current", first)
	b.Fill("#new", "another long password")
	b.Click("#password button")
	b.Has("#state", "Running")
}

// visit opens a page by its address and waits until it has what it shows.
func (b visitor) visit(page string) {
	b.t.Helper()
	b.JS(fmt.Sprintf(`(location.hash = '#/%s')`, page))
	if name, _, _ := strings.Cut(page, "/"); name != "profile" {
		b.Until(page, fmt.Sprintf(`document.querySelector('#nav-%s[aria-current=page]')`, name))
	}
	b.Until(page+" without a skeleton", `document.querySelector('main') && !document.querySelector('.skeleton')`)
	if wrong := b.JS(`[...document.querySelectorAll('.banner.bad')].map(e => e.textContent).join(' ')`); wrong != "" {
		b.t.Errorf("%s: %s", page, wrong)
	}
	if unnamed := b.JS(`[...document.querySelectorAll('main button, main .check')].filter(e => !e.textContent.trim() && !e.ariaLabel).length`); unnamed != "0" {
		b.t.Errorf("%s: %s buttons and boxes without a name", page, unnamed)
	}
	if several := b.JS(`[...document.forms].filter(f => [...f.elements].filter(e => e.type === 'submit').length > 1).map(f => f.id)`); several != "" {
		b.t.Errorf("%s: forms that more than one button sends: %s", page, several)
	}
	if cut := b.JS(`[...document.querySelectorAll('td:has(> time)')].filter(e => e.scrollWidth > e.clientWidth).length`); cut != "0" {
		b.t.Errorf("%s: %s times are cut off", page, cut)
	}
}

// screens are those that a page must fit: of a desk, and of a phone.
var screens = []struct{ width, height int64 }{{1280, 900}, {375, 812}}

// look sees whether the page fits each screen. CONSOLE_PICTURES names a folder for pictures of it in both themes.
func (b visitor) look(name string) {
	b.t.Helper()
	for _, s := range screens {
		b.Size(s.width, s.height)
		b.see(fmt.Sprintf("%s-%d", name, s.width))
	}
	b.Size(screens[0].width, screens[0].height)
}

func (b visitor) see(name string) {
	b.t.Helper()
	b.Fits(name)
	if lines := b.JS(`(h => h && h.offsetHeight > 57 ? h.offsetHeight + ' px' : '')(document.querySelector('header.bar'))`); lines != "" {
		b.t.Errorf("%s: the header takes more than a line: %s", name, lines)
	}
	dir := os.Getenv("CONSOLE_PICTURES")
	if dir == "" {
		return
	}
	var width, shown, whole int64
	if _, err := fmt.Sscan(b.JS("innerWidth + ' ' + innerHeight + ' ' + document.documentElement.scrollHeight"), &width, &shown, &whole); err != nil {
		b.t.Fatal(err)
	}
	b.Size(width, whole)
	defer b.Size(width, shown)
	for _, theme := range []string{"dark", "light"} {
		b.theme(theme)
		b.Picture(filepath.Join(dir, name+"-"+theme+".png"))
	}
}

// theme changes from the other one, and waits until the colours have.
func (b visitor) theme(name string) {
	b.t.Helper()
	b.Click("#theme")
	b.Until(name, fmt.Sprintf(`document.documentElement.dataset.theme === %q && !document.getAnimations().length`, name))
}

// visitAll opens each page on each screen.
func (b visitor) visitAll(language string) {
	b.t.Helper()
	for _, s := range screens {
		b.Size(s.width, s.height)
		for _, page := range consolePages {
			b.visit(page)
			if latin := b.JS(`[...document.querySelectorAll('main .badge bdi, #me .dim')].map(e => e.textContent).filter(text => /[a-z]/i.test(text))`); language == "arabic" && latin != "" {
				b.t.Errorf("%s: not in Arabic: %s", page, latin)
			}
			if cut := b.JS(`[...document.querySelectorAll('main .scroll')].filter(e => e.scrollWidth > e.clientWidth + 4).map(e => e.scrollWidth + ' > ' + e.clientWidth)`); cut != "" && s == screens[0] && page != "webhooks" { // URLs and why they fail are long
				b.t.Errorf("%s: a desk does not show a whole table: %s", page, cut)
			}
			b.see(fmt.Sprintf("%s-%s-%d", strings.ReplaceAll(page, "/", "-"), language, s.width))
		}
	}
}

// answer waits until what REST answers to a GET, d, is so.
func (b visitor) answer(path, so string) {
	b.t.Helper()
	b.JS(fmt.Sprintf(`(window.said = null, window.asking = setInterval(() => fetch('/api/v1/%s').then(r => r.json()).then(d => { window.said = d; }), 200), '')`, path))
	b.Until(path, fmt.Sprintf(`(d => %s)(window.said)`, so))
	b.JS(`(clearInterval(window.asking), '')`)
}

// TestConsoleInABrowser signs in, sends, follows, stops and starts a connector, makes a campaign, and looks at each page.
func TestConsoleInABrowser(t *testing.T) {
	url, sim := startConsole(t)
	b := visitConsole(t, url)
	b.Until("one button to sign in", `[...document.querySelector('#signin').elements].filter(e => e.type === 'submit').length === 1`)
	b.signIn("dev", "wrong horse battery")
	b.Has(".banner.bad", "wrong")
	b.signIn("dev", "dev-console-pass")
	b.Has("#state", "Running")
	b.Until("charts", `document.querySelectorAll('.chart canvas').length === 3`)

	b.visit("send")
	b.Fill("textarea#text", "Price 5€ [ok]")
	b.Has("#counter", "16 characters")
	b.Fill("textarea#text", strings.Repeat("a", 161))
	b.Has("#counter", "2 parts")
	b.Fill("textarea#text", "Привет")
	b.Has("#counter", "UCS2")
	b.Fill("#from", "SHOP")
	b.Fill("#to", "12")
	b.Click("#go")
	b.Has(".field.wrong .error", "at least 5")
	b.Until("what was typed", `document.querySelector('textarea#text').value === 'Привет'`)
	b.Fill("#to", "+4915112345678")
	b.Fill("#from", "SHOP")
	b.Click("#go")
	b.Has("#accepted", "1 part,")
	b.Click("#accepted a")
	b.Has(".badge", "DELIVERED")
	b.Has("#text", "Привет")
	b.Has(".facts", "Account")
	b.Has(".steps", "DELIVERED")
	b.answer("messages?limit=1", "d.messages[0].status === 'DELIVERED'")
	b.visit("messages")
	b.Fill("#to", "4915112345678")
	b.Click("#search")
	b.Has("#messages td", "DELIVERED")
	b.Fill("#to", "4999")
	b.Click("#search")
	b.Has(".empty", "No message")

	b.visit("connectors")
	b.Has(".connector .badge", "up")
	b.Click("[data-act=pause]")
	b.Has("dialog", "Nothing more is sent")
	b.Click("dialog button.primary")
	b.Until("paused", `document.querySelector('[data-act=start]')`)
	b.Click("[data-act=start]")
	b.Until("running again", `document.querySelector('[data-act=pause]')`)

	b.visit("campaigns")
	b.Click("#new")
	b.Fill("#name", "Spring")
	b.Fill("#message_content", "Hello {name}")
	b.Fill("#sender_id", "SHOP")
	b.choose("#file", "people.csv", "to,name\n+4915112345670,Ada\n+4915112345671,Bob\n")
	b.Click("#campaign #go")
	b.Has("main h2", "Spring")
	b.Click("[data-act=start]")
	b.Has("dialog", "2 recipients")
	b.Click("dialog button.primary")
	b.Has(".badge", "COMPLETED")

	b.visit("routes")
	b.Fill("#dryrun #to", "+4915112345678")
	b.Click("#try")
	b.Has("#said", "default")
	b.visit("accounts")
	b.Until("what was used today", `[...document.querySelectorAll('.figures dd')].at(-1).textContent === '3'`)
	b.visit("audit")
	b.Has("#audit td", "dev")
	b.Click("#audit [data-open]")
	b.Has("dialog .facts", "127.0.0.1")
	b.look("audit-change")
	b.Click("dialog button")
	b.Until("the change closes", `!document.querySelector('dialog')`)
	b.visit("system")
	b.Has("#settings td", "durability")
	b.visit("users")
	b.Fill("#newuser #name", "ann")
	b.Click("#newuser button.primary")
	b.Has("#made", "ann")

	b.webhooks(url)
	b.blocked()
	b.records()
	b.connectors()
	b.rules(url)
	b.unmade()
	b.inbound(func(text string) { fromMobile(t, sim, text) })
	b.alerts()
	b.secondFactor()
	b.past(url)

	b.theme("dark")
	b.theme("light")
	b.visitAll("english")
	b.arabic()
	b.Click("#menu")
	b.Until("the menu of a phone", `getComputedStyle(document.querySelector('#side')).display !== 'none'`)
	b.Fits("the menu of a phone")
	b.Until("all of it without scrolling", `(e => e.scrollHeight <= e.clientHeight)(document.querySelector('#side'))`)
	b.see("menu-arabic-375")
	b.Click("#nav-messages")
	b.Until("the menu closes", `getComputedStyle(document.querySelector('#side')).display === 'none'`)
	b.JS(`(scrollTo(0, document.body.scrollHeight), document.querySelector('#menu').click(), '')`)
	b.Until("the menu stands in sight", `(r => r.top >= 0 && r.top < innerHeight / 2 && r.bottom <= innerHeight)(document.querySelector('#side').getBoundingClientRect())`)
	b.JS(`(document.querySelector('#side-me').focus(), document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true})), '')`)
	b.Until("Escape closes it", `getComputedStyle(document.querySelector('#side')).display === 'none' && document.activeElement.id === 'menu'`)
	b.Click("#menu")
	b.Click("#side-signout")
	b.Until("the sign-in", `document.querySelector('#signin')`)
	b.Open("about:blank")
	b.Open(url + "#/system")
	b.Until("the sign-in again", `document.querySelector('#signin')`)
}

// arabic: right to left, and no string without a translation.
func (b visitor) arabic() {
	b.t.Helper()
	b.JS(`(import('/strings.js').then(m => { window.all = Object.entries(m.catalogue); }), '')`)
	b.Until("the catalogue", `window.all`)
	if missing := b.JS(`all.filter(([k, v]) => v.length !== 2 || !v[0] || !v[1]).map(([k]) => k)`); missing != "" {
		b.t.Errorf("without a translation: %s", missing)
	}
	if places := b.JS(`all.filter(([k, [en, ar]]) => k !== 'campaignText' && String([...new Set(en.match(/\{\w+\}/g))].sort()) !== String([...new Set(ar.match(/\{\w+\}/g))].sort())).map(([k]) => k)`); places != "" {
		b.t.Errorf("with other places for values: %s", places)
	}
	b.forms()
	b.names()
	b.Click("#menu")
	b.Click("#side-language")
	b.Until("right to left", `document.documentElement.dir === 'rtl' && document.documentElement.lang === 'ar' && document.querySelector('#state')`)
	b.visit("messages")
	b.Has("[data-count]", "رسائل")
	b.Until("a number from left to right", `[...document.querySelectorAll('#messages bdi[dir=ltr]')].some(e => e.textContent.includes('4915112345678'))`)
	b.visitAll("arabic")
}

// TestConsoleShowsTextAsText: markup in any field is text, and the page's policy would not run it.
func TestConsoleShowsTextAsText(t *testing.T) {
	url, sim := startConsole(t)
	const evil = `<script>window.evil=1</script><img src=x onerror=window.evil=2>`
	quoted := fmt.Sprintf("%q", evil)
	post(t, url, "messages", `{"from":"SHOP","to":"+4915112345678","client_ref":"<img src=x onerror=evil>","text":`+quoted+`}`)
	post(t, url, "accounts", `{"name":"<img src=x onerror=window.evil=3>"}`)
	post(t, url, "campaigns", `{"name":"<svg onload=window.evil=4>","sender_id":"SHOP","message_content":`+quoted+`,"recipients":["+4915112345679"]}`)
	post(t, url, "routes", `{"name":"r","match":{"text":"<img src=x onerror=window.evil=5>"},"targets":[{"connector":"default"}]}`)
	post(t, url, "blacklist", `{"numbers":["15550100999"],"sender":"<img src=x onerror=e>"}`)
	post(t, url, "connectors", `{"name":"evil","mode":"stopped","kind":"http","http":{"url":"http://127.0.0.1:1/","format":"text","body":"<img src=x onerror=evil>{{to}} {{text}}"}}`)
	post(t, url, "inbound/routes", `{"name":"<img src=x onerror=evil>","keyword":"<svg/onload=evil>","pattern":"<b>"}`)
	b := visitConsole(t, url)
	b.signIn("dev", "dev-console-pass")
	b.Until("the dashboard", `document.querySelector('#state')`)
	b.visit("connectors")
	b.Has("[data-name=default] .badge", "up")
	fromMobile(t, sim, evil)
	b.visit("blocked")
	b.Has("#numbers td", "<img src=x onerror=e>")
	b.visit("inbound/routes")
	b.Has("#inbound-routes td", "<svg/onload=evil>")
	b.Click("#inbound-routes [data-act=delete]")
	b.Has("dialog h2", "<img src=x onerror=evil>")
	b.Click("dialog button")
	b.visit("inbound")
	b.Has("#inbound td", "<script>window.evil=1</script>")
	b.Click("#inbound td a")
	b.Has("blockquote", "onerror=window.evil=2")
	b.visit("connectors")
	b.Click("[data-name=evil] [data-act=edit]")
	b.Until("a connector in its form", `document.querySelector('#c-http-body').value.includes('<img src=x onerror=evil>')`)
	b.visit("messages")
	b.Has("#messages td", "<script>window.evil=1</script>")
	b.JS(`(document.querySelector('#messages td a').click(), '')`)
	b.Has("blockquote", "onerror=window.evil=2")
	b.Has(".facts", "<img src=x onerror=evil>")
	b.visit("campaigns")
	b.Has("#campaigns td", "<svg onload")
	b.Click("#campaigns td a")
	b.Has("h2", "<svg onload")
	b.Has("blockquote", "<script>")
	b.visit("accounts")
	b.Has("#accounts td", "<img src=x onerror=window.evil=3>")
	b.visit("routes")
	b.Has("#routes td", "onerror=window.evil=5")
	b.Click("#routes [data-act=edit]")
	b.Until("a rule in its form", `document.querySelector('#r-text').value.includes('onerror=window.evil=5')`)
	b.visit("audit")
	b.Has("#audit td", "onerror=window.evil=3")
	b.visit("send")
	b.Fill("textarea#text", evil)
	b.Has("#bubble", evil)
	if got := b.JS(`window.evil + ' ' + document.querySelectorAll('main img, main svg[onload], main script').length`); got != "undefined 0" {
		t.Errorf("markup ran or became elements: %s", got)
	}
	b.JS(`(document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.evil=6">'), '')`) // as a fault of ours would
	b.Until("the image failed", `[...document.querySelectorAll('body > img')].every(e => e.complete)`)
	if got := b.JS(`window.evil`); got != "undefined" {
		t.Errorf("the content policy lets handlers in markup run: %s", got)
	}
}

// TestConsoleByRole: a customer has the pages of an account, and nothing of others; an auditor changes nothing.
func TestConsoleByRole(t *testing.T) {
	url, _ := startConsole(t)
	post(t, url, "accounts", `{"name":"shop","system_id":"shop","password":"shop-pass"}`)
	post(t, url, "users", `{"name":"cara","role":"customer","account_id":2,"password":"correct horse battery"}`)
	post(t, url, "messages", `{"from":"SHOP","to":"+4915112345678","text":"of dev"}`)
	b := visitConsole(t, url)
	b.signIn("cara", "correct horse battery")
	b.Has(".banner.warn", "password")
	b.ownPassword("correct horse battery")
	if pages := b.JS(`[...document.querySelectorAll('#side > a')].map(e => e.id.slice(4))`); pages != "dashboard,messages,send,campaigns,inbound,blocked,webhooks,accounts" {
		t.Errorf("the pages of a customer are %s", pages)
	}
	b.visit("messages")
	b.Has(".empty", "No message")
	b.JS(`(location.hash = '#/system')`)
	b.Until("no page of others", `document.querySelector('h1').textContent === 'Dashboard'`)
	b.visit("blocked")
	b.Fill("#list", "15550100999")
	b.Click("#add")
	b.Has("#numbers td", "15550100999")
	b.Until("no list of others", `!document.querySelector('#owner')`)
	b.visit("webhooks")
	b.Until("the own address", `document.querySelector('#ownwebhook')`)
	shop, err := client.New(client.Options{URL: url, SystemID: "shop", Password: "shop-pass"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shop.SendMessage(t.Context(), client.NewMessage{From: "SHOP", To: "+4915112345678", Text: "of shop"}); err != nil {
		t.Fatal(err)
	}
	b.past(url)
	if seen := b.JS(`window.live.tick.accepted + ' ' + (window.live.tick.connectors === undefined)`); seen != "1 true" {
		t.Errorf("of messages and connectors a customer sees %s", seen)
	}

	b.Click("#signout")
	post(t, url, "users", `{"name":"aude","role":"auditor","password":"correct horse battery"}`)
	b.signIn("aude", "correct horse battery")
	b.ownPassword("correct horse battery")
	post(t, url, "routes", `{"name":"all","targets":[{"connector":"default"}]}`)
	for _, page := range consolePages {
		if page == "send" {
			continue
		}
		b.visit(page)
		for _, changes := range []string{"button#new", "#add", "#newchannel", "#reorder", "#ownwebhook", "[data-act]"} {
			if b.JS(fmt.Sprintf("!!document.querySelector('main %s')", changes)) != "false" {
				t.Errorf("%s: an auditor is offered %s", page, changes)
			}
		}
	}
	b.Until("no page to send", `!document.querySelector('#nav-send')`)
}

// consoleFiles are the pages' files, and "".
func consoleFiles(t *testing.T) []string {
	t.Helper()
	all := []string{""}
	for _, dir := range []string{"../../bulk/console/assets", "../../internal/web/assets"} {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				name, err = filepath.Rel(dir, name)
				all = append(all, filepath.ToSlash(name))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestConsoleFiles: the pages' files are small, and are served with a policy.
func TestConsoleFiles(t *testing.T) {
	url, _ := startConsole(t)
	total := 0
	for _, name := range consoleFiles(t) {
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
