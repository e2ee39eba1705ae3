package protei_bulk_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// secretName matches the names of values that nobody may find out octet by octet. What is called just
// key, code or sum is mostly none; constantTime names the files where it is.
var secretName = regexp.MustCompile(`(?i)(password|passwd|secret|token|csrf|apikey|cookie|signature|totp|hash$|^mac$|^sig$)`)

// comparesSecrets lists the comparisons of such names that are not with crypto/subtle or
// crypto/hmac, and why each tells nobody anything. The time that == takes tells how many octets
// were right to whoever can try again and again, so each one needs a reason.
var comparesSecrets = map[string]string{
	"bulk/account/change.go: k.Hash == key.Hash":                                             "hashes of random keys, among those of one account",
	"bulk/account/change.go: other.Hash == k.Hash":                                           "hashes of random keys, among those of one account",
	"bulk/account/verify.go: hash != d.check.dummy":                                          "hashes that we store; the password was checked before",
	"bulk/audit.go: keys[i].Hash == hash":                                                    "hashes that we store",
	"bulk/user/signin.go: now.PasswordHash != u.PasswordHash":                                "both are stored: did it change meanwhile?",
	"bulk/user/signin.go: u.PasswordHash != known.PasswordHash":                              "both are stored: did it change meanwhile?",
	"bulk/user/directory.go: u.PasswordHash != old.PasswordHash":                             "both are stored: did it change?",
	"bulk/api/sessions.go: body.Password == body.Current":                                    "both are what one request says",
	"bulk/callback/sign.go: text != secret":                                                  "the form of a secret that its owner sets",
	"bulk/connector/http.go: url.PathEscape(s.CallbackSecret) != s.CallbackSecret":           "the form of a secret that its owner sets",
	"bulk/store/postgres/writer.go: last == w.token":                                         "the number of a lease, no secret",
	"load/fleet/files.go: got != f.Hash":                                                     "the digest of a file, no secret",
	"load/stats/ledger_ids.go: s.hash == h":                                                  "a hash table",
	"load/stats/ledger_ids.go: t.slots[i].hash != h":                                         "a hash table",
	"load/scenario/scenariotest/platform.go: r.Header.Get(\"X-API-Key\") != p.faults.APIKey": "a platform for tests",
}

// constantTime lists where secrets are checked that somebody sends, and with how many comparisons
// in constant time.
var constantTime = map[string]int{
	"bulk/account/password.go": 1, // argon2id hashes of passwords: REST, SMPP, console
	"bulk/user/totp.go":        1, // codes of the second factor
	"bulk/api/sessions.go":     1, // CSRF token
	"bulk/gateways.go":         1, // secret in the path of an aggregator's callback
	"client/webhooks.go":       1, // signature of a webhook
	"load/fleet/server.go":     1, // token of workers
	"load/panel/guard.go":      2, // cookie and token of the load tester's page
	"smpp/outbind.go":          2, // system_id and password of an outbind
	"smsc/simulator.go":        1, // password of a bind to the simulator
}

// TestSecretsAreCheckedWhereTheyCome holds constantTime to the code: a check that moves or
// changes is looked at again.
func TestSecretsAreCheckedWhereTheyCome(t *testing.T) {
	call := regexp.MustCompile(`\b(subtle\.ConstantTimeCompare|hmac\.Equal)\(`)
	found := map[string]int{}
	for path, src := range program(t) {
		if n := len(call.FindAll(src, -1)); n > 0 {
			found[path] = n
		}
	}
	if diff := cmp.Diff(constantTime, found); diff != "" {
		t.Errorf("comparisons in constant time, -listed +in the code:\n%s", diff)
	}
}

// TestComparisonsAreFound: what the next test looks for is seen in every form.
func TestComparisonsAreFound(t *testing.T) {
	for code, want := range map[string]int{
		`password == given`: 1, `a.Token != b`: 1, `string(secret) == s`: 1, `*token == s`: 1, `bytes.Equal(mac, b)`: 1, `strings.EqualFold(r.Cookie, c)`: 1,
		`password == ""`: 0, `secret != nil`: 0, `len(token) == n`: 0, `subtle.ConstantTimeCompare(password, given) == 1`: 0, `bytes.Equal(a, b)`: 0,
		`func() bool { switch token { case given: return true }; return false }()`: 1,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "", "package p\nvar ok = "+code, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := secretComparisons(f); len(got) != want {
			t.Errorf("%s: %d comparisons, want %d", code, len(got), want)
		}
	}
}

