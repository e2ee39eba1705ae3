package intake_test

import (
	"context"
	"strings"
	"testing"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
	"protei-bulk/bulk/intake"
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
