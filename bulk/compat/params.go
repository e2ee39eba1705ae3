package compat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"protei-bulk/bulk/intake"
)

var (
	errTooLarge = errors.New("the body is too large")
	errNotForm  = errors.New("the body is neither a form nor JSON")
)

// params are the parameters of a request, of its query and its body. The first value of a
// name counts.
type params struct {
	url.Values
	json bool // the body was JSON: texts are text, not octets
}

// readParams reads query, form and JSON object.
func readParams(w http.ResponseWriter, r *http.Request) (params, error) {
	p := params{Values: url.Values{}}
	if err := parseQuery(p.Values, r.URL.RawQuery); err != nil {
		return p, err
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return p, nil
	}
	body, err := readBody(w, r)
	if err != nil || len(body) == 0 {
		return p, err
	}
	kind, media, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil && r.Header.Get("Content-Type") != "":
		return p, errNotForm
	case kind == "application/json" || kind == "" && body[0] == '{':
		p.json = true
		return p, p.object(body)
	case kind == "application/x-www-form-urlencoded" || kind == "":
		return p, parseQuery(p.Values, string(body))
	case kind == "multipart/form-data":
		return p, p.multipart(body, media["boundary"])
	}
	return p, errNotForm
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, errTooLarge
	}
	return body, err
}

// parseQuery is url.ParseQuery for clients that leave a semicolon as it is.
func parseQuery(into url.Values, query string) error {
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return err
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		into[name] = append(into[name], value)
	}
	return nil
}

func (p *params) multipart(body []byte, boundary string) error {
	form, err := (&http.Request{
		Method: http.MethodPost, Body: io.NopCloser(strings.NewReader(string(body))),
		Header: http.Header{"Content-Type": {"multipart/form-data; boundary=" + boundary}},
	}).MultipartReader()
	if err != nil {
		return err
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		p.Values[part.FormName()] = append(p.Values[part.FormName()], string(value))
	}
}

// object adds the members of a JSON object; numbers and booleans as they are written.
func (p *params) object(body []byte) error {
	var o map[string]json.RawMessage
	if err := json.Unmarshal(body, &o); err != nil {
		return fmt.Errorf("JSON: %w", err)
	}
	return p.members(o)
}

func (p *params) members(o map[string]json.RawMessage) error {
	for name, raw := range o {
		values, err := scalars(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if len(values) > 0 {
			p.Values[name] = values
		}
	}
	return nil
}

// scalars reads a JSON scalar, or an array of them; null is nothing. Something else comes
// as its JSON.
func scalars(raw json.RawMessage) ([]string, error) {
	var v any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if list, ok := v.([]any); ok {
		all := make([]string, 0, len(list))
		for _, one := range list {
			s, ok := scalar(one)
			if !ok {
				return []string{string(raw)}, nil
			}
			all = append(all, s)
		}
		return all, nil
	}
	if v == nil {
		return nil, nil
	}
	if s, ok := scalar(v); ok {
		return []string{s}, nil
	}
	return []string{string(raw)}, nil
}

func scalar(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case json.Number:
		return x.String(), true
	case bool:
		return strconv.FormatBool(x), true
	}
	return "", false
}

// first returns the value of the first of names that is there and not empty.
func (p *params) first(names ...string) string {
	for _, name := range names {
		if v := p.Get(name); v != "" {
			return v
		}
	}
	return ""
}

// whole is a number of a field in its bounds.
func whole(s string, low, high int) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	return n, err == nil && n >= low && n <= high
}

// schedule writes a moment for intake.
func schedule(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

// retryAfter tells how long to wait, for refusals that pass.
func retryAfter(w http.ResponseWriter, r *intake.Refusal) {
	if status := r.HTTPStatus(); status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		seconds := max(1, int((r.Retry+time.Second-1)/time.Second))
		w.Header()["Retry-After"] = []string{strconv.Itoa(seconds)}
	}
}

// plain answers with a text.
func plain(w http.ResponseWriter, kind string, status int, text string) {
	w.Header()["Content-Type"] = []string{kind}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client may be gone
}

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header()["Content-Type"] = []string{"application/json"}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
