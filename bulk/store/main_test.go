package store_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// modelChecks is how many random histories the model test plays; -rapid.checks overrides it.
const modelChecks = "30"

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", modelChecks); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
