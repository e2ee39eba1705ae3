package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/internal/jsonpointer"
)

// batch is a bulk request while it is read.
type batch struct {
	common intake.Request // fields beside "messages"
	set    uint32
	marks  []uint32 // fields that each request has of its own
	items  int      // messages seen, those with faults included
	list   bool     // "messages" was there
	ndjson bool
	id     message.ID

	unread   []rejection // those that could not be read
	rejected []rejection // all, in order
}

// rejection is one message of a bulk request that was not accepted.
type rejection struct {
	index int
	why   intake.Refusal
}

// postBulk is POST /api/v1/messages/bulk.
func (c *call) postBulk() error {
	ndjson, err := bodyType(c.r.Header)
	if err != nil {
		return err
	}
	text, err := c.text(maxBulkBody)
	if err != nil {
		return err
	}
	return c.atMostOnce(text, func() error { return c.submitBulk(text, ndjson) })
}

func (c *call) submitBulk(text string, ndjson bool) (err error) {
	c.space = batch{id: c.api.opts.IDs.Next(), ndjson: ndjson}
	b := &c.space
	c.batch = b
	if ndjson {
		b.unread, err = c.readLines(b, text)
	} else {
		b.unread, err = c.readBatch(b, text)
	}
	if err != nil {
		return err
	}
	if b.items == 0 {
		return emptyBatch(b.list || ndjson)
	}
	c.outs = slices.Grow(c.outs[:0], len(c.reqs))[:len(c.reqs)]
	clear(c.outs)
	if len(c.reqs) > 0 {
		if err := c.submit(); err != nil {
			return err
		}
	}
	if !c.anyAccepted() {
		c.addRefused(b)
		return allRejected(b, b.rejected, ndjson)
	}
	c.reply(201, c.answer)
	return nil
}

// readBatch reads {"from", …, "messages":[{…},…]}: the common fields may stand before or
// behind the messages.
func (c *call) readBatch(b *batch, text string) (rejected []rejection, err error) {
	d := &c.dec
	d.reset(text)
	if d.kind() != '{' {
		return nil, notAnObject(d)
	}
	var common decoderState
	b.common.Priority = message.Normal
	d.object()
	for d.more('}') {
		key := d.key()
		if key == "messages" && d.kind() != 'n' {
			if b.list {
				d.fault(intake.DuplicateField, key, "is given twice")
				d.skip()
				continue
			}
			b.list = true
			common.save(d)
			if rejected, err = c.readItems(b); err != nil {
				return nil, err
			}
			common.restore(d)
			continue
		}
		if fieldOf(key) == fieldTo || !d.member(&b.common, key) {
			d.unknown(key)
			d.skip()
		}
	}
	d.end()
	if err := d.syntax(); err != nil {
		return nil, err
	}
	if err := d.invalid(); err != nil {
		return nil, err
	}
	b.set = d.set
	for i := range c.reqs {
		d.inherit(&c.reqs[i], &b.common, b.marks[i], b.set)
	}
	return rejected, nil
}

// decoderState keeps what the decoder knows of the common fields while it reads messages.
type decoderState struct {
	names  [numFields]string
	set    uint32
	faults []intake.Refusal
}

func (s *decoderState) save(d *decoder) {
	s.names, s.set, s.faults = d.names, d.set, slices.Clone(d.faults)
	d.begin()
}

func (s *decoderState) restore(d *decoder) {
	d.begin()
	d.names, d.set = s.names, s.set
	d.faults = append(d.faults, s.faults...)
}

// readItems reads the array of messages. Messages with faults are rejected one by one.
func (c *call) readItems(b *batch) (rejected []rejection, err error) {
	d := &c.dec
	if d.kind() != '[' {
		d.wrongType("messages", "an array")
		if err := d.syntax(); err != nil {
			return nil, err
		}
		return nil, d.invalid()
	}
	d.array()
	for d.more(']') {
		if b.items >= maxBulkItems {
			return nil, wrong("too_many_items", fmt.Sprintf("more than %d messages in one request", maxBulkItems))
		}
		if r := c.readItem(b); r != nil {
			rejected = append(rejected, rejection{b.items, *r})
		}
		b.items++
	}
	return rejected, d.syntax()
}

// readItem reads one message; it returns the first thing that is wrong with it.
func (c *call) readItem(b *batch) *intake.Refusal {
	d := &c.dec
	d.begin()
	if d.kind() != '{' {
		d.wrongType("", "an object")
	} else {
		req := c.request()
		req.Batch = b.id
		d.object()
		for d.more('}') {
			if key := d.key(); !d.member(req, key) {
				d.unknown(key)
				d.skip()
			}
		}
		if len(d.faults) == 0 {
			c.index = append(c.index, b.items)
			b.marks = append(b.marks, d.set)
			return nil
		}
		c.reqs = c.reqs[:len(c.reqs)-1]
	}
	if len(d.faults) == 0 { // a syntax error, which the caller sees
		return nil
	}
	first := d.faults[0]
	return &first
}

