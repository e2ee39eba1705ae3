package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"protei-bulk/load"
	"protei-bulk/load/httpload"
	"protei-bulk/load/scenario"
	"protei-bulk/load/stats"
)

// withScenarioCommands adds the commands about scenario files to load.
func withScenarioCommands(env *environment, load *cobra.Command) *cobra.Command {
	load.AddCommand(newLoadCheckCommand(env), newLoadExampleCommand(env), newLoadDebugCommand(env))
	return load
}

// readScenario compiles a file with the values of --set.
func readScenario(env *environment, name string, set []string) (*scenario.File, error) {
	f, err := scenario.ReadFile(name, scenario.ParseOptions{Getenv: env.Getenv, Vars: set})
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w; `protei-bulk load example > %s` makes one to start from; the built-in scenario is \"messaging\"", err, name)
	}
	return f, err
}

func newLoadCheckCommand(env *environment) *cobra.Command {
	var set []string
	cmd := &cobra.Command{
		Use:     "check FILE",
		Short:   "Say what is wrong with a scenario file, all at once",
		Long:    "Reads a scenario file and names every mistake with its line and column. docs/scenario.md explains the keys.",
		Example: "  protei-bulk load check scenario.yaml",
		Args:    wants("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := readScenario(env, args[0], set)
			if err != nil {
				return checkError(args[0], err)
			}
			fmt.Fprintf(env.Stdout, "%s is valid: %s\n", args[0], strings.Join(f.ClassNames(), ", "))
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, "`NAME=VALUE` of one of the file's vars; repeatable")
	return cmd
}

// checkError counts the mistakes of a file.
func checkError(name string, err error) error {
	var m *scenario.Mistakes
	if errors.As(err, &m) {
		return usageError("%s has %d mistakes\n%w", name, len(m.List), m)
	}
	return &exitError{code: 2, err: err}
}

func newLoadExampleCommand(env *environment) *cobra.Command {
	names := strings.Join(scenario.ExampleNames(), ", ")
	return &cobra.Command{
		Use:   "example [NAME]",
		Short: "Print a scenario file to start from",
		Long: "Prints one of the scenario files " + names + `. "starter" is small and explained, "messaging" is what the
built-in scenario does.`,
		Example: `  protei-bulk load example > scenario.yaml
  protei-bulk load example messaging > messaging.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name := "starter"
			if len(args) > 0 {
				name = args[0]
			}
			text, ok := scenario.Example(name)
			if !ok {
				return usageError("no example %q; there are %s", name, names)
			}
			_, err := env.Stdout.Write(text)
			return err
		},
	}
}

// debugFlags are the flags of load debug.
type debugFlags struct {
	host, apiKey, smpp string
	set, header        []string
	timeout            time.Duration
	insecure           bool
}

func newLoadDebugCommand(env *environment) *cobra.Command {
	f := debugFlags{timeout: 30 * time.Second}
	cmd := &cobra.Command{
		Use:   "debug FILE [UserClass ...]",
		Short: "Run each task of a scenario file once and show what is said",
		Long: `Runs setup, then on_start and every task of each user class once, then teardown, and shows every request
and answer whole, secrets masked. Exit code 1 when one fails.`,
		Example: "  protei-bulk load debug scenario.yaml -H http://127.0.0.1:8080",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, env, args[0], args[1:])
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.host, "host", "H", "", "base `URL` (default: the file's host, else "+defaultHost+")")
	flags.StringVar(&f.apiKey, "api-key", "", "API `key` (default: that of serve --dev, only against loopback)")
	flags.StringVar(&f.smpp, "smpp", "", "`[smpps://]id:password@host:port`")
	flags.StringArrayVar(&f.set, "set", nil, "`NAME=VALUE` of one of the file's vars; repeatable")
	flags.StringArrayVar(&f.header, "header", nil, "`\"Name: value\"` to add to every request; repeatable")
	flags.Var((*timespan)(&f.timeout), "timeout", "of one request")
	flags.BoolVar(&f.insecure, "insecure", false, "do not verify TLS certificates")
	return cmd
}

func (f *debugFlags) run(cmd *cobra.Command, env *environment, name string, classes []string) error {
	file, err := readScenario(env, name, f.set)
	if err != nil {
		return checkError(name, err)
	}
	opts, err := f.options(env, file, classes)
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	r, err := scenario.Open(cmd.Context(), file, opts)
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	defer r.Close()
	if err := r.Debug(cmd.Context(), env.Stdout); err != nil {
		return &exitError{code: 1, err: err}
	}
	return nil
}

func (f *debugFlags) options(env *environment, file *scenario.File, classes []string) (scenario.Options, error) {
	host := f.host
	if host == "" {
		host = file.Host
	}
	if host == "" {
		host = defaultHost
	}
	o := scenario.Options{
		Host: host, APIKey: f.apiKey, Classes: classes, Timeout: f.timeout, Header: f.header,
		TLS:      (&loadOptions{insecure: f.insecure}).tlsConfig(),
		Recorder: stats.NewRecorder(stats.RecorderOptions{}), Ledger: stats.NewLedger(stats.LedgerOptions{}),
		Clock: load.NewClock(), Logger: slog.New(slog.NewTextHandler(env.Stderr, nil)),
	}
	if err := httpload.CheckBase(host); err != nil {
		return o, err
	}
	if o.APIKey == "" {
		o.APIKey, _ = scenario.DevAPIKey(host) // a scenario may need none
	}
	if f.smpp != "" {
		a, err := scenario.ParseSMPP(f.smpp)
		o.SMPP = &a
		return o, err
	}
	if a, ok := scenario.DevSMPP(host); ok {
		o.SMPP = &a
	}
	return o, nil
}
