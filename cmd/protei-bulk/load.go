package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"protei-bulk/load"
	"protei-bulk/load/httpload"
	"protei-bulk/load/report"
	"protei-bulk/load/scenario"
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

	stopTimeout, drainTimeout, warmup, timeout time.Duration

	apiKey, smpp, dlrListen, dlrURL string
	noReceipts, insecure            bool
	header, set                     []string

	html, csv, jsonFile   string
	csvFullHistory        bool
	onlySummary, progress bool
	target                []string
	strict                bool
	seed                  uint64
	scaled, logLevel      string
	parentDeath           bool
	settings              scenario.Settings
	targets               []report.Target
	command               string // the command line, secrets masked
	usersGiven            bool
}

// defaultHost is where `serve` listens.
const defaultHost = "http://127.0.0.1:8080"

func newLoadCommand(env *environment) *cobra.Command {
	opts := &loadOptions{settings: scenario.DefaultSettings()}
	cmd := &cobra.Command{
		Use:   "load [flags] [UserClass ...]",
		Short: "The load tester, with Locust's flags",
		Long: `Runs virtual users against a messaging platform, follows every message to its delivery receipt,
and ends with Locust's tables, the ledger and a verdict. The built-in scenario "messaging" has
the user classes MessagingUser (HTTP) and SMPPUser; name classes to run only these.

Every flag NAME can also be given as LOCUST_NAME or PROTEI_BULK_LOAD_NAME in the environment.
Exit codes: 0 targets met, 1 requests failed and no target was named, 2 usage or canary,
3 verdict failed, 4 invalid (the generator was saturated), 130 after Ctrl-C.`,
		Example: `  protei-bulk load --headless -H http://127.0.0.1:8080 -u 500 -r 50 -t 2m --html report.html
  protei-bulk load -H http://127.0.0.1:8080 --shape GradualRampUp
  protei-bulk load -H http://127.0.0.1:8080 --shape "0s:0,60s:100,120s:100,130s:0" MessagingUser
  protei-bulk load -H https://sms.example.net --api-key KEY --smpp id:password@sms.example.net:2775 \
      -u 5000 -r 100 -t 10m --target guide --dlr-url http://tester.example.net:9000/dlr --dlr-listen :9000`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.classes = args
			if err := opts.complete(env, cmd); err != nil {
				return &exitError{code: 2, err: err}
			}
			return runLoad(cmd.Context(), env, opts)
		},
	}
	opts.register(cmd.Flags())
	return cmd
}

func (o *loadOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVarP(&o.file, "locustfile", "f", "", "scenario; the built-in one is \"messaging\"")
	f.StringVarP(&o.host, "host", "H", defaultHost, "base `URL` of the platform under test")
	f.IntVarP(&o.users, "users", "u", 1, "peak number of concurrent users")
	f.Float64VarP(&o.spawnRate, "spawn-rate", "r", 1, "users started a second, evenly; 0.5 is one every two seconds")
	f.VarP((*timespan)(&o.runTime), "run-time", "t", "stop after this time: 300, 20s, 3m, 1h30m (default: Ctrl-C)")
	f.StringVar(&o.shape, "shape", "", strings.Join(load.ShapeNames(), ", ")+" or \"0s:0,60s:100,…\"; -u sets its peak")
	f.BoolVar(&o.headless, "headless", false, "run without the web page")
	f.BoolVarP(&o.list, "list", "l", false, "list the user classes and exit")
	o.stopTimeout, o.drainTimeout, o.warmup, o.timeout = 10*time.Second, time.Minute, 10*time.Second, 30*time.Second
	f.VarP((*timespan)(&o.stopTimeout), "stop-timeout", "s", "how long users may finish what they do")
	f.Var((*timespan)(&o.drainTimeout), "drain-timeout", "how long to wait for receipts at the end")
	f.Var((*timespan)(&o.warmup), "warmup", "cut off the begin of the measured window")
	f.Var((*timespan)(&o.timeout), "timeout", "of one request")

	f.StringVar(&o.apiKey, "api-key", "", "API `key` (default: that of serve --dev, only against loopback)")
	f.StringVar(&o.smpp, "smpp", "", "`[smpps://]id:password@host:port` of SMPPUsers (default: the dev account on port 2775 of a loopback host)")
	f.StringVar(&o.dlrListen, "dlr-listen", "", "`address` to listen on for delivery receipts (default: a free port facing the target)")
	f.StringVar(&o.dlrURL, "dlr-url", "", "`URL` that the target is told to post receipts to (default: that address)")
	f.BoolVar(&o.noReceipts, "no-receipts", false, "do not follow delivery receipts; those rows are not measured")
	f.StringArrayVar(&o.header, "header", nil, "`\"Name: value\"` to add to every HTTP request; repeatable")
	f.BoolVar(&o.insecure, "insecure", false, "do not verify TLS certificates")
	f.StringArrayVar(&o.set, "set", nil, "`KEY=VALUE` of the scenario: bulk=10-100, wait=0.1-0.5, mix=10:5:3:2:1, smpp_users, smpp_rate, smpp_window, from, to, text; repeatable")
	f.Uint64Var(&o.seed, "seed", 0, "repeat the users' choices; 0 draws a seed")

	f.StringVar(&o.html, "html", "", "write the report to `file`; {u} {r} {t} are replaced")
	f.StringVar(&o.csv, "csv", "", "write Locust's four CSV files with this `prefix`")
	f.BoolVar(&o.csvFullHistory, "csv-full-history", false, "with --csv: every request name in the history")
	f.StringVar(&o.jsonFile, "json-file", "", "write the summary as JSON to `file`")
	f.BoolVar(&o.onlySummary, "only-summary", false, "print no table while running")
	f.StringArrayVar(&o.target, "target", nil, "`guide`, or NAME=LIMIT[:ACCEPTABLE] as p95=100ms:200ms; decides the exit code; repeatable")
	f.BoolVar(&o.strict, "strict", false, "acceptable is not enough: exit code 3")
	f.StringVarP(&o.logLevel, "loglevel", "L", "WARNING", "DEBUG, INFO, WARNING, ERROR")

	f.BoolVar(&o.progress, "progress", false, "print the state line even with --only-summary")
	f.StringVar(&o.scaled, "scaled", "", "why the load was scaled down, for the report")
	f.BoolVar(&o.parentDeath, "parent-death", false, "end when the process that started this one ends")
	for _, name := range []string{"progress", "scaled", "parent-death"} {
		_ = f.MarkHidden(name)
	}
}

