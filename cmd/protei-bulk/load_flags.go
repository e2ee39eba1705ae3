package main

import (
	"math"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"protei-bulk/load"
)

// register declares the flags in the order in which --help shows them.
func (o *loadOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	o.registerLoad(f)
	o.registerTarget(f)
	o.registerOutput(f)
	o.page.register(f)
	o.fleet.register(f)
	o.registerHidden(f)
	for _, a := range answeredFlags() {
		a.register(f)
	}
}

func (o *loadOptions) registerLoad(f *pflag.FlagSet) {
	f.StringVarP(&o.file, "locustfile", "f", "", "scenario; the built-in one is \"messaging\"")
	f.StringVar(&o.config, "config", "", "`file` with more flags: users = 500")
	f.StringVarP(&o.host, "host", "H", defaultHost, "base `URL` of the platform under test")
	f.IntVarP(&o.users, "users", "u", 1, "peak number of concurrent users")
	f.Float64VarP(&o.spawnRate, "spawn-rate", "r", 1, "users started a second, evenly; 0.5 is one every two seconds")
	f.VarP((*timespan)(&o.runTime), "run-time", "t", "stop after this time: 300, 20s, 3m, 1h30m (default: Ctrl-C)")
	f.BoolVar(&o.afterRamp, "run-time-after-ramp", false, "count --run-time from the end of the ramp")
	f.Uint64VarP(&o.iterations, "iterations", "i", 0, "stop after so many iterations of all users together")
	f.StringVar(&o.shape, "shape", "", strings.Join(load.ShapeNames(), ", ")+" or \"0s:0,60s:100,…\"; -u sets its peak")
	f.StringVar(&o.rate, "rate", "", "open model: iterations start at this `rate`, whatever the answers take: 500/s, \"0s:0,60s:2000/s\", Spike:2000/s")
	f.IntVar(&o.maxUsers, "max-users", 0, "most users that --rate may keep busy (default: a second's iterations, 100 to 10,000)")
	f.BoolVar(&o.findMax, "find-max", false, "search the highest rate that keeps the targets")
	f.StringVar(&o.findMaxFrom, "find-max-from", "100/s", "`rate` of the first step of --find-max")
	f.BoolVar(&o.headless, "headless", false, "run without the web page")
	f.BoolVar(&o.autostart, "autostart", false, "start at once and show the web page")
	o.autoquit = -time.Second
	f.Var((*seconds)(&o.autoquit), "autoquit", "with --autostart: end so many `seconds` after the run, with its exit code; -1 keeps the page")
	f.BoolVarP(&o.list, "list", "l", false, "list the user classes and exit")
	f.BoolVar(&o.showRatio, "show-task-ratio", false, "show how often each class and task runs, and exit")
	f.BoolVar(&o.showRatioJSON, "show-task-ratio-json", false, "the same as JSON")
	f.VarP((*words)(&o.tags), "tags", "T", "only tasks with one of these `tags`; several after blanks or commas")
	f.VarP((*words)(&o.excludeTags), "exclude-tags", "E", "no task with one of these `tags`")
	f.StringVar(&o.configUsers, "config-users", "", "weight and fixed_count by class as `JSON` or a file of it: '[{\"user_class_name\":\"SMPPUser\",\"fixed_count\":2}]'")
	f.BoolVar(&o.equalWeights, "equal-weights", false, "every class and task with the weight 1")
	f.BoolVar(&o.resetStats, "reset-stats", false, "forget the figures of the ramp; the ledger forgets nothing")
	o.stopTimeout, o.drainTimeout, o.warmup, o.timeout = 10*time.Second, time.Minute, 10*time.Second, 30*time.Second
	f.VarP((*timespan)(&o.stopTimeout), "stop-timeout", "s", "how long users may finish what they do")
	f.Var((*timespan)(&o.drainTimeout), "drain-timeout", "how long to wait for receipts at the end")
	f.Var((*timespan)(&o.warmup), "warmup", "cut off the begin of the measured window")
	f.Uint64Var(&o.seed, "seed", 0, "repeat the users' choices; 0 draws a seed")
}

