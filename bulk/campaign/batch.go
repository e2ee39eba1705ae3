package campaign

import (
	"context"
	"time"

	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

// batch is recipients on their way through intake. Its buffers are used again.
type batch struct {
	base     intake.Request
	campaign message.ID
	items    []item
	values   []string // of the items' members, one after another
	texts    []byte   // rendered, one after another
	reqs     []intake.Request
	outs     []intake.Outcome
	index    []int // item of each request
}

// item is one recipient.
type item struct {
	ordinal uint32
	line    uint32
	to      string
	values  [2]int // in batch.values
	text    [2]int // in batch.texts
	state   state
	id      message.ID      // of one that was accepted now
	err     *intake.Refusal // of one that was refused
}

type state uint8

const (
	open     state = iota // neither of the two, yet
	accepted              // has a message
	refused               // gets none
)

// pauseError says why a campaign makes no more messages until somebody resumes it.
type pauseError struct{ code, detail string }

func (e *pauseError) Error() string { return e.code + ": " + e.detail }

// pauses reports whether a refusal is about the account as a whole, and not passing: more
// recipients would be refused like this one.
func pauses(code intake.Code) bool {
	switch code {
	case intake.NoMoney, intake.QuotaExceeded, intake.AccountDisabled:
		return true
	}
	return false
}

// passing reports whether the same message may be accepted soon.
func passing(r *intake.Refusal) bool { return r.HTTPStatus() == 429 || r.HTTPStatus() == 503 }

func (b *batch) begin() {
	clear(b.items)
	clear(b.values)
	clear(b.reqs)
	clear(b.outs)
	b.items, b.values, b.texts = b.items[:0], b.values[:0], b.texts[:0]
	b.reqs, b.outs, b.index = b.reqs[:0], b.outs[:0], b.index[:0]
}

// add takes a recipient; done says that it has its message already.
func (b *batch) add(ordinal uint32, m *contact.Member, text *bound, done bool) {
	it := item{ordinal: ordinal, line: m.Line, to: m.To}
	it.values[0] = len(b.values)
	b.values = append(b.values, m.Values...)
	it.values[1] = len(b.values)
	switch {
	case done:
		it.state = accepted
	case !text.plain():
		it.text[0] = len(b.texts)
		var missing string
		b.texts, missing = text.render(b.texts, m)
		if it.text[1] = len(b.texts); missing != "" {
			it.state, it.err = refused, missingVariable(missing)
		}
	}
	b.items = append(b.items, it)
}

// requests makes the requests of the items that are open.
func (b *batch) requests(text *bound) {
	plain, all := "", ""
	if text.plain() {
		plain = text.pieces[0].literal
	} else {
		all = string(b.texts)
	}
	for i := range b.items {
		it := &b.items[i]
		if it.state != open {
			continue
		}
		b.reqs = append(b.reqs, b.base)
		req := &b.reqs[len(b.reqs)-1]
		if req.To, req.Text, req.Campaign, req.Ordinal = it.to, plain, b.campaign, it.ordinal; !text.plain() {
			req.Text = all[it.text[0]:it.text[1]]
		}
		b.outs = append(b.outs, intake.Outcome{})
		b.index = append(b.index, i)
	}
}

// take notes the outcomes. What was turned away for a passing reason stays, to be tried
// again after wait.
func (b *batch) take(err error) (wait time.Duration, pause *pauseError) {
	keep := 0
	for i := range b.outs {
		out := &b.outs[i]
		it := &b.items[b.index[i]]
		r := out.Err
		if err != nil && r == nil {
			r = intake.AsRefusal(err)
		}
		switch {
		case r == nil:
			it.state, it.id = accepted, out.Msg.ID
			continue
		case pauses(r.Code):
			pause = &pauseError{string(r.Code), r.Detail}
		case !passing(r):
			it.state, it.err = refused, r
			continue
		case r.Code == intake.RateLimited:
			wait = max(wait, r.Retry)
		}
		b.reqs[keep], b.index[keep] = b.reqs[i], b.index[i]
		keep++
	}
	b.reqs, b.index = b.reqs[:keep], b.index[:keep]
	clear(b.outs)
	b.outs = b.outs[:keep]
	return wait, pause
}

// submit hands the batch to intake until each recipient has a message or gets none.
func (r *run) submit(ctx context.Context) error {
	b := &r.batch
	for len(b.reqs) > 0 {
		// Not with ctx: after its end the messages' fate would be open, and a campaign that is
		// resumed would make them again.
		err := r.m.opts.Intake.Submit(context.WithoutCancel(ctx), b.reqs, b.outs)
		wait, pause := b.take(err)
		if pause != nil {
			if !r.set.AutoResume {
				return pause
			}
			if err := r.waiting(ctx, pause.Error()); err != nil {
				return err
			}
			wait = retryMost
		}
		if len(b.reqs) == 0 {
			break
		}
		r.backoff = min(2*r.backoff, retryMost)
		if err := r.sleep(ctx, max(min(wait, retryMost), r.backoff)); err != nil {
			return err
		}
		owner := r.m.opts.Accounts.ByID(r.row.Account) // it may have changed meanwhile
		if owner == nil {
			return errAccountGone
		}
		for i := range b.reqs {
			b.reqs[i].Account = owner
		}
	}
	r.backoff = retryFirst
	return nil
}

// settle moves the cursor over the recipients that are done, up to the first that is not.
// What lies beyond it is found again: messages by their ordinals, refusals by trying.
func (r *run) settle() {
	b := &r.batch
	highest := r.set.Mark
	for i := range b.items {
		it := &b.items[i]
		if it.state == open {
			return
		}
		if it.state == refused {
			r.refuse(it)
		}
		r.row.Cursor = it.ordinal
		highest = max(highest, it.id)
	}
	if r.row.Cursor >= r.skipTo {
		r.set.Mark = highest
		clear(r.skip)
	}
	r.set.Waiting = ""
}

func (r *run) refuse(it *item) {
	m := contact.Member{To: it.to, Line: it.line, Values: r.batch.values[it.values[0]:it.values[1]]}
	f := recipientFault(&m, string(it.err.Code), it.err.Field, it.err.Detail)
	r.faults = contact.AppendFault(r.faults, &f)
	r.nFaults++
	r.row.Refused++
	if r.set.RefusedBy == nil {
		r.set.RefusedBy = make(map[string]uint64)
	}
	r.set.RefusedBy[string(it.err.Code)]++
	r.set.LastError = it.to + ": " + it.err.Error()
}
