package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
	"protei-bulk/internal/jsonpointer"
)

const (
	maxWarnings = 20
	maxNameLen  = 64 // of an unknown field, as shown in warnings
)

// field is one member of a message in JSON.
type field uint8

const (
	fieldFrom field = iota
	fieldTo
	fieldText
	fieldEncoding
	fieldPriority
	fieldScheduleAt
	fieldValidity
	fieldDLRURL
	fieldClientRef
	fieldFlash
	fieldTag
	fieldUDH
	fieldData
	fieldDestPort
	fieldSourcePort
	fieldTransliterate
	fieldOrdered
	numFields
	noField = numFields
)

// fieldOf knows the fields and their aliases.
func fieldOf(key string) field {
	switch key {
	case "from", "sender", "sender_id":
		return fieldFrom
	case "to", "msisdn", "recipient", "phone":
		return fieldTo
	case "text", "message", "message_content":
		return fieldText
	case "encoding":
		return fieldEncoding
	case "priority":
		return fieldPriority
	case "schedule_at":
		return fieldScheduleAt
	case "validity_period":
		return fieldValidity
	case "dlr_url":
		return fieldDLRURL
	case "client_ref":
		return fieldClientRef
	case "flash":
		return fieldFlash
	case "tag":
		return fieldTag
	case "udh":
		return fieldUDH
	case "data":
		return fieldData
	case "dest_port":
		return fieldDestPort
	case "source_port":
		return fieldSourcePort
	case "transliterate":
		return fieldTransliterate
	case "ordered":
		return fieldOrdered
	}
	return noField
}

// canonical is the name under which intake complains about a field.
var canonical = [numFields]string{
	"from", "to", "text", "encoding", "priority", "schedule_at", "validity_period", "dlr_url", "client_ref", "flash", "tag",
	"udh", "data", "dest_port", "source_port", "transliterate", "ordered",
}

// decoder reads messages from JSON.
type decoder struct {
	scanner
	warnings []string
	names    [numFields]string // of the current message: as the customer wrote them
	set      uint32            // fields of the current message that have a value
	faults   []intake.Refusal  // of the current message
}

func (d *decoder) reset(text string) {
	d.scanner.reset(text)
	clear(d.warnings)
	d.warnings = d.warnings[:0]
	d.begin()
}

// begin starts another message.
func (d *decoder) begin() {
	if d.set != 0 {
		d.names = [numFields]string{}
		d.set = 0
	}
	if len(d.faults) > 0 {
		clear(d.faults)
		d.faults = d.faults[:0]
	}
}

// unknown notes a field that is not read.
func (d *decoder) unknown(key string) {
	if len(d.warnings) >= maxWarnings || slices.Contains(d.warnings, key) {
		return
	}
	if len(key) > maxNameLen {
		key = key[:maxNameLen]
	}
	d.warnings = append(d.warnings, key)
}

func (d *decoder) fault(code intake.Code, field, detail string) {
	d.faults = append(d.faults, intake.Refusal{Code: code, Field: field, Detail: detail})
}

// member reads the value of a message's member into req; false when it is no such member,
// and its value is still to be read. A null is as good as nothing.
func (d *decoder) member(req *intake.Request, key string) bool {
	f := fieldOf(key)
	if f == noField {
		return false
	}
	if d.kind() == 'n' {
		d.skip()
		return true
	}
	if d.set&(1<<f) != 0 {
		detail := "is given twice"
		if d.names[f] != key {
			detail = "is given twice, also as " + d.names[f]
		}
		d.fault(intake.DuplicateField, key, detail)
		d.skip()
		return true
	}
	d.names[f] = key
	d.set |= 1 << f
	switch f {
	case fieldFlash:
		d.bool(key, &req.Flash)
	case fieldOrdered:
		d.bool(key, &req.Ordered)
	case fieldUDH, fieldData, fieldDestPort, fieldSourcePort, fieldTransliterate:
		d.content(key, f, contentOf(req))
	case fieldValidity:
		if d.kind() == 0 {
			req.ValidityPeriod = d.number()
			return true
		}
		d.string(key, &req.ValidityPeriod)
	case fieldEncoding:
		d.encoding(key, &req.Encoding)
	case fieldPriority:
		d.priority(key, &req.Priority)
	default:
		d.string(key, stringField(req, f))
	}
	return true
}

