package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/account"
)

const csvType, ndjsonType = "text/csv", "application/x-ndjson"

func (p *platform) draft(t testing.TB, text string) (path string) {
	t.Helper()
	a := p.do(t, "POST", "/api/v1/campaigns", fmt.Sprintf(`{"name":"Spring","from":"ACME","text":%q}`, text))
	a.want(t, 201, "")
	return "/api/v1/campaigns/" + a.JSON["campaign_id"].(string)
}

func TestUploads(t *testing.T) {
	p := start(t, options{})
	path := p.draft(t, "Hi {{name}}")
	counts := func(a answer) string {
		t.Helper()
		a.want(t, 200, "")
		i := a.JSON["import"].(map[string]any)
		return fmt.Sprintf("%v rows, %v added, %v refused, %v duplicates, %v in all", i["rows"], i["added"], i["refused"], i["duplicates"], a.JSON["total_recipients"])
	}
	up := func(query, kind, body string) answer {
		return p.do(t, "POST", path+"/recipients"+query, body, "Content-Type", kind)
	}
	for _, c := range []struct{ query, kind, body, want string }{
		{"", csvType, "phone,name\n1512345670,Ann\n1512345671,Bob\n", "2 rows, 2 added, 0 refused, 0 duplicates, 2 in all"},
		{"?duplicates=skip", csvType + "; charset=utf-16le", "\xff\xfe1\x005\x001\x002\x003\x004\x005\x006\x007\x000\x00\n\x00", "1 rows, 0 added, 1 refused, 1 duplicates, 2 in all"},
		{"?to=2&header=no&delimiter=;", "text/plain", "x;1512345672\n", "1 rows, 1 added, 0 refused, 0 duplicates, 3 in all"},
		{"", ndjsonType, "{\"to\":\"1512345673\",\"name\":\"Dora\"}\n{\n", "2 rows, 1 added, 1 refused, 0 duplicates, 4 in all"},
		{"?map=name:Vorname", csvType, "Handy;Vorname\n1512345674;Emil\n", "1 rows, 1 added, 0 refused, 0 duplicates, 5 in all"},
		{"", "application/octet-stream", "{\"to\":\"1512345675\",\"name\":\"Fay\"}\n", "1 rows, 1 added, 0 refused, 0 duplicates, 6 in all"},
	} {
		if got := counts(up(c.query, c.kind, c.body)); got != c.want {
			t.Errorf("%q as %s: %s, want %s", c.body, c.kind, got, c.want)
		}
	}

	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	_ = w.WriteField("comment", "none")
	part, err := w.CreateFormFile("upload", "customers.ndjson")
	if err == nil {
		_, err = io.WriteString(part, `{"to":"1512345676"}`)
	}
	if err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	a := up("", w.FormDataContentType(), form.String())
	if got := counts(a); got != "1 rows, 1 added, 0 refused, 0 duplicates, 7 in all" || !strings.Contains(a.Body, `"name":"customers.ndjson"`) {
		t.Errorf("a form: %s", a.Body)
	}

	for _, c := range []struct {
		query, kind, body string
		status            int
		code, says        string
	}{
		{"", csvType, "", 422, "unreadable_file", "empty"},
		{"", csvType, "a,b\nc,d\n", 422, "unreadable_file", "no_number_column"},
		{"?to=phone", csvType, "a,b\n1512345670,d\n", 422, "unreadable_file", "unknown_column"},
		{"?header=maybe", csvType, "x", 400, "invalid_parameter", "header"},
		{"?delimiter=ab", csvType, "x", 400, "invalid_parameter", "delimiter"},
		{"?duplicates=double", csvType, "x", 400, "invalid_parameter", "duplicates"},
		{"?map=x", csvType, "x", 400, "invalid_parameter", "map"},
		{"?charset=klingon", csvType, "x", 422, "unreadable_file", "klingon"},
		{"", "application/pdf", "x", 415, "unsupported_media_type", "pdf"},
		{"", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "x", 422, "unreadable_file", "XLSX"},
		{"", "multipart/form-data; boundary=x", "--x--\r\n", 400, "empty_body", "file"},
		{"", "application/json", `{"list":"vip"}`, 404, "not_found", "list"},
	} {
		a := up(c.query, c.kind, c.body)
		a.want(t, c.status, c.code)
		if !strings.Contains(a.Body, c.says) {
			t.Errorf("%q as %s: %s does not say %q", c.body, c.kind, a.Body, c.says)
		}
	}
	if a := p.do(t, "GET", path, ""); a.JSON["total_recipients"] != 7.0 {
		t.Errorf("files that cannot be read changed the campaign: %s", a.Body)
	}

	page := p.do(t, "GET", path+"/recipients?after=4&limit=2", "")
	if !strings.Contains(page.Body, `"next_after":6,"recipients":[{"ordinal":5,"to":"1512345674","values":{"name":"Emil"}},{"ordinal":6`) {
		t.Errorf("page %s", page.Body)
	}
	p.do(t, "GET", path+"/recipients?after=x", "").want(t, 400, "invalid_parameter")
	preview := p.do(t, "GET", path+"/preview?limit=3", "")
	if !strings.Contains(preview.Body, `"text":"Hi Ann","parts":1,"encoding":"GSM7"`) || !strings.Contains(preview.Body, `"ordinal":3,"to":"1512345672","code":"missing_variable"`) {
		t.Errorf("preview %s", preview.Body)
	}
	p.do(t, "GET", path+"/preview?limit=0", "").want(t, 400, "invalid_parameter")
	if file := p.do(t, "GET", path+"/errors", ""); file.Header.Get("Content-Type") != "text/csv; charset=utf-8" || strings.Count(file.Body, "\n") != 3 {
		t.Errorf("error file %s", file.Body)
	}
	p.do(t, "DELETE", path+"/recipients", "").want(t, 200, "")
	if file := p.do(t, "GET", path+"/errors", ""); strings.Count(file.Body, "\n") != 1 {
		t.Errorf("error file after the recipients were removed: %s", file.Body)
	}
	if got := counts(up("", csvType, "1512345670\n")); got != "1 rows, 1 added, 0 refused, 0 duplicates, 1 in all" {
		t.Errorf("after that %s", got)
	}
}

