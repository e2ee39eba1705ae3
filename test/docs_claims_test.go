package test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/settings.md anew")

// help is what --help of one command says.
type help struct {
	text  string
	flags map[string]bool // --name and -n
}

var (
	flagLine    = regexp.MustCompile(`(?m)^ +(?:(-\w), )?(--[a-z-]+)`)
	commandLine = regexp.MustCompile(`(?m)^  ([a-z-]+) `)
)

// helps asks every command of the binary, by its path such as "message send".
func helps(t *testing.T) map[string]*help {
	t.Helper()
	all := map[string]*help{}
	var ask func(path string)
	ask = func(path string) {
		out, err := exec.Command(binary, append(strings.Fields(path), "--help")...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s --help: %v\n%s", path, err, out)
		}
		h := &help{text: string(out), flags: map[string]bool{}}
		all[path] = h
		for _, m := range flagLine.FindAllStringSubmatch(h.text, -1) {
			h.flags[m[1]], h.flags[m[2]] = true, true
		}
		delete(h.flags, "")
		_, list, _ := strings.Cut(h.text, "Available Commands:\n")
		list, _, _ = strings.Cut(list, "\n\n")
		for _, m := range commandLine.FindAllStringSubmatch(list, -1) {
			if m[1] != "help" && m[1] != "completion" { // cobra's own
				ask(strings.TrimSpace(path + " " + m[1]))
			}
		}
	}
	ask("")
	return all
}

// TestHelpHasExamples: --help of every command shows how it is used, with flags that exist.
func TestHelpHasExamples(t *testing.T) {
	all := helps(t)
	if len(all) < 20 {
		t.Errorf("%d commands were found: the help is not read", len(all))
	}
	for path, h := range all {
		_, example, ok := strings.Cut(h.text, "Examples:\n")
		if !ok {
			t.Errorf("protei-bulk %s --help has no example", path)
			continue
		}
		example, _, _ = strings.Cut(example, "\n\n")
		checkInvocations(t, "--help of "+path, example, all)
	}
}

// checkInvocations looks at the flags of every call of protei-bulk in a shell text.
func checkInvocations(t *testing.T, where, text string, all map[string]*help) {
	t.Helper()
	text = strings.ReplaceAll(text, "\\\n", " ")
	for _, line := range regexp.MustCompile(`[\n|;]|&&`).Split(text, -1) {
		words := strings.Fields(line)
		start := slices.IndexFunc(words, func(w string) bool { return w == "protei-bulk" || w == "bin/protei-bulk" })
		if start < 0 || start > 0 && !strings.Contains(words[0], "=") {
			continue
		}
		path := ""
		for _, w := range words[start+1:] {
			next := strings.TrimSpace(path + " " + w)
			if all[next] == nil {
				break
			}
			path = next
		}
		for _, w := range words[start+1:] {
			name, _, _ := strings.Cut(w, "=")
			if strings.HasPrefix(name, "-") && name != "-" && !all[path].flags[name] {
				t.Errorf("%s: protei-bulk %s has no flag %s: %s", where, path, name, strings.TrimSpace(line))
			}
		}
	}
}

var inlineFlag = regexp.MustCompile("`(--?[a-z][a-z-]*)[^`]*`")

// TestDocsFlags: every flag that a page names exists, and the pages of load and smsc
// name every flag.
func TestDocsFlags(t *testing.T) {
	all := helps(t)
	anywhere := map[string]bool{}
	for _, h := range all {
		for name := range h.flags {
			anywhere[name] = true
		}
	}
	for _, file := range docFiles(t) {
		for _, b := range blocks(t, file) {
			if b.lang == "bash" {
				checkInvocations(t, b.name(), b.text, all)
			}
		}
		text := readPage(t, file)
		for _, m := range inlineFlag.FindAllStringSubmatch(text, -1) {
			if !anywhere[m[1]] {
				t.Errorf("%s names %s, which no command has", file, m[1])
			}
		}
	}
	for command, page := range map[string]string{"load": "docs/load.md", "smsc": "docs/smsc.md"} {
		text := readPage(t, filepath.Join(docsRoot, page))
		for name := range all[command].flags {
			field := "`" + strings.ReplaceAll(strings.TrimPrefix(name, "--"), "-", "_") + "`"
			if strings.HasPrefix(name, "--") && name != "--help" && !strings.Contains(text, "`"+name) && !strings.Contains(text, field) {
				t.Errorf("%s does not name %s of %s", page, name, command)
			}
		}
	}
}

