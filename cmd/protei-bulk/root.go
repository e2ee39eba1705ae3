package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
)

func newRootCommand(env *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "protei-bulk",
		Short: "Bulk-messaging platform and load tester",
		Long: `protei-bulk carries bulk SMS (REST and SMPP in, SMPP out, receipts back), load-tests
any messaging platform, and simulates an SMSC.`,
		Example: `  protei-bulk demo --quick          the whole path in 20 seconds, with a verdict
  protei-bulk serve --dev           a platform to try out on http://127.0.0.1:8080
  protei-bulk load --headless -u 500 -r 50 -t 2m -H http://127.0.0.1:8080`,
		SilenceUsage:               true,
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
	}
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newDemoCommand(env), newServeCommand(env), newSMSCCommand(env), withScenarioCommands(env, newLoadCommand(env)),
		newMessageCommand(env), newInboundCommand(env), newWebhookCommand(env), newCampaignCommand(env), newContactsCommand(env), newAccountCommand(env), newConnectorCommand(env),
		newRouteCommand(env),
		newConfigCommand(env), newBackupCommand(env), newRestoreCommand(env), newJournalCommand(env), newCDRCommand(env), newManCommand(env), newTopCommand(env), newSystemCommand(env), newHealthCommand(env), newVersionCommand(env),
		newAuditCommand(env), newUserCommand(env), newNodeCommand(env), newQueueCommand(env), newAlertCommand(env),
		newNumbersCommand(env, "blacklist", "blacklist", "Manage numbers that are not written to"),
		newNumbersCommand(env, "optout", "optouts", "Manage numbers whose owners asked not to be written to"),
	)
	return root
}

// wants checks that a command gets one argument for each name, and says which is missing.
func wants(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usageError("%s is missing (see %s --help)", strings.Join(names[len(args):], " and "), cmd.CommandPath())
		case len(args) > len(names):
			return usageError("%q is too much: %s takes %s (see its --help)", args[len(names)], cmd.CommandPath(), strings.Join(names, " and "))
		}
		return nil
	}
}

func newVersionCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  protei-bulk version",
		Args:    cobra.NoArgs,
		Run: func(*cobra.Command, []string) {
			fmt.Fprintf(env.Stdout, "protei-bulk %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}
