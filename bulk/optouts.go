package bulk

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/audit"
	"protei-bulk/bulk/contact/suppression"
	"protei-bulk/bulk/inbound"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// suppressionStore is the embedded store as package suppression wants it.
type suppressionStore struct{ store store.Store }

func suppressionEntry(r store.ListedRow) suppression.Entry {
	return suppression.Entry{
		Key:   suppression.Key{Account: r.Account, Number: suppression.Number(r.Number), Sender: r.Sender},
		Kinds: suppression.Kinds(r.Kinds), At: r.At, Source: r.Source,
	}
}

func (s suppressionStore) EachListed(ctx context.Context, f func(suppression.Entry)) error {
	return s.store.EachListed(ctx, func(r store.ListedRow) { f(suppressionEntry(r)) })
}

func (s suppressionStore) SaveListed(ctx context.Context, entries []suppression.Entry) error {
	noteListed(ctx, entries)
	rows := make([]store.ListedRow, len(entries))
	for i, e := range entries {
		rows[i] = store.ListedRow{
			Account: e.Account, Number: uint64(e.Number), Sender: e.Sender, Kinds: uint8(e.Kinds), At: e.At, Source: e.Source,
		}
	}
	return s.store.SaveListed(ctx, rows)
}

func (s suppressionStore) Listed(ctx context.Context, q suppression.Query) ([]suppression.Entry, error) {
	rows, err := s.store.Listed(ctx, store.ListedQuery{
		Account: q.Account, Kinds: uint8(q.Kinds), Number: uint64(q.Number),
		AfterNumber: uint64(q.After.Number), AfterSender: q.After.Sender, Limit: q.Limit,
	})
	entries := make([]suppression.Entry, len(rows))
	for i, r := range rows {
		entries[i] = suppressionEntry(r)
	}
	return entries, err
}

// noteListed tells the log of changes which numbers change, the first of them by name.
func noteListed(ctx context.Context, entries []suppression.Entry) {
	r := audit.From(ctx)
	if r == nil {
		return
	}
	by := make(map[string][]string)
	for i := range entries {
		e := &entries[i]
		what, state := "numbers of everybody", e.Number.String()
		if e.Account != suppression.Everybody {
			what = fmt.Sprintf("numbers of account %d", e.Account)
		}
		if e.Sender != "" {
			state += " for " + e.Sender
		}
		if e.Kinds == 0 {
			state += ": on no list"
		} else {
			state += ": " + e.Kinds.String()
		}
		by[what] = append(by[what], state)
	}
	for what, states := range by {
		r.Count(what, states)
	}
}

func (p *Platform) openSuppressed(ctx context.Context) (err error) {
	p.suppressed, err = suppression.Open(ctx, suppressionStore{p.store})
	return err
}

// listed says why a message must not go to its recipient; it is asked for each message.
func (p *Platform) listed(account uint32, sender, dest string) (intake.Code, string) {
	switch k := p.suppressed.Check(account, sender, dest); {
	case k == 0:
		return "", ""
	case k&suppression.OptedOut != 0:
		return intake.OptedOut, "has asked not to be written to"
	default:
		return intake.DestinationBlacklisted, "is on a blacklist"
	}
}

// OptOutConfig says which messages from mobiles ask to be written to no more.
type OptOutConfig struct {
	Stop       []string `yaml:"stop" doc:"messages from mobiles that opt out, in any case; none: a list in eleven languages"`
	Start      []string `yaml:"start" doc:"messages from mobiles that opt in again; none: a list"`
	Scope      string   `yaml:"scope" doc:"what an opt-out holds for: account, or number (the one that the mobile wrote to)"`
	StopReply  string   `yaml:"stop_reply" doc:"text that confirms an opt-out to the mobile; none: no confirmation"`
	StartReply string   `yaml:"start_reply" doc:"text that confirms the opposite"`
}

// The values of OptOutConfig.Scope.
const (
	optOutAccount = "account"
	optOutNumber  = "number"
)

func (c *OptOutConfig) keywords() *suppression.Keywords {
	stop, start := c.Stop, c.Start
	if len(stop) == 0 {
		stop = suppression.DefaultStop()
	}
	if len(start) == 0 {
		start = suppression.DefaultStart()
	}
	return suppression.NewKeywords(stop, start)
}

// Bounds of the opt-outs under way.
const (
	maxWishes    = 10_000 // that wait; above it the SMSC is asked to bring the message again
	wishesAtOnce = 500
)

var errManyWishes = errors.New("too many opt-outs at once")

// wish is a STOP or START under way.
type wish struct {
	m    *message.Inbound
	stop bool
	next func(error) // stores the message itself, or has it refused
}

// optOuts puts the mobiles that write STOP on the list of the account that their message goes
// to, before the message is stored and so before the SMSC is told that we have it.
type optOuts struct {
	p        *Platform
	keywords *suppression.Keywords
	wishes   chan wish
}

