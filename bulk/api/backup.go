package api

import "net/http"

// backup is POST /api/v1/backup: the archive is the answer. What goes wrong before its first
// octet is a problem document, later the connection is cut, so that no half is taken for a whole.
func (c *call) backup() error {
	out := &backupBody{call: c, to: &patientWriter{c.w, http.NewResponseController(c.w)}}
	err := c.api.opts.Backup(c.r.Context(), out)
	switch {
	case err == nil:
		c.api.opts.Logger.Info("backup made", "account", c.who.Name, "bytes", out.sent)
		return nil
	case out.sent == 0:
		return err
	}
	c.api.opts.Logger.Error("backup failed", "account", c.who.Name, "bytes", out.sent, "err", err)
	panic(http.ErrAbortHandler)
}

// backupBody is the answer's body.
type backupBody struct {
	call *call
	to   *patientWriter
	sent int64
}

func (b *backupBody) Write(p []byte) (int, error) {
	if b.sent == 0 {
		h := b.call.w.Header()
		h["Content-Type"] = []string{"application/gzip"}
		h["Content-Disposition"] = []string{`attachment; filename="protei-bulk-` + b.call.api.opts.Now().UTC().Format("20060102-150405") + `.tar.gz"`}
		h["Cache-Control"] = noStore
	}
	n, err := b.to.Write(p)
	b.sent += int64(n)
	return n, err
}
