package scenario

import (
	"slices"

	"protei-bulk/load/scenario/template"
)

// FileKeys are the keys and functions of scenario files, for tests.
func FileKeys() []string {
	return slices.Concat(rootKeys, classKeys, taskKeys, stepKeys, template.FunctionNames(), builtinVars,
		[]string{"bind", "window", "throttle", "rate", "rebind", "enquire_link", "data_coding", "long", "receipt", "segments", "refused", eachKey})
}

// FindJSON reads a path out of a body, for the fuzz test.
func FindJSON(t interface{ Fatalf(string, ...any) }, text string, body []byte) {
	p, err := parsePath(text)
	if err != nil {
		return
	}
	v, _, ok := p.find(body)
	if !ok && v != nil {
		t.Fatalf("%s in %s: a value that is not there", text, body)
	}
	n := 0
	p.each(body, func([]byte, bool) bool { n++; return n < 10 })
}
