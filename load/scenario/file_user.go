package scenario

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/httpload"
	"protei-bulk/load/scenario/template"
	"protei-bulk/load/stats"
)

// fileUser is one virtual user of a file's class. Setup, teardown, the canary and debug
// are users, too: u is nil then, and nothing is recorded.
type fileUser struct {
	run    *Run
	class  *fileClass
	u      *load.User
	rand   *rand.Rand
	scope  *template.Scope
	client *httpload.Client // of its own; nil when the class shares or keeps none
	smpp   *smppUser
	ids    recentIDs
	turn   int // of a sequential class

	buf, other, from, to, validity, octets []byte
	ends                                   []uint32
	ref                                    uint16

	aborted atomic.Bool
	current atomic.Pointer[httpload.Client] // for Abort

	canary bool
	trace  func(traced)
	fault  string // of the last step that failed, of users that record nothing
	gotID  string // of the canary
}

// traced is one exchange, for debug.
type traced struct {
	user     *fileUser
	step     *httpStep
	res      *httpload.Response
	err      error
	fault    string
	messages int
}

func (r *Run) newUser(class *fileClass, u *load.User, random *rand.Rand) *fileUser {
	c := &fileUser{run: r, class: class, u: u, rand: random, scope: r.file.env.NewScope(random)}
	for slot, v := range r.initial {
		if len(v) > 0 {
			c.scope.Vars[slot] = append([]byte(nil), v...)
		}
	}
	c.scope.Vars[r.file.dlrSlot], c.scope.Vars[r.file.keySlot] = []byte(r.ReceiptURL()), []byte(r.opts.APIKey)
	c.scope.Refs = r.opts.Ledger
	return c
}

// newLoadUser makes the actor of a virtual user and runs on_start.
func (r *Run) newLoadUser(class *fileClass, u *load.User) (*fileUser, error) {
	c := r.newUser(class, u, u.Rand)
	c.scope.User = u.Index
	if class.connection == perUser && r.target != nil && class.usesHTTP() {
		c.client = r.target.NewClient(u.Context())
		// Connecting is no part of the first request. If it fails, that request will say so.
		_ = c.client.Connect()
	}
	if m := r.smpp[class]; m != nil {
		c.smpp = m.newUser(u)
	}
	for _, s := range class.onStart {
		if !s.do(c) {
			break
		}
	}
	return c, nil
}

// usesHTTP says that users of the class have something to send over HTTP.
func (c *fileClass) usesHTTP() bool {
	found := false
	c.each(func(s step) {
		if _, ok := s.(*httpStep); ok {
			found = true
		}
	})
	return found
}

// each calls fn with every step of the class.
func (c *fileClass) each(fn func(step)) {
	for _, s := range c.onStart {
		fn(s)
	}
	for _, t := range c.tasks {
		for _, s := range t.steps {
			fn(s)
		}
	}
	for _, s := range c.onStop {
		fn(s)
	}
}

// Close implements load.Actor: it runs on_stop.
func (c *fileUser) Close() {
	for _, s := range c.class.onStop {
		if !s.do(c) {
			break
		}
	}
	if c.client != nil {
		c.client.Close()
	}
	if c.smpp != nil {
		c.smpp.Close()
	}
}

// Abort implements load.Actor.
func (c *fileUser) Abort() {
	c.aborted.Store(true)
	if cl := c.current.Load(); cl != nil {
		cl.Abort()
	}
}

// task runs one task.
func (c *fileUser) task(t *fileTask) {
	for _, slot := range t.needs {
		if slot == c.run.file.idSlot {
			c.scope.Vars[slot] = c.ids.pick(c.rand.Uint32())
		}
		if len(c.scope.Vars[slot]) == 0 {
			if t.otherwise != nil {
				c.task(t.otherwise)
			}
			return
		}
	}
	if c.smpp != nil && c.smpp.sender == nil && c.u != nil {
		c.smpp.bound(c.u) // a receiver has no step that binds
	}
	c.scope.NextIteration()
	for _, s := range t.steps {
		if !s.do(c) {
			break
		}
	}
	c.scope.Iteration++
}

