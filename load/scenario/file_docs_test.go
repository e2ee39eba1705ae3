package scenario_test

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"protei-bulk/load/scenario"
)

// TestDocsExamplesAreValid parses every YAML block of docs/scenario.md and every example.
func TestDocsExamplesAreValid(t *testing.T) {
	doc, err := os.ReadFile("../../docs/scenario.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for i, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(doc), -1) {
		texts[fmt.Sprintf("block %d of docs/scenario.md", i+1)] = m[1]
	}
	if len(texts) < 6 {
		t.Fatalf("only %d examples found", len(texts))
	}
	for _, name := range scenario.ExampleNames() {
		text, _ := scenario.Example(name)
		texts["example "+name] = string(text)
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) { parse(t, text) })
	}
}

// TestDocsNameEveryKey: what the reader takes is explained.
func TestDocsNameEveryKey(t *testing.T) {
	doc, err := os.ReadFile("../../docs/scenario.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range scenario.FileKeys() {
		if !regexp.MustCompile("(?m)[`{\\s/]" + regexp.QuoteMeta(key) + "[`:,(}]").Match(doc) {
			t.Errorf("docs/scenario.md does not explain %q", key)
		}
	}
}
