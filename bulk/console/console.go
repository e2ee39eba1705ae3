// Package console is the operator console: static pages that call the REST API as the person who is signed in. It knows
// nothing of the platform. [New] returns a handler of its files, each kept in memory, with headers that let the pages
// load their own files and nothing else. It starts no goroutine.
//
//	index.html ─> app.js: sign-in, navigation ─> a file for each page or two
//	strings.js: every string in English and Arabic    net.js: REST, session, live figures    parts.js: shared pieces
package console

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"

	"protei-bulk/internal/web"
)

//go:embed assets
var assets embed.FS

// New returns the handler of the console's files; index.html is at "/".
func New() (http.Handler, error) {
	own, err := fs.Sub(assets, "assets")
	if err != nil {
		return nil, fmt.Errorf("the console's files: %w", err)
	}
	files, err := web.Handler(web.Assets(), own)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.Page(w.Header())
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "This is the operator console: programs call /api/v1.", http.StatusMethodNotAllowed)
			return
		}
		if r.URL.Path == "/" {
			r = r.Clone(r.Context())
			r.URL.Path = "/index.html"
		}
		files.ServeHTTP(w, r)
	}), nil
}
