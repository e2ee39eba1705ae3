package protei_bulk_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "protei-bulk"

// ours says, for each folder, which of our packages it may import. A pattern ends in
// "/..." for the folder and all below it; the longest matching folder decides.
// ARCHITECTURE.md explains the reasons.
var ours = map[string][]string{
	"gsm":                        {},
	"smpp":                       {},
	"smpp/smpptest":              {"smpp"},
	"smsc":                       {"smpp", "gsm", "internal/nearest"},
	"client":                     {},
	"internal/browser":           {"internal/chromium"},
	"internal/chromium":          {},
	"internal/jsonpointer":       {},
	"internal/linear":            {},
	"internal/nearest":           {},
	"internal/pause":             {},
	"internal/servers":           {},
	"internal/web":               {},
	"bulk":                       {"bulk/...", "gsm", "smpp", "internal/nearest", "internal/pause", "internal/web"},
	"bulk/message":               {},
	"bulk/money":                 {"bulk/message"},
	"bulk/proxyproto":            {},
	"bulk/account":               {"bulk/alone", "bulk/message", "bulk/money", "gsm"},
	"bulk/alone":                 {},
	"bulk/audit":                 {},
	"bulk/console":               {"internal/web"},
	"bulk/user":                  {"bulk/account"},
	"bulk/user/usertest":         {"bulk/user"},
	"bulk/account/accounttest":   {"bulk/account"},
	"bulk/campaign/campaigntest": {"bulk/campaign", "bulk/contact", "bulk/message"},
	"bulk/route":                 {"bulk/alone", "bulk/message", "bulk/money", "bulk/account", "gsm"},
	"bulk/intake":                {"bulk/message", "bulk/money", "bulk/account", "bulk/route", "gsm", "smpp"},
	"bulk/queue":                 {"bulk/message"},
	"bulk/dispatch":              {"bulk/message", "bulk/queue", "bulk/upstream", "gsm", "smpp"},
	"bulk/upstream":              {"bulk/message", "gsm", "smpp", "internal/pause"},
	"bulk/esme":                  {"bulk/message", "bulk/account", "bulk/intake", "gsm", "smpp"},
	"bulk/api":                   {"bulk/accesslog", "bulk/message", "bulk/alert", "bulk/audit", "bulk/money", "bulk/billing", "bulk/account", "bulk/intake", "bulk/campaign", "bulk/connector", "bulk/contact", "bulk/contact/sheet", "bulk/contact/suppression", "bulk/inbound", "bulk/route", "bulk/metrics", "bulk/api/reference", "bulk/user", "gsm", "internal/web", "internal/jsonpointer"},
	"bulk/api/reference":         {"internal/web"},
	"bulk/connector":             {"bulk/alone", "bulk/message", "bulk/aggregator", "bulk/upstream", "smpp", "internal/jsonpointer"},
	"bulk/aggregator":            {"bulk/message", "bulk/upstream", "gsm", "smpp", "internal/jsonpointer"},
	"bulk/alert":                 {"bulk/callback"},
	"bulk/billing":               {"bulk/message", "bulk/money", "bulk/account"},
	"bulk/campaign":              {"bulk/message", "bulk/account", "bulk/intake", "bulk/contact", "bulk/contact/sheet", "gsm"},
	"bulk/contact":               {"bulk/alone", "bulk/message", "bulk/account", "bulk/contact/sheet", "gsm"},
	"bulk/contact/sheet":         {},
	"bulk/contact/suppression":   {},
	"bulk/contact/suppression/suppressiontest": {"bulk/contact/suppression"},
	"bulk/inbound":             {"bulk/message", "gsm"},
	"bulk/callback":            {"bulk/message", "bulk/account"},
	"bulk/compat":              {"bulk/accesslog", "bulk/message", "bulk/account", "bulk/intake", "bulk/route", "bulk/callback", "gsm", "smpp"},
	"bulk/cdr":                 {"bulk/message"},
	"bulk/cdr/cdrload":         {"bulk/cdr", "bulk/message"},
	"bulk/metrics":             {"bulk/message"},
	"bulk/tracing":             {"bulk/message"},
	"bulk/accesslog":           {},
	"bulk/tracing/tracingtest": {},
	"bulk/journal":             {},
	"bulk/journal/faultfs":     {"bulk/journal"},
	"bulk/store":               {"bulk/message", "bulk/money", "bulk/journal", "bulk/journal/faultfs", "bulk/store/receiptindex", "internal/pause", "internal/servers"},
	"bulk/store/receiptindex":  {"bulk/message"},
	"bulk/queue/redisq":        {"bulk/message", "internal/pause", "internal/servers"},
	"bulk/store/storetest":     {"bulk/message", "bulk/money", "bulk/store", "internal/linear"},
	"bulk/cluster":             {"bulk/message", "bulk/store", "internal/pause"},
	"bulk/store/postgres":      {"bulk/message", "bulk/money", "bulk/store", "bulk/store/receiptindex", "internal/pause", "internal/servers"},
	"load":                     {"load/...", "gsm", "smpp", "internal/nearest", "internal/web"},
	"load/stats":               {},
	"cmd":                      {"..."},
	"test":                     {"..."},
	"bench":                    {"..."},
	"examples":                 {"load/..."},
	"bulk/billing/billingtest": {"bulk/billing", "bulk/message", "bulk/money"},
}