func TestAVariableThatNobodyHasStopsTheStart(t *testing.T) {
	p := start(t, options{})
	path := p.draft(t, "Hi {{surname}}")
	p.do(t, "POST", path+"/recipients", `{"recipients":[{"to":"1512345670","name":"Ann"}]}`).want(t, 200, "")
	a := p.do(t, "POST", path+"/start", "")
	a.want(t, 422, "validation_failed")
	if !strings.Contains(a.Body, "unknown_variable") || !strings.Contains(a.Body, "name") {
		t.Errorf("answer %s", a.Body)
	}
	p.do(t, "PATCH", path, `{"text":"Hi {{name"}`).want(t, 422, "validation_failed")
	p.do(t, "PATCH", path, `{"text":"Hi {{name}}"}`).want(t, 200, "")
	sent := p.do(t, "POST", path+"/test", `{"to":"1512345699","values":{"name":"Zoe"}}`)
	sent.want(t, 201, "")
	if m := p.sink.Messages()[0]; string(m.Payload) != "Hi Zoe" {
		t.Errorf("test message %q", m.Payload)
	}
	p.do(t, "POST", path+"/start", "").want(t, 200, "")
}

func TestASecondPersonApproves(t *testing.T) {
	p := start(t, options{})
	ctx := context.Background()
	_, second, err := p.accounts.NewKey(ctx, p.acme.ID, account.KeySpec{Name: "second"})
	if err != nil {
		t.Fatal(err)
	}
	p.do(t, "PATCH", "/api/v1/accounts/me", `{"campaign_approval":true}`).want(t, 403, "forbidden")
	p.do(t, "PATCH", fmt.Sprintf("/api/v1/accounts/%d", p.acme.ID), `{"campaign_approval":true}`, "X-API-Key", p.admin).want(t, 200, "")
	path := p.draft(t, "Sale")
	p.do(t, "POST", path+"/recipients", `{"recipients":["1512345670"]}`).want(t, 200, "")
	p.do(t, "POST", path+"/approve", "").want(t, 409, "illegal_transition")
	if a := p.do(t, "POST", path+"/start", ""); a.JSON["status"] != "PENDING_APPROVAL" {
		t.Fatalf("start: %s", a.Body)
	}
	p.do(t, "PATCH", path, `{"name":"x"}`).want(t, 409, "illegal_transition")
	p.do(t, "POST", path+"/approve", "").want(t, 403, "own_approval")
	a := p.do(t, "POST", path+"/reject", `{"reason":"too loud"}`, "X-API-Key", second)
	if a.JSON["status"] != "DRAFT" || a.JSON["reason"] != "rejected" || a.JSON["last_error"] != "too loud" {
		t.Errorf("reject: %s", a.Body)
	}
	p.do(t, "PATCH", path, `{"text":"sale"}`).want(t, 200, "")
	p.do(t, "POST", path+"/start", "").want(t, 200, "")
	// Who changed it is not the second person for what another one made.
	if got := p.do(t, "GET", "/api/v1/campaigns?status=PENDING_APPROVAL&name=SPR", "", "X-API-Key", second); len(got.JSON["campaigns"].([]any)) != 1 {
		t.Errorf("list %s", got.Body)
	}
	a = p.do(t, "POST", path+"/approve", "", "X-API-Key", second)
	a.want(t, 200, "")
	if a.JSON["status"] != "RUNNING" || !strings.HasPrefix(fmt.Sprint(a.JSON["decided_by"]), "key ") || a.JSON["decided_by"] == a.JSON["created_by"] {
		t.Errorf("approve: %s", a.Body)
	}

	other := p.draft(t, "Sale")
	p.do(t, "POST", other+"/recipients", `{"recipients":["1512345670"]}`, "X-API-Key", second).want(t, 200, "")
	p.do(t, "POST", other+"/start", "").want(t, 200, "")
	p.do(t, "POST", other+"/approve", "", "X-API-Key", second).want(t, 403, "own_approval")
	p.do(t, "POST", other+"/approve", "", "X-API-Key", p.admin).want(t, 200, "")
	p.do(t, "GET", "/api/v1/campaigns?status=NONSENSE", "").want(t, 400, "invalid_parameter")
}

