package api

import (
	"fmt"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"protei-bulk/bulk/message"
)

// Bounds of a list.
const (
	defaultLimit = 20
	maxLimit     = 1000
	maxSkipped   = 100_000 // messages before the page: further back a cursor is needed
)

// parseQuery reads the query of a list. It names every wrong parameter at once; unknown
// ones are returned.
func parseQuery(raw string) (q Query, unknown []string, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, nil, wrong("invalid_parameter", "the query is not well-formed")
	}
	q.Limit, q.Page = defaultLimit, 1
	var faults []fault
	for name, all := range values {
		v := strings.TrimSpace(all[0])
		known, detail := q.set(name, v)
		switch {
		case !known:
			unknown = append(unknown, shorten(name))
		case len(all) > 1:
			faults = append(faults, fault{"?" + name, "invalid_parameter", "is given twice"})
		case v != "" && detail != "":
			faults = append(faults, fault{"?" + name, "invalid_parameter", detail})
		}
	}
	if q.Cursor == 0 && (q.Page-1)*q.Limit > maxSkipped {
		faults = append(faults, fault{"?page", "invalid_parameter", fmt.Sprintf("goes beyond the newest %d messages: use cursor", maxSkipped)})
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		faults = append(faults, fault{"?since", "invalid_parameter", "is not before until"})
	}
	sort.Strings(unknown)
	if len(unknown) > maxWarnings {
		unknown = unknown[:maxWarnings]
	}
	if len(faults) == 0 {
		return q, unknown, nil
	}
	sort.Slice(faults, func(i, j int) bool { return faults[i].pointer < faults[j].pointer })
	return q, nil, &problem{code: "invalid_parameter", detail: faults[0].pointer[1:] + " " + faults[0].detail, faults: faults}
}

func shorten(name string) string { return name[:min(len(name), maxNameLen)] }

// set reads one parameter; detail says what is wrong with it.
func (q *Query) set(name, v string) (known bool, detail string) {
	switch name {
	case "limit":
		q.Limit, detail = parseCount(v, defaultLimit, maxLimit)
	case "page":
		q.Page, detail = parseCount(v, 1, 1_000_000)
	case "status":
		s, err := message.ParseStatus(v)
		if err != nil {
			detail = "is " + err.Error()
		}
		q.Status = s
	case "from":
		q.From = listAddress(v)
	case "to":
		q.To = listAddress(v)
	case "campaign_id":
		q.Campaign, detail = parseIDParameter(v)
	case "batch_id":
		q.Batch, detail = parseIDParameter(v)
	case "cursor":
		q.Cursor, detail = parseIDParameter(v)
	case "account_id":
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			detail = "is not an account's number"
		}
		q.Account = uint32(n)
	case "since":
		q.Since, detail = parseMoment(v)
	case "until":
		q.Until, detail = parseMoment(v)
	default:
		return false, ""
	}
	return true, detail
}

// page reads the parameters of a list that has no others: limit and cursor, which it gives to cursor.
func (c *call) page(cursor func(v string) (detail string)) (limit int, err error) {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return 0, wrong("invalid_parameter", "the query is not well-formed")
	}
	limit = defaultLimit
	for name := range values {
		v := strings.TrimSpace(values.Get(name))
		var detail string
		switch name {
		case "limit":
			limit, detail = parseCount(v, defaultLimit, maxLimit)
		case "cursor":
			detail = cursor(v)
		default:
			detail = "is none of limit, cursor"
		}
		if detail != "" {
			f := fault{"?" + shorten(name), "invalid_parameter", detail}
			return 0, &problem{code: f.code, detail: f.pointer[1:] + " " + detail, faults: []fault{f}}
		}
	}
	return limit, nil
}

func parseCount(v string, def, most int) (int, string) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		return def, fmt.Sprintf("is not a number between 1 and %d", most)
	}
	return n, ""
}

func parseIDParameter(v string) (message.ID, string) {
	id, err := message.ParseID(v)
	if err != nil {
		return 0, "is not an id: 16 hex digits"
	}
	return id, ""
}

// parseMoment reads RFC 3339. A + of the zone that was not escaped arrives as a space.
func parseMoment(v string) (time.Time, string) {
	t, err := time.Parse(time.RFC3339Nano, strings.Replace(v, " ", "+", 1))
	if err != nil {
		return time.Time{}, "is not a time with zone such as 2030-01-31T09:00:00Z"
	}
	return t, ""
}

// listAddress brings a number into the form in which messages hold it: digits only. A
// sender with letters stays as it is.
func listAddress(v string) string {
	digits := make([]byte, 0, 20)
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c >= '0' && c <= '9':
			digits = append(digits, c)
		case strings.IndexByte("+ -.()/", c) >= 0:
		default:
			return v
		}
	}
	return string(digits)
}
