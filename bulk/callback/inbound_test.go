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

// TestInboundComesInBatches: inbound messages go up to 500 a request, apart from receipts; the
// id is the same in every try, and one that goes alone keeps its own after a restart.
func TestInboundComesInBatches(t *testing.T) {
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
	first.Push(o.add(inboundNotice(1, c.URL)))
	first.Push(o.add(notice(5001, c.URL)))
	eventually(t, func() bool { st := first.Stats(); return st.Failures > 3 })
	eventually(t, func() bool {
		return slices.ContainsFunc(first.Endpoints(1, 10), func(e callback.EndpointState) bool { return e.Inbound && e.Failures > 0 && e.Fault != "" })
	})
	stop(t, first)
	down.Store(false)
	again := start(t, options(o))
	o.drain(t, 0)
	_, _, ids := c.seen()
	mine := "mo_" + message.ID(1).String()
	if n := len(slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id != mine })); n < 2 {
		t.Errorf("%d requests with the id %s: %v", n, mine, ids)
	}
	before := again.Stats().Requests
	for id := 2; id <= 1201; id++ {
		again.Push(o.add(inboundNotice(id, c.URL)))
	}
	o.drain(t, 0)
	if n := again.Stats().Requests - before; n < 3 || n > 100 {
		t.Errorf("%d requests for 1,200 inbound messages", n)
	}
}