// TestSecurityClaimsHaveTheirTests: each test that docs/security.md names is there.
func TestSecurityClaimsHaveTheirTests(t *testing.T) {
	text, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(src, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(text, -1)
	if len(named) < 40 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, m := range named {
		if !there[string(m[1])] {
			t.Errorf("docs/security.md names %s, which is no test", m[1])
		}
	}
}

// program returns the Go files of the program, without tests, by path.
func program(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, root := range []string{"bulk", "client", "cmd", "internal", "load", "smpp", "smsc"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				files[filepath.ToSlash(path)], err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestSecretsAreComparedInConstantTime reads the program's code and looks for comparisons of
// values that are named like secrets.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	found := map[string]string{}
	for path, src := range program(t) {
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, path, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range secretComparisons(f) {
			text := string(src[files.Position(n.Pos()).Offset:files.Position(n.End()).Offset])
			found[path+": "+strings.Join(strings.Fields(text), " ")] = files.Position(n.Pos()).String()
		}
	}
	for what, where := range found {
		if comparesSecrets[what] == "" {
			t.Errorf("%s: %q compares what is named like a secret: use crypto/subtle, or say in comparesSecrets why not", where, what)
		}
	}
	for what := range comparesSecrets {
		if found[what] == "" {
			t.Errorf("comparesSecrets has %q, which is not in the code", what)
		}
	}
}

// secretComparisons are the expressions of f that compare a secret with something that is no
// constant: ==, !=, switch, and the functions that end at the first octet that differs.
func secretComparisons(f *ast.File) (found []ast.Node) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if (n.Op == token.EQL || n.Op == token.NEQ) && secretAgainst(n.X, n.Y) {
				found = append(found, n)
			}
		case *ast.CallExpr:
			if early(n.Fun) && len(n.Args) == 2 && secretAgainst(n.Args[0], n.Args[1]) {
				found = append(found, n)
			}
		case *ast.SwitchStmt:
			for _, c := range n.Body.List {
				for _, e := range c.(*ast.CaseClause).List {
					if n.Tag != nil && secretAgainst(n.Tag, e) {
						found = append(found, e)
					}
				}
			}
		}
		return true
	})
	return found
}

// secretAgainst reports whether one is a secret and neither is a constant of the code.
func secretAgainst(x, y ast.Expr) bool {
	return (isSecret(x) || isSecret(y)) && !isConstant(x) && !isConstant(y)
}

func isSecret(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return secretName.MatchString(e.Name)
	case *ast.SelectorExpr:
		return secretName.MatchString(e.Sel.Name)
	case *ast.StarExpr:
		return isSecret(e.X)
	case *ast.ParenExpr:
		return isSecret(e.X)
	case *ast.SliceExpr:
		return isSecret(e.X)
	case *ast.UnaryExpr:
		return isSecret(e.X)
	case *ast.CallExpr: // string(password), Sum(secret), s.Token()
		for _, a := range e.Args {
			if isSecret(a) {
				return true
			}
		}
		return isSecret(e.Fun)
	}
	return false
}

// isConstant reports whether e is a literal, nil, true or false, or a number of octets.
func isConstant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return e.Name == "nil" || e.Name == "true" || e.Name == "false"
	case *ast.CallExpr:
		f, ok := e.Fun.(*ast.Ident)
		return ok && f.Name == "len"
	}
	return false
}

// early reports whether f is a function that ends at the first difference.
func early(f ast.Expr) bool {
	s, ok := f.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := s.X.(*ast.Ident)
	if !ok {
		return false
	}
	switch pkg.Name + "." + s.Sel.Name {
	case "bytes.Equal", "bytes.Compare", "strings.EqualFold", "strings.Compare", "slices.Equal", "slices.Compare", "reflect.DeepEqual", "cmp.Compare":
		return true
	}
	return false
}