// outside says where a library may be used, by prefix of its import path.
var outside = map[string][]string{
	"zombiezen.com/go/sqlite":         {"bulk/store", "load/target"},
	"modernc.org/sqlite":              {"bulk/store", "load/target"},
	"github.com/pressly/goose":        {"bulk/store"},
	"github.com/jackc/pgx":            {"bulk/store", "bulk/cdr/cdrload", "load/target", "bench/status"},
	"github.com/klauspost/compress":   {"bulk/cdr"},
	"github.com/redis":                {"bulk/queue", "bulk/cluster", "load/target"},
	"github.com/spf13/cobra":          {"cmd"},
	"github.com/spf13/pflag":          {"cmd"},
	"github.com/prometheus":           {"bulk/metrics", "load", "bulk/api", "cmd"},
	"github.com/valyala/fasthttp":     {"load", "bench", "test", "bulk/callback"},
	"github.com/HdrHistogram":         {"load/stats"},
	"github.com/go-json-experiment/":  {"bulk", "load", "cmd", "test"},
	"github.com/danielgtaylor/huma":   {"bulk/api"},
	"github.com/chromedp":             {"internal/browser", "internal/chromium", "bench/console"},
	"github.com/shirou/gopsutil":      {"bulk/metrics", "load/target", "load", "cmd", "test"},
	"github.com/goccy/go-yaml":        {"cmd", "load/scenario", "bulk"},
	"pgregory.net/rapid":              {"..."},
	"go.uber.org/goleak":              {"..."},
	"github.com/google/go-cmp":        {"..."},
	"github.com/anishathalye":         {"internal/linear"},
	"github.com/rogpeppe/go-internal": {"..."},
	"golang.org/x/":                   {"..."},
	"github.com/nats-io/":             {"load/fleet"},
	"gopkg.in/natefinch/lumberjack":   {"cmd", "bulk/accesslog"},
	"go.opentelemetry.io/":            {"bulk/tracing"},
	"google.golang.org/protobuf":      {"bulk/tracing/tracingtest"},
	"github.com/boombuler/barcode":    {"bulk/user"},
}

// standardOnly lists folders that use the standard library and nothing else outside tests.
var standardOnly = []string{"gsm", "smpp", "bulk/message", "internal/nearest", "client"}

// testsOnly lists folders that nothing but tests imports.
var testsOnly = []string{"internal/browser"}

type goPackage struct {
	ImportPath, ForTest                string
	Imports, TestImports, XTestImports []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-e", "-json=ImportPath,ForTest,Imports,TestImports,XTestImports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// TestImports keeps the import table of ARCHITECTURE.md.
func TestImports(t *testing.T) {
	checked := 0
	for _, p := range packages(t) {
		folder := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if folder == "" {
			continue
		}
		rule, ok := ruleFor(folder)
		if !ok {
			t.Errorf("%s has no line in the import table: say what it may import", folder)
			continue
		}
		for _, imp := range p.Imports {
			checked++
			if fault := judge(folder, imp, rule); fault != "" {
				t.Error(fault)
			}
		}
	}
	if checked == 0 {
		t.Fatal("no import was checked")
	}
}

// TestImportRulesBite proves that the table can fail.
func TestImportRulesBite(t *testing.T) {
	for _, c := range [][2]string{
		{"bulk/api", module + "/bulk/store"},
		{"bulk/api", module + "/smpp"},
		{"load", module + "/bulk"},
		{"load/report", module + "/bulk/message"},
		{"bulk/dispatch", module + "/load/stats"},
		{"smsc", module + "/bulk/message"},
		{"gsm", "golang.org/x/text"},
		{"client", module + "/bulk/message"},
		{"client", "golang.org/x/time/rate"},
		{"bulk/intake", "zombiezen.com/go/sqlite"},
		{"load/httpload", "example.com/unheard/of"},
		{"cmd/protei-bulk", module + "/internal/browser"},
		{"load/panel", "github.com/chromedp/chromedp"},
	} {
		rule, _ := ruleFor(c[0])
		if judge(c[0], c[1], rule) == "" {
			t.Errorf("%s may import %s, which the design forbids", c[0], c[1])
		}
	}
}

func ruleFor(folder string) ([]string, bool) {
	for f := folder; f != ""; {
		if rule, ok := ours[f]; ok {
			return rule, true
		}
		i := strings.LastIndex(f, "/")
		if i < 0 {
			return nil, false
		}
		f = f[:i]
	}
	return nil, false
}

// judge returns what is wrong with folder importing imp, or "".
func judge(folder, imp string, rule []string) string {
	if rest, mine := strings.CutPrefix(imp, module+"/"); mine {
		if slices.Contains(testsOnly, rest) {
			return folder + " imports " + rest + ": only tests do"
		}
		if within(rest, rule) {
			return ""
		}
		return folder + " imports " + rest + ": not in its line of the import table"
	}
	if !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
		return "" // standard library
	}
	for _, only := range standardOnly {
		if folder == only {
			return folder + " imports " + imp + ": it uses the standard library only"
		}
	}
	for prefix, where := range outside {
		if strings.HasPrefix(imp, prefix) {
			if within(folder, where) || below(folder, where) {
				return ""
			}
			return folder + " imports " + imp + ": that library belongs in " + strings.Join(where, ", ")
		}
	}
	return folder + " imports " + imp + ": a new library needs a reason in docs/adr and a line here"
}

// within reports whether pkg matches a pattern exactly or by "/...".
func within(pkg string, patterns []string) bool {
	for _, p := range patterns {
		if p == "..." || p == pkg {
			return true
		}
		if base, ok := strings.CutSuffix(p, "/..."); ok && (pkg == base || strings.HasPrefix(pkg, base+"/")) {
			return true
		}
	}
	return false
}

// below reports whether pkg lies in one of the folders.
func below(pkg string, folders []string) bool {
	for _, f := range folders {
		if strings.HasPrefix(pkg, f+"/") {
			return true
		}
	}
	return false
}