// contentOf returns the part of req that few messages have.
func contentOf(req *intake.Request) *intake.Content {
	if req.Content == nil {
		req.Content = new(intake.Content)
	}
	return req.Content
}

func (d *decoder) content(key string, f field, c *intake.Content) {
	port := func(into *uint16) {
		n := uint64(*into)
		d.uint(key, 65535, &n)
		*into = uint16(n)
	}
	switch f {
	case fieldUDH:
		d.string(key, &c.UDH)
	case fieldData:
		d.string(key, &c.Data)
	case fieldDestPort:
		port(&c.DestPort)
	case fieldSourcePort:
		port(&c.SourcePort)
	case fieldTransliterate:
		d.bool(key, &c.Transliterate)
	}
}

func stringField(req *intake.Request, f field) *string {
	switch f {
	case fieldFrom:
		return &req.From
	case fieldTo:
		return &req.To
	case fieldText:
		return &req.Text
	case fieldScheduleAt:
		return &req.ScheduleAt
	case fieldDLRURL:
		return &req.DLRURL
	case fieldTag:
		return &req.Tag
	default:
		return &req.ClientRef
	}
}

// inherit gives req the fields of def that it does not set itself.
func (d *decoder) inherit(req, def *intake.Request, set, defSet uint32) {
	missing := defSet &^ set
	if missing == 0 {
		return
	}
	for f := fieldFrom; f < numFields; f++ {
		if missing&(1<<f) == 0 {
			continue
		}
		switch f {
		case fieldFlash:
			req.Flash = def.Flash
		case fieldOrdered:
			req.Ordered = def.Ordered
		case fieldValidity:
			req.ValidityPeriod = def.ValidityPeriod
		case fieldEncoding:
			req.Encoding = def.Encoding
		case fieldPriority:
			req.Priority = def.Priority
		case fieldUDH:
			contentOf(req).UDH = def.Content.UDH
		case fieldData:
			contentOf(req).Data = def.Content.Data
		case fieldDestPort:
			contentOf(req).DestPort = def.Content.DestPort
		case fieldSourcePort:
			contentOf(req).SourcePort = def.Content.SourcePort
		case fieldTransliterate:
			contentOf(req).Transliterate = def.Content.Transliterate
		default:
			*stringField(req, f) = *stringField(def, f)
		}
	}
}

// The readers below report a wrong type as a fault and read over the value.

func (d *decoder) wrongType(name, want string) {
	got := map[byte]string{'{': "an object", '[': "an array", '"': "a string", 't': "a boolean", 'f': "a boolean", 'n': "null", 0: "a number"}[d.kind()]
	if got != "" {
		d.fault(intake.WrongType, name, "is "+got+" where "+want+" is needed")
	}
	d.skip()
}

func (d *decoder) string(name string, into *string) {
	if d.kind() != '"' {
		d.wrongType(name, "a string")
		return
	}
	*into = d.str()
}

func (d *decoder) bool(name string, into *bool) {
	switch d.kind() {
	case 't', 'f':
		*into = d.literal() == "true"
	default:
		d.wrongType(name, "true or false")
	}
}

// strings reads an array of strings.
func (d *decoder) strings(name string, into *[]string) {
	if d.kind() != '[' {
		d.wrongType(name, "an array of strings")
		return
	}
	*into = []string{}
	d.array()
	for d.more(']') {
		if d.kind() != '"' {
			d.wrongType(name, "an array of strings")
			continue
		}
		*into = append(*into, strings.Clone(d.str()))
	}
}

