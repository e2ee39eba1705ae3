package route

import (
	"slices"
	"strings"
	"unicode"
)

// takes reports whether q fits the conditions that the tries do not know. It allocates
// nothing.
func (r *rule) takes(q *Query) bool {
	return r.takesSender(q.Source.Addr) &&
		(r.encodings == 0 || r.encodings&(1<<(q.Encoding&15)) != 0) &&
		(r.priorities == 0 || r.priorities&(1<<(q.Priority&7)) != 0) &&
		q.Parts >= r.minParts && q.Parts <= r.maxParts &&
		(len(r.tags) == 0 || q.Tag != "" && slices.Contains(r.tags, q.Tag)) &&
		r.takesMoment(q) &&
		(len(r.keywords) == 0 || r.takesKeyword(q.Text)) &&
		(r.text == nil || r.text.MatchString(q.Text))
}

func (r *rule) takesSender(sender string) bool {
	if len(r.senders) == 0 && len(r.starts) == 0 {
		return true
	}
	for _, s := range r.senders {
		if s == sender {
			return true
		}
	}
	for _, s := range r.starts {
		if strings.HasPrefix(sender, s) {
			return true
		}
	}
	return false
}

func (r *rule) takesMoment(q *Query) bool {
	if len(r.windows) == 0 {
		return true
	}
	for i := range r.windows {
		if r.windows[i].contains(q.At) {
			return true
		}
	}
	return false
}

// takesKeyword compares the text's first word.
func (r *rule) takesKeyword(text string) bool {
	text = strings.TrimLeftFunc(text, unicode.IsSpace)
	if end := strings.IndexFunc(text, unicode.IsSpace); end >= 0 {
		text = text[:end]
	}
	for _, k := range r.keywords {
		if strings.EqualFold(k, text) {
			return true
		}
	}
	return false
}

// match returns the rule that decides about q, or nil.
func (t *Table) match(q *Query) *rule {
	at, rank := t.general.find(q, t.rules, none)
	if len(t.accounts) > 0 {
		if own := t.accounts[q.Account]; own != nil {
			if better, _ := own.find(q, t.rules, rank); better >= 0 {
				at = better
			}
		}
	}
	if at < 0 {
		return nil
	}
	return &t.rules[at]
}

// Route returns where q goes; false when no rule takes it, or its rule has no connector.
func (t *Table) Route(q *Query) (Choice, bool) {
	r := t.match(q)
	if r == nil || len(r.targets) == 0 {
		return Choice{}, false
	}
	return Choice{Rule: r.id, Connector: r.targets[r.choose(true)].ID, Price: r.price}, true
}
