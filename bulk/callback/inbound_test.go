package callback_test

import (
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"protei-bulk/bulk/callback"
	"protei-bulk/bulk/message"
)

func inboundNotice(id int, url string) callback.Notice {
	n := notice(id, url)
	n.Status, n.Inbound = 0, &message.Inbound{ID: message.ID(id)}
	n.Event = []byte(`{"event":"inbound","message_id":"` + message.ID(id).String() + `"}`)
	return n
}

// TestInboundKeepsItsWebhookID: each inbound message is a request of its own, whose id is
// the same in every try and after a restart, whatever waits beside it.
func TestInboundKeepsItsWebhookID(t *testing.T) {
	o := newOutbox()
	var down atomic.Bool
	down.Store(true)
	c := newCustomer(t, func(_ int, w http.ResponseWriter) bool {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return down.Load()
	})
	first := start(t, options(o))
	for id := 1; id <= 3; id++ {
		first.Push(o.add(inboundNotice(id, c.URL)))
		first.Push(o.add(notice(100+id, c.URL)))
	}
	eventually(t, func() bool { st := first.Stats(); return st.Failures > 3 })
	eventually(t, func() bool {
		return slices.ContainsFunc(first.Endpoints(1, 10), func(e callback.EndpointState) bool { return e.Inbound && e.Failures > 0 && e.Fault != "" })
	})
	stop(t, first)
	down.Store(false)
	start(t, options(o))
	o.drain(t, 0)
	_, _, ids := c.seen()
	for id := 1; id <= 3; id++ {
		if !slices.Contains(ids, "mo_"+message.ID(id).String()) {
			t.Errorf("no request with the id of message %d: %v", id, ids)
		}
	}
	if n := len(slices.DeleteFunc(ids, func(id string) bool { return id != "mo_"+message.ID(1).String() })); n < 2 {
		t.Errorf("the first one was tried %d times", n)
	}
}
