package scenario

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"protei-bulk/load"
	"protei-bulk/load/httpload"
	"protei-bulk/load/stats"
)

// messagingUser is a customer's program over HTTP.
type messagingUser struct {
	scenario *Messaging
	http     *httpload.Client
	ids      recentIDs
}

func (m *Messaging) newMessagingUser(u *load.User) (*messagingUser, error) {
	c := &messagingUser{scenario: m, http: m.target.NewClient(u.Context())}
	// Connecting is no part of the first request. If it fails, that request will say so.
	_ = c.http.Connect()
	return c, nil
}

// Close implements load.Actor.
func (c *messagingUser) Close() { c.http.Close() }

// Abort implements load.Actor.
func (c *messagingUser) Abort() { c.http.Abort() }

// verdict is what became of an exchange.
type verdict uint8

const (
	accepted verdict = iota
	refused          // answered, negatively
	unknown          // not answered: the target may have acted on it
	unsent
)

// taken is what a positive answer holds: messages and their segments, or what is wrong
// with it.
type taken struct {
	messages, segments int
	fault              string
}

// do sends a request, records it and says how it ended. read looks at a positive answer;
// it may be nil.
func (c *messagingUser) do(u *load.User, e stats.Entry, h *httpload.Head, r *httpload.Request, read func(body []byte) taken) verdict {
	res, err := c.http.Do(h, r)
	defer res.Release()
	if err != nil {
		return c.failed(u, e, res, err)
	}
	smp := stats.Sample{Bytes: len(res.Body)}
	v, fault := accepted, ""
	switch {
	case res.Status == 429:
		smp.Outcome = stats.Throttled
		v = refused
	case res.Status < 200 || res.Status > 299:
		v, fault = refused, statusText(res)
	case read != nil:
		got := read(res.Body)
		smp.Messages, smp.Segments, fault = got.messages, got.segments, got.fault
		if fault != "" {
			fault = notJSON(res, fault)
		}
	}
	if fault != "" {
		smp.Outcome = stats.Failed
		u.Fail(e, fault)
	}
	u.Record(e, res.Sent, res.Done, smp)
	return v
}

func (c *messagingUser) failed(u *load.User, e stats.Entry, res *httpload.Response, err error) verdict {
	var fail *httpload.Error
	if !errors.As(err, &fail) {
		fail = &httpload.Error{Kind: httpload.KindOther, Err: err}
	}
	if fail.Kind != httpload.KindAborted {
		text := fail.Kind.String()
		if fail.Kind == httpload.KindBadResponse || fail.Kind == httpload.KindOther {
			text = fail.Error()
		}
		u.Fail(e, text)
		u.Record(e, res.Sent, res.Done, stats.Sample{Outcome: stats.Failed})
	}
	if fail.Sent {
		return unknown
	}
	return unsent
}

