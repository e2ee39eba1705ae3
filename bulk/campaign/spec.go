package campaign

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
)

// Bounds of a campaign's fields.
const (
	MaxName       = 128      // characters
	MaxContent    = 16 << 10 // octets; the parts are checked when messages are made
	MaxTotal      = 1_000_000_000
	MaxTPS        = 1_000_000
	MaxRecipients = 100_000 // in one call
	maxRecipient  = 40      // octets of one number as written
)

// Spec is what a customer decides about a campaign.
type Spec struct {
	Name            string
	SenderID        string
	MessageContent  string
	RecipientType   string // MANUAL (default), LIST, UPLOAD
	TotalRecipients uint32
	ScheduleType    string // IMMEDIATE (default), SCHEDULED
	ScheduleAt      string // RFC 3339 with zone
	Priority        message.Priority
	MaxTPS          uint32
	Encoding        string
	DLRURL          string
}

// FieldError names the field of a Spec that cannot be accepted.
type FieldError struct {
	Field  string // as in the API
	Code   string
	Detail string
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Detail }

// apply checks the spec and writes it into the row. It names every fault at once; each
// one is a *FieldError.
func (s *Spec) apply(row *Row, set *Settings, now time.Time) error {
	var faults []error
	bad := func(field, code, format string, args ...any) {
		faults = append(faults, &FieldError{field, code, fmt.Sprintf(format, args...)})
	}
	if s.Name = strings.TrimSpace(s.Name); s.Name == "" {
		bad("name", "missing_name", "is needed")
	} else if n := utf8.RuneCountInString(s.Name); n > MaxName {
		bad("name", "invalid_name", "has %d characters, at most %d are allowed", n, MaxName)
	}
	if s.MessageContent == "" {
		bad("message_content", "missing_text", "is needed")
	} else if len(s.MessageContent) > MaxContent {
		bad("message_content", "text_too_long", "has %d octets, at most %d are allowed", len(s.MessageContent), MaxContent)
	}
	if s.RecipientType = upper(s.RecipientType, "MANUAL"); !oneOf(s.RecipientType, "MANUAL", "LIST", "UPLOAD") {
		bad("recipient_type", "invalid_recipient_type", "is one of MANUAL, LIST, UPLOAD")
	}
	if s.ScheduleType = upper(s.ScheduleType, "IMMEDIATE"); !oneOf(s.ScheduleType, "IMMEDIATE", "SCHEDULED") {
		bad("schedule_type", "invalid_schedule_type", "is one of IMMEDIATE, SCHEDULED")
	}
	at := s.scheduleAt(now, bad)
	if s.TotalRecipients > MaxTotal {
		bad("total_recipients", "out_of_range", "is at most %d", MaxTotal)
	}
	if s.MaxTPS > MaxTPS {
		bad("max_tps", "out_of_range", "is between 0 (no limit) and %d", MaxTPS)
	}
	enc, err := gsm.ParseEncoding(s.Encoding)
	if err != nil {
		bad("encoding", "invalid_encoding", "%v", err)
	}
	if err == nil && enc != gsm.Binary && s.MessageContent != "" {
		if _, _, _, err := gsm.Segment(nil, nil, s.MessageContent, gsm.Options{Encoding: enc}); err != nil {
			bad("message_content", "invalid_text", "%v", err)
		}
	}
	row.Name, row.SenderID, row.MessageContent = s.Name, s.SenderID, s.MessageContent
	row.RecipientType, row.ScheduleType, row.ScheduleAt = s.RecipientType, s.ScheduleType, at
	row.TotalRecipients, row.Priority, row.MaxTPS = s.TotalRecipients, s.Priority, s.MaxTPS
	set.Encoding, set.DLRURL = s.Encoding, s.DLRURL
	return errors.Join(faults...)
}

func (s *Spec) scheduleAt(now time.Time, bad func(field, code, format string, args ...any)) int64 {
	if s.ScheduleAt == "" {
		if s.ScheduleType == "SCHEDULED" {
			bad("schedule_at", "invalid_schedule_at", "is needed with schedule_type SCHEDULED")
		}
		return 0
	}
	at, err := time.Parse(time.RFC3339Nano, s.ScheduleAt)
	switch {
	case err != nil:
		bad("schedule_at", "invalid_schedule_at", "%.40q is not a time with zone such as 2030-01-31T09:00:00Z", s.ScheduleAt)
	case s.ScheduleType == "IMMEDIATE":
		bad("schedule_at", "invalid_schedule_at", "needs schedule_type SCHEDULED")
	case at.Before(now.Add(-5 * time.Minute)):
		bad("schedule_at", "invalid_schedule_at", "%s has passed", s.ScheduleAt)
	case at.After(now.AddDate(1, 0, 0)):
		bad("schedule_at", "invalid_schedule_at", "%s is more than a year ahead", s.ScheduleAt)
	}
	return at.UnixMilli()
}

func upper(s, def string) string {
	if s == "" {
		return def
	}
	return strings.ToUpper(s)
}

func oneOf(s string, all ...string) bool {
	for _, a := range all {
		if s == a {
			return true
		}
	}
	return false
}