// nextTask runs the tasks of a sequential class in turn.
func (c *fileUser) nextTask() {
	tasks := c.class.tasks
	c.task(tasks[c.turn%len(tasks)])
	c.turn++
}

// pauseStep waits between two steps.
type pauseStep struct{ least, most time.Duration }

func (s *pauseStep) do(c *fileUser) bool {
	d := s.least + time.Duration(c.rand.Int64N(int64(s.most-s.least)+1))
	if c.u == nil {
		return sleep(c.run.ctx, d)
	}
	return c.u.Sleep(d)
}

// acquire gives the client for one exchange.
func (c *fileUser) acquire() *httpload.Client {
	cl := c.client
	if cl == nil {
		cl = c.run.client(c)
	}
	c.current.Store(cl)
	if c.aborted.Load() {
		cl.Abort()
	}
	return cl
}

// giveBack ends the use of a client.
func (c *fileUser) giveBack(cl *httpload.Client) {
	if c.client != nil {
		return
	}
	c.current.Store(nil)
	c.run.giveBack(c, cl)
}

// do sends the request, records it and looks at the answer.
func (s *httpStep) do(c *fileUser) bool {
	run, sc := c.run, c.scope
	if s.usesID {
		sc.Vars[run.file.idSlot] = c.ids.pick(c.rand.Uint32())
	}
	messages := 0
	if s.mostMsgs > 0 {
		messages = c.issue(s)
	}
	cl := c.acquire()
	defer c.giveBack(cl)
	r := cl.Request()
	what := s.content(run)
	if what.static == "" {
		r.Path = what.path.Append(r.Path, sc)
	}
	for i := range s.headers {
		h := &s.headers[i]
		r.Header = append(append(r.Header, h.name...), ": "...)
		r.Header = append(h.value.Append(r.Header, sc), "\r\n"...)
	}
	if what.body != nil {
		r.Body = what.body.Append(r.Body, sc)
	}
	res, err := cl.Do(run.heads[s.id], r)
	defer res.Release()
	var ok bool
	var fault string
	if err != nil {
		ok, fault = c.failed(s, res, err, messages)
	} else {
		ok, fault = c.answered(s, res, messages)
	}
	if fault != "" {
		c.fault = s.method + " " + s.name + ": " + fault
	}
	if c.trace != nil {
		c.trace(traced{c, s, res, err, fault, messages})
	}
	return ok
}

// issue numbers the messages of a request.
func (c *fileUser) issue(s *httpStep) int {
	sc, n := c.scope, s.leastMsgs
	if s.mostMsgs > s.leastMsgs {
		n += c.rand.IntN(s.mostMsgs - s.leastMsgs + 1)
	}
	if c.canary {
		n = 1
	}
	sc.First, sc.Count = 0, n
	if c.followed() {
		sc.First = c.run.opts.Ledger.Issue(n, c.run.opts.Clock.Now())
	}
	sc.Seq = sc.First
	return n
}

// followed says that messages go into the ledger: only those of virtual users do.
func (c *fileUser) followed() bool { return c.u != nil }

// failed books an exchange without an answer.
func (c *fileUser) failed(s *httpStep, res *httpload.Response, err error, messages int) (bool, string) {
	fail := asHTTPError(err)
	text := fail.Kind.String()
	if fail.Kind == httpload.KindBadResponse || fail.Kind == httpload.KindOther {
		text = fail.Error()
	}
	if c.u != nil && fail.Kind != httpload.KindAborted {
		e := c.run.entries[s.id]
		c.u.Fail(e, text)
		c.run.samples.keep(c, s, text, res)
		c.u.Record(e, res.Sent, res.Done, stats.Sample{Outcome: stats.Failed})
	}
	c.book(!fail.Sent, messages)
	return false, text
}

// book notes what became of messages without an id.
func (c *fileUser) book(rejected bool, messages int) {
	if !c.followed() {
		return
	}
	l := c.run.opts.Ledger
	for seq := c.scope.First; seq < c.scope.First+uint64(messages); seq++ {
		if rejected {
			l.Reject(seq)
		} else {
			l.Unanswered(seq)
		}
	}
}

