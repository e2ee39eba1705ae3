package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// expression is one PromQL expression of what is deployed beside the platform.
type expression struct{ where, text string }

// TestDeployedExpressions: alert rules and dashboard ask for metrics, labels and outcomes that
// docs/metrics.md has, which another test compares with the program.
func TestDeployedExpressions(t *testing.T) {
	known := documentedMetrics(t)
	all := append(alertExpressions(t), dashboardExpressions(t)...)
	if len(all) < 30 {
		t.Fatalf("only %d expressions found", len(all))
	}
	name := regexp.MustCompile(`\b(protei_bulk_[a-z_]+)(?:\{([^}]*)\})?`)
	label := regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
	group := regexp.MustCompile(`\b(?:by|on)\s*\(([^)]*)\)`)
	for _, e := range all {
		allowed := []string{"instance", "le", "job"}
		for _, m := range name.FindAllStringSubmatch(e.text, -1) {
			metric, ok := known[m[1]]
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if base, cut := strings.CutSuffix(m[1], suffix); cut && !ok {
					metric, ok = known[base]
					ok = ok && metric.kind == "histogram"
				}
			}
			if !ok {
				t.Errorf("%s: there is no metric %s", e.where, m[1])
				continue
			}
			allowed = append(allowed, metric.labels...)
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				if l[1] == "instance" {
					continue
				}
				if !slices.Contains(metric.labels, l[1]) {
					t.Errorf("%s: %s has no label %s", e.where, m[1], l[1])
				}
				for _, value := range strings.Split(l[2], "|") {
					if (l[1] == "outcome" || l[1] == "result") && !strings.Contains(metric.meaning, value) {
						t.Errorf("%s: %s of %s is never %q", e.where, l[1], m[1], value)
					}
				}
			}
		}
		for _, g := range group.FindAllStringSubmatch(e.text, -1) {
			for _, l := range strings.Split(g[1], ",") {
				if l = strings.TrimSpace(l); !slices.Contains(allowed, l) {
					t.Errorf("%s: groups by %s, which none of its metrics has", e.where, l)
				}
			}
		}
	}
}

type documentedMetric struct {
	kind, meaning string
	labels        []string
}

func documentedMetrics(t *testing.T) map[string]documentedMetric {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docsRoot, "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]documentedMetric)
	row := regexp.MustCompile("(?m)^\\| `(protei_bulk_[a-z_]+)` \\| ([a-z]+) \\| ([a-z, ]*)\\| (.*) \\|$")
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		labels := strings.Split(m[3], ",")
		for i := range labels {
			labels[i] = strings.TrimSpace(labels[i])
		}
		known[m[1]] = documentedMetric{kind: m[2], labels: labels, meaning: m[4]}
	}
	return known
}

func alertExpressions(t *testing.T) (all []expression) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Labels      struct{ Severity string }
				Annotations struct{ Summary, Action string }
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(docsRoot, "deploy", "prometheus", "protei-bulk.rules.yaml"))
	if err == nil {
		err = yaml.Unmarshal(text, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Annotations.Summary == "" || r.Annotations.Action == "" || r.Labels.Severity != "page" && r.Labels.Severity != "ticket" {
				t.Errorf("alert %s says not what is wrong, how urgent it is and what to do", r.Alert)
			}
			all = append(all, expression{"alert " + r.Alert, r.Expr})
		}
	}
	return all
}

func dashboardExpressions(t *testing.T) (all []expression) {
	t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	text, err := os.ReadFile(filepath.Join(docsRoot, "deploy", "grafana", "protei-bulk.json"))
	if err == nil {
		err = json.Unmarshal(text, &board)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			all = append(all, expression{"panel " + p.Title, target.Expr})
		}
	}
	return all
}