// tlsConfig is for https and smpps targets; nil verifies as usual.
func (o *loadOptions) tlsConfig() *tls.Config {
	if !o.insecure {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true} // asked for by --insecure
}

// timespan is a flag with Locust's times.
type timespan time.Duration

func (t *timespan) String() string {
	if *t == 0 {
		return "0"
	}
	return time.Duration(*t).String()
}

func (t *timespan) Type() string { return "time" }

func (t *timespan) Set(s string) error {
	d, err := load.ParseTimespan(s)
	*t = timespan(d)
	return err
}

// complete takes values from the environment and checks everything.
func (o *loadOptions) complete(env *environment, cmd *cobra.Command) error {
	if err := o.fromEnvironment(env, cmd.Flags()); err != nil {
		return err
	}
	if strings.HasSuffix(strings.ToLower(o.file), ".py") {
		return fmt.Errorf("%s is a Locust file; what it does is built in. The same command without it:\n  %s",
			o.file, commandLine(cmd.Flags(), o.classes, "locustfile"))
	}
	o.command = commandLine(cmd.Flags(), o.classes)
	o.usersGiven = cmd.Flags().Changed("users")
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	fault(o.file != "" && o.file != "messaging", "no scenario %q: the built-in one is \"messaging\"", o.file)
	fault(o.users < 0, "--users %d: it can not be negative", o.users)
	fault(!(o.spawnRate > 0), "--spawn-rate %v: want a number above 0", o.spawnRate)
	fault(o.csvFullHistory && o.csv == "", "--csv-full-history needs --csv")
	errs = append(errs, scenario.CheckClasses(o.classes), httpload.CheckBase(o.host))
	for _, pair := range o.set {
		errs = append(errs, o.settings.Set(pair))
	}
	var err error
	o.targets, err = report.ParseTargets(o.target)
	errs = append(errs, err)
	if o.shape != "" {
		_, err = load.ParseShape(o.shape, 0, o.runTime)
		errs = append(errs, err)
	}
	if o.apiKey == "" {
		o.apiKey, err = scenario.DevAPIKey(o.host)
		errs = append(errs, err)
	}
	if o.smpp != "" {
		_, err = scenario.ParseSMPP(o.smpp)
		errs = append(errs, err)
	}
	_, err = parseLevel(o.logLevel)
	errs = append(errs, err)
	return errors.Join(errs...)
}

// fromEnvironment sets the flags that were not given from LOCUST_* and our own variables.
func (o *loadOptions) fromEnvironment(env *environment, flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Hidden || f.Name == "help" {
			return
		}
		for _, name := range envNames(f.Name) {
			if value := env.Getenv(name); value != "" {
				if err := flags.Set(f.Name, value); err != nil {
					errs = append(errs, fmt.Errorf("%s=%q: %w", name, value, err))
				}
				return
			}
		}
	})
	if classes := env.Getenv("LOCUST_USER_CLASSES"); len(o.classes) == 0 && classes != "" {
		o.classes = strings.FieldsFunc(classes, func(r rune) bool { return r == ',' || r == ' ' })
	}
	return errors.Join(errs...)
}

func envNames(flag string) []string {
	name := strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
	return []string{"PROTEI_BULK_LOAD_" + name, "LOCUST_" + name}
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
	case "api-key":
		return "HIDDEN"
	case "smpp":
		if a, err := scenario.ParseSMPP(value); err == nil {
			return a.SystemID + ":HIDDEN@" + a.Addr
		}
		return "HIDDEN"
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
