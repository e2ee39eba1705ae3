package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"protei-bulk/load"
	"protei-bulk/load/report"
	"protei-bulk/load/scenario"
	"protei-bulk/load/target"
)

// loadOptions are the flags of the load command.
type loadOptions struct {
	file, host     string
	users          int
	spawnRate      float64
	runTime        time.Duration
	shape          string
	classes        []string
	headless, list bool

	rate, findMaxFrom               string
	maxUsers                        int
	iterations                      uint64
	tags, excludeTags               []string
	configUsers, config             string
	equalWeights, afterRamp         bool
	resetStats, findMax             bool
	showRatio, showRatioJSON        bool
	autostart, headful              bool
	autoquit                        time.Duration
	profile, logFile, metricsListen string
	skipLog, json, version          bool
	junit, markdown                 string
	tableEvery                      time.Duration
	exitOnError                     int
	checkRPS, checkFails, checkAvg  float64

	stopTimeout, drainTimeout, warmup, timeout time.Duration

	apiKey, smpp, dlrListen, dlrURL string
	noReceipts, insecure            bool
	header, set                     []string

	html, csv, jsonFile   string
	csvFullHistory        bool
	onlySummary, progress bool
	target, watch         []string
	strict                bool
	seed                  uint64
	scaled, logLevel      string
	parentDeath           bool
	page                  pageFlags
	fleet                 fleetFlags
	flags                 *pflag.FlagSet // as they were given, for the page's runs
	settings              scenario.Settings
	scenario              *scenario.File          // nil: the built-in one
	requestTargets        []report.RequestTargets // of the file
	targets               []report.Target
	specs                 []*target.Spec // of what is watched
	notes                 []string       // about flags that have no effect here
	command               string         // the command line, secrets masked
	usersGiven            bool
}

// defaultHost is where `serve` listens.
const defaultHost = "http://127.0.0.1:8080"

func newLoadCommand(env *environment) *cobra.Command {
	cmd, _ := newLoadCommandWith(env)
	return cmd
}

// newLoadCommandWith also returns where the flags go.
func newLoadCommandWith(env *environment) (*cobra.Command, *loadOptions) {
	opts := &loadOptions{settings: scenario.DefaultSettings()}
	cmd := &cobra.Command{
		Use:   "load [flags] [UserClass ...]",
		Short: "The load tester, with Locust's flags",
		Long: `Runs virtual users against a messaging platform, follows every message to its delivery receipt,
and ends with Locust's tables, the ledger and a verdict. The built-in scenario "messaging" has
the user classes MessagingUser (HTTP) and SMPPUser; name classes to run only these.

Every flag NAME can also be given as PROTEI_BULK_LOAD_NAME or LOCUST_NAME in the environment, or as
a line "name = value" of --config, ./locust.conf or ./pyproject.toml ([tool.locust]); the first counts.
While it runs on a terminal, w and W start 1 and 10 users more, s and S stop as many.
Exit codes: 0 targets met, 1 requests failed and no target was named, 2 usage or canary,
3 verdict failed, 4 invalid (the generator was saturated), 130 after Ctrl-C.`,
		Example: `  protei-bulk load --headless -H http://127.0.0.1:8080 -u 500 -r 50 -t 2m --html report.html
  protei-bulk load -H http://127.0.0.1:8080 --shape GradualRampUp
  protei-bulk load -H http://127.0.0.1:8080 --shape "0s:0,60s:100,120s:100,130s:0" MessagingUser
  protei-bulk load -H https://sms.example.net --api-key KEY --smpp id:password@sms.example.net:2775 \
      -u 5000 -r 100 -t 10m --target guide --dlr-url http://tester.example.net:9000/dlr --dlr-listen :9000
  protei-bulk load --headless --processes 2 -u 1000 -r 100 -t 2m
  protei-bulk load --headless --master --expect-workers 3 --master-token SECRET --master-tls -u 30000 -r 500 -t 10m
  protei-bulk load --worker --master-host 10.0.0.5 --master-token SECRET --master-fingerprint HEX`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.classes = args
			if err := opts.complete(env, cmd); err != nil {
				return &exitError{code: 2, err: err}
			}
			if done, err := opts.picture(cmd.Context(), env.Stdout); done {
				if err != nil {
					return &exitError{code: 2, err: err}
				}
				return nil
			}
			return runLoad(cmd.Context(), env, opts)
		},
	}
	opts.register(cmd.Flags())
	cmd.AddCommand(newLoadCompareCommand(env))
	return cmd, opts
}

// tlsConfig is for https and smpps targets; nil verifies as usual.
func (o *loadOptions) tlsConfig() *tls.Config {
	if !o.insecure {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true} // asked for by --insecure
}

// complete takes values from the environment and from files, and checks everything.
func (o *loadOptions) complete(env *environment, cmd *cobra.Command) error {
	if err := o.fromElsewhere(env, cmd); err != nil {
		return err
	}
	o.flags = cmd.Flags()
	if o.fleet.worker {
		return o.fleet.check()
	}
	return errors.Join(o.finish(env, cmd), o.page.check(), o.fleet.check())
}

