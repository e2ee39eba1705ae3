package money_test

import (
	"encoding/json"
	"errors"
	"testing"

	"protei-bulk/bulk/money"
)

// FuzzParse: an amount that can be read is the same when it is written and read again, as
// text and as JSON; everything else is refused as not an amount.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"0", "-0", "12.5", "-0.000001", "9223372036854.775807", "9223372036854.775808", "00.10", "1e3", ".", "\u0661"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := money.Parse(text)
		if err != nil {
			if !errors.Is(err, money.ErrAmount) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if again, err := money.Parse(a.String()); err != nil || again != a {
			t.Fatalf("%q is %d, written %s and read again %d, %v", text, a, a, again, err)
		}
		out, err := json.Marshal(a)
		var back money.Amount
		if err != nil || json.Unmarshal(out, &back) != nil || back != a {
			t.Fatalf("%q is %s in JSON, read again %d, %v", text, out, back, err)
		}
	})
}
