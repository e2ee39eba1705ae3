package money_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"protei-bulk/bulk/money"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]money.Amount{
		"0": 0, "1": 1_000_000, "12.5": 12_500_000, "-0.000001": -1, "0.05": 50_000, "007.10": 7_100_000,
		"9223372036854.775807": math.MaxInt64,
	} {
		if got, err := money.Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-", ".5", "5.", "1e3", "1,5", "+1", " 1", "0.0000001", "9223372036854.775808", "1.2.3", "--1", "0x1", "NaN"} {
		if got, err := money.Parse(text); !errors.Is(err, money.ErrAmount) {
			t.Errorf("Parse(%q) = %d, %v, want an error", text, got, err)
		}
	}
}

func TestAmountsKeepEachMillionth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := money.Amount(rapid.Int64Min(math.MinInt64+1).Draw(t, "amount"))
		if got, err := money.Parse(want.String()); err != nil || got != want {
			t.Fatalf("%d is written %s and read %d, %v", want, want, got, err)
		}
		for _, quoted := range []bool{false, true} {
			text, err := json.Marshal(want)
			if quoted {
				text = []byte(`"` + want.String() + `"`)
			}
			var got money.Amount
			if err := errors.Join(err, json.Unmarshal(text, &got)); err != nil || got != want {
				t.Fatalf("%s is read %d, %v", text, got, err)
			}
		}
	})
}

func TestMovementNamesItsFaults(t *testing.T) {
	err := (&money.Movement{Kind: money.TopUp, Amount: -1, Reference: strings.Repeat("r", 65), Note: "\n"}).Validate()
	for _, field := range []string{"amount", "reference", "note"} {
		if err == nil || !strings.Contains(err.Error(), field+":") {
			t.Errorf("%s is not named in %v", field, err)
		}
	}
	if err := (&money.Movement{Kind: money.Adjustment, Amount: -money.Unit, Reference: "inv-1"}).Validate(); err != nil {
		t.Error(err)
	}
}
