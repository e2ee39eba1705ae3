package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/contact/sheet"
)

// Bounds of an upload. It may take long, as long as it goes on.
const (
	maxUpload     = 2 << 30 // octets
	uploadStall   = 60 * time.Second
	uploadLongest = 6 * time.Hour
	maxUploads    = 8 // at the same time; each takes up to 50 MB while it is read
	maxListed     = 1000
	maxSamples    = 100
)

// uploadTypes are the types of files that are streamed; JSON is read whole.
var uploadTypes = map[string]sheet.Format{
	"text/csv": sheet.CSV, "application/csv": sheet.CSV, "text/plain": sheet.CSV, "text/tab-separated-values": sheet.CSV,
	"application/vnd.ms-excel": sheet.Detect, "application/octet-stream": sheet.Detect,
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": sheet.XLSX,
	"application/x-ndjson":    sheet.NDJSON,
	"application/ndjson":      sheet.NDJSON,
	"application/jsonl":       sheet.NDJSON,
	"application/x-jsonlines": sheet.NDJSON,
}

// addRecipients is POST /api/v1/campaigns/{id}/recipients: JSON, or a file of another type.
func (c *call) addRecipients() error {
	id, err := c.campaignID()
	if err != nil {
		return err
	}
	up, err := c.uploaded()
	defer c.uploadDone()
	if err != nil {
		return err
	}
	defer up.Reader.Close()
	updated, done, err := c.api.opts.Campaigns.AddRecipients(c.r.Context(), c.who, id, up)
	if err != nil {
		return err
	}
	return c.campaignWith(200, updated, &done)
}

// uploaded reads the request's recipients as far as that takes no streaming.
func (c *call) uploaded() (*campaign.Upload, error) {
	kind, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if kind == "" || err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json")) {
		return c.inline()
	}
	format, ok := uploadTypes[kind]
	if !ok && kind != "multipart/form-data" || err != nil {
		return nil, wrong("unsupported_media_type", fmt.Sprintf("Content-Type %.60q is not supported; send JSON, NDJSON, CSV, XLSX or multipart/form-data", kind))
	}
	if e := c.r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, wrong("unsupported_media_type", fmt.Sprintf("Content-Encoding %.40q is not supported; send the body as it is", e))
	}
	query, err := url.ParseQuery(strings.ReplaceAll(c.r.URL.RawQuery, ";", "%3B")) // delimiter=; as people write it
	if err != nil {
		return nil, wrong("invalid_parameter", "the query is not well-formed")
	}
	up, opts, err := uploadOptions(query)
	if err != nil {
		return nil, err
	}
	if c.uploading = true; c.api.uploads.Add(1) > maxUploads {
		return nil, &problem{code: "overloaded", detail: "too many uploads at once; try again later", retry: retryBusy}
	}
	body := io.Reader(newSlowBody(c))
	if opts.Format = format; opts.Charset == "" {
		opts.Charset = params["charset"]
	}
	if kind == "multipart/form-data" {
		var part *multipart.Part
		if part, err = firstFile(body, params["boundary"]); err != nil {
			return nil, err
		}
		body, up.Name = part, part.FileName()
		opts.Format = formatOf(part)
	}
	up.By = c.actor()
	if up.Name == "" {
		up.Name = query.Get("name")
	}
	up.Name = shorten(up.Name)
	opts.TempDir = c.api.opts.TempDir
	up.Reader, err = sheet.Open(body, opts)
	return up, err
}

// uploadDone gives back the place that uploaded took.
func (c *call) uploadDone() {
	if c.uploading {
		c.uploading = false
		c.api.uploads.Add(-1)
	}
}

// uploadOptions reads the query of an upload.
func uploadOptions(query url.Values) (*campaign.Upload, sheet.Options, error) {
	up, opts := &campaign.Upload{To: query.Get("to")}, sheet.Options{Charset: query.Get("charset"), Sheet: query.Get("sheet")}
	bad := func(name, detail string) (*campaign.Upload, sheet.Options, error) {
		return nil, opts, wrongParameter(name, detail)
	}
	switch v := strings.ToLower(query.Get("header")); v {
	case "", "auto":
	case "yes", "true", "1":
		up.Header = contact.HeaderYes
	case "no", "false", "0":
		up.Header = contact.HeaderNo
	default:
		return bad("header", "is auto, yes or no")
	}
	switch v := query.Get("delimiter"); {
	case v == "tab" || v == `\t`:
		opts.Delimiter = '\t'
	case len(v) == 1 && v[0] != '"' && v[0] < 0x80:
		opts.Delimiter = v[0]
	case v != "":
		return bad("delimiter", "is one ASCII character, or tab")
	}
	if up.Duplicates = strings.ToLower(query.Get("duplicates")); up.Duplicates != "" && up.Duplicates != "keep" && up.Duplicates != "skip" {
		return bad("duplicates", "is keep or skip")
	}
	for _, v := range query["map"] {
		for _, pair := range strings.Split(v, ",") {
			name, column, ok := strings.Cut(pair, ":")
			if !ok || name == "" || column == "" {
				return bad("map", "is name:column, such as first_name:Vorname")
			}
			if up.Map == nil {
				up.Map = make(map[string]string)
			}
			up.Map[name] = column
		}
	}
	return up, opts, nil
}

