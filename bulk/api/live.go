package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/alert"
	"protei-bulk/bulk/message"
)

// Bounds of the live figures.
const (
	maxLive       = 128              // viewers at once
	liveEvery     = time.Second      // between two figures
	liveFresh     = liveEvery / 2    // a figure serves all viewers so long
	liveLooks     = 3                // at a ledger that does not close
	liveWrite     = 10 * time.Second // for one event to one viewer
	liveAlerts    = 10               // named in a figure
	liveRetryMS   = 1000             // until a browser asks again
	liveBusyRetry = 5 * time.Second
)

// liveView is how the platform is doing at a moment. The numbers of messages only grow: a
// viewer makes rates of them.
type liveView struct {
	At        int64 `json:"at"` // Unix milliseconds
	Accepted  int64 `json:"accepted"`
	Delivered int64 `json:"delivered"`
	Failed    int64 `json:"failed"` // failed, rejected, expired, unknown
	InFlight  int64 `json:"in_flight"`
	Closes    bool  `json:"closes"`
	Ready     bool  `json:"ready"`

	// For admin accounts only.
	Submitted  int64           `json:"submitted"` // to SMSCs, since the links were made
	Queued     int64           `json:"queued"`
	Connectors []liveConnector `json:"connectors,omitzero"`
	Queues     []queueView     `json:"queues,omitzero"`
	Firing     int             `json:"firing"`
	Alerts     []string        `json:"alerts,omitempty"`
}

// liveConnector is a Connector in short.
type liveConnector struct {
	Name      string `json:"name"`
	Mode      string `json:"mode"`
	State     string `json:"state"`
	Binds     int    `json:"binds"`
	Bound     int    `json:"bound"`
	InFlight  int    `json:"in_flight"`
	Queued    int64  `json:"queued"`
	Submitted int64  `json:"submitted"`
	Throttled int64  `json:"throttled"`
	LastError string `json:"last_error,omitempty"`
}

// viewers are the event streams that are open, and what they show.
type viewers struct {
	mu     sync.Mutex
	open   int                // guarded by mu
	shared map[uint32]*shared // guarded by mu: by account, 0 for admins; at most maxLive
	end    chan struct{}      // closed by EndStreams
	once   sync.Once
}

// shared is a figure, measured for the first viewer who asks for it.
type shared struct {
	mu   sync.Mutex
	at   time.Time // guarded by mu
	text []byte    // guarded by mu; replaced, never written
}

// EndStreams ends the event streams, for a stop that does not wait for browsers. Streams that are
// asked for later end at once.
func (a *API) EndStreams() { a.viewers.once.Do(func() { close(a.viewers.end) }) }

func (v *viewers) join() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.open >= maxLive {
		return false
	}
	v.open++
	return true
}

func (v *viewers) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open--
}

func (v *viewers) figure(account uint32) *shared {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.shared[account]
	if f == nil {
		if v.shared == nil || len(v.shared) >= maxLive {
			v.shared = make(map[uint32]*shared)
		}
		f = new(shared)
		v.shared[account] = f
	}
	return f
}

// figures returns what the caller may see, as a line of JSON that must not be changed.
func (a *API) figures(who *account.Account) ([]byte, error) {
	id := liveOf(who)
	f := a.viewers.figure(id)
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.at) >= liveFresh {
		text, err := json.Marshal(a.measure(id))
		if err != nil {
			return nil, err
		}
		f.at, f.text = now, append(text, '\n')
	}
	return f.text, nil
}

// ledger reads counters that others change meanwhile: what is accepted between two looks may be in the statuses, and
// a message on its way from one status to another in both or none. One look of few that closes is enough.
func (a *API) ledger(id uint32) (accepted int64, counts Counts, closes bool) {
	for range liveLooks {
		before := a.opts.Insight.Accepted(id)
		counts = a.opts.Insight.Counts(id)
		accepted = a.opts.Insight.Accepted(id)
		if sum := total(counts); before <= sum && sum <= accepted {
			return accepted, counts, true
		}
	}
	return accepted, counts, false
}

