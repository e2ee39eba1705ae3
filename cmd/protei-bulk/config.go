package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"protei-bulk/bulk"
)

// configFlags are the settings that also have a flag.
type configFlags struct {
	file                                                 string
	data, http, smpp, store, queue, upstream, durability string
	logLevel                                             string
	roles                                                []string
}

func (f *configFlags) register(cmd *cobra.Command) {
	d := bulk.DefaultConfig()
	flags := cmd.Flags()
	flags.StringVar(&f.file, "config", "", "YAML `file` with settings")
	flags.StringVar(&f.data, "data", d.Data, "`folder` of journal, database, CDRs and logs")
	flags.StringVar(&f.http, "http", d.HTTP, "listen `address` of REST")
	flags.StringVar(&f.smpp, "smpp", d.SMPP, "listen `address` of SMPP for customers, or off")
	flags.StringVar(&f.store, "store", d.Store, "where messages live: embedded, or `URL` postgres://user:password@host/database that several nodes share")
	flags.StringVar(&f.queue, "queue", d.Queue, "how nodes hear of new messages: memory (they look), or `URL` redis://:password@host:6379/0")
	flags.StringSliceVar(&f.roles, "roles", d.Roles, "what this node of several does: api, esme, dispatch")
	flags.StringVar(&f.upstream, "upstream", "", "default connector, `URL` smpp://system_id:password@host:port?binds=2&window=100")
	flags.StringVar(&f.durability, "durability", d.Durability, "fsync, or none (accepted messages may be lost in a crash)")
	flags.StringVar(&f.logLevel, "log-level", d.Log.Level, "debug, info, warn or error")
}

// load gathers the settings: defaults, file, environment, flags, each over the one before.
func (f *configFlags) load(env *environment, cmd *cobra.Command) (bulk.Config, error) {
	c := bulk.DefaultConfig()
	file := f.file
	if file == "" {
		file = env.Getenv("PROTEI_BULK_CONFIG")
	}
	if file != "" {
		if err := c.LoadFile(file); err != nil {
			return c, err
		}
	}
	if err := c.LoadEnv(env.Getenv); err != nil {
		return c, err
	}
	for name, to := range map[string]struct{ dst, value *string }{
		"data": {&c.Data, &f.data}, "http": {&c.HTTP, &f.http}, "smpp": {&c.SMPP, &f.smpp},
		"store": {&c.Store, &f.store}, "queue": {&c.Queue, &f.queue}, "upstream": {&c.Upstream, &f.upstream},
		"durability": {&c.Durability, &f.durability}, "log-level": {&c.Log.Level, &f.logLevel},
	} {
		if cmd.Flags().Changed(name) {
			*to.dst = *to.value
		}
	}
	if cmd.Flags().Changed("roles") {
		c.Roles = f.roles
	}
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("settings:\n%w", err)
	}
	return c, nil
}

func newConfigCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Check or print the platform's settings",
		Example: `  protei-bulk config print
  protei-bulk config check --config bulk.yaml`,
	}
	cmd.AddCommand(newConfigCheckCommand(env), newConfigPrintCommand(env))
	return cmd
}

func newConfigCheckCommand(env *environment) *cobra.Command {
	var flags configFlags
	cmd := &cobra.Command{
		Use:     "check",
		Short:   "Say what is wrong with the settings, all at once",
		Example: "  protei-bulk config check --config bulk.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := flags.load(env, cmd); err != nil {
				return &exitError{code: 2, err: err}
			}
			fmt.Fprintln(env.Stdout, "settings are valid")
			return nil
		},
	}
	flags.register(cmd)
	return cmd
}

func newConfigPrintCommand(env *environment) *cobra.Command {
	var flags configFlags
	var asYAML bool
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print the settings in force with their variables; passwords are hidden",
		Example: `  protei-bulk config print
  protei-bulk config print --yaml > bulk.yaml     a file to start from`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := flags.load(env, cmd)
			if err != nil {
				return &exitError{code: 2, err: err}
			}
			if asYAML {
				return yaml.NewEncoder(env.Stdout).Encode(c.Redacted())
			}
			table := tabwriter.NewWriter(env.Stdout, 0, 4, 2, ' ', 0)
			fmt.Fprintln(table, "SETTING\tVALUE\tVARIABLE\tMEANING")
			for _, s := range c.Settings() {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Key, s.Value, s.Env, s.Doc)
			}
			return table.Flush()
		},
	}
	flags.register(cmd)
	cmd.Flags().BoolVar(&asYAML, "yaml", false, "print a configuration file")
	return cmd
}