// inline reads recipients, or the name of a list, from a JSON body.
func (c *call) inline() (*campaign.Upload, error) {
	var rows []sheet.Row
	list := ""
	err := c.object(maxBulkBody, map[string]func(string){
		"recipients": c.recipients(&rows), "list": func(n string) { c.dec.string(n, &list) },
	})
	switch {
	case err != nil:
		return nil, err
	case len(rows) > campaign.MaxRecipients:
		return nil, tooManyInline()
	case len(rows) == 0 && list == "":
		return nil, &problem{code: "no_recipients", detail: "recipients: an array of numbers is needed", faults: []fault{{"/recipients", "no_recipients", "has no entries"}}}
	}
	return c.upload(rows, strings.Clone(list))
}

// upload is recipients that are in memory, or a list's.
func (c *call) upload(rows []sheet.Row, list string) (*campaign.Upload, error) {
	if list == "" {
		return &campaign.Upload{Reader: &contact.Inline{Rows: rows}, By: c.actor()}, nil
	}
	if len(rows) > 0 {
		return nil, &problem{code: "validation_failed", detail: "list: is given beside recipients", faults: []fault{{"/list", "duplicate_field", "is given beside recipients"}}}
	}
	if c.api.opts.Lists == nil {
		return nil, contact.ErrNoList
	}
	found, err := c.api.opts.Lists.Find(c.r.Context(), c.who.ID, list)
	if err != nil {
		return nil, err
	}
	return &campaign.Upload{Reader: c.api.opts.Lists.Reader(c.r.Context(), &found), Name: "list " + found.Name, By: c.actor()}, nil
}

// firstFile finds the file of a form.
func firstFile(body io.Reader, boundary string) (*multipart.Part, error) {
	form := multipart.NewReader(body, boundary)
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return nil, wrong("empty_body", "the form has no file")
		}
		if err != nil {
			return nil, wrong("incomplete_body", "the body is not a whole form")
		}
		if part.FileName() != "" || part.FormName() == "file" {
			return part, nil
		}
	}
}

func formatOf(part *multipart.Part) sheet.Format {
	switch strings.ToLower(path.Ext(part.FileName())) {
	case ".csv", ".txt", ".tsv":
		return sheet.CSV
	case ".xlsx":
		return sheet.XLSX
	case ".ndjson", ".jsonl":
		return sheet.NDJSON
	}
	kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type"))
	return uploadTypes[kind]
}

// slowBody is a body of any length that may take its time, but must go on: each read moves
// the deadline of the connection.
type slowBody struct {
	body    io.ReadCloser
	control *http.ResponseController
	left    int64
	until   time.Time
	moved   time.Time
}

func newSlowBody(c *call) *slowBody {
	return &slowBody{body: c.r.Body, control: http.NewResponseController(c.w), left: maxUpload, until: time.Now().Add(uploadLongest)}
}

func (b *slowBody) Read(p []byte) (int, error) {
	if now := time.Now(); now.Sub(b.moved) > time.Second {
		deadline := now.Add(uploadStall)
		if deadline.After(b.until) {
			deadline = b.until
		}
		// A connection without deadlines needs none moved.
		_ = b.control.SetReadDeadline(deadline)
		_ = b.control.SetWriteDeadline(deadline.Add(answerTimeout))
		b.moved = now
	}
	n, err := b.body.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, tooLarge(maxUpload)
	}
	if err != nil && err != io.EOF {
		return n, readProblem(err)
	}
	return n, err
}

// clearRecipients is DELETE /api/v1/campaigns/{id}/recipients.
func (c *call) clearRecipients() error {
	id, err := c.campaignID()
	if err != nil {
		return err
	}
	updated, err := c.api.opts.Campaigns.ClearRecipients(c.r.Context(), c.who, id, c.actor())
	if err != nil {
		return err
	}
	return c.campaign(200, updated)
}

// memberView is a recipient as the API shows it.
type memberView struct {
	Ordinal uint32            `json:"ordinal"`
	To      string            `json:"to"`
	Values  map[string]string `json:"values,omitempty"`
}

// listRecipients is GET /api/v1/campaigns/{id}/recipients.
func (c *call) listRecipients() error {
	id, err := c.campaignID()
	if err != nil {
		return err
	}
	after, limit, err := memberQuery(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	members, columns, err := c.api.opts.Campaigns.Recipients(c.r.Context(), c.who, id, after, limit)
	if err != nil {
		return err
	}
	return c.document(200, memberPage("recipients", members, columns, after, limit))
}

func memberQuery(raw string) (after uint32, limit int, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return 0, 0, wrong("invalid_parameter", "the query is not well-formed")
	}
	limit = 100
	if v := values.Get("limit"); v != "" {
		var detail string
		if limit, detail = parseCount(v, limit, maxListed); detail != "" {
			return 0, 0, wrongParameter("limit", detail)
		}
	}
	if v := values.Get("after"); v != "" {
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			return 0, 0, wrongParameter("after", "is not an ordinal")
		}
		after = uint32(n)
	}
	return after, limit, nil
}