func readPage(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	linkPattern    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headingPattern = regexp.MustCompile(`(?m)^#+ (.*)$`)
	anchorDrop     = regexp.MustCompile("[^a-z0-9 _-]")
)

// TestDocsLinks: every relative link leads to a file, and its anchor to a heading.
func TestDocsLinks(t *testing.T) {
	files := docFiles(t)
	for _, name := range []string{"ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"} {
		files = append(files, filepath.Join(docsRoot, name))
	}
	count := 0
	for _, file := range files {
		for _, m := range linkPattern.FindAllStringSubmatch(readPage(t, file), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			count++
			path, anchor, _ := strings.Cut(m[1], "#")
			target := filepath.Join(filepath.Dir(file), path)
			if path == "" {
				target = file
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(readPage(t, target)), anchor) {
				t.Errorf("%s: %s has no heading #%s", file, target, anchor)
			}
		}
	}
	if count < 20 {
		t.Errorf("%d links were found: they are not read", count)
	}
}

func anchors(text string) (all []string) {
	for _, m := range headingPattern.FindAllStringSubmatch(text, -1) {
		all = append(all, strings.ReplaceAll(anchorDrop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

// section is what a page has between <!-- name: begin --> and <!-- name: end -->.
func section(t *testing.T, page, name string) (before, inside, after string) {
	t.Helper()
	begin, end := "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->"
	text := readPage(t, filepath.Join(docsRoot, page))
	head, rest, ok := strings.Cut(text, begin)
	inside, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no section %s", page, name)
	}
	return head + begin, inside, end + tail
}

// tableRows returns the cells of a section's table, without its head.
func tableRows(t *testing.T, page, name string) (rows [][]string) {
	t.Helper()
	_, text, _ := section(t, page, name)
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if i < 2 {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	if len(rows) < 10 {
		t.Fatalf("%s: the table %s has %d rows: it is not read", page, name, len(rows))
	}
	return rows
}

// TestDocsIndex: the index has each page, in exactly one of its parts.
func TestDocsIndex(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(docsRoot, "docs", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(docsRoot, "docs", "*.md"))
	if err != nil || len(pages) < 30 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		name := filepath.Base(page)
		if n := strings.Count(string(index), "\n| ["+name+"]("+name+") |"); n != 1 && name != "README.md" {
			t.Errorf("docs/README.md has %d rows of %s, want one", n, name)
		}
	}
	at := 0
	for _, part := range []string{"tutorials/README.md", "## How to", "## Reference", "## Explanation"} {
		i := strings.Index(string(index)[at:], part)
		if i < 0 {
			t.Fatalf("docs/README.md has no %s after the part before", part)
		}
		at += i
	}
}

// TestDocsSettings holds the table of settings to `config print`.
func TestDocsSettings(t *testing.T) {
	cmd := exec.Command(binary, "config", "print")
	cmd.Env = []string{}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	columns := []int{0, strings.Index(lines[0], "VALUE"), strings.Index(lines[0], "VARIABLE"), strings.Index(lines[0], "MEANING")}
	var table strings.Builder
	table.WriteString("| setting | default | variable | meaning |\n|---|---|---|---|\n")
	for _, line := range lines[1:] {
		cell := func(i int) string {
			to := len(line)
			if i+1 < len(columns) {
				to = columns[i+1]
			}
			return strings.TrimSpace(line[columns[i]:to])
		}
		value := cell(1)
		if value != "" {
			value = "`" + value + "`"
		}
		table.WriteString("| `" + cell(0) + "` | " + value + " | `" + cell(2) + "` | " + cell(3) + " |\n")
	}
	const page = "docs/settings.md"
	before, inside, after := section(t, page, "settings")
	if *update {
		if err := os.WriteFile(filepath.Join(docsRoot, page), []byte(before+table.String()+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if inside != table.String() {
		t.Errorf("%s is not what config print says; run: go test ./test -run TestDocsSettings -update\nit should be\n%s", page, table.String())
	}
}

var (
	problemCode = regexp.MustCompile(`(?m)^\t"([a-z0-9_]+)": +\{(\d{3}),`)
	refusalCode = regexp.MustCompile(`(?m)^\t(\w+) +Code = "([a-z0-9_]+)"`)
	refusalHTTP = regexp.MustCompile(`(?m)^\t(\w+): +\{(\d{3}), r`)
)

// TestDocsProblemCodes holds the table of error codes to the tables in the source.
func TestDocsProblemCodes(t *testing.T) {
	want := map[string]string{}
	for _, m := range problemCode.FindAllStringSubmatch(readPage(t, "../bulk/api/problem.go"), -1) {
		want[m[1]] = m[2]
	}
	refusals := readPage(t, "../bulk/intake/refusal.go")
	names := map[string]string{}
	for _, m := range refusalCode.FindAllStringSubmatch(refusals, -1) {
		names[m[1]] = m[2]
	}
	for _, m := range refusalHTTP.FindAllStringSubmatch(refusals, -1) {
		want[names[m[1]]] = m[2]
	}
	if len(want) < 40 {
		t.Fatalf("%d codes were found in the source: it is not read", len(want))
	}
	got := map[string]string{}
	for _, row := range tableRows(t, "docs/rest.md", "problem codes") {
		for code := range strings.SplitSeq(row[0], ", ") {
			got[strings.Trim(code, "`")] = row[1]
		}
	}
	for code, status := range want {
		if got[code] != status {
			t.Errorf("docs/rest.md says %q of %s, it is %s", got[code], code, status)
		}
	}
	for code := range got {
		if want[code] == "" {
			t.Errorf("docs/rest.md has the code %s, which is not in the source", code)
		}
	}
}

// TestDocsEndpoints: docs/rest.md names every path that the API answers.
func TestDocsEndpoints(t *testing.T) {
	text := readPage(t, filepath.Join(docsRoot, "docs/rest.md"))
	routes := regexp.MustCompile(`a\.on\("/api/v1(/[^"]+)", `).FindAllStringSubmatch(readPage(t, "../bulk/api/handler.go"), -1)
	if len(routes) < 15 {
		t.Fatalf("%d routes were found in the source: it is not read", len(routes))
	}
	for _, m := range routes {
		named := regexp.MustCompile("[` ]" + regexp.QuoteMeta(m[1]) + "`")
		if !named.MatchString(text) {
			t.Errorf("docs/rest.md does not name %s", m[1])
		}
	}
}

// TestDocsUpstreamURL holds the parameters of docs/smpp.md to what serve says it knows.
func TestDocsUpstreamURL(t *testing.T) {
	out, err := exec.Command(binary, "serve", "--http", "127.0.0.1:0", "--smpp", "off", "--data", t.TempDir(),
		"--upstream", "smpp://x:y@127.0.0.1:1?colour=red").CombinedOutput()
	_, list, ok := strings.Cut(string(out), "no such setting: ")
	if err == nil || !ok {
		t.Fatalf("serve took the setting colour: %v\n%s", err, out)
	}
	line, _, _ := strings.Cut(list, "\n")
	want := strings.Split(line, ", ")
	var got []string
	for _, row := range tableRows(t, "docs/smpp.md", "upstream")[1:] {
		got = append(got, strings.Trim(row[0], "`"))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("docs/smpp.md has %v, serve knows %v", got, want)
	}
}
