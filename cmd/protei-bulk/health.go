package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newHealthCommand(env *environment) *cobra.Command {
	var ready bool
	cmd := &cobra.Command{
		Use: "health", Short: "Say whether a platform answers, by the exit code: for containers and scripts", Args: cobra.NoArgs,
		Example: `  protei-bulk health
  protei-bulk health --ready --url http://10.0.0.7:8080`,
	}
	c := addRESTFlags(cmd, env)
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether it accepts messages now, not only whether it answers")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path := "/api/v1/health"
		if ready {
			path += "/ready"
		}
		var answer struct{ Status, Version, Uptime string }
		if err := c.do(cmd.Context(), "GET", path, nil, &answer); err != nil {
			return err
		}
		if c.output != "json" {
			fmt.Fprintf(env.Stdout, "%s is %s\n", c.url, answer.Status)
		}
		return nil
	}
	return cmd
}
