package audit_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"protei-bulk/bulk/audit"
)

// told is the changes of a record as JSON.
func told(t *testing.T, r *audit.Record) string {
	t.Helper()
	e, _ := r.Pending()
	text, err := json.Marshal(e.Changes)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

type thing struct {
	Name     string
	Password string         `json:"password"`
	Headers  map[string]any `json:"headers,omitempty"`
	List     []any          `json:"list,omitempty"`
	Size     int
}

func TestNoteTellsWhatChangedAndNoSecret(t *testing.T) {
	for name, c := range map[string]struct {
		before, after any
		want          string
	}{
		"new":      {nil, thing{Name: "a", Password: "hunter2"}, `[{"what":"x","before":null,"after":{"Name":"a","password":"(hidden)"}}]`},
		"gone":     {thing{Name: "a", Password: "hunter2", Size: 3}, nil, `[{"what":"x","before":{"Name":"a","Size":3,"password":"(hidden)"},"after":null}]`},
		"changed":  {thing{Name: "a", Size: 1}, thing{Name: "a", Size: 2}, `[{"what":"x","before":{"Size":1},"after":{"Size":2}}]`},
		"to zero":  {thing{Size: 1}, thing{}, `[{"what":"x","before":{"Size":1},"after":{"Size":0}}]`},
		"the same": {thing{Password: "hunter2"}, thing{Password: "hunter2"}, `[{"what":"x","before":{},"after":{}}]`},
		"a secret": {thing{Password: "hunter2"}, thing{Password: "hunter3"}, `[{"what":"x","before":{"password":"(hidden)"},"after":{"password":"(hidden)"}}]`},
		"a first secret": {
			thing{},
			thing{Password: "hunter2"},
			`[{"what":"x","before":{"password":""},"after":{"password":"(hidden)"}}]`,
		},
		"within": {
			thing{Headers: map[string]any{"Authorization": "Basic hunter2", "Accept": "a"}},
			thing{Headers: map[string]any{"Authorization": "Basic hunter3", "Accept": "b"}},
			`[{"what":"x","before":{"headers.Accept":"a","headers.Authorization":"(hidden)"},"after":{"headers.Accept":"b","headers.Authorization":"(hidden)"}}]`,
		},
		"in a list": {
			nil,
			thing{List: []any{map[string]any{"api_key": "hunter2", "id": 1}}},
			`[{"what":"x","before":null,"after":{"list":[{"api_key":"(hidden)","id":1}]}}]`,
		},
		"under secrets": {nil, map[string]any{"secrets": map[string]any{"anything": "hunter2"}}, `[{"what":"x","before":null,"after":{"secrets.anything":"(hidden)"}}]`},
		"no object":     {nil, json.RawMessage(`[1]`), `[{"what":"x","before":null,"after":{"value":[1]}}]`},
	} {
		r := audit.NewRecord(audit.Entry{})
		r.Note("x", c.before, c.after)
		if got := told(t, r); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
	}
}

func TestAThingThatChangesTwiceIsToldOnce(t *testing.T) {
	r := audit.NewRecord(audit.Entry{})
	r.Note("x", thing{Size: 1}, thing{Size: 2})
	r.Note("y", nil, thing{Size: 9})
	r.Note("x", thing{Size: 2}, thing{Size: 3})
	want := `[{"what":"x","before":{"Size":1},"after":{"Size":3}},{"what":"y","before":null,"after":{"Size":9}}]`
	if got := told(t, r); got != want {
		t.Errorf("%s", got)
	}
	for range 3 {
		r.Count("numbers", strings.Split("abcdef", ""))
	}
	if got := told(t, r); !strings.Contains(got, `"first":["a","b","c","d","e","f","a","b","c","d"]},"count":18`) {
		t.Errorf("%s", got)
	}
}

func TestWhatIsStillToBeWritten(t *testing.T) {
	r := audit.NewRecord(audit.Entry{ID: "1"})
	if _, pending := r.Pending(); !pending {
		t.Error("nothing was written yet")
	}
	r.Note("x", nil, thing{})
	if e := r.Written(); len(e.Changes) != 1 {
		t.Errorf("%+v", e)
	}
	if _, pending := r.Pending(); pending {
		t.Error("it was written with its change")
	}
	r.Note("y", nil, thing{})
	if _, pending := r.Pending(); !pending {
		t.Error("what was noted later is not written")
	}
}

func TestAnActionTellsWhatWasAskedFor(t *testing.T) {
	for body, want := range map[string]string{
		`{"to":"a","password":"hunter2","deep":{"token":"hunter2","n":1}}`: `{"deep":{"n":1,"token":"(hidden)"},"password":"(hidden)","to":"a"}`,
		"":         "null",
		"not JSON": "null",
		`{"x":"` + strings.Repeat("x", 5000) + `"}`: "null",
	} {
		r := audit.NewRecord(audit.Entry{})
		r.Asked([]byte(body))
		e, pending := r.Pending()
		if text, _ := json.Marshal(e.Request); string(text) != want || !pending {
			t.Errorf("%.60s: %s", body, text)
		}
	}
	r := audit.NewRecord(audit.Entry{})
	r.Note("x", nil, thing{})
	r.Asked([]byte(`{"to":"a"}`))
	if e, _ := r.Pending(); e.Request != nil {
		t.Error("the change says it already")
	}
}

func TestNobodyAsked(t *testing.T) {
	r := audit.From(context.Background())
	r.Note("x", nil, thing{})
	r.Count("x", []string{"a"})
	r.Asked([]byte("{}"))
	if r != nil {
		t.Error("a record out of nothing")
	}
	own := audit.NewRecord(audit.Entry{})
	if audit.From(audit.With(context.Background(), own)) != own {
		t.Error("the context lost its record")
	}
}

func TestQueryMatches(t *testing.T) {
	e := audit.Entry{Account: 1, Key: "pb_a", Method: "PATCH", Path: "/api/v1/accounts/2", Changes: []audit.Change{{What: "account 2"}}}
	for name, c := range map[string]struct {
		q    audit.Query
		want bool
	}{
		"nothing": {audit.Query{}, true}, "account": {audit.Query{Account: 1}, true}, "another": {audit.Query{Account: 2}, false},
		"what": {audit.Query{What: "account"}, true}, "other": {audit.Query{What: "route"}, false}, "key": {audit.Query{Key: "pb_b"}, false},
		"method": {audit.Query{Method: "POST"}, false}, "path": {audit.Query{Path: "/api/v1/acc"}, true}, "path not": {audit.Query{Path: "/x"}, false},
		"all": {audit.Query{Account: 1, Key: "pb_a", Method: "PATCH", Path: "/api", What: "account 2"}, true},
	} {
		if c.q.Matches(&e) != c.want {
			t.Errorf("%s: %v", name, !c.want)
		}
	}
}
