package aggregator

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"protei-bulk/internal/jsonpointer"
)

// Settings describe an aggregator's API. Templates have fields in double braces, {{to}};
// Fields lists them.
type Settings struct {
	URL     string            `json:"url"`    // template, but for scheme and host
	Method  string            `json:"method"` // POST by default; GET, PUT, PATCH
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"` // template
	// Format says how fields are written into the body: json (default), form, xml, text. It also
	// sets Content-Type, unless Headers do.
	Format string `json:"format"`
	// Split says what one request carries: message (default), the whole text, or part, one part
	// of it with its user data header.
	Split string `json:"split"`
	// Auth adds the connector's system_id and password: none (default), basic, bearer.
	Auth string `json:"auth"`

	ID    string `json:"id,omitempty"`    // where the answer has the message's id: a Finder
	Error string `json:"error,omitempty"` // where it has a numeric error code; the HTTP status by default
	Rules []Rule `json:"rules,omitempty"` // what answers mean; the first that fits counts

	Callback *Callback `json:"callback,omitempty"` // nil: no receipts come
}

// Rule says what an answer means.
type Rule struct {
	Status string `json:"status,omitempty"` // 200, 2xx, 400-404 or several with commas; empty: any
	Value  string `json:"value,omitempty"`  // Finder of a value in the answer
	Is     string `json:"is,omitempty"`     // the value is one of these, separated by |
	Like   string `json:"like,omitempty"`   // the value fits this regular expression
	Class  string `json:"class"`            // one of Classes
}

// Callback says how receipts arrive at our URL.
type Callback struct {
	// Base is the public address of the platform, https://sms.example.com, for {{dlr_url}}.
	Base string `json:"base,omitempty"`
	// Items is the JSON path of the list of receipts in the body; empty: the body is one, or a
	// list of them.
	Items  string `json:"items,omitempty"`
	ID     string `json:"id"`              // Finder of the message's id
	Status string `json:"status"`          // Finder of the state
	Error  string `json:"error,omitempty"` // Finder of a numeric error code
	To     string `json:"to,omitempty"`    // Finder of the recipient
	// States maps the aggregator's words, in any case, to ours: delivered, failed, rejected,
	// expired, unknown, and pending for what is not final. Common words are known.
	States map[string]string `json:"states,omitempty"`
	Answer string            `json:"answer,omitempty"` // body of our answer, OK by default
}

// Classes are the names of what an answer may mean.
var Classes = []string{"accepted", "throttled", "temporary", "permanent", "rejected", "no_route", "unavailable", "unknown"}

// FieldError names the setting that cannot be accepted.
type FieldError struct{ Field, Detail string }

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Detail }

// Bounds of Settings.
const (
	maxTemplate = 16 << 10
	maxRules    = 100
	maxHeaders  = 50
)

// Gateway is Settings made ready. Its zero value is not usable.
type Gateway struct {
	set     Settings
	url     template
	body    template
	headers []header
	id      finder
	code    finder
	rules   []rule
	back    *callback
	auth    Auth
}

type header struct {
	name  string
	value template
}

// Auth is what an aggregator knows us by, and the address of our callback.
type Auth struct {
	Username, Password string
	DLRURL             string // for {{dlr_url}}, secret included
}

// compiler gathers faults.
type compiler struct{ faults []error }

func (c *compiler) bad(field, format string, args ...any) {
	c.faults = append(c.faults, &FieldError{field, fmt.Sprintf(format, args...)})
}

// Compile checks everything and names every fault at once, each a *FieldError.
func Compile(s Settings, auth Auth) (*Gateway, error) {
	c := &compiler{}
	g := &Gateway{set: s, auth: auth}
	if g.set.Method == "" {
		g.set.Method = http.MethodPost
	}
	if !slices.Contains([]string{"GET", "POST", "PUT", "PATCH"}, g.set.Method) {
		c.bad("method", "%.20q is none of GET, POST, PUT, PATCH", s.Method)
	}
	formats := map[string]escape{"": escapeJSON, "json": escapeJSON, "form": escapeQuery, "xml": escapeXML, "text": escapeNone}
	format, ok := formats[s.Format]
	if !ok {
		c.bad("format", "%.20q is none of json, form, xml, text", s.Format)
	}
	if !slices.Contains([]string{"", "message", "part"}, s.Split) {
		c.bad("split", "%.20q is none of message, part", s.Split)
	}
	c.auth(s.Auth, auth)
	g.url = c.url(s.URL)
	g.body = c.template("body", s.Body, format)
	if s.Method == http.MethodGet && s.Body != "" {
		c.bad("body", "a GET has none: put the fields into the url")
	}
	g.headers = c.headers(s.Headers)
	g.id = c.finder("id", s.ID)
	g.code = c.finder("error", s.Error)
	g.rules = c.rules(s.Rules)
	g.back = c.callback(s.Callback)
	if len(c.faults) == 0 {
		c.sample(g)
	}
	if len(c.faults) > 0 {
		return nil, errors.Join(c.faults...)
	}
	return g, nil
}

func (c *compiler) auth(kind string, auth Auth) {
	switch kind {
	case "", "none":
	case "basic":
		if auth.Username == "" {
			c.bad("auth", "basic needs the connector's system_id and password")
		}
	case "bearer":
		if strings.ContainsAny(auth.Password, " \t") {
			c.bad("auth", "a bearer token has no spaces: it is the connector's password")
		}
	default:
		c.bad("auth", "%.20q is none of none, basic, bearer", kind)
	}
}