// uint reads a whole number of at most most.
func (d *decoder) uint(name string, most uint64, into *uint64) {
	if d.kind() != 0 {
		d.wrongType(name, "a number")
		return
	}
	text := d.number()
	if d.err != nil {
		return
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > most {
		d.fault("out_of_range", name, fmt.Sprintf("%.20s is not a whole number between 0 and %d", text, most))
		return
	}
	*into = n
}

func (d *decoder) float(name string, into *float64) {
	if d.kind() != 0 {
		d.wrongType(name, "a number")
		return
	}
	text := d.number()
	if d.err != nil {
		return
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		d.fault("out_of_range", name, fmt.Sprintf("%.20s is out of range", text))
		return
	}
	*into = v
}

func (d *decoder) encoding(name string, into *gsm.Encoding) {
	var text string
	if d.string(name, &text); text == "" {
		return
	}
	e, err := gsm.ParseEncoding(text)
	if err != nil {
		d.fault(intake.InvalidEncoding, name, fmt.Sprintf("%.20q is none of AUTO, GSM7, UCS2, LATIN1, BINARY", text))
		return
	}
	*into = e
}

func (d *decoder) priority(name string, into *message.Priority) {
	var text string
	if d.string(name, &text); text == "" {
		return
	}
	p, err := message.ParsePriority(text)
	if err != nil {
		d.fault(intake.InvalidPriority, name, fmt.Sprintf("%.20q is none of LOW, NORMAL, HIGH, CRITICAL", text))
		return
	}
	*into = p
}

// syntax returns the problem of a text that is not JSON, or nil.
func (d *decoder) syntax() error {
	if d.err == nil {
		return nil
	}
	line, column := place(d.text, d.err.offset)
	return wrong("malformed_json", fmt.Sprintf("line %d, column %d: %s", line, column, d.err.detail))
}

// invalid returns the problem of the faults found, or nil.
func (d *decoder) invalid() error {
	if len(d.faults) == 0 {
		return nil
	}
	p := &problem{code: "validation_failed", detail: d.faults[0].Error()}
	if len(d.faults) == 1 {
		p.code = string(d.faults[0].Code)
	}
	for i := range d.faults {
		f := &d.faults[i]
		pointer := f.Pointer
		if pointer == "" {
			pointer = jsonpointer.Join("", f.Field)
		}
		p.faults = append(p.faults, fault{pointer: pointer, code: string(f.Code), detail: f.Detail})
	}
	return p
}

// whole reads a body that is one object, with a reader for each known member. It
// returns the problem of the body, if any. It is for the calls that are not hot.
func (d *decoder) whole(text string, readers map[string]func(name string)) error {
	d.reset(text)
	if d.kind() != '{' {
		return notAnObject(d)
	}
	d.object()
	seen := make(map[string]bool, len(readers))
	for d.more('}') {
		key := d.key()
		read := readers[key]
		switch {
		case read == nil:
			d.unknown(key)
			d.skip()
		case seen[key]:
			d.fault(intake.DuplicateField, key, "is given twice")
			d.skip()
		case d.kind() == 'n':
			d.skip()
		default:
			read(key)
		}
		seen[key] = true
	}
	d.end()
	if err := d.syntax(); err != nil {
		return err
	}
	return d.invalid()
}

// notAnObject is for a body whose first value is something else.
func notAnObject(d *decoder) error {
	d.skip()
	d.end()
	if err := d.syntax(); err != nil {
		return err
	}
	return &problem{code: "wrong_type", detail: "the body is not a JSON object", faults: []fault{{"", "wrong_type", "an object is needed"}}}
}

func appendWarnings(dst []byte, what string, names []string) []byte {
	if len(names) == 0 {
		return dst
	}
	dst = append(dst, `,"warnings":[`...)
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, "unknown "+what+" "+name+" was ignored")
	}
	return append(dst, ']')
}
