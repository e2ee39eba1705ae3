package scenario

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// hidden stands for a secret.
const hidden = "HIDDEN"

// secretWords are what names of secrets have in them.
const secretWords = `password|passwd|secret|token|api[_-]?key|authorization|credential`

// mask hides secrets in a request or answer: the ones given, headers with credentials, and
// members of JSON and forms whose names say that they are secret.
func mask(text string, secrets []string) string {
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, hidden)
	}
	headers := regexp.MustCompile(`(?im)^(cookie|set-cookie|[\w-]*(?:` + secretWords + `)[\w-]*)(: *).*?(\r?)$`)
	text = headers.ReplaceAllString(text, "${1}${2}"+hidden+"${3}")
	members := regexp.MustCompile(`(?i)("[^"]*(?:` + secretWords + `)[^"]*"\s*:\s*)"(?:[^"\\]|\\.)*("|$)`)
	text = members.ReplaceAllString(text, `${1}"`+hidden+`"`)
	forms := regexp.MustCompile(`(?i)([\w.\-]*(?:` + secretWords + `)[\w.\-]*=)[^&\s"]*`)
	return forms.ReplaceAllString(text, "${1}"+hidden)
}

// secretName says that a variable's name sounds like a secret.
func secretName(name string) bool {
	return regexp.MustCompile(`(?i)` + secretWords + `|(^|_)(key|pass)$`).MatchString(name)
}

// withForms adds the forms that secrets take in JSON and in URLs, and leaves out what is
// too short to be looked for.
func withForms(secrets []string) []string {
	var out []string
	for _, s := range secrets {
		if len(s) < 4 {
			continue
		}
		quoted := strconv.Quote(s)
		for _, form := range []string{s, quoted[1 : len(quoted)-1], url.QueryEscape(s), url.PathEscape(s)} {
			if !slices.Contains(out, form) {
				out = append(out, form)
			}
		}
	}
	return out
}

// secrets are those of the run: key, password, --header, and vars and ${env(…)} whose names
// say so.
func (r *Run) secrets() []string {
	list := append([]string{r.opts.APIKey}, r.file.secrets...)
	if r.opts.SMPP != nil {
		list = append(list, r.opts.SMPP.Password)
	}
	for _, h := range r.opts.Header {
		_, value, _ := strings.Cut(h, ":")
		list = append(list, strings.TrimSpace(value))
	}
	return withForms(list)
}

// secrets are also what the user has saved under names that say so.
func (c *fileUser) secrets() []string {
	var own []string
	for _, slot := range c.run.file.secretSlots {
		own = append(own, string(c.scope.Vars[slot]))
	}
	return append(withForms(own), c.run.secrets()...)
}
