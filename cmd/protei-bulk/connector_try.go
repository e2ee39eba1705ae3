package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

// tryReply is the answer of a dry run of a connector of kind http.
type tryReply struct {
	Requests []struct {
		Method, URL, Body string
		Headers           map[string]string
	}
	Answer *struct {
		Class, ID, Detail string
		Code              uint32
	}
	Receipts []struct {
		ID, To, Status string
		Code           uint32
	}
}

func connectorTest(c *restClient) *cobra.Command {
	var from, to, text, encoding, body, receipt, query, kind string
	var status int
	cmd := &cobra.Command{
		Use: "test NAME", Short: "Show what an HTTP connector would send, and how it understands answers", Args: wants("NAME"),
		Long: `Makes the request of a message out of the templates of a connector of kind http, with secrets
hidden, and understands an answer or a callback given as text. Nothing is sent.`,
		Example: `  protei-bulk connector test agg --to +99361234567 --text "code 1234"
  protei-bulk connector test agg --status 200 --answer '{"messages":[{"id":"17"}]}'
  protei-bulk connector test agg --receipt '{"results":[{"messageId":"17","status":"DELIVERED"}]}'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			in := map[string]any{}
			for name, v := range map[string]string{"from": from, "to": to, "text": text, "encoding": encoding} {
				if v != "" {
					in[name] = v
				}
			}
			if body != "" || status != 0 {
				in["answer"] = map[string]any{"status": max(status, 200), "body": body}
			}
			if receipt != "" || query != "" {
				in["receipt"] = map[string]any{"body": receipt, "query": query, "content_type": kind}
			}
			var r tryReply
			if err := c.do(cmd.Context(), "POST", connectorPath(args[0])+"/test", in, &r); err != nil || c.output == "json" {
				return err
			}
			return c.showTry(&r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "`sender`")
	f.StringVar(&to, "to", "", "recipient's `number`")
	f.StringVar(&text, "text", "", "the `text`")
	f.StringVar(&encoding, "encoding", "", "`name`: AUTO, GSM7, UCS2, LATIN1")
	f.StringVar(&body, "answer", "", "`body` of an answer of the aggregator")
	f.IntVar(&status, "status", 0, "its HTTP `status`; 0: 200")
	f.StringVar(&receipt, "receipt", "", "`body` of a callback")
	f.StringVar(&query, "query", "", "its `query`, id=1&status=ok")
	f.StringVar(&kind, "content-type", "application/json", "its `type`")
	return cmd
}

func (c *restClient) showTry(r *tryReply) error {
	for _, req := range r.Requests {
		fmt.Fprintf(c.env.Stdout, "%s %s\n", req.Method, req.URL)
		names := make([]string, 0, len(req.Headers))
		for name := range req.Headers {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			fmt.Fprintf(c.env.Stdout, "%s: %s\n", name, req.Headers[name])
		}
		fmt.Fprintf(c.env.Stdout, "\n%s\n", req.Body)
	}
	if a := r.Answer; a != nil {
		if err := c.fields("answer", a.Class, "id", a.ID, "code", orEmpty(int64(a.Code)), "detail", a.Detail); err != nil {
			return err
		}
	}
	var rows [][]string
	for _, rec := range r.Receipts {
		rows = append(rows, []string{rec.ID, dash(rec.To), rec.Status, strconv.Itoa(int(rec.Code))})
	}
	if len(rows) == 0 {
		return nil
	}
	return c.table("ID TO STATUS CODE", rows)
}

// settingsFile reads settings as REST takes them from a YAML or JSON file.
func settingsFile(path string, body map[string]any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return usageError("--file: %v", err)
	}
	var settings map[string]any
	if err := yaml.Unmarshal(text, &settings); err != nil {
		// Without the lines around the fault: they may hold the password.
		return usageError("--file %s: %s", path, yaml.FormatError(err, false, false))
	}
	encoded, err := json.Marshal(settings) // numbers as JSON has them
	if err != nil {
		return usageError("--file %s: %v", path, err)
	}
	return json.Unmarshal(encoded, &body)
}
