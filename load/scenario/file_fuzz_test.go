package scenario_test

import (
	"errors"
	"os"
	"testing"

	"protei-bulk/load/scenario"
)

// FuzzParse: no panic; what is wrong has a line, a column and a text.
func FuzzParse(f *testing.F) {
	for _, name := range scenario.ExampleNames() {
		text, _ := scenario.Example(name)
		f.Add(text)
	}
	for _, text := range []string{
		"users: {U: {tasks: [{get: /}]}}", "a: &a [*a]\nusers: *a", "users: !!map {U: &x {tasks: *x}}", "- 1", "? a\n: b",
		"users:\n  U:\n    smpp: {}\n    tasks: [{submit_sm: {to: '1', text: x}}]\n", "\"", "users: {U: {tasks: [{get: '/${', messages: 1}]}}",
		"users: {U: {tasks: [{post: /, messages: 3, json: {$each: {a: .inf, b: 0x1F, c: ~}}}]}}", "--- a\n--- b",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 10_000 {
			return
		}
		_, err := scenario.Parse("f.yaml", data, scenario.ParseOptions{ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist }})
		if err == nil {
			return
		}
		var m *scenario.Mistakes
		if !errors.As(err, &m) || len(m.List) == 0 {
			t.Fatalf("%v", err)
		}
		for _, one := range m.List {
			if one.Line < 1 || one.Column < 1 || one.Text == "" {
				t.Fatalf("%+v", one)
			}
		}
	})
}

// FuzzJSONPath: no panic on any path and body.
func FuzzJSONPath(f *testing.F) {
	f.Add("$.a[0].b", `{"a":[{"b":1}]}`)
	f.Add("$['x y'][*]", `{"x y":["1",2,{}]}`)
	f.Add("a..b[", `{`)
	f.Fuzz(func(t *testing.T, path, body string) {
		if len(path) > 200 || len(body) > 2000 {
			return
		}
		scenario.FindJSON(t, path, []byte(body))
	})
}
