package connector

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"protei-bulk/internal/jsonpointer"
	"protei-bulk/smpp"
)

// Class is what a command_status means for a message.
type Class string

// The classes.
const (
	Throttled Class = "throttled" // the bind pauses, the same part goes again first
	Temporary Class = "temporary" // the message tries again later
	Permanent Class = "permanent" // the message is FAILED
	Rejected  Class = "rejected"  // the message is REJECTED
	NoRoute   Class = "no_route"  // the message goes to the next connector of its rule, or is REJECTED
)

// Classes returns Statuses by number. An error is a *FieldError of the first name, by the alphabet, that is wrong.
func (s *Spec) Classes() (map[smpp.Status]Class, error) {
	classes := make(map[smpp.Status]Class, len(s.Statuses))
	for _, name := range slices.Sorted(maps.Keys(s.Statuses)) {
		st, ok := parseStatus(name)
		if !ok || st == smpp.ROK {
			return nil, &FieldError{jsonpointer.Join("statuses", name), fmt.Sprintf("%.40q is no command_status: its name or a number such as 0x45, and not ESME_ROK", name)}
		}
		switch c := Class(s.Statuses[name]); c {
		case Throttled, Temporary, Permanent, Rejected, NoRoute:
			classes[st] = c
		default:
			return nil, &FieldError{jsonpointer.Join("statuses", name), fmt.Sprintf("%.40q is none of throttled, temporary, permanent, rejected, no_route", c)}
		}
	}
	return classes, nil
}

// lastNamed is above the command_status values that the standard names.
const lastNamed = 0x0400

// parseStatus reads the standard's name, with or without ESME_, or a number.
func parseStatus(name string) (smpp.Status, bool) {
	if n, err := strconv.ParseUint(name, 0, 32); err == nil {
		return smpp.Status(n), true
	}
	plain := strings.TrimPrefix(strings.ToUpper(name), "ESME_")
	for st := smpp.Status(0); st < lastNamed; st++ {
		if known := st.Name(); known != "" && strings.TrimPrefix(known, "ESME_") == plain {
			return st, true
		}
	}
	return 0, false
}
