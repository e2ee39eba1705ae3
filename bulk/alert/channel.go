package alert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"protei-bulk/bulk/callback"
)

// Kinds of channels.
const (
	Webhook = "webhook" // JSON, signed as Standard Webhooks
	Email   = "email"
	HTTP    = "http" // URL and JSON body by template
)

// Ways to protect the connection to a mail server.
const (
	StartTLS = "starttls"
	TLS      = "tls"
	NoTLS    = "none" // no password is sent then
)

// Channel is a way to tell people.
type Channel struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"`
	Rules    []string `json:"rules"` // which rules it tells of; none: all
	Disabled bool     `json:"disabled"`
	// Secret signs webhooks (whsec_…), is the password at the mail server, or what templates
	// have as {{.Secret}}. It is sealed in the store and never shown.
	Secret string `json:"secret,omitempty"`

	URL  string `json:"url,omitempty"`  // webhook; template for http
	Body string `json:"body,omitempty"` // template for http
	Chat string `json:"chat,omitempty"` // {{.Chat}} in templates

	Server   string   `json:"server,omitempty"` // host:port
	Security string   `json:"security,omitempty"`
	User     string   `json:"user,omitempty"` // none: no authentication
	From     string   `json:"from,omitempty"`
	To       []string `json:"to,omitempty"`
}

const (
	// MaxChannels bounds the channels.
	MaxChannels   = 50
	maxTo         = 50
	maxText       = 8 << 10 // of a field, and of what a template makes
	namePattern   = `^[a-z0-9][a-z0-9._-]{0,62}$`
	defaultBodyOf = `{"chat_id": {{json .Chat}}, "text": {{json .Summary}}}`
)

// wants reports whether the channel tells of a rule.
func (c *Channel) wants(rule string) bool {
	return !c.Disabled && (len(c.Rules) == 0 || slices.Contains(c.Rules, rule))
}

func (c *Channel) validate(guard *callback.Guard) error {
	if !regexp.MustCompile(namePattern).MatchString(c.Name) {
		return &FieldError{"name", "is a lower-case letter or digit, then up to 62 of a-z 0-9 . _ -"}
	}
	for field, v := range map[string]string{"url": c.URL, "body": c.Body, "chat": c.Chat, "secret": c.Secret, "user": c.User, "server": c.Server} {
		if len(v) > maxText {
			return &FieldError{field, fmt.Sprintf("is longer than %d octets", maxText)}
		}
	}
	for _, name := range c.Rules {
		if !slices.ContainsFunc(Defaults(), func(r Rule) bool { return r.Name == name }) {
			return &FieldError{"rules", fmt.Sprintf("has %q, which is no rule", name)}
		}
	}
	switch c.Kind {
	case Webhook:
		return asField("url", guard.CheckURL(c.URL))
	case HTTP:
		return c.validateTemplates(guard)
	case Email:
		return c.validateMail()
	}
	return &FieldError{"kind", "is none of webhook, email, http"}
}

func (c *Channel) validateTemplates(guard *callback.Guard) error {
	if c.Body == "" {
		c.Body = defaultBodyOf
	}
	url, body, err := c.render(Alert{State: Test, Summary: `a "test"`})
	if err != nil {
		return err
	}
	if err := guard.CheckURL(url); err != nil {
		// The text would show the secret that the template put into the URL.
		return &FieldError{"url", "gives no http or https URL of a host that may be reached"}
	}
	if !json.Valid(body) {
		return &FieldError{"body", "gives no JSON: write values as {{json .Summary}}"}
	}
	return nil
}

func (c *Channel) validateMail() error {
	if _, _, err := net.SplitHostPort(c.Server); err != nil {
		return &FieldError{"server", "is not host:port"}
	}
	if c.Security == "" {
		c.Security = StartTLS
	}
	if !slices.Contains([]string{StartTLS, TLS, NoTLS}, c.Security) {
		return &FieldError{"security", "is none of starttls, tls, none"}
	}
	if c.Security == NoTLS && c.User != "" {
		return &FieldError{"security", "is none: the password would be readable on its way"}
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		return &FieldError{"from", "is not an e-mail address"}
	}
	if len(c.To) == 0 || len(c.To) > maxTo {
		return &FieldError{"to", fmt.Sprintf("has 1 to %d e-mail addresses", maxTo)}
	}
	for _, to := range c.To {
		if _, err := mail.ParseAddress(to); err != nil {
			return &FieldError{"to", fmt.Sprintf("has %q, which is no e-mail address", to)}
		}
	}
	return nil
}

func asField(field string, err error) error {
	if err == nil {
		return nil
	}
	return &FieldError{field, err.Error()}
}

// filling is what templates can name.
type filling struct {
	Alert
	Secret, Chat string
}

// render fills the templates of the URL and the body.
func (c *Channel) render(a Alert) (url string, body []byte, err error) {
	out := [2]bytes.Buffer{}
	for i, text := range []string{c.URL, c.Body} {
		field := []string{"url", "body"}[i]
		t, err := template.New(field).Option("missingkey=error").Funcs(template.FuncMap{"json": asJSON}).Parse(text)
		if err != nil {
			return "", nil, &FieldError{field, "is no template: " + err.Error()}
		}
		if err := t.Execute(&limited{&out[i]}, filling{a, c.Secret, c.Chat}); err != nil {
			return "", nil, &FieldError{field, "cannot be filled: " + strings.ReplaceAll(err.Error(), "\n", " ")}
		}
	}
	return out[0].String(), out[1].Bytes(), nil
}

func asJSON(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// limited refuses what would make its buffer longer than maxText.
type limited struct{ b *bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.b.Len()+len(p) > maxText {
		return 0, errors.New("the result is too long")
	}
	return l.b.Write(p)
}
