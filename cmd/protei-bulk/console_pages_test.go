package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// choose puts a file into a field, as the dialog of a browser does.
func (b visitor) choose(selector, name, content string) {
	b.t.Helper()
	b.Until(selector, fmt.Sprintf("document.querySelector(%q)", selector))
	b.JS(fmt.Sprintf(`(e => { const d = new DataTransfer(); d.items.add(new File([%q], %q)); e.files = d.files; e.dispatchEvent(new Event('change', {bubbles: true})); })(document.querySelector(%q))`, content, name, selector))
}

// key presses a key where an element is.
func (b visitor) key(selector, key string) {
	b.t.Helper()
	b.Until(selector, fmt.Sprintf("document.querySelector(%q)", selector))
	b.JS(fmt.Sprintf(`(document.querySelector(%q).dispatchEvent(new KeyboardEvent('keydown', {key: %q, bubbles: true, cancelable: true})), '')`, selector, key))
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

// webhooks: what an address refuses is given up, shown, and told again; the own address is set.
func (b visitor) webhooks(url string) {
	b.t.Helper()
	to := newReceiver(b.t)
	post(b.t, url, "messages", fmt.Sprintf(`{"from":"SHOP","to":"+4915112345670","text":"x","dlr_url":"%s/dlr"}`, to.URL))
	b.visit("webhooks")
	b.Has("#givenup td", "/dlr")
	b.Has("#givenup .badge", "DELIVERED")
	to.takes.Store(true)
	b.Click("#givenup [data-act=replay]")
	b.Has("#replayed", "1 are told again")
	to.wait(b.t)
	b.Fill("#since", "2020-01-01T00:00")
	b.Click("#since-form button")
	b.Has("#replayed", "are told again")
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
	b.Has("#changed", "1 of 2 were added")
	b.Has("#changed", "1 are no numbers")
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
