package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"protei-bulk/bulk/api"
)

// document is the OpenAPI document of an API.
type document map[string]any

func (p *platform) document(t testing.TB) document {
	t.Helper()
	p.described.Do(func() { // every answer is compared with it
		w := httptest.NewRecorder()
		p.api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/openapi.json", nil))
		if err := json.Unmarshal(w.Body.Bytes(), &p.description); err != nil {
			t.Fatalf("the document is not JSON: %v", err)
		}
	})
	return p.description
}

// at follows names from a part of the document; nil when there is no such part.
func at(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// operation finds the operation of a request.
func (d document) operation(method, path string) map[string]any {
	have := strings.Split(path, "/")
	best, found := -1, map[string]any(nil)
	for template, item := range d["paths"].(map[string]any) {
		want := strings.Split(template, "/")
		same := 0
		fits := len(want) == len(have)
		for i := 0; fits && i < len(want); i++ {
			if want[i] == have[i] {
				same++
			} else {
				fits = strings.HasPrefix(want[i], "{")
			}
		}
		if op, ok := at(item, strings.ToLower(method)).(map[string]any); ok && fits && same > best {
			best, found = same, op
		}
	}
	return found
}

// faults says where v is not as the schema has it. In a strict reading an object has no
// members but those that are described.
func (d document) faults(schema any, v any, place string, strict bool) (all []string) {
	s, _ := schema.(map[string]any)
	if name, ok := s["$ref"].(string); ok {
		return d.faults(at(d["components"], "schemas", strings.TrimPrefix(name, "#/components/schemas/")), v, place, strict)
	}
	if some, ok := s["anyOf"].([]any); ok {
		for _, one := range some {
			f := d.faults(one, v, place, strict)
			if len(f) == 0 {
				return nil
			}
			all = append(all, f...)
		}
		return all
	}
	if kind := s["type"]; kind != nil && !isOfType(kind, v) {
		return []string{fmt.Sprintf("%s is %T, not %v", place, v, kind)}
	}
	if options, ok := s["enum"].([]any); ok && !slices.Contains(options, v) {
		return []string{fmt.Sprintf("%s is %v, none of %v", place, v, options)}
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			all = append(all, d.faults(s["items"], item, place+"/"+strconv.Itoa(i), strict)...)
		}
	case map[string]any:
		required, _ := s["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				all = append(all, fmt.Sprintf("%s lacks %v", place, name))
			}
		}
		for name, member := range v {
			described, ok := at(s["properties"], name).(map[string]any)
			switch {
			case ok:
				all = append(all, d.faults(described, member, place+"/"+name, strict)...)
			case s["additionalProperties"] != nil:
				all = append(all, d.faults(s["additionalProperties"], member, place+"/"+name, strict)...)
			case strict && s["properties"] != nil:
				all = append(all, place+"/"+name+" is not described")
			}
		}
	}
	return all
}

func isOfType(kind, v any) bool {
	if several, ok := kind.([]any); ok {
		return slices.ContainsFunc(several, func(one any) bool { return isOfType(one, v) })
	}
	switch v := v.(type) {
	case nil:
		return kind == "null"
	case string:
		return kind == "string"
	case bool:
		return kind == "boolean"
	case float64:
		return kind == "number" || kind == "integer" && v == math.Trunc(v)
	case []any:
		return kind == "array"
	default:
		return kind == "object"
	}
}

// checkAnswer holds an answer of any test to the document.
func (p *platform) checkAnswer(t testing.TB, req *http.Request, a answer) {
	t.Helper()
	d := p.document(t)
	op := d.operation(req.Method, req.URL.Path)
	if op == nil || a.Status == http.StatusMethodNotAllowed || a.Status == http.StatusNotModified {
		return // outside of the API, or a method that a path has not
	}
	response, ok := at(op, "responses", strconv.Itoa(a.Status)).(map[string]any)
	if !ok {
		t.Errorf("%s %s answers %d, which is not described: %s", req.Method, req.URL.Path, a.Status, a.Body)
		return
	}
	kind := "application/json"
	if a.Status >= 400 {
		kind = "application/problem+json"
		codes, _ := response["x-codes"].([]any)
		if a.Status != http.StatusUnprocessableEntity && !slices.Contains(codes, a.JSON["code"]) { // 422 has one for each member
			t.Errorf("%s %s answers %d with code %v, described are %v", req.Method, req.URL.Path, a.Status, a.JSON["code"], codes)
		}
	}
	if a.JSON == nil {
		return
	}
	for _, f := range d.faults(at(response, "content", kind, "schema"), a.JSON, "", true) {
		t.Errorf("%s %s: the answer's %s", req.Method, req.URL.Path, f)
	}
}