func TestOneImportAtATime(t *testing.T) {
	p := start(t, options{})
	path := p.draft(t, "Sale")
	body, feed := io.Pipe()
	req, err := http.NewRequest("POST", p.URL+path+"/recipients", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", p.key)
	req.Header.Set("Content-Type", csvType)
	first := make(chan answer, 1)
	go func() { first <- p.send(t, req) }()
	chunk := strings.Repeat("1512345670\n", 10_000) // more than is looked at before the first row
	if _, err := io.WriteString(feed, chunk); err != nil {
		t.Fatal(err)
	}
	// Both chunks fit into the socket's buffers: that they are gone says nothing about the
	// handler. That the campaign shows the import does.
	if _, err := io.WriteString(feed, chunk); err != nil {
		t.Fatal(err)
	}
	running := func() bool {
		return strings.Contains(p.do(t, "GET", path, "").Body, `"import":{"state":"RUNNING"`)
	}
	for deadline := time.Now().Add(20 * time.Second); !running(); {
		if time.Now().After(deadline) {
			t.Fatal("the import has not begun after 20 s")
		}
		runtime.Gosched()
	}
	p.do(t, "POST", path+"/recipients", `{"recipients":["1512345671"]}`).want(t, 409, "import_running")
	p.do(t, "POST", path+"/start", "").want(t, 409, "import_running")
	p.do(t, "DELETE", path, "").want(t, 409, "import_running")
	if a := p.do(t, "GET", path, ""); !strings.Contains(a.Body, `"import":{"state":"RUNNING"`) || a.JSON["total_recipients"] != 0.0 {
		t.Errorf("during the import: %s", a.Body)
	}
	feed.Close()
	a := <-first
	a.want(t, 200, "")
	if a.JSON["total_recipients"] != 20_000.0 || a.JSON["duplicates_seen"] != 19_999.0 {
		t.Errorf("after it: %s", a.Body)
	}
}