func memberPage(name string, members []contact.Member, columns []string, after uint32, limit int) map[string]any {
	views := make([]memberView, len(members))
	for i, m := range members {
		views[i] = memberView{Ordinal: after + uint32(i) + 1, To: m.To}
		for n, v := range m.Values {
			if v != "" && n < len(columns) {
				if views[i].Values == nil {
					views[i].Values = make(map[string]string)
				}
				views[i].Values[columns[n]] = v
			}
		}
	}
	answer := map[string]any{name: views, "next_after": nil}
	if len(views) == limit {
		answer["next_after"] = views[limit-1].Ordinal
	}
	return answer
}

// campaignErrors is GET /api/v1/campaigns/{id}/errors: the error file.
func (c *call) campaignErrors() error {
	id, err := c.campaignID()
	if err != nil {
		return err
	}
	return c.errorFile("campaign-"+id.String(), func(w io.Writer) error {
		return c.api.opts.Campaigns.WriteErrors(c.r.Context(), c.who, id, w)
	})
}

// errorFile streams CSV. An error after its beginning cuts the connection, so that nobody
// takes a part for the whole.
func (c *call) errorFile(name string, write func(io.Writer) error) error {
	out := &lateHeader{c: c, name: name}
	err := write(out)
	if err != nil && out.begun {
		c.api.opts.Logger.Error("error file", "path", c.r.URL.Path, "err", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

// lateHeader sends the header with the first octets: until then an error is a problem.
type lateHeader struct {
	c     *call
	name  string
	begun bool
}

func (l *lateHeader) Write(p []byte) (int, error) {
	if !l.begun {
		l.begun = true
		h := l.c.w.Header()
		h["Content-Type"] = []string{"text/csv; charset=utf-8"}
		h["Cache-Control"] = noStore
		h["Content-Disposition"] = []string{`attachment; filename="` + l.name + `-errors.csv"`}
		l.c.w.WriteHeader(http.StatusOK)
	}
	if l.c.r.Method == http.MethodHead {
		return len(p), nil
	}
	_ = http.NewResponseController(l.c.w).SetWriteDeadline(time.Now().Add(uploadStall))
	return l.c.w.Write(p)
}

// sampleView is one message that a campaign would make.
type sampleView struct {
	Ordinal        uint32 `json:"ordinal"`
	To             string `json:"to"`
	Text           string `json:"text,omitempty"`
	Parts          int    `json:"parts,omitempty"`
	Encoding       string `json:"encoding,omitempty"`
	Transliterated bool   `json:"transliterated,omitempty"`
	Code           string `json:"code,omitempty"`
	Detail         string `json:"detail,omitempty"`
}

// previewCampaign is GET /api/v1/campaigns/{id}/preview?limit=5.
func (c *call) previewCampaign() error {
	id, err := c.campaignID()
	if err != nil {
		return err
	}
	limit := 5
	if v := c.r.URL.Query().Get("limit"); v != "" {
		var detail string
		if limit, detail = parseCount(v, limit, maxSamples); detail != "" {
			return wrongParameter("limit", detail)
		}
	}
	samples, err := c.api.opts.Campaigns.Samples(c.r.Context(), c.who, id, limit)
	if err != nil {
		return err
	}
	views := make([]sampleView, len(samples))
	for i, s := range samples {
		views[i] = sampleView{Ordinal: s.Ordinal, To: s.To, Text: s.Text, Parts: s.Parts, Transliterated: s.Transliterated}
		if s.Err != nil {
			views[i].Code, views[i].Detail = string(s.Err.Code), s.Err.Error()
			continue
		}
		views[i].Encoding = s.Encoding.String()
	}
	return c.document(200, map[string]any{"messages": views})
}

// importProblem is the answer when a whole file cannot be taken.
func importProblem(err error) *problem {
	var whole *contact.ImportError
	switch {
	case errors.As(err, &whole) && whole.Code == "invalid_name":
		return &problem{code: "validation_failed", detail: whole.Detail, faults: []fault{{"/name", whole.Code, whole.Detail}}}
	case errors.As(err, &whole):
		return &problem{code: "unreadable_file", detail: whole.Detail, faults: []fault{{"", whole.Code, whole.Detail}}}
	case errors.Is(err, sheet.ErrFile):
		return wrong("unreadable_file", err.Error())
	case errors.Is(err, contact.ErrNoList):
		return wrong("not_found", "there is no such list")
	case errors.Is(err, contact.ErrListExists):
		return wrong("conflict", err.Error())
	case errors.Is(err, contact.ErrImporting), errors.Is(err, campaign.ErrImporting):
		return wrong("import_running", err.Error())
	case errors.Is(err, campaign.ErrOwnApproval):
		return wrong("own_approval", err.Error())
	}
	return nil
}
