package scenario

import (
	"embed"
	"slices"
	"strings"
)

//go:embed examples/*.yaml
var exampleFiles embed.FS

// ExampleNames are the scenario files that Example prints.
func ExampleNames() []string {
	entries, _ := exampleFiles.ReadDir("examples")
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	slices.Sort(names)
	return names
}

// Example is the text of a scenario file to start from; ok is false for an unknown name.
func Example(name string) (text []byte, ok bool) {
	text, err := exampleFiles.ReadFile("examples/" + name + ".yaml")
	return text, err == nil
}
