package api

import (
	"fmt"
	"strings"

	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/contact/sheet"
	"protei-bulk/bulk/intake"
)

// campaignReaders reads the members of a campaign over spec, under all their names.
func (c *call) campaignReaders(s *campaign.Spec) map[string]func(string) {
	d := &c.dec
	number := func(most uint64, into *uint32) func(string) {
		return func(n string) {
			var v uint64
			d.uint(n, most, &v)
			*into = uint32(v)
		}
	}
	port := func(into *uint16) func(string) {
		return func(n string) {
			var v uint64
			d.uint(n, 65535, &v)
			*into = uint16(v)
		}
	}
	readers := map[string]func(string){
		"name":             func(n string) { d.string(n, &s.Name) },
		"encoding":         func(n string) { d.string(n, &s.Encoding) },
		"priority":         func(n string) { d.priority(n, &s.Priority) },
		"recipient_type":   func(n string) { d.string(n, &s.RecipientType) },
		"schedule_type":    func(n string) { d.string(n, &s.ScheduleType) },
		"schedule_at":      func(n string) { d.string(n, &s.ScheduleAt) },
		"dlr_url":          func(n string) { d.string(n, &s.DLRURL) },
		"validity_period":  func(n string) { d.string(n, &s.ValidityPeriod) },
		"tag":              func(n string) { d.string(n, &s.Tag) },
		"flash":            func(n string) { d.bool(n, &s.Flash) },
		"transliterate":    func(n string) { d.bool(n, &s.Transliterate) },
		"udh":              func(n string) { d.string(n, &s.UDH) },
		"timezone":         func(n string) { d.string(n, &s.Timezone) },
		"windows":          func(n string) { d.value(n, &s.Windows) },
		"duplicates":       func(n string) { d.string(n, &s.Duplicates) },
		"auto_resume":      func(n string) { d.bool(n, &s.AutoResume) },
		"dest_port":        port(&s.DestPort),
		"source_port":      port(&s.SourcePort),
		"total_recipients": number(campaign.MaxTotal, &s.TotalRecipients),
		"max_tps":          number(campaign.MaxTPS, &s.MaxTPS),
	}
	seen := map[field]string{}
	alias := func(f field, into *string) func(string) {
		return func(n string) {
			if first := seen[f]; first != "" {
				d.fault(intake.DuplicateField, n, "is given twice, also as "+first)
			}
			seen[f] = n
			d.string(n, into)
		}
	}
	for _, name := range []string{"sender_id", "from", "sender"} {
		readers[name] = alias(fieldFrom, &s.SenderID)
	}
	for _, name := range []string{"message_content", "text", "message"} {
		readers[name] = alias(fieldText, &s.MessageContent)
	}
	return readers
}

// recipients reads an array of numbers, given as strings or as objects with "to" and values
// for the text.
func (c *call) recipients(into *[]sheet.Row) func(string) {
	d := &c.dec
	return func(name string) {
		if d.kind() != '[' {
			d.wrongType(name, "an array")
			return
		}
		d.array()
		for i := 0; d.more(']'); i++ {
			if len(*into) > campaign.MaxRecipients || len(d.faults) > 100 {
				d.skip()
				continue
			}
			row := c.recipient(fmt.Sprintf("%s/%d", name, i))
			row.Line = uint32(i + 1)
			*into = append(*into, row)
		}
	}
}

// recipient reads one entry; place is where it stands in the body.
func (c *call) recipient(place string) (row sheet.Row) {
	d := &c.dec
	before := len(d.faults)
	if d.kind() != '{' {
		var to string
		d.string(place, &to)
		row.Names, row.Cells, row.Raw = []string{"to"}, []string{strings.Clone(to)}, strings.Clone(to)
	} else {
		from := d.pos
		d.object()
		for d.more('}') {
			key := d.key()
			cell := ""
			if fieldOf(key) == fieldTo {
				d.string(place, &cell)
				row.Names, row.Cells = append(row.Names, "to"), append(row.Cells, strings.Clone(cell))
				continue
			}
			switch d.kind() {
			case '"':
				cell = strings.Clone(d.str())
			case 0:
				cell = strings.Clone(d.number())
			case 't', 'f':
				cell = strings.Clone(d.literal())
			case 'n':
				d.skip()
			default:
				d.wrongType(place, "a value of one column")
			}
			row.Names, row.Cells = append(row.Names, strings.Clone(key)), append(row.Cells, cell)
		}
		row.Raw = strings.Clone(d.text[from:min(d.pos, from+500)])
	}
	for i := before; i < len(d.faults); i++ {
		d.faults[i].Pointer = "/" + place
	}
	return row
}

func tooManyInline() error {
	detail := fmt.Sprintf("has more than the %d entries allowed in one call; upload a file", campaign.MaxRecipients)
	return &problem{code: "validation_failed", detail: "recipients: " + detail, faults: []fault{{"/recipients", "too_many_recipients", detail}}}
}
