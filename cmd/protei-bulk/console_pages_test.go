package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/user"
	"protei-bulk/smsc"
)

// choose puts a file into a field, as the dialog of a browser does.
func (b visitor) choose(selector, name, content string) {
	b.t.Helper()
	b.With(selector, fmt.Sprintf(`const d = new DataTransfer(); d.items.add(new File([%q], %q)); e.files = d.files; e.dispatchEvent(new Event('change', {bubbles: true}));`, content, name))
}

// key presses a key where an element is.
func (b visitor) key(selector, key string) {
	b.t.Helper()
	b.With(selector, fmt.Sprintf(`e.dispatchEvent(new KeyboardEvent('keydown', {key: %q, bubbles: true, cancelable: true}));`, key))
}

// receiver is a customer's webhook, which refuses until it is told otherwise.
type receiver struct {
	*httptest.Server
	takes atomic.Bool
	told  chan struct{} // gets one for each request that was taken, and has room for more than come
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{told: make(chan struct{}, 1000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !r.takes.Load() {
			http.Error(w, "not today", http.StatusInternalServerError)
			return
		}
		select {
		case r.told <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) wait(t *testing.T) {
	t.Helper()
	select {
	case <-r.told:
	case <-time.After(time.Minute):
		t.Fatal("the webhook was not told within a minute")
	}
}

// fromMobile sends a message from a mobile to 1000, and waits until the platform has it.
func fromMobile(t *testing.T, sim *smsc.Simulator, text string) {
	t.Helper()
	if _, err := sim.Deliver(t.Context(), smsc.MO{From: "15550100300", To: "1000", Text: text}); err != nil {
		t.Fatal(err)
	}
}

// webhooks: what an address refuses is given up, shown, and told again; the own address is set.
func (b visitor) webhooks(url string) {
	b.t.Helper()
	to := newReceiver(b.t)
	post(b.t, url, "messages", fmt.Sprintf(`{"from":"SHOP","to":"+4915112345670","text":"x","dlr_url":"%s/dlr"}`, to.URL))
	b.answer("webhooks/failed", "d.failed.length > 0")
	b.visit("webhooks")
	b.Has("#givenup td", "/dlr")
	b.Has("#givenup .badge", "DELIVERED")
	to.takes.Store(true)
	b.Click("#givenup [data-act=replay]")
	b.Has("#replayed", "1 is told again")
	to.wait(b.t)
	b.Fill("#since", "2020-01-01T00:00")
	b.Click("#since-form button")
	b.Has("#replayed", "told again")
	to.wait(b.t)

	b.Fill("#dlr_url", "http://10.0.0.1/private")
	b.Click("#ownwebhook button.primary")
	b.Has("#ownwebhook .field.wrong .error", "10.0.0.1")
	b.Fill("#dlr_url", to.URL+"/own")
	b.Fill("#webhook_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	b.Click("#ownwebhook button.primary")
	b.Has("#ownwebhook .banner.good", "Saved")
	b.Until("the secret is not shown", `document.querySelector('#webhook_secret').value === '' && !document.body.innerText.includes('MfKQ9r8')`)
}

// blocked: numbers are put on a list, typed and by a file, found and taken from there.
func (b visitor) blocked() {
	b.t.Helper()
	b.visit("blocked")
	b.Has(".empty", "No number")
	b.Fill("#list", "+15550100999\nnobody")
	b.Click("#add")
	b.Has("#changed", "1 of 2 was added")
	b.Has("#changed", "1 is no number")
	b.Has("#numbers td", "15550100999")
	b.Fill("#list", "nobody")
	b.Click("#add")
	b.Has("#change .field.wrong .error", "no number is one")
	b.Fill("#list", "")
	b.choose("#listfile", "stop.csv", "number\n15550100001\n15550100002\n")
	b.Click("#add")
	b.Has("#changed", "2 of 2 were added")
	b.Fill("#number", "15550100002")
	b.Click("#search")
	b.Until("one found", `document.querySelectorAll('#numbers tbody tr').length === 1`)
	b.Click("#numbers [data-act=remove]")
	b.Has("dialog", "15550100002")
	b.Click("dialog button.danger")
	b.Has(".empty", "No number")
	b.key("[role=tablist]", "ArrowRight")
	b.Until("the opt-outs by a key", `document.querySelector('#tab-optouts[aria-selected=true]') && document.activeElement.id === 'tab-optouts'`)
	b.Has(".empty", "No number")
}

// records: a complete file can be taken away.
func (b visitor) records() {
	b.t.Helper()
	b.visit("cdr")
	b.Until("a file to take away", `document.querySelector('#cdr-files a[download]')`)
	b.JS(`(fetch(document.querySelector('#cdr-files a[download]').href).then(r => r.text()).then(text => { window.taken = text; }), '')`)
	b.Until("its records", `window.taken.startsWith('time,message_id,') && window.taken.includes('#records=')`)
}

// connectors: one is made, changed without its password being seen, and deleted.
func (b visitor) connectors() {
	b.t.Helper()
	b.visit("connectors")
	b.Has(".connector .badge", "up")
	address := b.JS(`document.querySelector('[data-name=default] .dim bdi').textContent.split(' ')[1]`)
	b.Until("the connector of the settings cannot be deleted here", `!document.querySelector('[data-name=default] [data-act=delete]')`)
	b.Click("#new")
	b.Fill("#c-name", "second")
	b.Fill("#c-address", "nowhere")
	b.Click("#save")
	b.Has("#connectorform .field.wrong .error", "host:port")
	b.Fill("#c-address", address)
	b.Fill("#c-system_id", "dev")
	b.Fill("#c-password", "dev")
	b.Click("#save")
	b.Has("[data-name=second] .badge", "up")
	b.Click("[data-name=second] [data-act=edit]")
	b.Until("the password is not shown", `document.querySelector('#c-password').value === '' && document.querySelector('#c-password-says').textContent.startsWith('Set')`)
	b.Fill("#c-binds", "0")
	b.Click("#save")
	b.Has("#connectorform .field.wrong .error", "1")
	b.Fill("#c-binds", "1")
	b.Fill("#c-tps", "50")
	b.Click("#save")
	b.Has("[data-name=second] dd", "50")
	b.Has("[data-name=second] .badge", "up")
}

// rules are made, ordered by keys and by dragging, kept from being overwritten, and deleted.
func (b visitor) rules(url string) {
	b.t.Helper()
	b.visit("routes")
	add := func(name, prefixes, connector string) {
		b.Click("#new")
		b.Fill("#r-name", name)
		b.Fill("#r-prefixes", prefixes)
		b.Until("the connectors to choose from", fmt.Sprintf(`[...document.querySelector('#r-target-0').options].some(o => o.value === %q)`, connector))
		b.Fill("#r-target-0", connector)
		b.Click("#save")
	}
	add("gulf", "971, 97x", "default")
	b.Has("#ruleform .field.wrong .error", "97x")
	b.Fill("#r-prefixes", "971, 973")
	b.Fill("#r-priority", "20")
	b.Fill("#r-price", "0.035")
	b.Click("#addwindow")
	b.Fill("#r-windows-0-days", "someday")
	b.Click("#save")
	b.Has("#ruleform .line .field.wrong .error", "someday")
	b.Fill("#r-windows-0-days", "mon-fri")
	b.Click("#save")
	b.Has("#routes td", "+971, 973")
	b.Has("#routes td", "0.035")
	add("rest", "", "second")
	b.Until("two rules in order", `[...document.querySelectorAll('#routes tbody tr td:nth-child(2)')].map(e => e.textContent).join() === 'gulf,rest'`)

	b.Click("#reorder")
	b.Click("#order [data-name=rest] [data-move=up]")
	b.Until("rest first, and its button has the focus", `document.querySelector('#order li').dataset.name === 'rest' && document.activeElement.closest('li')?.dataset.name === 'rest'`)
	b.JS(`(([from, to]) => { const dataTransfer = new DataTransfer(); for (const [e, type] of [[from, 'dragstart'], [to, 'dragover'], [to, 'drop'], [from, 'dragend']]) e.dispatchEvent(new DragEvent(type, {dataTransfer, bubbles: true, cancelable: true})); })(document.querySelectorAll('#order li'))`)
	b.Until("gulf first, as it was dragged", `document.querySelector('#order li').dataset.name === 'gulf'`)
	b.Click("#order [data-name=rest] [data-move=up]")
	b.Until("rest first again", `document.querySelector('#order li').dataset.name === 'rest'`)
	post(b.t, url, "routes", `{"name":"meanwhile","priority":5,"targets":[{"connector":"default"}]}`)
	b.Click("#saveorder")
	b.Has("#order .banner.bad", "meanwhile")
	b.Click("#order button:not([data-move]):not(#saveorder)")
	b.Has("#routes td", "meanwhile")
	b.Click("#reorder")
	b.Click("#order [data-name=rest] [data-move=up]")
	b.Click("#order [data-name=rest] [data-move=up]")
	b.Until("rest first", `document.querySelector('#order li').dataset.name === 'rest'`)
	b.Click("#saveorder")
	b.Until("the new order in force", `[...document.querySelectorAll('#routes tbody tr')].map(e => e.children[0].textContent + e.children[1].textContent).join() === '30rest,20gulf,10meanwhile'`)
}

// unmade takes away what connectors and rules made; a connector that a rule names stays.
func (b visitor) unmade() {
	b.t.Helper()
	remove := func(act string) {
		b.Click(act)
		b.Click("dialog button.danger")
		b.Until("the question closes", `!document.querySelector('dialog')`)
	}
	b.visit("connectors")
	remove("[data-name=second] [data-act=delete]")
	b.Has(".banner.bad", "routes name second")
	b.visit("routes")
	for n := 2; n >= 0; n-- {
		remove("#routes [data-act=delete]")
		b.Until("one rule less", fmt.Sprintf(`document.querySelectorAll('#routes [data-act=delete]').length === %d`, n))
	}
	b.visit("connectors")
	remove("[data-name=second] [data-act=delete]")
	b.Until("the connector is gone", `!document.querySelector('[data-name=second]')`)
}

// inbound: a message that no route wants is delivered when there is one.
func (b visitor) inbound(deliver func(text string)) {
	b.t.Helper()
	to := newReceiver(b.t)
	to.takes.Store(true)
	deliver("join us")
	b.visit("inbound")
	b.Has("#inbound td", "NO_ROUTE")
	b.Click("#inbound td a")
	b.Has("blockquote", "join us")
	b.look("inbound-message")
	b.Click("#replay")
	b.Has(".banner.bad", "route")
	b.visit("inbound/routes")
	b.Click("#new")
	b.Fill("#i-name", "club")
	b.Fill("#i-pattern", "(")
	b.Click("#save")
	b.Has("#inboundform .field.wrong .error", "regular expression")
	b.look("inbound-form")
	b.Fill("#i-pattern", "")
	b.Fill("#i-keyword", "JOIN")
	b.Fill("#i-url", to.URL+"/mo")
	b.Click("#save")
	b.Has("#inbound-routes td", "club")
	b.Fill("#try-to", "1000")
	b.Fill("#try-text", "hello")
	b.Click("#try")
	b.Has("#said", "No route wants it")
	b.look("inbound-said")
	b.Fill("#try-text", "Join")
	b.Click("#try")
	b.Has("#said", "club wants it")
	b.visit("inbound")
	b.Click("#inbound td a")
	b.Click("#replay")
	b.Has("#replayed", "delivered again")
	to.wait(b.t)
	b.Has(".badge", "DELIVERED")
}

// alerts: a channel is made and tested, a threshold changed.
func (b visitor) alerts() {
	b.t.Helper()
	to := newReceiver(b.t)
	b.visit("alerts")
	b.Has("#firing", "No alert fires")
	b.Has("#alert-rules td", "connector_down")
	b.Click("#newchannel")
	b.Fill("#h-name", "ops")
	b.Fill("#h-url", "http://10.0.0.1/private")
	b.Click("#savechannel")
	b.Has("#channelform .field.wrong .error", "not allowed")
	b.Fill("#h-url", to.URL+"/alerts")
	b.Click("#savechannel")
	b.Has("#channels td", "/alerts")
	b.Click("#channels [data-act=test]")
	b.Has("#tried.bad", "500")
	to.takes.Store(true)
	b.Click("#channels [data-act=test]")
	b.Has("#tried.good", "taken")
	to.wait(b.t)
	b.Click("#alert-rules [data-act=edit]")
	b.Fill("#a-threshold", "much")
	b.Click("#saverule")
	b.Has("#alertruleform .field.wrong .error", "number")
	b.Fill("#a-threshold", "0")
	b.Fill("#a-for_seconds", "90")
	b.Click("#saverule")
	b.Has("#alert-rules td", "90 s")
}

// past: a page that is opened now shows what was before.
func (b visitor) past(url string) {
	b.t.Helper()
	b.answer("live/history", "d.figures.length > 1 && Date.now() - d.figures[1].at > 2000") // the first point is as old
	b.Open("about:blank")
	b.Open(url)
	b.Until("the dashboard", `document.querySelector('#state')`)
	b.JS(`(import('/net.js').then(m => { window.live = m.live; }), '')`)
	b.Until("figures from before this page", `window.live.points[0].at * 1000 < performance.timeOrigin - 1000 && window.live.points.every((p, i, all) => !i || p.at > all[i - 1].at)`)
}

// secondFactor is set up with what the page shows, and taken away.
func (b visitor) secondFactor() {
	b.t.Helper()
	b.visit("profile")
	b.Click("#setup")
	b.Until("a QR code", `document.querySelector('#qr path').getAttribute('d').startsWith('M0 0h7') && document.querySelector('#qr').getBoundingClientRect().width > 150`)
	code, err := user.TOTPCode(b.JS(`document.querySelector('#factor .facts dd').textContent.replaceAll(' ', '')`), time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	b.Fill("#totp", code)
	b.Fill("#prove", "not the password")
	b.Click("#factor button")
	b.Has("#factor .field.wrong .error", "wrong")
	b.Fill("#prove", "dev-console-pass")
	b.Click("#factor button")
	b.Has("#factor .badge", "on")
	b.Fill("#prove", "dev-console-pass")
	b.Click("#factor button")
	b.Has("#factor .badge", "off")
}
