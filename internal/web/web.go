// Package web holds what the project's pages share: the tokens and components of their look, and the libraries that they
// are made with, embedded. [Handler] serves them, with a page's own files, from memory.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assets embed.FS

// Assets are the shared files: "tokens.css", "ui.js", "vendor/preact.mjs"…
func Assets() fs.FS {
	sub, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sub
}

// asset is a file ready to be sent.
type asset struct {
	plain, zipped []byte
	kind, etag    string
}

// smallest is the size from which a file is also kept compressed.
const smallest = 1 << 10

// Handler serves the files of all layers by their paths; a file of a later layer wins. Browsers keep them and ask
// whether they still hold, so a new version of the program is seen at once.
func Handler(layers ...fs.FS) (http.Handler, error) {
	files := map[string]*asset{}
	for _, layer := range layers {
		err := fs.WalkDir(layer, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := fs.ReadFile(layer, name)
			if err != nil {
				return err
			}
			files[name], err = newAsset(name, b)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read the page's files: %w", err)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		a.serve(w, r)
	}), nil
}

func newAsset(name string, b []byte) (*asset, error) {
	sum := sha256.Sum256(b)
	a := &asset{plain: b, kind: kindOf(name), etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
	if len(b) < smallest {
		return a, nil
	}
	var buf bytes.Buffer
	z, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(b)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("compress %s: %w", name, err)
	}
	a.zipped = buf.Bytes()
	return a, nil
}

// kindOf does not ask the machine's table of types: a page must not depend on it.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return "text/plain; charset=utf-8"
	}
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("ETag", a.etag)
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("If-None-Match"), a.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := a.plain
	if a.zipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = a.zipped
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}
