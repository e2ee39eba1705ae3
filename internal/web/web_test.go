package web_test

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"protei-bulk/internal/web"
)

func serve(t *testing.T) *httptest.Server {
	t.Helper()
	h, err := web.Handler(web.Assets(), fstest.MapFS{"index.html": {Data: []byte("<p>here")}, "tokens.css": {Data: []byte("p{}")}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestHandlerServesLayers(t *testing.T) {
	s := serve(t)
	for path, want := range map[string]struct {
		status     int
		kind, body string
	}{
		"/index.html":       {200, "text/html; charset=utf-8", "<p>here"},
		"/tokens.css":       {200, "text/css; charset=utf-8", "p{}"},
		"/vendor/uplot.js":  {200, "text/javascript; charset=utf-8", "uPlot"},
		"/vendor/htm.mjs":   {200, "text/javascript; charset=utf-8", "export"},
		"/nothing.js":       {404, "text/plain; charset=utf-8", "404"},
		"/../web.go":        {404, "text/plain; charset=utf-8", "404"},
		"/vendor":           {404, "text/plain; charset=utf-8", "404"},
		"/vendor/README.md": {200, "text/plain; charset=utf-8", "licence"},
	} {
		resp, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want.status || resp.Header.Get("Content-Type") != want.kind || !strings.Contains(string(body), want.body) {
			t.Errorf("%s: %d %s %.60q", path, resp.StatusCode, resp.Header.Get("Content-Type"), body)
		}
	}
}

func TestHandlerAnswersThatNothingChanged(t *testing.T) {
	s := serve(t)
	resp, err := http.Get(s.URL + "/vendor/uplot.js")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/vendor/uplot.js", nil)
	req.Header.Set("If-None-Match", resp.Header.Get("ETag"))
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotModified {
		t.Errorf("asked whether it changed: %d", resp.StatusCode)
	}
}

// TestAssetsNameNoOtherHost: a page works without the network.
func TestAssetsNameNoOtherHost(t *testing.T) {
	loads := regexp.MustCompile(`(?:src|href|url|import|from|fetch)\s*[=(]?\s*["'(]+(?:https?:)?//`)
	files := 0
	err := fs.WalkDir(web.Assets(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(name, "LICENSE") || strings.HasSuffix(name, ".md") {
			return err
		}
		b, err := fs.ReadFile(web.Assets(), name)
		files++
		if at := loads.Find(b); at != nil {
			t.Errorf("%s asks another host: %s", name, at)
		}
		return err
	})
	if err != nil || files < 5 {
		t.Fatalf("%d files, %v", files, err)
	}
}
