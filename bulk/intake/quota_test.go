package intake_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

// nothing is a Meter of an account that has sent nothing.
type nothing struct{}

func (nothing) Parts(uint32, int64, int64) int64 { return 0 }

func metered(t testing.TB, spec account.Spec) *account.Account {
	t.Helper()
	d, err := account.Open(context.Background(), account.Options{Store: new(accounttest.Store), Meter: nothing{}})
	if err != nil {
		t.Fatal(err)
	}
	a, _, err := d.Create(context.Background(), spec, "")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestQuotaLetsInWhatFits(t *testing.T) {
	door, sink, _ := open(t, intake.Options{}, false)
	who := metered(t, account.Spec{Name: "q", DailyQuota: 5})
	long := strings.Repeat("x", 400) // three parts
	reqs := []intake.Request{}
	for _, text := range []string{long, "one", long, "one", "one"} {
		reqs = append(reqs, intake.Request{Account: who, From: "ACME", To: "4915112345678", Text: text})
	}
	out := make([]intake.Outcome, len(reqs))
	if err := door.Submit(t.Context(), reqs, out); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, true, false, true, false} {
		switch r := out[i].Err; {
		case (r == nil) != want:
			t.Errorf("message %d: %v", i, r)
		case r != nil && (r.Code != intake.QuotaExceeded || r.HTTPStatus() != 429 || r.SMPPStatus() != 0x14 || r.Retry <= 0):
			t.Errorf("message %d: %+v", i, r)
		}
	}
	if n := len(sink.Messages()); n != 3 {
		t.Errorf("%d messages were accepted, want 3", n)
	}
}

func TestQuotaIsGivenBackWhenTheSinkRefuses(t *testing.T) {
	door, sink, _ := open(t, intake.Options{}, false)
	who := metered(t, account.Spec{Name: "q", DailyQuota: 1, TPS: 1})
	req := intake.Request{Account: who, From: "ACME", To: "4915112345678", Text: "x"}
	sink.Fail(intake.ErrBusy)
	out := make([]intake.Outcome, 1)
	if err := door.Submit(t.Context(), []intake.Request{req}, out); err == nil {
		t.Fatal("the sink refuses")
	}
	who = metered(t, account.Spec{Name: "q", DailyQuota: 1})
	req.Account = who
	for range 3 {
		door.SubmitAsync(&req, func(o intake.Outcome, err error) {
			if err == nil {
				t.Error("the sink refuses")
			}
		})
	}
	sink.Fail(nil)
	door.SubmitAsync(&req, func(o intake.Outcome, err error) {
		if err != nil || o.Err != nil {
			t.Errorf("%v, %v: refused messages used the quota up", err, o.Err)
		}
	})
	door.SubmitAsync(&req, func(o intake.Outcome, err error) {
		if o.Err == nil || o.Err.Code != intake.QuotaExceeded {
			t.Errorf("%v, %v", err, o.Err)
		}
	})
}

// TestRateRefusalUsesNoQuota: what the rate turns away comes again.
func TestRateRefusalUsesNoQuota(t *testing.T) {
	door, _, _ := open(t, intake.Options{}, false)
	who := metered(t, account.Spec{Name: "q", DailyQuota: 10, TPS: 2, RateBy: account.RateParts})
	req := intake.Request{Account: who, From: "ACME", To: "4915112345678", Text: strings.Repeat("x", 400)}
	out := make([]intake.Outcome, 1)
	for range 5 {
		if err := door.Submit(t.Context(), []intake.Request{req}, out); err != nil {
			t.Fatal(err)
		}
	}
	if out[0].Err == nil || out[0].Err.Code != intake.RateLimited || !strings.Contains(out[0].Err.Detail, "parts a second") {
		t.Errorf("%+v", out[0].Err)
	}
	if day, _ := who.Usage(now); day.Parts != 3 {
		t.Errorf("%d parts are used, want those of one message", day.Parts)
	}
}

