package aggregator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// finder finds a value in an answer or a callback. Its text is
//
//	json:PATH     messages.0.id or $.messages[0].id
//	regexp:RE     the first group, or all that fits
//	header:NAME
//	param:NAME    of the query or a form (callbacks)
//	text          the whole body without space around it
type finder struct {
	kind, arg string
	path      []string
	re        *regexp.Regexp
}

// document is what finders look at.
type document struct {
	header http.Header
	params url.Values
	body   []byte
	json   any // of body, once it was asked for
	parsed bool
}

func (c *compiler) finder(field, text string) (f finder) {
	if text == "" {
		return f
	}
	f.kind, f.arg, _ = strings.Cut(text, ":")
	switch {
	case f.kind == "text" && f.arg == "":
	case f.kind == "json" && f.arg != "":
		f.path = parsePath(f.arg)
	case f.kind == "regexp" && f.arg != "":
		var err error
		if f.re, err = regexp.Compile(f.arg); err != nil {
			c.bad(field, "is no regular expression: %s", err)
		}
	case (f.kind == "header" || f.kind == "param") && f.arg != "":
	default:
		c.bad(field, "%.60q is none of json:path, regexp:…, header:name, param:name, text", text)
	}
	return f
}

// parsePath reads a.b.0.c and $.a.b[0].c.
func parsePath(text string) []string {
	text = strings.TrimPrefix(strings.TrimPrefix(text, "$"), ".")
	text = strings.NewReplacer("[", ".", "]", "").Replace(text)
	if text == "" {
		return nil
	}
	return strings.Split(text, ".")
}

func (f *finder) set() bool { return f.kind != "" }

// find returns the value, and whether there is one.
func (f *finder) find(d *document) (string, bool) {
	switch f.kind {
	case "json":
		v, ok := walk(d.value(), f.path)
		if !ok {
			return "", false
		}
		return scalar(v)
	case "regexp":
		m := f.re.FindSubmatch(d.body)
		if m == nil {
			return "", false
		}
		return string(m[min(1, len(m)-1)]), true
	case "header":
		v := d.header.Get(f.arg)
		return v, v != ""
	case "param":
		v := d.params.Get(f.arg)
		return v, d.params.Has(f.arg)
	case "text":
		v := string(bytes.TrimSpace(d.body))
		return v, v != ""
	}
	return "", false
}

// value is the body as JSON, nil when it is none.
func (d *document) value() any {
	if !d.parsed {
		d.parsed = true
		dec := json.NewDecoder(bytes.NewReader(d.body))
		dec.UseNumber()
		if dec.Decode(&d.json) != nil {
			d.json = nil
		}
	}
	return d.json
}

func walk(v any, path []string) (any, bool) {
	for _, name := range path {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[name]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
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