// answered looks at an answer and records it.
func (c *fileUser) answered(s *httpStep, res *httpload.Response, messages int) (ok bool, fault string) {
	smp := stats.Sample{Bytes: len(res.Body)}
	expected := s.check.expects(res.Status)
	switch {
	case !expected && res.Status == 429:
		smp.Outcome = stats.Throttled
		fault = "throttled"
	case !expected:
		fault = statusText(res)
	}
	if messages > 0 {
		if fault == "" {
			if smp.Messages, smp.Segments, fault = c.accepted(s, res.Body, messages); smp.Messages == 0 {
				fault = notJSON(res, fault)
			}
		} else {
			c.book(true, messages)
		}
	}
	if fault == "" {
		fault = c.verify(s, res)
	}
	if fault == "" && len(s.save) > 0 {
		fault = c.save(s, res)
	}
	if c.u == nil {
		return fault == "", fault
	}
	e := c.run.entries[s.id]
	if fault != "" && smp.Outcome != stats.Throttled {
		smp.Outcome = stats.Failed
		c.u.Fail(e, fault)
		c.run.samples.keep(c, s, fault, res)
	}
	c.u.Record(e, res.Sent, res.Done, smp)
	return fault == "", fault
}

func (ch *check) expects(status int) bool {
	if len(ch.status) == 0 {
		return status >= 200 && status <= 299
	}
	for _, r := range ch.status {
		if status >= r.least && status <= r.most {
			return true
		}
	}
	return false
}

// accepted notes the messages of a positive answer in the ledger.
func (c *fileUser) accepted(s *httpStep, body []byte, messages int) (taken, segments int, fault string) {
	api := &c.run.file.api
	if s.bulk {
		return c.acceptedBulk(body, messages)
	}
	id, quoted, ok := api.id.find(body)
	if !ok || noID(id, quoted) {
		c.book(false, 1)
		return 0, 0, "answer without " + api.id.label()
	}
	segments = 1
	if v, _, ok := api.segments.find(body); ok {
		if n, err := strconv.Atoi(string(v)); err == nil && n > 0 && n < 256 {
			segments = n
		}
	}
	c.accept(c.scope.First, id)
	return 1, segments, ""
}

// noID says that a value can not be a message's id.
func noID(v []byte, quoted bool) bool {
	return len(v) == 0 || !quoted && (string(v) == "null" || v[0] == '{' || v[0] == '[')
}

func (c *fileUser) accept(seq uint64, id []byte) {
	c.ids.add(id)
	switch {
	case c.canary:
		c.gotID = string(id)
	case !c.followed():
	case c.run.file.api.byID:
		c.run.opts.Ledger.AcceptSMPP(seq, id)
	default:
		c.run.opts.Ledger.Accept(seq, id)
	}
}

// acceptedBulk: those whose index is among the refused were rejected, the others have the
// ids in their order.
func (c *fileUser) acceptedBulk(body []byte, messages int) (taken, segments int, fault string) {
	api := &c.run.file.api
	var refused indexSet
	api.refused.each(body, func(v []byte, _ bool) bool {
		if i, err := strconv.Atoi(string(v)); err == nil && i >= 0 && i < messages {
			refused.add(i)
		}
		return true
	})
	next := 0
	skip := func() {
		for next < messages && refused.has(next) {
			if c.followed() {
				c.run.opts.Ledger.Reject(c.scope.First + uint64(next))
			}
			next++
		}
	}
	api.ids.each(body, func(id []byte, quoted bool) bool {
		skip()
		if next < messages && !noID(id, quoted) {
			c.accept(c.scope.First+uint64(next), id)
			next++
			taken++
		}
		return next < messages
	})
	skip()
	if next < messages {
		fault = "answer with fewer ids than messages"
		if taken == 0 && next == 0 {
			fault = "answer without " + api.ids.label()
		}
	} else if taken < messages {
		fault = "bulk accepted in part"
	}
	for ; next < messages; next++ {
		if c.followed() {
			c.run.opts.Ledger.Unanswered(c.scope.First + uint64(next))
		}
	}
	return taken, taken, fault
}

