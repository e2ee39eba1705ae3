package compat

import (
	"errors"
	"fmt"
	"testing"

	"protei-bulk/bulk/intake"
)

// TestRefusals: each client is told what its product would tell for the reason.
func TestRefusals(t *testing.T) {
	const charge = "403 Cannot charge submit_sm, check RouterPB log file for details"
	for code, want := range map[intake.Code][2]string{
		intake.NoRoute:                {"412 No route found", "403 Not routable. Do not try again."},
		intake.RateLimited:            {"403 User throughput exceeded", "503 Temporal failure, try again later."},
		intake.NoMoney:                {charge, "403 Not routable. Do not try again."},
		intake.QuotaExceeded:          {charge, "503 Temporal failure, try again later."},
		intake.DestinationBlacklisted: {"400 to: why", "400 " + kannelDenied},
		intake.OptedOut:               {"400 to: why", "400 " + kannelDenied},
		intake.SenderNotAllowed:       {"400 to: why", "400 Sender field misformed, rejected"},
		intake.AccountDisabled:        {"403 The account is disabled", "403 Not routable. Do not try again."},
		intake.QueueFull:              {"503 to: why", "503 Temporal failure, try again later."},
		intake.TextTooLong:            {"400 to: why", "400 Charset or body misformed, rejected"},
		intake.InvalidTag:             {"400 to: why", "403 Not routable. Do not try again."},
	} {
		r := &intake.Refusal{Code: code, Field: "to", Detail: "why"}
		j, k := asJasmin(jasminRefusal(r)), (*kannelError)(nil)
		if !errors.As(kannelRefusal(r), &k) {
			t.Fatalf("%s: %v", code, kannelRefusal(r))
		}
		if got := [2]string{fmt.Sprint(j.status, " ", j.text), fmt.Sprint(k.status, " ", k.text)}; got != want {
			t.Errorf("%s: %q, want %q", code, got, want)
		}
		if k.detail != "to: why" {
			t.Errorf("%s: the reason is %q", code, k.detail)
		}
	}
}