func newOptOuts(p *Platform) *optOuts {
	return &optOuts{p: p, keywords: p.cfg.OptOut.keywords(), wishes: make(chan wish, maxWishes)}
}

// look is the hook of inbound.Receiver.
func (o *optOuts) look(m *message.Inbound, next func(error)) (taken bool) {
	if m.Status != message.InboundOpen {
		return false // nobody's
	}
	w := o.keywords.Wish(inbound.Text(m))
	if w == suppression.NoWish {
		return false
	}
	if a := o.p.accounts.ByID(m.Account); a == nil || a.OptOut == account.OptOutOff {
		return false
	}
	select {
	case o.wishes <- wish{m, w == suppression.Stop, next}:
	default:
		next(errManyWishes)
	}
	return true
}

// run is the goroutine that carries wishes out, until ctx ends.
func (o *optOuts) run(ctx context.Context) {
	for {
		select {
		case w := <-o.wishes:
			o.carryOut(ctx, o.gather(w))
		case <-ctx.Done():
			for left := o.gather(); len(left) > 0; left = o.gather() {
				for _, w := range left {
					w.next(ctx.Err()) // the SMSC brings it again
				}
			}
			return
		}
	}
}

// gather takes the wishes that wait already.
func (o *optOuts) gather(first ...wish) []wish {
	for len(first) < wishesAtOnce {
		select {
		case w := <-o.wishes:
			first = append(first, w)
		default:
			return first
		}
	}
	return first
}

// carryOut takes wishes in their order: those of one kind at a time, as a mobile may change
// its mind.
func (o *optOuts) carryOut(ctx context.Context, wishes []wish) {
	for len(wishes) > 0 {
		n := 1
		for n < len(wishes) && wishes[n].stop == wishes[0].stop {
			n++
		}
		o.same(ctx, wishes[:n])
		wishes = wishes[n:]
	}
}

func (o *optOuts) same(ctx context.Context, wishes []wish) {
	changed := make([]bool, len(wishes))
	entries := make([]suppression.Entry, 0, len(wishes))
	for i := range wishes {
		e, err := o.entry(wishes[i].m)
		if err != nil {
			continue // an alphanumeric source: nothing can be sent there anyway
		}
		changed[i] = o.p.suppressed.Has(&e) != wishes[i].stop
		entries = append(entries, e)
	}
	put := o.p.suppressed.Add
	if !wishes[0].stop {
		put = o.p.suppressed.Remove
	}
	_, err := put(ctx, entries)
	if err != nil {
		o.p.log.Error("opt-outs: they are not stored, the SMSC will bring them again", "messages", len(wishes), "error", err)
	}
	for i, w := range wishes {
		w.next(err)
		if err == nil && changed[i] {
			o.p.log.Info("opt-out", "account", w.m.Account, "from", w.m.Source.Addr, "to", w.m.Dest.Addr, "stop", w.stop)
			o.confirm(&w)
		}
	}
}

func (o *optOuts) entry(m *message.Inbound) (e suppression.Entry, err error) {
	e.Account, e.Kinds, e.At = m.Account, suppression.OptedOut, m.ReceivedAt
	e.Source = "message " + m.ID.String()
	if o.p.cfg.OptOut.Scope == optOutNumber {
		e.Sender = strings.TrimPrefix(m.Dest.Addr, "+")
	}
	e.Number, err = suppression.ParseNumber(m.Source.Addr)
	return e, err
}

// confirm answers the mobile, once: a confirmation that a crash took is not sent again.
func (o *optOuts) confirm(w *wish) {
	a := o.p.accounts.ByID(w.m.Account)
	if a == nil {
		return
	}
	text := o.p.cfg.OptOut.StopReply
	if a.StopReply != "" {
		text = a.StopReply
	}
	if !w.stop {
		if text = o.p.cfg.OptOut.StartReply; a.StartReply != "" {
			text = a.StartReply
		}
	}
	if text == "" {
		return
	}
	to := w.m.Source.Addr
	req := intake.Request{
		Account: a, From: w.m.Dest.Addr, To: to, Text: text, Priority: message.Normal, Unlisted: true,
		ClientRef: fmt.Sprintf("opt-out %s", w.m.ID),
	}
	o.p.intake.SubmitAsync(&req, func(out intake.Outcome, err error) {
		if out.Err != nil {
			err = out.Err
		}
		if err != nil {
			o.p.log.Warn("opt-outs: no confirmation was sent", "account", a.ID, "to", to, "error", err)
		}
	})
}

// startOptOuts runs the goroutine of optOuts.
func (p *Platform) startOptOuts(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.optOuts.run(ctx)
	}()
	p.onStop("opt-outs", func(context.Context) error {
		cancel()
		<-done
		return nil
	})
	return nil
}
