package api_test

import (
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/api"
)

const (
	cdrName   = "cdr-20300131-080000-001.csv"
	cdrSealed = "cdr-20300131-070000-001.csv" // there, and not to be read
)

// cdrFiles are a complete file and one that is being written.
type cdrFiles struct{}

func (cdrFiles) List(before string) ([]api.CDRFile, error) {
	closed := time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC)
	all := []api.CDRFile{{Name: "current.csv", State: "writing", Bytes: 9}, {Name: cdrName, State: "complete", Bytes: 10, Closed: &closed}}
	switch before {
	case "":
		return all, nil
	case "current.csv":
		return all[1:], nil
	}
	return nil, fs.ErrInvalid
}

type cdrText struct{ io.ReadSeeker }

func (cdrText) Close() error { return nil }

func (cdrFiles) Open(name string) (io.ReadSeekCloser, error) {
	switch name {
	case cdrName:
	case cdrSealed:
		return nil, fs.ErrPermission
	default:
		return nil, fs.ErrNotExist
	}
	return cdrText{strings.NewReader("0123456789")}, nil
}

func TestCDRFiles(t *testing.T) {
	p := start(t, options{})
	asAdmin := []string{"X-API-Key", p.admin}
	a := p.do(t, "GET", "/api/v1/cdr?limit=1", "", asAdmin...)
	a.want(t, 200, "")
	if files := a.JSON["files"].([]any); len(files) != 1 || at(files[0], "state") != "writing" || a.JSON["next_cursor"] != "current.csv" {
		t.Errorf("the first page is %s", a.Body)
	}
	a = p.do(t, "GET", "/api/v1/cdr?limit=1&cursor=current.csv", "", asAdmin...)
	if files := a.JSON["files"].([]any); len(files) != 1 || at(files[0], "name") != cdrName || a.JSON["next_cursor"] != nil {
		t.Errorf("the second page is %s", a.Body)
	}
	a = p.do(t, "GET", "/api/v1/cdr/"+cdrName, "", asAdmin...)
	if a.Status != 200 || a.Body != "0123456789" || a.Header.Get("Content-Type") != "text/csv; charset=utf-8" || !strings.Contains(a.Header.Get("Content-Disposition"), cdrName) {
		t.Errorf("the file: %d %q %v", a.Status, a.Body, a.Header)
	}
	if a = p.do(t, "GET", "/api/v1/cdr/"+cdrName, "", append(asAdmin, "Range", "bytes=7-")...); a.Status != 206 || a.Body != "789" {
		t.Errorf("what is left of the file: %d %q", a.Status, a.Body)
	}
	p.do(t, "GET", "/api/v1/cdr/current.csv", "", asAdmin...).want(t, 404, "not_found")
	p.do(t, "GET", "/api/v1/cdr/"+cdrSealed, "", asAdmin...).want(t, 500, "internal_error")
	p.do(t, "GET", "/api/v1/cdr/..%2fmessages.db", "", asAdmin...).want(t, 404, "not_found")
	p.do(t, "GET", "/api/v1/cdr?cursor=x", "", asAdmin...).want(t, 400, "invalid_parameter")
	p.do(t, "GET", "/api/v1/cdr?cursor=x&page=2", "", asAdmin...).want(t, 400, "invalid_parameter")
	for _, path := range []string{"/api/v1/cdr", "/api/v1/cdr/" + cdrName} { // it has everybody's messages
		p.do(t, "GET", path, "").want(t, 403, "forbidden")
	}
}