// readLines reads NDJSON: a message on each line, empty lines left out.
func (c *call) readLines(b *batch, text string) (rejected []rejection, err error) {
	b.list = true
	line := 0
	for rest := text; rest != ""; {
		var one string
		one, rest, _ = strings.Cut(rest, "\n")
		line++
		if strings.TrimSpace(one) == "" {
			continue
		}
		if b.items >= maxBulkItems {
			return nil, wrong("too_many_items", fmt.Sprintf("more than %d messages in one request", maxBulkItems))
		}
		c.dec.scanner.reset(one)
		r := c.readItem(b)
		c.dec.end()
		if e := c.dec.err; e != nil {
			_, column := place(one, e.offset)
			return nil, wrong("malformed_json", fmt.Sprintf("line %d, column %d: %s", line, column, e.detail))
		}
		if r != nil {
			rejected = append(rejected, rejection{b.items, *r})
		}
		b.items++
	}
	return rejected, nil
}

func emptyBatch(list bool) error {
	f := fault{"/messages", "missing_messages", "is needed: an array of messages"}
	if list {
		f = fault{"/messages", "empty_messages", "has no messages"}
	}
	return &problem{code: f.code, detail: "messages: " + f.detail, faults: []fault{f}}
}

// allRejected is the problem of a request of which nothing was accepted. When all messages
// have one reason, that decides the status: 429 for the rate, 503 for a full queue.
func allRejected(b *batch, rejected []rejection, ndjson bool) error {
	p := &problem{code: "all_rejected", detail: fmt.Sprintf("all %d messages were rejected; the first: %s", b.items, rejected[0].why.Error())}
	same := true
	for i := range rejected {
		same = same && rejected[i].why.Code == rejected[0].why.Code
	}
	if why := &rejected[0].why; same && why.HTTPStatus() != 422 {
		p.code, p.status, p.retry, p.detail = string(why.Code), why.HTTPStatus(), why.Retry, why.Detail
		return p
	}
	for i := range rejected {
		p.faults = append(p.faults, fault{itemPointer(&rejected[i], ndjson), string(rejected[i].why.Code), rejected[i].why.Detail})
	}
	p.rejected = b.items
	return p
}

// itemPointer points to a message, or its field, in the body. In NDJSON the first step is
// the number of the message.
func itemPointer(r *rejection, ndjson bool) string {
	prefix := "/messages"
	if ndjson {
		prefix = ""
	}
	if r.why.Field == "" {
		return fmt.Sprintf("%s/%d", prefix, r.index)
	}
	return jsonpointer.Join(fmt.Sprintf("%s/%d", prefix, r.index), r.why.Field)
}

// addRefused adds what intake refused to the messages that could not be read. It may be called
// again after intake has refused more.
func (c *call) addRefused(b *batch) {
	b.rejected = slices.Clip(b.unread)
	for i := range c.outs {
		if r := c.outs[i].Err; r != nil {
			b.rejected = append(b.rejected, rejection{c.index[i], *r})
		}
	}
	slices.SortFunc(b.rejected, func(a, b rejection) int { return a.index - b.index })
}

// batchAccepted writes the answer 201.
func (c *call) batchAccepted(b *batch) {
	c.addRefused(b)
	rejected := b.rejected
	out := append(c.answer[:0], `{"batch_id":`...)
	out = appendID(out, b.id)
	out = appendInt(out, `,"total":`, int64(b.items))
	out = appendInt(out, `,"accepted":`, int64(b.items-len(rejected)))
	out = appendInt(out, `,"rejected":`, int64(len(rejected)))
	out = append(out, `,"message_ids":[`...)
	first := true
	for i := range c.outs {
		if c.outs[i].Err != nil {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = appendID(out, c.outs[i].Msg.ID)
	}
	out = append(out, `],"errors":[`...)
	for i := range rejected {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendRejection(out, &rejected[i], b.ndjson)
	}
	out = append(out, ']')
	out = c.appendIndexes(out, `,"transliterated":[`, func(o *intake.Outcome) bool { return o.Transliterated })
	out = c.appendIndexes(out, `,"sender_replaced":[`, func(o *intake.Outcome) bool { return o.SenderReplaced })
	out = appendWarnings(out, "field", c.dec.warnings)
	c.answer = append(out, '}', '\n')
}

// appendIndexes names the accepted messages of which something is true, if any: those whose
// characters were exchanged, or whose sender was replaced.
func (c *call) appendIndexes(dst []byte, name string, is func(*intake.Outcome) bool) []byte {
	first := true
	for i := range c.outs {
		if c.outs[i].Err != nil || !is(&c.outs[i]) {
			continue
		}
		if first {
			dst = append(dst, name...)
		} else {
			dst = append(dst, ',')
		}
		first = false
		dst = strconv.AppendInt(dst, int64(c.index[i]), 10)
	}
	if !first {
		dst = append(dst, ']')
	}
	return dst
}

func appendRejection(dst []byte, r *rejection, ndjson bool) []byte {
	dst = appendInt(dst, `{"index":`, int64(r.index))
	dst = append(dst, `,"code":"`...)
	dst = append(dst, r.why.Code...)
	dst = append(dst, `","detail":`...)
	dst = appendString(dst, r.why.Error())
	dst = append(dst, `,"pointer":`...)
	dst = appendString(dst, itemPointer(r, ndjson))
	return append(dst, '}')
}