// verify holds the answer against the checks.
func (c *fileUser) verify(s *httpStep, res *httpload.Response) string {
	ch := &s.check
	for i := range ch.json {
		if fault := c.verifyJSON(&ch.json[i], res.Body); fault != "" {
			return notJSON(res, fault)
		}
	}
	for i := range ch.headers {
		t := &ch.headers[i]
		if !c.matches(t, res.Header(t.header)) {
			return "header " + t.header + " is not: " + t.text
		}
	}
	for i := range ch.body {
		if !c.matches(&ch.body[i], res.Body) {
			return "body: not " + ch.body[i].text
		}
	}
	if ch.maxTime > 0 && res.Done-res.Sent > ch.maxTime {
		return fmt.Sprintf("slower than %v", ch.maxTime)
	}
	return ""
}

func (c *fileUser) verifyJSON(j *jsonCheck, body []byte) string {
	v, quoted, ok := j.path.find(body)
	if j.exists != nil && *j.exists != ok {
		if ok {
			return j.path.text + " is there"
		}
		return "no " + j.path.text
	}
	if !ok {
		if j.exists != nil {
			return ""
		}
		return "no " + j.path.text
	}
	if quoted && bytes.IndexByte(v, '\\') >= 0 {
		c.other = unescape(c.other[:0], v)
		v = c.other
	}
	if j.equals != nil {
		if c.buf = j.equals.Append(c.buf[:0], c.scope); !bytes.Equal(c.buf, v) {
			return j.path.text + " is not " + j.text.text
		}
	}
	if j.least != nil || j.most != nil {
		n, err := strconv.ParseFloat(string(v), 64)
		if err != nil || j.least != nil && n < *j.least || j.most != nil && n > *j.most {
			return j.path.text + " is not " + j.text.text
		}
	}
	if !c.matches(&j.text, v) {
		return j.path.text + " is not: " + j.text.text
	}
	return ""
}

func (c *fileUser) matches(t *textCheck, v []byte) bool {
	if t.equals != nil {
		if c.buf = t.equals.Append(c.buf[:0], c.scope); !bytes.Equal(c.buf, v) {
			return false
		}
	}
	if t.contains != nil {
		if c.buf = t.contains.Append(c.buf[:0], c.scope); !bytes.Contains(v, c.buf) {
			return false
		}
	}
	if t.lacks != nil {
		if c.buf = t.lacks.Append(c.buf[:0], c.scope); bytes.Contains(v, c.buf) {
			return false
		}
	}
	return t.matches == nil || t.matches.Match(v)
}

// maxSaved bounds a value that a user keeps.
const maxSaved = 64 << 10

// save keeps values of the answer in the user's variables.
func (c *fileUser) save(s *httpStep, res *httpload.Response) string {
	for i := range s.save {
		sv := &s.save[i]
		v, quoted, ok := sv.find(res)
		switch {
		case len(v) > maxSaved:
			return "the value for " + sv.label + " is too large"
		case ok && quoted:
			c.scope.Vars[sv.slot] = unescape(c.scope.Vars[sv.slot][:0], v)
		case ok:
			c.scope.Vars[sv.slot] = append(c.scope.Vars[sv.slot][:0], v...)
		case sv.hasDef:
			c.scope.Vars[sv.slot] = append(c.scope.Vars[sv.slot][:0], sv.def...)
		default:
			c.scope.Vars[sv.slot] = c.scope.Vars[sv.slot][:0]
			fault := "nothing to save as " + sv.label
			if sv.from == fromJSON {
				fault = notJSON(res, fault)
			}
			return fault
		}
	}
	return ""
}

func (sv *saved) find(res *httpload.Response) (v []byte, quoted, ok bool) {
	switch sv.from {
	case fromHeader:
		v = res.Header(sv.header)
		return v, false, v != nil
	case fromBody:
		at := sv.re.FindSubmatchIndex(res.Body)
		switch {
		case len(at) >= 4 && at[2] >= 0:
			return res.Body[at[2]:at[3]], false, true
		case len(at) == 2:
			return res.Body[at[0]:at[1]], false, true
		}
		return nil, false, false
	}
	return sv.path.find(res.Body)
}
