package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

const tableColumns = "name,priority,prefixes,senders,accounts,tags,keywords,strategy,targets,disabled"

func routeImport(c *restClient) *cobra.Command {
	var format string
	var dry bool
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Make the rules of a file the whole table, at once", Args: wants("FILE"),
		Long: `The file has all rules; those that it lacks are deleted. Either all of it is put in force, at
once and without losing a message, or nothing. "-" is standard input.

JSON and YAML files have what "route export" writes: a list, or an object with "routes".
CSV files have a line of column names, some of
  ` + tableColumns + `
Lists are separated by spaces or ";". Targets are op1 op2, with a weight (split) or a cost
(least_cost) behind a colon: op1:70 op2:30.`,
		Example: `  protei-bulk route import routes.csv --dry-run
  protei-bulk route export > routes.json && protei-bulk route import routes.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			rules, err := readTable(c.env.Stdin, args[0], format)
			if err != nil {
				return err
			}
			path := "/api/v1/routes"
			if dry {
				path += "?dry_run=true"
			}
			var d struct{ Routes, Created, Changed, Unchanged, Deleted int }
			if err := c.do(cmd.Context(), "PUT", path, map[string]any{"routes": rules}, &d); err != nil {
				return err
			}
			return c.fields("routes", strconv.Itoa(d.Routes), "created", strconv.Itoa(d.Created), "changed", strconv.Itoa(d.Changed),
				"unchanged", strconv.Itoa(d.Unchanged), "deleted", strconv.Itoa(d.Deleted))
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "`name`: json, yaml, csv; none: by the file's ending")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "check the file and say what would change")
	return cmd
}

func routeExport(c *restClient) *cobra.Command {
	return &cobra.Command{
		Use: "export", Short: "Write all rules as JSON, as import reads them", Args: cobra.NoArgs,
		Example: "  protei-bulk route export > routes.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			quiet := *c
			quiet.output = ""
			var reply struct{ Routes []map[string]any }
			if err := quiet.do(cmd.Context(), "GET", "/api/v1/routes", nil, &reply); err != nil {
				return err
			}
			for _, r := range reply.Routes {
				delete(r, "id")
				delete(r, "created_at")
				delete(r, "updated_at")
			}
			enc := json.NewEncoder(c.env.Stdout)
			enc.SetIndent("", "  ")
			return enc.Encode(map[string]any{"routes": reply.Routes})
		},
	}
}

// readTable reads the rules of a file as REST takes them.
func readTable(stdin io.Reader, path, format string) ([]any, error) {
	in := stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, usageError("%v", err)
		}
		defer file.Close()
		in = file
	}
	if format == "" {
		format = strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	}
	switch format {
	case "csv":
		return readCSVTable(in)
	case "json", "yaml", "yml", "":
	default:
		return nil, usageError("format %q is none of json, yaml, csv", format)
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	var v any
	if format == "json" || format == "" {
		err = json.Unmarshal(text, &v)
	} else {
		err = yaml.Unmarshal(text, &v)
	}
	if err != nil {
		return nil, usageError("%s: %v", path, err)
	}
	if table, ok := v.(map[string]any); ok {
		v = table["routes"]
	}
	rules, ok := v.([]any)
	if !ok {
		return nil, usageError(`%s is neither a list of rules nor an object with "routes"`, path)
	}
	if _, err := json.Marshal(rules); err != nil { // .nan and .inf of YAML
		return nil, usageError("%s: %v", path, err)
	}
	return rules, nil
}

func readCSVTable(in io.Reader) ([]any, error) {
	r := csv.NewReader(in)
	r.TrimLeadingSpace = true
	names, err := r.Read()
	if err != nil {
		return nil, usageError("the line of column names is missing: %s", tableColumns)
	}
	for i := range names {
		names[i] = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(names[i], "\ufeff")))
		if !slices.Contains(strings.Split(tableColumns, ","), names[i]) {
			return nil, usageError("column %q is none of %s", names[i], tableColumns)
		}
	}
	rules := []any{}
	var faults []error
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, usageError("%v", err)
		}
		line, _ := r.FieldPos(0)
		rule, err := csvRule(names, record)
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", line, err))
		}
		rules = append(rules, rule)
	}
	if len(faults) > 0 {
		return nil, usageError("%v", errors.Join(faults...))
	}
	return rules, nil
}

// csvRule reads one line.
func csvRule(names, record []string) (map[string]any, error) {
	rule, match := map[string]any{}, map[string]any{}
	targets := ""
	for i, value := range record {
		value = strings.TrimSpace(value)
		if value == "" {
			continue
		}
		switch name := names[i]; name {
		case "name", "strategy":
			rule[name] = value
		case "priority":
			n, err := strconv.Atoi(value)
			if err != nil {
				return nil, fmt.Errorf("priority %q is no number", value)
			}
			rule[name] = n
		case "disabled":
			on, err := strconv.ParseBool(value)
			if err != nil {
				return nil, fmt.Errorf("disabled %q is neither true nor false", value)
			}
			rule[name] = on
		case "targets":
			targets = value
		case "accounts":
			ids := []uint64{}
			for _, s := range listOf(value) {
				n, err := strconv.ParseUint(s, 10, 32)
				if err != nil {
					return nil, fmt.Errorf("account %q is no number", s)
				}
				ids = append(ids, n)
			}
			match[name] = ids
		default:
			match[name] = listOf(value)
		}
	}
	all, err := csvTargets(targets, rule["strategy"])
	if err != nil {
		return nil, err
	}
	rule["match"], rule["targets"] = match, all
	return rule, nil
}

func csvTargets(text string, strategy any) ([]any, error) {
	all := []any{}
	for _, s := range listOf(text) {
		name, value, given := strings.Cut(s, ":")
		target := map[string]any{"connector": name}
		if given {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
				return nil, fmt.Errorf("target %q is not name:number", s)
			}
			if strategy == "least_cost" {
				target["cost"] = n
			} else {
				target["weight"] = n
			}
		}
		all = append(all, target)
	}
	return all, nil
}

func listOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ';' })
}
