package bulk

import (
	"net/url"
	"reflect"
	"regexp"
	"strings"
)

// Redacted returns c with every password in it hidden, to be shown.
func (c Config) Redacted() Config {
	c.walk(func(_, _ string, v reflect.Value) {
		switch x := v.Addr().Interface().(type) {
		case *string:
			*x = redactURL(*x)
		case *[]string:
			*x = redactAll(*x)
		case *Seeds:
			*x = x.redacted()
		case *Headers:
			*x = x.redacted()
		}
	})
	return c
}

// redactAll hides the passwords in a list of URLs and name=URL pairs.
func redactAll(list []string) []string {
	if list == nil {
		return nil
	}
	all := make([]string, len(list))
	for i, text := range list {
		name, address, named := strings.Cut(text, "=")
		if named && !strings.Contains(name, "://") {
			all[i] = name + "=" + redactURL(address)
			continue
		}
		all[i] = redactURL(text)
	}
	return all
}

// looseSecret finds what is no URL and has a password nevertheless: user:password@host, of which the
// scheme was forgotten, password=… as in a DSN, and a key in place of the name of its file.
var looseSecret = regexp.MustCompile(`(?i)^[^/@]*:[^@]*@|password|-----BEGIN`)

// redactURL hides the password of a URL, and those among its parameters, as in
// postgres://host/db?password=….
func redactURL(text string) string {
	if !strings.Contains(text, "://") {
		if looseSecret.MatchString(text) {
			return "(not a URL, hidden)"
		}
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		return "(not a URL)"
	}
	pairs := strings.Split(u.RawQuery, "&")
	for i, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err != nil || strings.HasSuffix(strings.ToLower(plain), "password") {
			pairs[i] = name + "=xxxxx"
		}
	}
	u.RawQuery = strings.Join(pairs, "&")
	return u.Redacted()
}