// crowded is a Sink whose account other nodes use too: it has room for so many parts, and says
// what is used when it refuses.
type crowded struct {
	intake.Sink
	who         *account.Account
	quota, room int64
	asked       int
}

func (c *crowded) take(msgs []*message.Message) error {
	c.asked++
	parts := int64(0)
	for _, m := range msgs {
		parts += int64(len(m.Parts))
	}
	if parts > c.room {
		day, _ := c.who.Usage(now)
		c.who.NoteUsed(false, day.From.UnixMilli(), c.quota-c.room)
		return &intake.OverQuota{Quotas: []account.QuotaError{{Period: account.Daily, Quota: c.quota, Left: c.room, Until: day.Until.UTC()}}}
	}
	c.room -= parts
	return nil
}

func (c *crowded) Accept(ctx context.Context, msgs []*message.Message, answer *message.Answer) error {
	if err := c.take(msgs); err != nil {
		return err
	}
	return c.Sink.Accept(ctx, msgs, answer)
}

func (c *crowded) AcceptAsync(m *message.Message, done func(error)) {
	if err := c.take([]*message.Message{m}); err != nil {
		done(err)
		return
	}
	c.Sink.AcceptAsync(m, done)
}

// TestQuotaThatOtherNodesUse: what the sink refuses since others used the quota up is refused as
// if this node had known, message by message; the answer that is stored says so.
func TestQuotaThatOtherNodesUse(t *testing.T) {
	who := metered(t, account.Spec{Name: "q", DailyQuota: 100, TimeZone: "Asia/Tokyo"})
	far := &crowded{who: who, quota: 100, room: 5}
	refused := 0
	_, near, _ := open(t, intake.Options{}, false)
	far.Sink = near
	door, _, _ := open(t, intake.Options{Sink: far, Refused: func(c intake.Code) {
		if c == intake.QuotaExceeded {
			refused++
		}
	}}, false)
	reqs := make([]intake.Request, 4)
	for i, text := range []string{"one", strings.Repeat("x", 400), "one", "one"} {
		reqs[i] = intake.Request{Account: who, From: "ACME", To: "4915112345678", Text: text}
	}
	var sealed []int // messages that each answer is about
	out := make([]intake.Outcome, len(reqs))
	err := door.SubmitOnce(t.Context(), reqs, out, func() *message.Answer {
		n := 0
		for i := range out {
			if out[i].Err == nil {
				n++
			}
		}
		sealed = append(sealed, n)
		return &message.Answer{}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, true, true, false} {
		if r := out[i].Err; (r == nil) != want || r != nil && (r.Code != intake.QuotaExceeded || r.Retry <= 0 || out[i].Msg != nil) {
			t.Errorf("message %d: %+v", i, r)
		}
	}
	if len(near.Messages()) != 3 || refused != 1 || !slices.Equal(sealed, []int{4, 3}) {
		t.Errorf("%d accepted, %d refused, answers about %v messages", len(near.Messages()), refused, sealed)
	}
	if day, _ := who.Usage(now); day.Parts != 95 { // and 5, of which the sink will tell
		t.Errorf("%d parts are used", day.Parts)
	}
	async := func() (r *intake.Refusal) {
		door.SubmitAsync(&reqs[0], func(o intake.Outcome, err error) {
			if r = o.Err; err != nil {
				r = intake.AsRefusal(err)
			}
		})
		return r
	}
	if r := async(); r == nil || r.Code != intake.QuotaExceeded || r.SMPPStatus() != 0x14 || !strings.Contains(r.Detail, "0 are left") || !strings.Contains(r.Detail, "T00:00:00+09:00") {
		t.Errorf("more than the quota: %+v", r)
	}
	asked := far.asked
	if r := async(); r == nil || r.Code != intake.QuotaExceeded || far.asked != asked {
		t.Errorf("%+v; asked %d times about what is known", r, far.asked-asked)
	}
	if refused != 3 {
		t.Errorf("%d refusals were told, want 3", refused)
	}
}
