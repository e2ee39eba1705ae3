package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"protei-bulk/client"
)

func newConnectorCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "connector",
		Short: "Manage the links to SMSCs",
		Long: `Connectors are the platform's ways to SMSCs. They are kept in the store and changed while
messages flow: what waits for a connector goes out over its new links. docs/connectors.md
explains every setting.`,
		Example: `  protei-bulk connector list
  protei-bulk connector add op1 "smpp://me:secret@smsc.example.net:2775?binds=4&window=100"
  protei-bulk connector edit op1 --set tps=500 --set binds=8
  protei-bulk connector pause op1`,
	}
	c := addRESTFlags(cmd, env)
	cmd.AddCommand(connectorList(c), connectorShow(c), connectorAdd(c), connectorEdit(c),
		connectorAction(c, "start", "Bind and send again"),
		connectorAction(c, "pause", "Stay bound for receipts, send nothing"),
		connectorAction(c, "stop", "Unbind; what is queued waits"),
		connectorTest(c), connectorMove(c), connectorDelete(c))
	return cmd
}

func connectorPath(name string) string { return "/api/v1/connectors/" + pathEscape(name) }

func connectorList(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the connectors with the state of their links", Args: cobra.NoArgs,
		Example: "  protei-bulk connector list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd.Context(), c, func(ctx context.Context, api *client.Client) ([]client.Connector, error) {
				return api.Connectors(ctx)
			}, c.showConnectors)
		},
	}
}

func (c *restClient) showConnectors(all []client.Connector) error {
	var rows [][]string
	for _, r := range all {
		rows = append(rows, []string{
			strconv.Itoa(int(r.ID)), r.Name, r.Address, r.Mode, r.State, fmt.Sprintf("%d/%d", r.Bound, r.Binds),
			limitText(r.TPS), strconv.FormatInt(r.Queued, 10), strconv.FormatInt(r.Submitted, 10), dash(r.LastError),
		})
	}
	return c.table("ID NAME ADDRESS MODE STATE BOUND TPS QUEUED SUBMITTED LAST_ERROR", rows)
}

func connectorShow(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show one connector: its settings and each bind", Args: wants("NAME"),
		Example: "  protei-bulk connector show default",
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), c, func(ctx context.Context, api *client.Client) (*client.Connector, error) {
				return api.Connector(ctx, args[0])
			}, c.showConnector)
		},
	}
}

func (c *restClient) showConnector(r *client.Connector) error {
	if c.output == "json" {
		return nil
	}
	err := c.fields("connector", strconv.Itoa(int(r.ID)), "name", r.Name, "kind", r.Kind, "address", r.Address, "mode", r.Mode, "state", r.State,
		"bound", fmt.Sprintf("%d of %d", r.Bound, r.Binds), "queued", orEmpty(r.Queued), "submitted", orEmpty(r.Submitted),
		"last error", r.LastError, "settings", settingsText(r.Settings))
	if err != nil {
		return err
	}
	var rows [][]string
	for _, b := range r.Links {
		state := b.State
		if b.Throttled {
			state += ", throttled"
		}
		rows = append(rows, []string{
			strconv.Itoa(b.Index), b.Type, state, stamp(b.Since), fmt.Sprintf("%d/%d", b.InFlight, b.Window),
			strconv.FormatUint(b.Pauses, 10), dash(b.Error),
		})
	}
	if len(rows) > 0 {
		err = c.table("BIND TYPE STATE SINCE WINDOW PAUSES ERROR", rows)
	}
	c.warn(r.Warnings)
	return err
}

// settingsText shows settings as --set takes them, without those shown apart.
func settingsText(text json.RawMessage) string {
	var settings map[string]json.RawMessage
	if json.Unmarshal(text, &settings) != nil {
		return ""
	}
	var all []string
	for name, value := range settings {
		if name != "name" && name != "mode" && name != "address" && name != "kind" {
			all = append(all, name+"="+strings.Trim(string(value), `"`))
		}
	}
	sort.Strings(all)
	return strings.Join(all, " ")
}

// warn shows what the platform did not take.
func (c *restClient) warn(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintln(c.env.Stderr, "warning:", w)
	}
}

// settingFlags are --set, --file and --password-file.
type settingFlags struct {
	set          []string
	file         string
	passwordFile string
}

func (f *settingFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "a setting as `name=value`, may be repeated; docs/connectors.md lists them")
	cmd.Flags().StringVar(&f.file, "file", "", "read settings from a YAML or JSON `file`; --set goes over it")
	cmd.Flags().StringVar(&f.passwordFile, "password-file", "", "read the password from `file`, - for standard input")
}

