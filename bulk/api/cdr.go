package api

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

// CDRFile is a file of call detail records in the data folder of the node that answers.
type CDRFile struct {
	Name   string     `json:"name"`
	State  string     `json:"state"` // writing, closing, complete
	Bytes  int64      `json:"bytes"`
	Closed *time.Time `json:"closed_at"` // null while it is written
}

// CDRFiles are the files of call detail records.
type CDRFiles interface {
	// List returns all files, the newest first, or those older than the one named before, which may
	// be gone by now: fs.ErrInvalid when no file has such a name.
	List(before string) ([]CDRFile, error)
	// Open opens a complete file, whose content never changes; fs.ErrNotExist for any other name.
	Open(name string) (io.ReadSeekCloser, error)
}

func (a *API) cdrPaths() {
	type methods = map[string]func(*call) error
	a.on("/api/v1/cdr", admins, methods{"GET": (*call).listCDR})
	a.on("/api/v1/cdr/{name}", admins, methods{"GET": (*call).getCDR})
}

// listCDR is GET /api/v1/cdr.
func (c *call) listCDR() error {
	before := ""
	limit, err := c.page(func(v string) string { before = v; return "" })
	if err != nil {
		return err
	}
	files, err := c.api.opts.CDR.List(before)
	if errors.Is(err, fs.ErrInvalid) {
		return wrongParameter("cursor", "is not a next_cursor of this list")
	}
	if err != nil {
		return err
	}
	answer := map[string]any{"files": files[:min(limit, len(files))], "limit": limit, "next_cursor": nil}
	if len(files) > limit {
		answer["next_cursor"] = files[limit-1].Name
	}
	return c.document(200, answer)
}

// getCDR is GET /api/v1/cdr/{name}. A download that broke can be continued with Range.
func (c *call) getCDR() error {
	name := c.r.PathValue("name")
	f, err := c.api.opts.CDR.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return wrong("not_found", "there is no complete CDR file of this name")
	}
	if err != nil {
		return err
	}
	defer f.Close()
	h := c.w.Header()
	h["Content-Type"] = []string{cdrMedia(name)}
	h["Content-Disposition"] = []string{`attachment; filename="` + name + `"`}
	h["Cache-Control"] = []string{"private, no-cache"}
	h["Etag"] = []string{`"` + name + `"`}
	http.ServeContent(&patientWriter{c.w, http.NewResponseController(c.w)}, c.r, "", time.Time{}, f)
	return nil
}

func cdrMedia(name string) string {
	switch {
	case strings.HasSuffix(name, ".gz"):
		return "application/gzip"
	case strings.HasSuffix(name, ".zst"):
		return "application/zstd"
	case strings.HasSuffix(name, ".jsonl"):
		return "application/x-ndjson"
	}
	return "text/csv; charset=utf-8"
}

// patientWriter sends an answer that may take long to a client that takes some of it all the
// time: the time for an answer counts anew with each write.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}