// finish takes the scenario file and checks everything.
func (o *loadOptions) finish(env *environment, cmd *cobra.Command) error {
	if strings.HasSuffix(strings.ToLower(o.file), ".py") {
		return fmt.Errorf("%s is a Locust file; what it does is built in. The same command without it:\n  %s",
			o.file, commandLine(cmd.Flags(), o.classes, "locustfile"))
	}
	o.command = commandLine(cmd.Flags(), o.classes)
	o.usersGiven = cmd.Flags().Changed("users")
	if err := o.takeFile(env, cmd); err != nil {
		return err
	}
	var errs []error
	o.notes, errs = answers(cmd.Flags())
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	fault(o.scenario == nil && o.file != "" && o.file != "messaging", "no scenario %q: want FILE.yaml, or \"messaging\", the built-in one", o.file)
	fault(o.users < 0, "--users %d: it can not be negative", o.users)
	fault(!(o.spawnRate > 0), "--spawn-rate %v: want a number above 0", o.spawnRate)
	fault(o.csvFullHistory && o.csv == "", "--csv-full-history needs --csv")
	fault(o.autoquit >= 0 && !o.autostart, "--autoquit needs --autostart")
	fault(o.afterRamp && o.runTime == 0, "--run-time-after-ramp needs --run-time")
	fault(o.maxUsers < 0, "--max-users %d: it can not be negative", o.maxUsers)
	fault(o.maxUsers > 0 && o.rate == "" && !o.findMax && !(o.scenario != nil && o.scenario.HasRates()), "--max-users is for --rate and --find-max")
	fault(o.rate != "" && o.findMax, "--find-max chooses the rate itself: leave --rate out")
	fault(o.exitOnError < 0 || o.exitOnError > 255, "--exit-code-on-error %d: want 0 to 255", o.exitOnError)
	fault(o.tableEvery < time.Second, "--console-stats-interval: want a second at least")
	errs = append(errs, o.completeTargets(), o.completeScenario(), o.completeLoad(), o.completeWatch())
	var err error
	if o.apiKey == "" && !o.list && !o.showRatio && !o.showRatioJSON && !o.version {
		if o.apiKey, err = scenario.DevAPIKey(o.host); o.scenario == nil { // a file may need none
			errs = append(errs, err)
		}
	}
	if o.smpp != "" {
		_, err = scenario.ParseSMPP(o.smpp)
		errs = append(errs, err)
	}
	_, err = parseLevel(o.logLevel)
	errs = append(errs, err)
	return errors.Join(errs...)
}

// completeTargets puts --target and the --check flags together.
func (o *loadOptions) completeTargets() error {
	values := slices.Clone(o.target)
	check := func(name string, v, unit float64) {
		if !math.IsNaN(v) {
			values = append(values, name+"="+strconv.FormatFloat(v/unit, 'f', -1, 64))
		}
	}
	check("tps", o.checkRPS, 1)
	check("errors", o.checkFails, 1)
	check("avg", o.checkAvg, 1)
	var err error
	o.targets, err = report.ParseTargets(values)
	return err
}

// completeLoad checks shape and rate.
func (o *loadOptions) completeLoad() error {
	var errs []error
	if o.shape != "" {
		_, err := load.ParseShape(o.shape, 0, o.runTime)
		errs = append(errs, err)
	}
	if o.rate != "" {
		_, err := load.ParseRate(o.rate, o.runTime)
		errs = append(errs, err)
	}
	if o.findMax {
		_, err := o.firstRate()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// firstRate is that of --find-max-from.
func (o *loadOptions) firstRate() (float64, error) {
	r, err := load.ParseRate(o.findMaxFrom, 0)
	if err != nil {
		return 0, fmt.Errorf("--find-max-from: %w", err)
	}
	return r.Peak(), nil
}

// commandLine is the command as it was given, flags in their order of definition, secrets
// masked, those in without left out.
func commandLine(flags *pflag.FlagSet, args []string, without ...string) string {
	b := &strings.Builder{}
	b.WriteString("protei-bulk load")
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Changed || f.Hidden {
			return
		}
		for _, name := range without {
			if f.Name == name {
				return
			}
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			b.WriteString(" --" + f.Name)
			if f.Value.Type() != "bool" {
				b.WriteString(" " + quoteArg(masked(f.Name, v)))
			}
		}
	})
	for _, a := range args {
		b.WriteString(" " + quoteArg(a))
	}
	return b.String()
}

func masked(flag, value string) string {
	switch flag {
	case "api-key", "master-token", "web-token":
		return "HIDDEN"
	case "smpp":
		if a, err := scenario.ParseSMPP(value); err == nil {
			return a.SystemID + ":HIDDEN@" + a.Addr
		}
		return "HIDDEN"
	case "watch":
		return maskWatch(value)
	case "header":
		name, _, _ := strings.Cut(value, ":")
		return name + ": HIDDEN"
	}
	return value
}

func quoteArg(s string) string {
	if s == "" || strings.ContainsAny(s, " \t\"'$&|;<>*?(){}[]\\!#`") {
		return strconv.Quote(s)
	}
	return s
}
