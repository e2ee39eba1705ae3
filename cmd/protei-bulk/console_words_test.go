package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/user"
)

// constants returns the text constants of a type in a package's source, or, without a type, those whose names begin so.
func constants(t *testing.T, dir, of, prefix string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.CONST {
				continue
			}
			for _, s := range decl.Specs {
				all = append(all, named(s.(*ast.ValueSpec), of, prefix)...)
			}
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s has no constants of %s%s", dir, of, prefix)
	}
	return all
}

func named(s *ast.ValueSpec, of, prefix string) (all []string) {
	kind, _ := s.Type.(*ast.Ident)
	if (kind != nil) != (of != "") || kind != nil && kind.Name != of || !strings.HasPrefix(s.Names[0].Name, prefix) {
		return nil
	}
	for _, v := range s.Values {
		if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				all = append(all, text)
			}
		}
	}
	return all
}

// names: each role, status and state that the platform knows has a name in both languages.
func (b visitor) names() {
	b.t.Helper()
	all := []string{"priority_LOW", "priority_NORMAL", "priority_HIGH", "priority_CRITICAL", "status_degraded", "status_active", "status_disabled"}
	for _, r := range user.Roles() {
		all = append(all, "role_"+string(r))
	}
	for _, s := range message.Statuses() {
		all = append(all, "status_"+s.String())
	}
	for s := message.InboundPart; s.Valid(); s++ {
		all = append(all, "status_"+s.String())
	}
	for _, of := range []struct{ dir, kind, prefix string }{
		{"campaign", "Status", ""}, {"upstream", "State", ""}, {"connector", "Mode", ""}, {"cdr", "FileState", ""}, {"alert", "State", ""}, {"", "", "node"},
	} {
		for _, name := range constants(b.t, "../../bulk/"+of.dir, of.kind, of.prefix) {
			all = append(all, "status_"+name)
		}
	}
	for _, verdict := range []string{"matches", "later", "no", "disabled"} {
		all = append(all, "status_"+verdict)
	}
	list, err := json.Marshal(all)
	if err != nil {
		b.t.Fatal(err)
	}
	if missing := b.JS(`(known => ` + string(list) + `.filter(k => !known[k] || known[k].some(text => !text) || !/^http$|[\u0600-\u06ff]/.test(known[k][1])))(Object.fromEntries(all))`); missing != "" {
		b.t.Errorf("without a name in Arabic: %s", missing)
	}
}

// forms: what is counted has a form for each class of numbers, in either language.
func (b visitor) forms() {
	b.t.Helper()
	if wrong := b.JS(`all.filter(([k, [en, ar]]) => (en.includes('|') || ar.includes('|')) && (en.split('|').length !== 2 || ar.split('|').length !== 5)).map(([k]) => k)`); wrong != "" {
		b.t.Errorf("with other forms than one|other and one|two|few|many|other: %s", wrong)
	}
	// A number among others of its kind, and one that is no count.
	const uncounted = "ofRows usedOf paced removeAsk nowAt"
	if single := b.JS(`all.filter(([k, [en]]) => en.includes('{n}') && !en.includes('|') && !` + strconv.Quote(uncounted) + `.split(' ').includes(k)).map(([k]) => k)`); single != "" {
		b.t.Errorf("counted in one form: %s", single)
	}
}

// TestConsoleCounts: the form goes by the number.
func TestConsoleCounts(t *testing.T) {
	url, _ := startConsole(t)
	b := visitConsole(t, url)
	for language, want := range map[string]string{
		"en": "0 rows,1 row,2 rows,3 rows,10 rows,11 rows,99 rows,100 rows,1,002 rows",
		"ar": "0 صفوف,صف واحد,صفان,3 صفوف,10 صفوف,11 صفاً,99 صفاً,100 صف,1,002 صف",
	} {
		b.JS(`(localStorage.setItem('language', '"` + language + `"'), '')`)
		b.Open("about:blank")
		b.Open(url)
		b.JS(`(import('/strings.js').then(m => { window.t = m.t; }), '')`)
		b.Until("the catalogue", `window.t && document.documentElement.lang === '`+language+`'`)
		if got := b.JS(`[0, 1, 2, 3, 10, 11, 99, 100, 1002].map(n => t('count_rows', { n }))`); got != want {
			t.Errorf("%s: %s, want %s", language, got, want)
		}
		// Each noun of a table is counted, and each text that asks for a number has one.
		if got := b.JS(`['rows', 'messages', 'campaigns', 'accounts', 'users', 'nodes', 'numbers', 'files', 'parts'].filter(noun => t('count_' + noun, { n: 1 }).startsWith('count_'))`); got != "" {
			t.Errorf("%s: not counted: %s", language, got)
		}
	}
}