// notJSON names the answer's content type when the answer is no JSON object or list.
func notJSON(res *httpload.Response, fault string) string {
	if body := bytes.TrimLeft(res.Body, " \t\r\n"); len(body) > 0 && (body[0] == '{' || body[0] == '[') {
		return fault // servers mislabel JSON
	}
	kind, _, _ := strings.Cut(string(res.Header("Content-Type")), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if kind == "" || strings.HasSuffix(kind, "json") || len(kind) > 60 {
		return fault
	}
	return "answer is " + kind + ", not JSON"
}

// statusText names a refusal by its status and the code of its problem document.
func statusText(res *httpload.Response) string {
	text := "HTTP " + strconv.Itoa(res.Status)
	if code := member(res.Body, "code"); len(code) > 0 && len(code) <= 60 {
		text += " " + string(code)
	}
	return text
}

// book notes in the ledger what became of n messages without an id of their own.
func (c *messagingUser) book(v verdict, first uint64, n int) {
	l := c.scenario.opts.Ledger
	for seq := first; seq < first+uint64(n); seq++ {
		if v == unknown {
			l.Unanswered(seq)
		} else {
			l.Reject(seq)
		}
	}
}

func (c *messagingUser) sendSingle(u *load.User) {
	m := c.scenario
	seq := m.opts.Ledger.Issue(1, u.Now())
	r := c.http.Request()
	r.Body = m.appendSingle(r.Body, seq, u.Rand)
	v := c.do(u, m.entries.single, m.heads.single, r, func(body []byte) taken {
		id, parts, ok := singleAnswer(body)
		if !ok {
			m.opts.Ledger.Unanswered(seq)
			return taken{fault: "answer without message_id"}
		}
		m.opts.Ledger.Accept(seq, id)
		c.ids.add(id)
		return taken{messages: 1, segments: parts}
	})
	if v != accepted {
		c.book(v, seq, 1)
	}
}

func singleAnswer(body []byte) (id []byte, parts int, ok bool) {
	c := cursor{b: body}
	if !c.enter('{') {
		return nil, 0, false
	}
	parts = 1
	for key, more := c.key(); more; key, more = c.key() {
		switch string(key) {
		case "message_id":
			id = c.text()
		case "parts":
			parts = max(c.number(), 1)
		default:
			c.skip()
		}
	}
	return id, parts, c.err == nil && len(id) > 0
}

func (c *messagingUser) sendBulk(u *load.User) {
	m := c.scenario
	s := &m.opts.Settings
	n := s.BulkMin + u.Rand.IntN(s.BulkMax-s.BulkMin+1)
	first := m.opts.Ledger.Issue(n, u.Now())
	r := c.http.Request()
	r.Body = m.appendBulk(r.Body, first, n, u.Rand)
	v := c.do(u, m.entries.bulk, m.heads.bulk, r, func(body []byte) taken { return c.bulkAnswer(body, first, n) })
	if v != accepted {
		c.book(v, first, n)
	}
}

// bulkAnswer notes each message of a bulk in the ledger: those in errors were rejected,
// the others have the ids in their order.
func (c *messagingUser) bulkAnswer(body []byte, first uint64, n int) (t taken) {
	ids, rejected, ok := splitBulk(body, n)
	l := c.scenario.opts.Ledger
	for i := range n {
		seq := first + uint64(i)
		if rejected.has(i) {
			l.Reject(seq)
			continue
		}
		var id []byte
		for ok && len(id) == 0 && ids.item() {
			id = ids.text()
		}
		if len(id) == 0 {
			l.Unanswered(seq)
			t.fault = "answer with fewer message_ids than messages"
			continue
		}
		l.Accept(seq, id)
		c.ids.add(id)
		t.messages++
	}
	t.segments = t.messages // the texts are short
	if !ok {
		t.fault = "answer without message_ids"
	}
	if t.fault == "" && t.messages < n {
		t.fault = "bulk accepted in part"
	}
	return t
}

// splitBulk finds the ids, as a cursor inside their array, and the rejected indices.
func splitBulk(body []byte, n int) (ids cursor, rejected indexSet, ok bool) {
	c := cursor{b: body}
	if !c.enter('{') {
		return ids, rejected, false
	}
	for key, more := c.key(); more; key, more = c.key() {
		switch string(key) {
		case "message_ids":
			ids, ok = c, false
			if ids.next() == '[' {
				ok = ids.enter('[')
			}
			c.skip()
		case "errors":
			rejected = c.errorIndices(n)
		default:
			c.skip()
		}
	}
	return ids, rejected, ok && c.err == nil
}

func (c *cursor) errorIndices(n int) (set indexSet) {
	if c.next() != '[' {
		c.skip()
		return set
	}
	for c.enter('['); c.item(); {
		if c.next() != '{' {
			c.skip()
			continue
		}
		c.enter('{')
		for key, more := c.key(); more; key, more = c.key() {
			if string(key) != "index" {
				c.skip()
			} else if i := c.number(); i >= 0 && i < n {
				set.add(i)
			}
		}
	}
	return set
}

// indexSet is a set of small numbers; the first 64 cost nothing.
type indexSet struct {
	low  uint64
	more map[int]struct{}
}

func (s *indexSet) add(i int) {
	if i < 64 {
		s.low |= 1 << i
		return
	}
	if s.more == nil {
		s.more = make(map[int]struct{})
	}
	s.more[i] = struct{}{}
}

func (s *indexSet) has(i int) bool {
	if i < 64 {
		return s.low&(1<<i) != 0
	}
	_, ok := s.more[i]
	return ok
}

// queryStatus asks for a message that this user really submitted; without one it sends one.
func (c *messagingUser) queryStatus(u *load.User) {
	id := c.ids.pick(u.Rand.Uint32())
	if id == nil {
		c.sendSingle(u)
		return
	}
	m := c.scenario
	r := c.http.Request()
	r.Path = append(r.Path, id...)
	c.do(u, m.entries.status, m.heads.status, r, nil)
}

func (c *messagingUser) listMessages(u *load.User) {
	m := c.scenario
	r := c.http.Request()
	r.Path = append(r.Path, "?page=1&limit=20"...)
	c.do(u, m.entries.list, m.heads.list, r, nil)
}

func (c *messagingUser) createCampaign(u *load.User) {
	m := c.scenario
	r := c.http.Request()
	r.Body = m.appendCampaign(r.Body, u.Rand)
	c.do(u, m.entries.campaign, m.heads.campaign, r, nil)
}

// recentIDs are the last ids that a user was given.
type recentIDs struct {
	ids  [4]shortID
	next uint8
}

type shortID struct {
	n uint8
	b [39]byte
}

func (r *recentIDs) add(id []byte) {
	if len(id) > len(r.ids[0].b) {
		return
	}
	s := &r.ids[r.next%uint8(len(r.ids))]
	s.n = uint8(copy(s.b[:], id))
	r.next = (r.next + 1) % uint8(len(r.ids))
}

// pick returns one of them, nil when there is none.
func (r *recentIDs) pick(random uint32) []byte {
	for i := range uint32(len(r.ids)) {
		if s := &r.ids[(random+i)%uint32(len(r.ids))]; s.n > 0 {
			return s.b[:s.n]
		}
	}
	return nil
}
