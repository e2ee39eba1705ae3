package scenario_test

import (
	"math"
	"strings"
	"testing"

	"protei-bulk/load/scenario"
)

// FuzzSet: a setting that is taken lies in its bounds; an error says which one it is about.
func FuzzSet(f *testing.F) {
	for _, seed := range []string{
		"bulk=5-10", "wait=0.1-0.5", "mix=10:5:3:2:1", "mix=0:0:0:0:0", "smpp_rate=NaN", "smpp_rate=1e999", "smpp_window=50", "smpp_rebind=0-1", "smpp_enquire_link=0",
		"from=A\"B", "TEXT = hello", "to=9665", "smpp_bind=trx", "smpp_throttle=wait", "smpp_users=0", "x=1", "bulk",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pair string) {
		s := scenario.DefaultSettings()
		if err := s.Set(pair); err != nil {
			if !strings.HasPrefix(err.Error(), "--set ") {
				t.Fatalf("%q: %v", pair, err)
			}
			return
		}
		sum := 0
		for _, n := range s.Mix {
			if sum += n; n < 0 {
				t.Fatalf("%q: mix %v", pair, s.Mix)
			}
		}
		if sum == 0 || s.BulkMin < 1 || s.BulkMax < s.BulkMin || s.WaitMin < 0 || s.WaitMax < s.WaitMin || !(s.SMPPRate > 0) || math.IsInf(s.SMPPRate, 0) ||
			s.SMPPWindow < 1 || s.SMPPUsers < -1 || s.SMPPRebindMin <= 0 || s.SMPPRebindMax < s.SMPPRebindMin || s.From == "" || s.ToPrefix == "" {
			t.Fatalf("%q became %+v", pair, s)
		}
		if strings.ContainsAny(s.From+s.ToPrefix+s.Text, "\"\\\n\x00") {
			t.Fatalf("%q needs escapes: %+v", pair, s)
		}
	})
}