// measure looks at an account, or at everything: 0.
func (a *API) measure(id uint32) liveView {
	accepted, counts, closes := a.ledger(id)
	v := liveView{
		At: a.opts.Now().UnixMilli(), Accepted: accepted, Delivered: counts[message.Delivered],
		Failed: failed(&counts), InFlight: inFlight(&counts),
		Closes: closes, Ready: a.opts.Insight.Ready() == nil,
	}
	if id != 0 {
		return v
	}
	v.Connectors, v.Queues = []liveConnector{}, []queueView{}
	for _, c := range a.opts.Insight.Connectors() {
		v.Submitted += c.Submitted
		v.Connectors = append(v.Connectors, liveConnector{c.Name, c.Mode, c.State, c.Binds, c.Bound, c.InFlight, c.Queued, c.Submitted, c.Throttled, c.LastError})
	}
	for _, q := range a.opts.Insight.Queues() {
		v.Queued += q.Waiting + q.Delayed
		if q.Waiting+q.Delayed > 0 {
			v.Queues = append(v.Queues, queueView{q, q.Priority.String()})
		}
	}
	if a.opts.Alerts != nil {
		v.alerts(a.opts.Alerts.Firing())
	}
	return v
}

func failed(c *Counts) int64 {
	return c[message.Failed] + c[message.Rejected] + c[message.Expired] + c[message.Unknown]
}

func inFlight(c *Counts) int64 {
	return c[message.Pending] + c[message.Scheduled] + c[message.Sent] + c[message.Held]
}

func (v *liveView) alerts(firing []alert.Alert) {
	v.Firing = len(firing)
	for _, f := range firing[:min(liveAlerts, len(firing))] {
		v.Alerts = append(v.Alerts, f.Rule+" "+f.Subject)
	}
}

// live is GET /api/v1/live: figures each second as server-sent events, or once as JSON.
func (c *call) live() error {
	once := false
	if v := c.r.URL.Query().Get("once"); v != "" {
		var err error
		if once, err = strconv.ParseBool(v); err != nil {
			return wrongParameter("once", "is neither true nor false")
		}
	}
	if once {
		text, err := c.api.figures(c.who)
		if err == nil {
			c.reply(200, text)
		}
		return err
	}
	v := &c.api.viewers
	if !v.join() {
		return &problem{code: "overloaded", detail: "there are " + strconv.Itoa(maxLive) + " viewers already", retry: liveBusyRetry}
	}
	defer v.leave()
	control := http.NewResponseController(c.w)
	// The server's bounds are for requests that end.
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	h := c.w.Header()
	h["Content-Type"], h["Cache-Control"] = []string{"text/event-stream"}, noStore
	h["X-Accel-Buffering"] = []string{"no"} // nginx would hold events back
	c.stream(c.r.Context(), control)
	return nil
}

// stream writes until the viewer goes, the session ends or the server stops.
func (c *call) stream(ctx context.Context, control *http.ResponseController) {
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	buf := append(c.answer[:0], "retry: "+strconv.Itoa(liveRetryMS)+"\n"...)
	for c.entitled(ctx) {
		text, err := c.api.figures(c.who)
		if err != nil {
			return
		}
		buf = append(append(append(buf, "data: "...), text...), '\n')
		if control.SetWriteDeadline(time.Now().Add(liveWrite)) != nil {
			return
		}
		if _, err := c.w.Write(buf); err != nil || control.Flush() != nil {
			return
		}
		buf = buf[:0]
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-c.api.viewers.end:
			return
		}
	}
}

// entitled reports whether the caller may still see what it asked for.
func (c *call) entitled(ctx context.Context) bool {
	who := c.api.opts.Accounts.ByID(c.who.ID)
	if who == nil || who.Disabled || who.Role != c.who.Role {
		return false
	}
	if c.session == nil {
		return true
	}
	s, err := c.api.opts.Users.Session(ctx, c.session.Token)
	return err == nil && s.User.Role == c.session.User.Role && s.User.Account == c.session.User.Account
}