// url reads the template of the URL: fields come after the host.
func (c *compiler) url(text string) template {
	rest, ok := strings.CutPrefix(text, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(text, "http://")
	}
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	switch {
	case !ok || host == "":
		c.bad("url", "%.80q is not https://host/…", redact(text))
	case strings.Contains(host, "{{"):
		c.bad("url", "fields come after the host")
	case strings.Contains(host, "@"):
		c.bad("url", "the password belongs into the setting password")
	case strings.Contains(text, "#"):
		c.bad("url", "a fragment, #…, is not sent: %%23 stands for #")
	default:
		if _, err := url.Parse("http://" + host); err != nil {
			c.bad("url", "%.80q is no host", host)
		}
	}
	path, query, cut := strings.Cut(text, "?")
	t := c.template("url", path, escapePath)
	if cut {
		t = append(t, segment{text: "?"})
		t = append(t, c.template("url", query, escapeQuery)...)
	}
	return t
}

// redact takes what follows the last @ of a text that may have a password before it.
func redact(text string) string {
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		return "…" + text[i:]
	}
	return text
}

func (c *compiler) headers(all map[string]string) []header {
	if len(all) > maxHeaders {
		c.bad("headers", "has at most %d entries", maxHeaders)
		return nil
	}
	var out []header
	for name, value := range all {
		field := jsonpointer.Join("headers", name)
		if !validHeaderName(name) {
			c.bad(field, "%.40q is no name of a header", name)
			continue
		}
		if slices.Contains([]string{"Host", "Content-Length", "Transfer-Encoding", "Connection"}, http.CanonicalHeaderKey(name)) {
			c.bad(field, "is set by HTTP itself")
			continue
		}
		if strings.ContainsAny(value, "\r\n\x00") {
			c.bad(field, "has a line break")
		}
		out = append(out, header{http.CanonicalHeaderKey(name), c.template(field, value, escapeHeader)})
	}
	slices.SortFunc(out, func(a, b header) int { return strings.Compare(a.name, b.name) })
	return out
}

func validHeaderName(name string) bool {
	for i := 0; i < len(name); i++ {
		b := name[i]
		if (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && (b < '0' || b > '9') && !strings.ContainsRune("-_.", rune(b)) {
			return false
		}
	}
	return name != "" && len(name) <= 64
}

// rule is a Rule made ready.
type rule struct {
	status []statusRange
	value  finder
	is     []string
	like   *regexp.Regexp
	class  string
}

type statusRange struct{ from, to int }

func (c *compiler) rules(all []Rule) []rule {
	if len(all) > maxRules {
		c.bad("rules", "has at most %d entries", maxRules)
		return nil
	}
	out := make([]rule, 0, len(all))
	for i, r := range all {
		field := fmt.Sprintf("rules/%d", i)
		if !slices.Contains(Classes, r.Class) {
			c.bad(field+"/class", "%.20q is none of %s", r.Class, strings.Join(Classes, ", "))
		}
		status, err := parseStatuses(r.Status)
		if err != nil {
			c.bad(field+"/status", "%s", err)
		}
		next := rule{status: status, class: r.Class, value: c.finder(field+"/value", r.Value)}
		if r.Value == "" && (r.Is != "" || r.Like != "") {
			c.bad(field+"/value", "is needed with is and like")
		}
		if r.Is != "" {
			next.is = strings.Split(r.Is, "|")
		}
		if r.Like != "" {
			if next.like, err = regexp.Compile(r.Like); err != nil {
				c.bad(field+"/like", "is no regular expression: %s", err)
			}
		}
		out = append(out, next)
	}
	return out
}

// parseStatuses reads 200, 2xx, 400-404, with commas between them.
func parseStatuses(text string) ([]statusRange, error) {
	var all []statusRange
	for _, s := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		var r statusRange
		var rest string
		switch {
		case len(s) == 3 && s[1:] == "xx" && s[0] >= '1' && s[0] <= '5':
			r = statusRange{int(s[0]-'0') * 100, int(s[0]-'0')*100 + 99}
		default:
			if n, _ := fmt.Sscanf(s+" ", "%d-%d%s", &r.from, &r.to, &rest); n != 2 || rest != "" {
				r.to = 0
				if n, _ := fmt.Sscanf(s, "%d%s", &r.from, &rest); n != 1 {
					r.from = 0
				}
				r.to = r.from
			}
		}
		if r.from < 100 || r.to > 599 || r.from > r.to {
			return nil, fmt.Errorf("%.40q is no HTTP status such as 200, 2xx or 400-404", s)
		}
		all = append(all, r)
	}
	return all, nil
}

// Whole reports whether a request carries a whole message.
func (g *Gateway) Whole() bool { return g.set.Split != "part" }

// Endpoint is the URL up to the first field or the query, to be shown.
func (s *Settings) Endpoint() string {
	text, _, _ := strings.Cut(s.URL, "?")
	text, _, _ = strings.Cut(text, "{{")
	return text
}

// Clone returns a copy that shares nothing with s, nil for nil.
func (s *Settings) Clone() *Settings {
	if s == nil {
		return nil
	}
	c := *s
	c.Headers, c.Rules = maps.Clone(s.Headers), slices.Clone(s.Rules)
	if s.Callback != nil {
		back := *s.Callback
		back.States = maps.Clone(back.States)
		c.Callback = &back
	}
	return &c
}

// maxWait bounds what a Retry-After is heeded.
const maxWait = 5 * time.Minute