func (o *loadOptions) registerTarget(f *pflag.FlagSet) {
	f.Var((*timespan)(&o.timeout), "timeout", "of one request")
	f.StringVar(&o.apiKey, "api-key", "", "API `key` (default: that of serve --dev, only against loopback)")
	f.StringVar(&o.smpp, "smpp", "", "`[smpps://]id:password@host:port` of SMPPUsers (default: the dev account on port 2775 of a loopback host)")
	f.StringArrayVar(&o.watch, "watch", nil, "watch what stands behind the target, `[NAME=]SOURCE`: http://…/metrics#METRIC, postgres://…, redis://…#stream:KEY, pid:N, pidfile:PATH, process:EXECUTABLE; repeatable")
	f.StringVar(&o.dlrListen, "dlr-listen", "", "`address` to listen on for delivery receipts (default: a free port facing the target)")
	f.StringVar(&o.dlrURL, "dlr-url", "", "`URL` that the target is told to post receipts to (default: that address)")
	f.BoolVar(&o.noReceipts, "no-receipts", false, "do not follow delivery receipts; those rows are not measured")
	f.StringArrayVar(&o.header, "header", nil, "`\"Name: value\"` to add to every HTTP request; repeatable")
	f.BoolVar(&o.insecure, "insecure", false, "do not verify TLS certificates")
	f.StringArrayVar(&o.set, "set", nil, "`KEY=VALUE` of the scenario: bulk=10-100, wait=0.1-0.5, mix=10:5:3:2:1, smpp_users, smpp_rate, smpp_window, from, to, text; repeatable")
}

func (o *loadOptions) registerOutput(f *pflag.FlagSet) {
	f.StringVar(&o.html, "html", "", "write the report to `file`; {u} {r} {t} are replaced")
	f.StringVar(&o.csv, "csv", "", "write Locust's four CSV files and PREFIX_series.csv with this `prefix`, and with --watch PREFIX_target.csv")
	f.BoolVar(&o.csvFullHistory, "csv-full-history", false, "with --csv: every request name in the history")
	f.BoolVar(&o.json, "json", false, "print the summary as JSON; the rest goes to stderr")
	f.StringVar(&o.jsonFile, "json-file", "", "write the summary as JSON to `file`")
	f.StringVar(&o.junit, "junit", "", "write targets and requests as JUnit tests to `file`")
	f.StringVar(&o.markdown, "markdown", "", "write a summary for the page of a CI job to `file`")
	f.StringVar(&o.metricsListen, "metrics-listen", "", "show Prometheus /metrics of the load tester on `address` while it runs, as 127.0.0.1:9646")
	f.StringVar(&o.profile, "profile", "", "`label` that groups runs in the reports")
	f.BoolVar(&o.onlySummary, "only-summary", false, "print no table while running")
	o.tableEvery = 10 * time.Second
	f.Var((*seconds)(&o.tableEvery), "console-stats-interval", "`seconds` between two tables while running")
	f.StringArrayVar(&o.target, "target", nil, "`guide`, or NAME=LIMIT[:ACCEPTABLE] as p95=100ms:200ms or postgres.cache_hits>=0.99; decides the exit code; repeatable")
	f.BoolVar(&o.strict, "strict", false, "acceptable is not enough: exit code 3")
	o.checkRPS, o.checkFails, o.checkAvg = math.NaN(), math.NaN(), math.NaN()
	f.Var((*number)(&o.checkRPS), "check-rps", "least successful requests a second; as --target tps")
	f.Var((*number)(&o.checkFails), "check-fail-ratio", "most failed requests, 0.01 is 1 %; as --target errors")
	f.Var((*number)(&o.checkAvg), "check-avg-response-time", "highest average response time in `ms`; as --target avg")
	f.IntVar(&o.exitOnError, "exit-code-on-error", 1, "exit `code` when requests failed and no target was named")
	f.StringVarP(&o.logLevel, "loglevel", "L", "WARNING", "DEBUG, INFO, WARNING, ERROR")
	f.StringVar(&o.logFile, "logfile", "", "append the log to `file` instead of stderr")
	f.BoolVar(&o.skipLog, "skip-log-setup", false, "write no log")
	f.BoolVarP(&o.version, "version", "V", false, "print the version and exit")
}

// private marks the flags that neither environment nor files set.
const private = "private"

func (o *loadOptions) registerHidden(f *pflag.FlagSet) {
	f.BoolVar(&o.headful, "headful", false, "undo --headless of a file or the environment")
	_ = f.MarkHidden("headful")
	f.BoolVar(&o.progress, "progress", false, "print the state line even with --only-summary")
	f.StringVar(&o.scaled, "scaled", "", "why the load was scaled down, for the report")
	f.BoolVar(&o.parentDeath, "parent-death", false, "end when the process that started this one ends")
	for _, name := range []string{"progress", "scaled", "parent-death"} {
		_ = f.MarkHidden(name)
		_ = f.SetAnnotation(name, private, []string{"true"})
	}
}