func TestOpenAPIIsServed(t *testing.T) {
	p := start(t, options{})
	a := p.do(t, "GET", "/api/v1/openapi.json", "", "X-API-Key", "")
	a.want(t, 200, "")
	if a.JSON["openapi"] != "3.1.0" || at(a.JSON, "info", "version") != "1.2.3" {
		t.Errorf("openapi %v, info %v", a.JSON["openapi"], a.JSON["info"])
	}
	if cache := a.Header.Get("Cache-Control"); cache != "no-cache" {
		t.Errorf("Cache-Control %q: a browser must keep it to ask with its ETag", cache)
	}
	tag := a.Header.Get("ETag")
	if again := p.do(t, "GET", "/api/v1/openapi.json", "", "If-None-Match", tag); tag == "" || again.Status != 304 || again.Body != "" {
		t.Errorf("ETag %q: status %d with %d octets, want 304 with none", tag, again.Status, len(again.Body))
	}
}

// TestOpenAPIGolden keeps the whole document, so that a change of the contract is seen.
func TestOpenAPIGolden(t *testing.T) {
	const file = "testdata/openapi.json"
	var text bytes.Buffer
	if err := json.Indent(&text, wholeDocument(t), "", " "); err != nil {
		t.Fatal(err)
	}
	text.WriteByte('\n')
	if *update {
		if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, text.Bytes()) {
		t.Errorf("the document differs from %s: go test ./bulk/api -run Golden -update writes it; look at the difference", file)
	}
}

func TestOpenAPIExamplesAndReferences(t *testing.T) {
	var d document
	if err := json.Unmarshal(wholeDocument(t), &d); err != nil {
		t.Fatal(err)
	}
	examples, references := 0, 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			if example, ok := v["example"]; ok && v["schema"] != nil {
				examples++
				for _, f := range d.faults(v["schema"], example, "", true) {
					t.Errorf("example %v: %s", example, f)
				}
			}
			if name, ok := v["$ref"].(string); ok {
				references++
				if at(d["components"], "schemas", strings.TrimPrefix(name, "#/components/schemas/")) == nil {
					t.Errorf("%s is not there", name)
				}
			}
			for _, member := range v {
				walk(member)
			}
		}
	}
	walk(map[string]any(d))
	if examples < 20 || references < 50 {
		t.Errorf("%d examples and %d references were checked", examples, references)
	}
}

// TestDocumentFindsFaults proves that the check of answers can fail.
func TestDocumentFindsFaults(t *testing.T) {
	p := start(t, options{})
	d := p.document(t)
	schema := at(d.operation("GET", "/api/v1/health"), "responses", "200", "content", "application/json", "schema")
	good := map[string]any{"status": "healthy", "version": "", "time": "", "uptime": "", "uptime_seconds": 1.0}
	if f := d.faults(schema, good, "", true); len(f) > 0 {
		t.Errorf("a good answer: %v", f)
	}
	for name, v := range map[string]any{"status": 1.0, "uptime_seconds": 0.5, "more": true} {
		bad := map[string]any{name: v}
		for k, v := range good {
			if k != name {
				bad[k] = v
			}
		}
		if f := d.faults(schema, bad, "", true); len(f) != 1 {
			t.Errorf("%s = %v: faults %v, want one", name, v, f)
		}
	}
	delete(good, "status")
	if f := d.faults(schema, good, "", true); len(f) != 1 {
		t.Errorf("without status: faults %v, want one", f)
	}
}

func wholeDocument(t *testing.T) []byte {
	t.Helper()
	text, err := api.WholeDocument()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
