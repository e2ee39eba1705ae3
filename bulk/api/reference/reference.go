// Package reference is the readable form of the REST API: a page that shows the OpenAPI document of
// the node that serves it, with a command line for each call. It works without any other host.
package reference

import (
	"embed"
	"io/fs"
	"net/http"

	"protei-bulk/internal/web"
)

//go:embed assets
var assets embed.FS

// Handler serves the page at "/" and its files beside it. The page asks for the document at
// "../openapi.json".
func Handler() (http.Handler, error) {
	own, err := fs.Sub(assets, "assets")
	if err != nil {
		return nil, err
	}
	files, err := web.Handler(web.Assets(), own)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.Page(w.Header())
		if r.URL.Path == "/" {
			r = r.Clone(r.Context())
			r.URL.Path = "/index.html"
		}
		files.ServeHTTP(w, r)
	}), nil
}
