package main

import (
	"fmt"

	"github.com/spf13/pflag"
)

// answeredFlag is a flag of Locust, or of another load tester, that has no effect here:
// it is taken and answered, so that a command or a file from there says what to change.
type answeredFlag struct {
	name, short string
	boolean     bool
	refused     bool   // the run does not start
	answer      string // "" says nothing
}

const (
	onePage   = "there is one web page, and its files are in the program"
	oldLocust = "Locust has removed it, too"
)

// answeredFlags is the list of them.
func answeredFlags() []answeredFlag {
	return []answeredFlag{
		{name: "otel", boolean: true, answer: "there is no OpenTelemetry here; --metrics-listen shows Prometheus metrics"},
		{name: "slave", boolean: true, refused: true, answer: "renamed to --worker"},
		{name: "expect-slaves", refused: true, answer: "renamed to --expect-workers"},
		{name: "web-auth", refused: true, answer: "replaced by --web-login"},
		{name: "build-path", answer: onePage},
		{name: "web-host-display-name", answer: "the page shows the address that it listens on"},
		{name: "legacy-ui", boolean: true, answer: onePage},
		{name: "no-web", boolean: true, refused: true, answer: "use --headless"},
		{name: "clients", short: "c", refused: true, answer: "use --users (-u)"},
		{name: "hatch-rate", refused: true, answer: "use --spawn-rate (-r)"},
		{name: "num-request", refused: true, answer: "use --iterations (-i) or --run-time (-t)"},
		{name: "no-reset-stats", boolean: true, answer: oldLocust},
		{name: "step-load", boolean: true, refused: true, answer: "use --shape Step, or --shape \"0s:0,30s:100,60s:200\""},
		{name: "step-users", refused: true, answer: "use --shape \"0s:0,30s:100,60s:200\""},
		{name: "step-time", refused: true, answer: "use --shape \"0s:0,30s:100,60s:200\""},
		{name: "csv-base-name", refused: true, answer: "use --csv"},
		{name: "ips", refused: true, answer: "use --rate 500/s for iterations a second"},
		{name: "vus", refused: true, answer: "use --users (-u)"},
		{name: "duration", short: "d", refused: true, answer: "use --run-time (-t)"},
		{name: "rps", refused: true, answer: "use --rate 500/s"},
		{name: "summary-export", refused: true, answer: "use --json-file"},
	}
}

func (a *answeredFlag) register(f *pflag.FlagSet) {
	if a.boolean {
		f.BoolP(a.name, a.short, false, a.answer)
	} else {
		f.StringP(a.name, a.short, "", a.answer)
	}
	_ = f.MarkHidden(a.name)
}

// answers are errors for the flags that keep the run from starting, and notes for those
// that have no effect.
func answers(f *pflag.FlagSet) (notes []string, errs []error) {
	for _, a := range answeredFlags() {
		flag := f.Lookup(a.name)
		if !flag.Changed || a.boolean && flag.Value.String() == "false" || a.answer == "" {
			continue
		}
		if a.refused {
			errs = append(errs, fmt.Errorf("--%s: %s", a.name, a.answer))
			continue
		}
		notes = append(notes, fmt.Sprintf("--%s has no effect: %s.", a.name, a.answer))
	}
	return notes, errs
}
