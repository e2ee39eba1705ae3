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
	MaxRecipients = 100_000 // inline in one call
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
	ValidityPeriod  string // as of a message
	Tag             string // for routing
	Flash           bool
	Transliterate   bool
	UDH             string // as of a message
	DestPort        uint16
	SourcePort      uint16
	Timezone        string // IANA name, of Windows and of a ScheduleAt without zone; "": UTC
	Windows         []Window
	Duplicates      string // of numbers: keep (default) or skip
	AutoResume      bool   // go on by itself when there is balance or quota again
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
	} else if c, ok := message.Steering(s.Name); ok {
		bad("name", "invalid_name", "has the character %U, which cannot be shown", c)
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
	zone, err := zoneOf(s.Timezone)
	if err != nil {
		bad("timezone", "invalid_timezone", "%v", err)
	}
	at := s.scheduleAt(now, zone, bad)
	if s.TotalRecipients > MaxTotal {
		bad("total_recipients", "out_of_range", "is at most %d", MaxTotal)
	}
	if s.MaxTPS > MaxTPS {
		bad("max_tps", "out_of_range", "is between 0 (no limit) and %d", MaxTPS)
	}
	s.checkText(bad)
	for i := range s.Windows {
		if err := s.Windows[i].check(); err != nil {
			bad(fmt.Sprintf("windows/%d", i), "invalid_windows", "%v", err)
		}
	}
	if len(s.Windows) > maxWindows {
		bad("windows", "invalid_windows", "has %d entries, at most %d are allowed", len(s.Windows), maxWindows)
	}
	if s.Duplicates = strings.ToLower(s.Duplicates); !oneOf(s.Duplicates, "", "keep", "skip") {
		bad("duplicates", "invalid_duplicates", "is keep or skip")
	}
	for field, v := range map[string]struct {
		text, code string
		most       int
	}{
		"dlr_url": {s.DLRURL, "invalid_dlr_url", 2048}, "validity_period": {s.ValidityPeriod, "invalid_validity_period", 64},
		"udh": {s.UDH, "invalid_user_data_header", 280}, "tag": {s.Tag, "invalid_tag", 64}, "sender_id": {s.SenderID, "invalid_sender", 64},
	} {
		if len(v.text) > v.most {
			bad(field, v.code, "has %d octets, at most %d are allowed", len(v.text), v.most)
		}
	}
	row.Name, row.SenderID, row.MessageContent = s.Name, s.SenderID, s.MessageContent
	row.RecipientType, row.ScheduleType, row.ScheduleAt = s.RecipientType, s.ScheduleType, at
	row.TotalRecipients, row.Priority, row.MaxTPS = s.TotalRecipients, s.Priority, s.MaxTPS
	set.Encoding, set.DLRURL, set.ValidityPeriod, set.Tag = s.Encoding, s.DLRURL, s.ValidityPeriod, s.Tag
	set.Flash, set.Transliterate = s.Flash, s.Transliterate
	set.UDH, set.DestPort, set.SourcePort = s.UDH, s.DestPort, s.SourcePort
	set.Timezone, set.Windows, set.Duplicates = s.Timezone, s.Windows, s.Duplicates
	set.AutoResume = s.AutoResume
	return errors.Join(faults...)
}

// checkText checks the template, and a text without variables as a message's.
func (s *Spec) checkText(bad func(field, code, format string, args ...any)) {
	enc, err := gsm.ParseEncoding(s.Encoding)
	if err != nil {
		bad("encoding", "invalid_encoding", "%v", err)
		return
	}
	t, err := parseTemplate(s.MessageContent)
	switch {
	case err != nil:
		bad("message_content", "invalid_template", "%v", err)
		return
	case enc == gsm.Binary || s.MessageContent == "":
		return
	}
	text := ""
	for i := range t.pieces {
		text += t.pieces[i].literal
	}
	if s.Transliterate {
		text, _ = gsm.Transliterate(text)
	}
	if _, _, _, err := gsm.Segment(nil, nil, text, gsm.Options{Encoding: enc}); err != nil {
		bad("message_content", "invalid_text", "%v", err)
	}
}

// zoneOf loads a time zone by its IANA name.
func zoneOf(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || strings.EqualFold(name, "local") {
		return time.UTC, fmt.Errorf("%.40q is no time zone such as Europe/Berlin", name)
	}
	return zone, nil
}

func (s *Spec) scheduleAt(now time.Time, zone *time.Location, bad func(field, code, format string, args ...any)) int64 {
	if s.ScheduleAt == "" {
		if s.ScheduleType == "SCHEDULED" {
			bad("schedule_at", "invalid_schedule_at", "is needed with schedule_type SCHEDULED")
		}
		return 0
	}
	at, err := time.Parse(time.RFC3339Nano, s.ScheduleAt)
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if err != nil && s.Timezone != "" { // by the clock on the campaign's wall
			at, err = time.ParseInLocation(layout, s.ScheduleAt, zone)
		}
	}
	switch {
	case err != nil:
		bad("schedule_at", "invalid_schedule_at", "%.40q is not a time with zone such as 2030-01-31T09:00:00Z, nor one without beside timezone", s.ScheduleAt)
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
