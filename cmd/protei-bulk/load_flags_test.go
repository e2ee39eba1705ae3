package main

import (
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", name, diff)
	}
}

// loadFlags parses a load command without running it.
func loadFlags(t *testing.T, vars map[string]string, args ...string) (*pflag.FlagSet, *loadOptions, error) {
	t.Helper()
	env := &environment{Stdout: io.Discard, Stderr: io.Discard, Getenv: func(name string) string { return vars[name] }}
	cmd, opts := newLoadCommandWith(env)
	var err error
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opts.classes = args
		err = opts.complete(env, cmd)
		return nil
	}
	root := &cobra.Command{Use: "protei-bulk", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(cmd)
	root.SetArgs(spreadLists(append([]string{"load"}, args...)))
	if e := root.Execute(); e != nil {
		err = e
	}
	return cmd.Flags(), opts, err
}

// TestLoadFlagsOfLocust: every flag of Locust that takes part in a run here, with its
// short form, default and variable.
func TestLoadFlagsOfLocust(t *testing.T) {
	for _, tt := range []struct{ name, short, def, env, value, want string }{
		{"locustfile", "f", "", "LOCUST_LOCUSTFILE", "messaging", "messaging"},
		{"host", "H", "http://127.0.0.1:8080", "LOCUST_HOST", "http://127.0.0.1:1", "http://127.0.0.1:1"},
		{"users", "u", "1", "LOCUST_USERS", "25", "25"},
		{"spawn-rate", "r", "1", "LOCUST_SPAWN_RATE", "2.5", "2.5"},
		{"run-time", "t", "0", "LOCUST_RUN_TIME", "1h30m", "1h30m0s"},
		{"list", "l", "false", "", "", ""},
		{"config-users", "", "", "LOCUST_CONFIG_USERS", "{}", "{}"},
		{"headless", "", "false", "LOCUST_HEADLESS", "true", "true"},
		{"autostart", "", "false", "LOCUST_AUTOSTART", "True", "true"},
		{"tags", "T", "", "LOCUST_TAGS", "a b", "a b"},
		{"exclude-tags", "E", "", "LOCUST_EXCLUDE_TAGS", "[a, b]", "a b"},
		{"csv", "", "", "LOCUST_CSV", "run", "run"},
		{"only-summary", "", "false", "LOCUST_ONLY_SUMMARY", "yes", "true"},
		{"reset-stats", "", "false", "LOCUST_RESET_STATS", "1", "true"},
		{"html", "", "", "LOCUST_HTML", "r.html", "r.html"},
		{"json", "", "false", "", "", ""},
		{"json-file", "", "", "", "", ""},
		{"skip-log-setup", "", "false", "LOCUST_SKIP_LOG_SETUP", "true", "true"},
		{"loglevel", "L", "WARNING", "LOCUST_LOGLEVEL", "debug", "debug"},
		{"logfile", "", "", "LOCUST_LOGFILE", "l.log", "l.log"},
		{"show-task-ratio", "", "false", "", "", ""},
		{"show-task-ratio-json", "", "false", "", "", ""},
		{"version", "V", "false", "", "", ""},
		{"exit-code-on-error", "", "1", "LOCUST_EXIT_CODE_ON_ERROR", "0", "0"},
		{"stop-timeout", "s", "10s", "LOCUST_STOP_TIMEOUT", "99", "1m39s"},
		{"equal-weights", "", "false", "", "", ""},
		{"profile", "", "", "", "", ""},
		{"iterations", "i", "0", "LOCUST_ITERATIONS", "1000", "1000"},
		{"check-rps", "", "", "LOCUST_CHECK_RPS", "5", "5"},
		{"check-fail-ratio", "", "", "LOCUST_CHECK_FAIL_RATIO", "0.01", "0.01"},
		{"check-avg-response-time", "", "", "LOCUST_CHECK_AVG_RESPONSE_TIME", "50", "50"},
		{"console-stats-interval", "", "10", "LOCUST_CONSOLE_STATS_INTERVAL", "5", "5"},
	} {
		flags, _, err := loadFlags(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		f := flags.Lookup(tt.name)
		if f == nil {
			t.Errorf("there is no flag --%s", tt.name)
			continue
		}
		if f.Shorthand != tt.short || f.DefValue != tt.def {
			t.Errorf("--%s: short %q, default %q, want %q and %q", tt.name, f.Shorthand, f.DefValue, tt.short, tt.def)
		}
		if tt.env == "" {
			continue
		}
		for _, name := range []string{tt.env, "PROTEI_BULK_LOAD_" + strings.TrimPrefix(tt.env, "LOCUST_")} {
			flags, _, err = loadFlags(t, map[string]string{name: tt.value})
			if got := flags.Lookup(tt.name).Value.String(); err != nil || got != tt.want {
				t.Errorf("%s=%s: --%s is %q, %v", name, tt.value, tt.name, got, err)
			}
		}
	}
}

// TestLoadFlagsAnswered: what Locust has and this program has not is taken and answered.
func TestLoadFlagsAnswered(t *testing.T) {
	for args, want := range map[string]string{
		"-P 8089":                        "",
		"--web-host 0.0.0.0":             "",
		"--class-picker":                 "",
		"--otel":                         "--metrics-listen",
		"--legacy-ui":                    "one web page",
		"--print-stats":                  "",
		"--autostart --autoquit 3":       "",
		"--headless --headful":           "",
		"--tls-cert a --tls-key b":       "",
		"--web-login --web-base-path /x": "",
	} {
		_, opts, err := loadFlags(t, nil, strings.Fields(args)...)
		if err != nil {
			t.Errorf("%s: %v", args, err)
			continue
		}
		if notes := strings.Join(opts.notes, "\n"); !strings.Contains(notes, want) || want == "" && notes != "" {
			t.Errorf("%s: the notes are %q, want %q", args, notes, want)
		}
	}
	for args, want := range map[string]string{
		"--slave":                      "renamed to --worker",
		"--expect-slaves 2":            "renamed to --expect-workers",
		"--web-auth a:b":               "replaced by --web-login",
		"--hatch-rate 5":               "use --spawn-rate",
		"-c 5":                         "use --users",
		"--no-web":                     "use --headless",
		"--vus 5":                      "use --users",
		"-d 5m":                        "use --run-time",
		"--step-load":                  "--shape",
		"--autoquit 5":                 "--autoquit needs --autostart",
		"--autoquit 0":                 "--autoquit needs --autostart",
		"--web-port 70000":             "0 to 65535",
		"--web-base-path load":         "must begin with /",
		"--tls-cert a":                 "belong together",
		"--web-token short":            "8 characters",
		"--run-time-after-ramp":        "needs --run-time",
		"--max-users 5":                "--rate",
		"--rate 5/s --find-max":        "leave --rate out",
		"--rate fast":                  "500/s",
		"--find-max-from slow":         "",
		"--exit-code-on-error 9x":      "exit-code-on-error",
		"--exit-code-on-error -1":      "0 to 255",
		"--check-fail-ratio 2":         "more than 100%",
		"--check-rps 5 --target tps=6": "named twice",
		"--console-stats-interval 0":   "a second at least",
		"--tgas x":                     "unknown flag: --tgas",
		"--config none.conf":           "none.conf",
	} {
		if want == "" {
			continue
		}
		if _, _, err := loadFlags(t, nil, strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

// TestLoadFlagSources: command line before environment before --config before locust.conf
// before pyproject.toml before ~/.locust.conf.
func TestLoadFlagSources(t *testing.T) {
	dir, home := t.TempDir(), t.TempDir()
	t.Chdir(dir)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("mine.conf", "# mine\nrun-time = 3s\nseed=3\nshape: Spike ; a comment\nlogfile 3.log\nheadless\n")
	write("locust.conf", "[locust]\nrun-time = 4s\nseed = 4\nhtml = 4.html\ntags = [a, b]\nheader = [\"X-A: 1\", \"X-B: 2\"]\nprocesses = 2\nuser_classes = [SMPPUser]\n")
	write("pyproject.toml", strings.Join([]string{
		`[project]`,
		`description = """`,
		`[tool.locust]`,
		`users = 666"""`,
		`authors = [ {name = "a, b"}, { name = 'c' } ] # two`,
		`[tool.locust]`,
		`users = 1_000`,
		`run-time = "5s"`,
		`html = '5.html'`,
		`csv = "\u0035"`,
		`only-summary = true`,
		`tags = [`,
		`  "c", # one`,
		`]`,
		`[tool.black]`,
		`line-length = 100`,
	}, "\n"))
	write(filepath.Join(home, ".locust.conf"), "csv = 6\nprofile = home\n")
	vars := map[string]string{"HOME": home, "LOCUST_SEED": "2", "PROTEI_BULK_LOAD_SEED": "22", "LOCUST_RUN_TIME": "2s"}
	_, o, err := loadFlags(t, vars, "-t", "1s", "--config", "mine.conf")
	if err != nil {
		t.Fatal(err)
	}
	got := []any{o.runTime.String(), o.seed, o.shape, o.logFile, o.headless, o.html, o.tags, o.header, o.classes, o.users, o.csv, o.onlySummary, o.profile}
	want := []any{"1s", uint64(22), "Spike", "3.log", true, "4.html", []string{"a", "b"}, []string{"X-A: 1", "X-B: 2"}, []string{"SMPPUser"}, 1000, "5", true, "home"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if o.fleet.processes != 2 {
		t.Errorf("processes of a file: %d", o.fleet.processes)
	}
	for text, want := range map[string]string{
		"usres = 5\n":      "locust.conf:1: there is no flag --usres, did you mean users?",
		"\nusers = many\n": "locust.conf:2: users: ",
		"scaled = x\n":     "there is no flag --scaled",
		"config = x\n":     "there is no flag --config",
		"processes = x\n":  "locust.conf:1: processes",
	} {
		write("locust.conf", text)
		if _, _, err := loadFlags(t, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	write("locust.conf", "")
	for text, want := range map[string]string{
		"[tool.locust]\nusers = \n":            "pyproject.toml:2: a value is missing",
		"[tool.locust]\nusers\n":               "pyproject.toml:2: want key = value",
		"[tool.locust]\n\nhtml = \"a\n":        "pyproject.toml:3: the string has no end",
		"[tool.locust]\ntags = [\"a\"\n":       "the list has no end",
		"[tool.locust]\nhtml = {a = 1}\n":      "html can not be a table",
		"[tool.locust]\nhtml = \"\\q\"\n":      `\q is no escape`,
		"locust = 1\n[tool.locust]\nuesrs = 1": "pyproject.toml:3: there is no flag --uesrs, did you mean users?",
	} {
		write("pyproject.toml", text)
		if _, _, err := loadFlags(t, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestLoadPictures: what is printed instead of a run.
func TestLoadPictures(t *testing.T) {
	for name, args := range map[string][]string{
		"load-help.txt":          {"--help"},
		"load-compare-help.txt":  {"compare", "--help"},
		"load-list.txt":          {"--list", "-H", "http://192.0.2.1"},
		"load-ratio.txt":         {"--show-task-ratio", "-u", "100"},
		"load-ratio-equal.txt":   {"--show-task-ratio", "-u", "100", "--equal-weights", "-E", "campaign", "smpp"},
		"load-ratio-tags.json":   {"--show-task-ratio-json", "-T", "single", "status", "-u", "5"},
		"load-ratio-config.json": {"--show-task-ratio-json", "-u", "10", "--config-users", `[{"user_class_name":"SMPPUser","fixed_count":4}]`, "MessagingUser", "SMPPUser"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := loadCLI(t.Context(), nil, args...)
			if code != 0 || stderr != "" {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			golden(t, name, []byte(stdout))
			if strings.HasSuffix(name, ".json") && !json.Valid([]byte(stdout)) {
				t.Error("this is no JSON")
			}
		})
	}
	for args, want := range map[string]string{
		"--show-task-ratio -T nothing":                                                    "the scenario has bulk, campaign, list, read, send, single, status",
		`--show-task-ratio --config-users {"user_class_name":"WebUser"}`:                  `no user class "WebUser"`,
		`--show-task-ratio --config-users {"user_class_name":1}`:                          "--config-users",
		`--show-task-ratio --config-users {"host":"x"}`:                                   "known are user_class_name",
		"--show-task-ratio --config-users none.json":                                      "none.json",
		`--show-task-ratio --config-users {"user_class_name":"MessagingUser","weight":0}`: "want 1 or more",
	} {
		if code, _, stderr := loadCLI(t.Context(), nil, strings.Fields(args)...); code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %s", args, code, stderr)
		}
	}
	if code, stdout, _ := loadCLI(t.Context(), nil, "-V"); code != 0 || stdout != "protei-bulk "+version+"\n" {
		t.Errorf("-V: exit code %d, %q", code, stdout)
	}
}

func TestSpreadLists(t *testing.T) {
	for args, want := range map[string]string{
		"load -T a b -u 5 X":         "load -T a -T b -u 5 X",
		"load --tags a b -E c d":     "load --tags a --tags b -E c -E d",
		"load -T=a b":                "load -T=a b",
		"load -T a -- b":             "load -T a -- b",
		"load -T -u 5":               "load -T -u 5",
		"campaign create --tags a b": "campaign create --tags a b",
		"load X":                     "load X",
		"":                           "",
	} {
		if got := strings.Join(spreadLists(strings.Fields(args)), " "); got != want {
			t.Errorf("%s became %s, want %s", args, got, want)
		}
	}
}

func FuzzConfigFiles(f *testing.F) {
	f.Add("[tool.locust]\nusers = 5\nhtml = \"a\\u0041\"\ntags = [\"a\", 'b',]\n")
	f.Add("[tool.locust]\nx = \"\"\"\na \\\n  b\"\"\"\ny = {a = [1, {b = 2}]}\n")
	f.Add("users = 5 # five\nheadless\ntags = [a, b]\nhost: http://x:1\n")
	f.Fuzz(func(t *testing.T, text string) {
		settings, err := parseTOML(text, "tool.locust")
		conf, confErr := parseConf(text)
		for _, s := range append(settings, conf...) {
			if s.line < 1 || s.line > strings.Count(text, "\n")+1 {
				t.Errorf("%q is on line %d", s.key, s.line)
			}
		}
		if err != nil && settings != nil || confErr != nil && conf != nil {
			t.Error("settings and an error")
		}
		for _, s := range conf {
			if len(s.values) == 0 && !strings.Contains(text, "[") {
				t.Errorf("%q has no value", s.key)
			}
		}
	})
}
