package target

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// hidden stands for a secret.
const hidden = "HIDDEN"

var secretName = regexp.MustCompile(`(?i)pass|token|key|secret|auth|credential`)

// Mask hides the secrets of what --watch takes, also when it is wrong.
func Mask(text string) string {
	scheme, _, isURL := strings.Cut(text, "://")
	if !isURL {
		if strings.ContainsRune(text, '@') || secretName.MatchString(text) {
			return hidden // an address without its slashes, or key=value pairs
		}
		return text
	}
	if strings.ContainsAny(scheme, ":@/?#") {
		return hidden // the slashes are those of a password
	}
	source := text
	if m := prefixed.FindStringSubmatch(text); m != nil {
		source = m[2]
	}
	u, fragment, ok := parseAddress(source)
	if !ok {
		return scheme + "://" + hidden
	}
	masked := scheme + "://" + maskUser(u) + u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		masked += "?" + maskQuery(u.RawQuery)
	}
	if fragment != "" {
		masked += "#" + fragment
	}
	return masked
}

// parseAddress cuts the selection off a URL. It is not ok when a sign in a password may have been taken for the end of
// something: then the rest of the password would stand where it is shown.
func parseAddress(text string) (u *url.URL, fragment string, ok bool) {
	address, fragment, _ := strings.Cut(text, "#")
	u, err := url.Parse(address)
	if err != nil || u.Host == "" && u.Query().Get("host") == "" {
		return nil, "", false
	}
	return u, fragment, !strings.ContainsRune(fragment+u.Path+u.RawQuery, '@')
}

// maskUser is the part before the host. A user without password is shown for PostgreSQL; elsewhere it is a token.
func maskUser(u *url.URL) string {
	if u.User == nil {
		return ""
	}
	if _, password := u.User.Password(); password {
		return url.User(u.User.Username()).String() + ":" + hidden + "@"
	}
	if isPostgres(u) {
		return url.User(u.User.Username()).String() + "@"
	}
	return hidden + "@"
}

func isPostgres(u *url.URL) bool {
	return strings.EqualFold(u.Scheme, "postgres") || strings.EqualFold(u.Scheme, "postgresql")
}

// maskQuery hides the parameters that sound like secrets.
func maskQuery(raw string) string {
	parts := strings.Split(raw, "&")
	for i, part := range parts {
		name, value, ok := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); ok && value != "" && (err != nil || secretName.MatchString(plain)) {
			parts[i] = name + "=" + hidden
		}
	}
	return strings.Join(parts, "&")
}

// secretsOf are the texts that must not be shown, as they are and as they are written.
func secretsOf(u *url.URL) (all []string) {
	keep := func(raw, plain string) {
		for _, s := range []string{raw, plain, url.QueryEscape(plain), url.PathEscape(plain)} {
			if len(s) > 2 { // of less nothing can be hidden
				all = append(all, s)
			}
		}
	}
	if password, ok := u.User.Password(); ok {
		keep(password, password)
	} else if u.User != nil && !isPostgres(u) {
		keep(u.User.Username(), u.User.Username())
	}
	for name, values := range u.Query() {
		for _, v := range values {
			if secretName.MatchString(name) {
				keep(v, v)
			}
		}
	}
	return all
}

// scrubbed is an error without secrets, on one line and of bounded length; that time is up is said plainly.
func (s *Spec) scrubbed(err error) error {
	var timeout interface{ Timeout() bool }
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return errSlow
	}
	text := err.Error()
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, hidden)
	}
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	if r := []rune(text); len(r) > maxReason {
		text = string(r[:maxReason]) + "…"
	}
	return errors.New(text)
}

// maxReason bounds the text of an error, in characters.
const maxReason = 240

// errSlow is what a source that hangs is told about as.
var errSlow = errors.New("no answer in time")

// deadline of one sample.
const deadline = 3 * time.Second