// body adds the flags to a request body.
func (f *settingFlags) body(c *restClient, body map[string]any) error {
	if f.file != "" {
		if err := settingsFile(f.file, body); err != nil {
			return err
		}
	}
	if err := parseSettings(f.set, body); err != nil {
		return err
	}
	if f.passwordFile == "" {
		return nil
	}
	var text []byte
	var err error
	if f.passwordFile == "-" {
		text, err = io.ReadAll(io.LimitReader(c.env.Stdin, 1024))
	} else {
		text, err = os.ReadFile(f.passwordFile)
	}
	if err != nil {
		return usageError("--password-file: %v", err)
	}
	body["password"] = strings.TrimRight(string(text), "\r\n")
	return nil
}

// parseSettings reads name=value pairs. A value that is JSON is taken as such, anything
// else as text. A dot in the name leads into an object, http.method=GET.
func parseSettings(pairs []string, body map[string]any) error {
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return usageError("--set %q is not name=value", pair)
		}
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			value = text
		}
		into := body
		for before, after, ok := strings.Cut(name, "."); ok; before, after, ok = strings.Cut(name, ".") {
			inner, is := into[before].(map[string]any)
			if !is {
				inner = map[string]any{}
				into[before] = inner
			}
			into, name = inner, after
		}
		into[name] = value
	}
	return nil
}

func connectorAdd(c *restClient) *cobra.Command {
	var flags settingFlags
	cmd := &cobra.Command{
		Use: "add NAME [URL]", Short: "Add a connector and bind it",
		Example: `  protei-bulk connector add op1 "smpp://me:secret@smsc.example.net:2775?binds=4&window=100"
  protei-bulk connector add op2 --set address=smsc.example.net:3550 --set tls=true --set system_id=me \
      --password-file op2.password --set bind=txrx --set tps=200
  protei-bulk connector add agg --file agg.yaml --password-file agg.token`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return wants("NAME")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{"name": args[0]}
			if len(args) == 2 {
				body["url"] = args[1]
			}
			if err := flags.body(c, body); err != nil {
				return err
			}
			var r client.Connector
			if err := c.do(cmd.Context(), "POST", "/api/v1/connectors", body, &r); err != nil {
				return err
			}
			return c.showConnector(&r)
		},
	}
	flags.register(cmd)
	return cmd
}

func connectorEdit(c *restClient) *cobra.Command {
	var flags settingFlags
	cmd := &cobra.Command{
		Use: "edit NAME --set name=value", Short: "Change a connector while it runs", Args: wants("NAME"),
		Example: `  protei-bulk connector edit op1 --set tps=500
  protei-bulk connector edit op1 --set window=200 --set enquire_link=15s
  protei-bulk connector edit op1 --password-file -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{}
			if err := flags.body(c, body); err != nil {
				return err
			}
			if len(body) == 0 {
				return usageError("--set name=value is missing: what shall change?")
			}
			var r client.Connector
			if err := c.do(cmd.Context(), "PATCH", connectorPath(args[0]), body, &r); err != nil {
				return err
			}
			return c.showConnector(&r)
		},
	}
	flags.register(cmd)
	return cmd
}

func connectorAction(c *restClient, name, short string) *cobra.Command {
	return &cobra.Command{
		Use: name + " NAME", Short: short, Args: wants("NAME"),
		Example: "  protei-bulk connector " + name + " op1",
		RunE: func(cmd *cobra.Command, args []string) error {
			var r client.Connector
			if err := c.do(cmd.Context(), "POST", connectorPath(args[0])+"/"+name, nil, &r); err != nil {
				return err
			}
			return c.showConnector(&r)
		},
	}
}

func connectorDelete(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a connector for which nothing waits and that no route names", Args: wants("NAME"),
		Example: "  protei-bulk connector delete op1",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.do(cmd.Context(), "DELETE", connectorPath(args[0]), nil, nil)
		},
	}
}

func connectorMove(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "move NAME TO", Short: "Give what waits for a connector to another one", Args: wants("NAME", "TO"),
		Example: "  protei-bulk connector move op1 op2",
		RunE: func(cmd *cobra.Command, args []string) error {
			var reply struct{ Moved int64 }
			if err := c.do(cmd.Context(), "POST", connectorPath(args[0])+"/move", map[string]any{"to": args[1]}, &reply); err != nil {
				return err
			}
			return c.fields("moved", strconv.FormatInt(reply.Moved, 10))
		},
	}
}
