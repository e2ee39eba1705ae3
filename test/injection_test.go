package test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// forged is a line that stands alone wherever a line break is let through.
const (
	forged  = "FORGED"
	hostile = "x\r\n" + forged + ": 1\r\n\r\n" + forged + "\n" + forged
)

// assertNothingForged looks for what hostile would have made of text.
func assertNothingForged(t *testing.T, where string, text []byte) (mentions int) {
	t.Helper()
	for line := range bytes.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte(forged)) {
			t.Errorf("%s has a line that was forged: %q", where, line)
		}
		if bytes.Contains(line, []byte(forged)) {
			mentions++
		}
	}
	return mentions
}

// hostileBodies are copies of a JSON object with hostile in place of each of its texts, one at a time,
// and as a text of its own beside them.
func hostileBodies(t *testing.T, example string) (all []string) {
	t.Helper()
	var walk func(v any, put func(any))
	var root any
	if err := json.Unmarshal([]byte(example), &root); err != nil {
		t.Fatalf("%s: %v", example, err)
	}
	note := func() {
		text, err := json.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	walk = func(v any, put func(any)) {
		switch v := v.(type) {
		case string:
			put(hostile)
			note()
			put(v + hostile)
			note()
			put(v)
		case []any:
			for i := range v {
				walk(v[i], func(x any) { v[i] = x })
			}
		case map[string]any:
			for k := range v {
				walk(v[k], func(x any) { v[k] = x })
			}
		}
	}
	walk(root, func(x any) { root = x })
	return all
}

// TestLineBreaksForgeNothing sends line breaks in every text of every call of the API, in its path and in its
// query. They make no header of an answer, no line of a log and no line of a CDR file.
func TestLineBreaksForgeNothing(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	config := filepath.Join(t.TempDir(), "bulk.yaml")
	if err := os.WriteFile(config, []byte("webhooks: {allow: [127.0.0.0/8]}\nlog: {access: logs/access.log}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serveDev(t, "--config", config, "--log-level", "debug", "--data", data)
	check := func(what string, a answer) {
		t.Helper()
		if a.code >= 500 && a.code != http.StatusServiceUnavailable {
			t.Errorf("%s is answered %d %s", what, a.code, a.body)
		}
		for name, values := range a.header {
			if strings.EqualFold(name, forged) || strings.ContainsAny(strings.Join(values, ""), "\r\n") {
				t.Errorf("%s: header %s: %q", what, name, values)
			}
		}
	}
	sent := 0
	inPath := strings.NewReplacer("\r", "%0d", "\n", "%0a", " ", "%20").Replace(hostile)
	for _, c := range p.calls() {
		if strings.Contains(c.path, "/session") || strings.HasSuffix(c.path, "/live") || c.method == "DELETE" && strings.Contains(c.path, "{id}") {
			continue // it would end what the test works with, or goes on for ever
		}
		path := element.ReplaceAllString(c.path, "1")
		if c.body != "" {
			for _, body := range hostileBodies(t, c.body) {
				check(c.String()+" "+body, p.do(c.method, path, strings.NewReader(body)))
				sent++
			}
		}
		if hurt := element.ReplaceAllString(c.path, inPath); hurt != c.path && c.method != "DELETE" {
			check(c.method+" "+hurt, p.do(c.method, hurt, strings.NewReader(c.body)))
		}
		if c.method == "GET" && len(c.query) > 0 {
			check(c.String(), p.do("GET", path+"?"+strings.Join(c.query, "="+inPath+"&")+"="+inPath, nil))
		}
	}
	if sent < 100 {
		t.Errorf("%d bodies were sent: too few to show anything", sent)
	}
	// One that is taken, so that its text and its reference are in the CDR.
	text, _ := json.Marshal(map[string]string{"from": "Test", "to": "+15550009900", "text": hostile, "client_ref": "ref-of-the-test"})
	p.becomes(p.sendOne(string(text)), "DELIVERED")
	if _, err := p.bind("x\r\n"+forged+": 1", "wrong\n"+forged, nil); err == nil {
		t.Error("a system_id with line breaks binds")
	}
	signIn, _ := json.Marshal(map[string]string{"name": hostile, "password": hostile})
	check("a sign-in", p.do("POST", "/api/v1/session", bytes.NewReader(signIn), "X-API-Key", ""))
	check("a wrong key", p.do("GET", "/api/v1/messages", nil, "X-API-Key", inPath))
	waitUntil(t, 10*time.Second, func() bool { return strings.Contains(readAll(t, data, "cdr"), "ref-of-the-test") })
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.out)
	}
	assertNothingForged(t, "what it printed", []byte(p.out.String()))
	for _, folder := range []string{"logs", "cdr"} {
		text := readAll(t, data, folder)
		if text == "" {
			t.Errorf("there is nothing in %s", folder)
		}
		if n := assertNothingForged(t, folder, []byte(text)); n == 0 && folder == "logs" {
			t.Error("no log mentions what was sent: that shows nothing")
		}
	}
}

// readAll is the text of all files of a folder of the data.
func readAll(t *testing.T, data, folder string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(filepath.Join(data, folder), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// TestNoNameLeadsOutOfItsFolder puts names that lead to files elsewhere into every path of the API and of the pages.
func TestNoNameLeadsOutOfItsFolder(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	const canary = "c4n4ry-that-nobody-asked-for"
	for _, name := range []string{"canary", "canary.csv", "cdr-20300131-080000-001.csv"} {
		if err := os.WriteFile(filepath.Join(data, name), []byte(canary), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := serveDev(t, "--data", data)
	paths := []string{"/{}", "/api/v1/reference/{}", "/debug/pprof/{}", "/api/v1/campaigns/{}/recipients", "/api/v1/cdr/cdr-20300131-080000{}"}
	for _, c := range p.calls() {
		if path := element.ReplaceAllString(c.path, "{}"); c.method == "GET" && path != c.path {
			paths = append(paths, path)
		}
	}
	for _, path := range paths {
		for _, up := range []string{"../", "../../", "../../../../../../", "/../../", "/", ""} {
			for _, name := range []string{"canary", "canary.csv", "cdr-20300131-080000-001.csv", "etc/passwd", "canary.csv\x00.csv"} {
				for _, form := range []string{"%2f", "%5c", "/"} {
					raw := strings.ReplaceAll(strings.ReplaceAll(up+name, "/", form), "\x00", "%00")
					a := p.do("GET", strings.ReplaceAll(path, "{}", raw), nil)
					if bytes.Contains(a.body, []byte(canary)) || bytes.Contains(a.body, []byte("root:")) || bytes.Contains(a.body, []byte("SQLite format")) || a.code >= 500 && a.code != http.StatusServiceUnavailable {
						t.Errorf("GET %s: %d %.80q", strings.ReplaceAll(path, "{}", raw), a.code, a.body)
					}
				}
			}
		}
	}
}
