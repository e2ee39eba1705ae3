package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"

	"protei-bulk/gsm"
	"protei-bulk/load/scenario/template"
	"protei-bulk/smpp"
)

// smppBinding is how the users of a class bind.
type smppBinding struct {
	settings Settings
}

func (p *fileParser) smppBinding(n ast.Node, what string) *smppBinding {
	if n == nil {
		return nil
	}
	m := p.mapping(n, what, "bind", "window", "throttle", "rate", "rebind", "enquire_link")
	s := DefaultSettings()
	var err error
	if s.SMPPBind, err = parseBind(p.text(m.values["bind"], what+": bind", "trx")); err != nil {
		p.fault(m.values["bind"], "%s: bind: %v", what, err)
	}
	if s.SMPPThrottle, err = parseThrottle(p.text(m.values["throttle"], what+": throttle", "count")); err != nil {
		p.fault(m.values["throttle"], "%s: throttle: %v", what, err)
	}
	s.SMPPWindow = p.whole(m.values["window"], what+": window", s.SMPPWindow, 1, 10_000)
	s.SMPPRate = p.number(m.values["rate"], what+": rate", 10_000)
	if m.has("rebind") {
		s.SMPPRebindMin, s.SMPPRebindMax = p.span(m.values["rebind"], what+": rebind")
		if s.SMPPRebindMin <= 0 {
			p.fault(m.values["rebind"], "%s: rebind: want a time above 0", what)
		}
	}
	if s.SMPPEnquireLink = p.timespan(m.values["enquire_link"], what+": enquire_link", s.SMPPEnquireLink); s.SMPPEnquireLink == 0 {
		s.SMPPEnquireLink = -1
	}
	return &smppBinding{s}
}

// smppStep is one submit_sm, or one for each part of a long text.
type smppStep struct {
	from, to, text *template.Template
	source, dest   *smpp.Address // TON and NPI; nil source: by the sender's form
	encoding       gsm.Encoding
	octets         bool // the text goes out as it is, with coding
	coding         byte
	long           longText
	unfollowed     bool
	serviceType    []byte
	priority       byte
	validity       *template.Template
}

// longText says what becomes of a text that one short message does not hold.
type longText uint8

const (
	splitLong longText = iota
	payloadLong
	refuseLong
)

func (p *fileParser) smppStep(n ast.Node, what string, c *fileClass) step {
	m := p.mapping(n, what, "from", "to", "text", "source", "dest", "data_coding", "long", "receipt", "service_type", "priority", "validity")
	if c == nil || c.smpp == nil {
		p.fault(n, "%s: its class has no smpp:", what)
	} else if c.smpp.settings.SMPPBind == BindReceivers {
		p.fault(n, "%s: its class binds as receiver, which submits nothing", what)
	}
	s := &smppStep{
		source: p.address(m.values["source"], what+": source"), dest: p.address(m.values["dest"], what+": dest"),
		unfollowed: !p.yes(m.values["receipt"], what+": receipt", true),
		priority:   byte(p.whole(m.values["priority"], what+": priority", 0, 0, 3)),
	}
	text := func(key, def string) *template.Template {
		if at := m.values[key]; at != nil {
			return p.template(at, what+": "+key, template.Text)
		}
		if def == "" {
			p.fault(n, "%s: %s is missing", what, key)
		}
		t, _ := p.env.Compile(def, template.Text)
		return t
	}
	s.from, s.to, s.text = text("from", "LoadTest"), text("to", ""), text("text", "")
	if m.has("validity") {
		s.validity = text("validity", "")
	}
	if st := p.text(m.values["service_type"], what+": service_type", ""); len(st) > 5 {
		p.fault(m.values["service_type"], "%s: service_type: at most 5 characters", what)
	} else {
		s.serviceType = []byte(st)
	}
	p.coding(s, m.values["data_coding"], what+": data_coding")
	switch p.oneOf(m.values["long"], what+": long", "split", "payload", "refuse") {
	case "payload":
		s.long = payloadLong
	case "refuse":
		s.long = refuseLong
	}
	return s
}

func (p *fileParser) coding(s *smppStep, n ast.Node, what string) {
	word := p.text(n, what, "auto")
	if v, err := strconv.ParseUint(word, 0, 8); err == nil {
		s.octets, s.coding = true, byte(v)
		return
	}
	i := slices.Index([]string{"auto", "gsm7", "latin1", "ucs2"}, word)
	if i < 0 {
		p.fault(n, "%s: want auto, gsm7, latin1, ucs2, or a number from 0 to 255 for a text that goes out as it is", what)
		return
	}
	s.encoding = []gsm.Encoding{gsm.Auto, gsm.GSM7, gsm.Latin1, gsm.UCS2}[i]
}

func (p *fileParser) address(n ast.Node, what string) *smpp.Address {
	if n == nil {
		return nil
	}
	m := p.mapping(n, what, "ton", "npi")
	return &smpp.Address{
		TON: byte(p.whole(m.values["ton"], what+": ton", 0, 0, 255)),
		NPI: byte(p.whole(m.values["npi"], what+": npi", 0, 0, 255)),
	}
}

// short is one short_message: its octets and what the PDU says about them.
type short struct {
	coding  byte
	udhi    bool
	payload bool
}

// do submits; the answer is not waited for.
func (s *smppStep) do(c *fileUser) bool {
	sm, u := c.smpp, c.u
	if sm == nil || u == nil || !sm.bound(u) {
		return false
	}
	g, now := sm.group, u.Now()
	intended := u.Intended(now)
	if d := sm.pace.wait(now); d > 0 {
		if !u.Sleep(d) {
			return false
		}
		intended += d
		now = u.Now()
	}
	first := unfollowedTag
	if !s.unfollowed {
		first = g.opts.Ledger.Issue(1, now)
	}
	c.scope.First, c.scope.Seq, c.scope.Count = first, first, 1
	c.buf = s.text.Append(c.buf[:0], c.scope)
	how, err := s.encode(c)
	if err != nil {
		sm.unsent(u, first, err)
		return false
	}
	s.fill(c, &sm.pdu, how, !g.opts.NoReceipts)
	for i := range c.ends {
		tag := first
		if i > 0 && !s.unfollowed {
			tag = g.opts.Ledger.Issue(1, now) // each part is accepted and delivered on its own
		}
		s.part(c, &sm.pdu, i, how)
		sent, err := sm.sender.Submit(u.Context(), &sm.pdu, tag, min(intended, now))
		if err != nil {
			sm.unsent(u, tag, err)
			return false
		}
		if sent-now > time.Millisecond && tag != unfollowedTag {
			g.opts.Ledger.Sent(tag, sent)
		}
	}
	return true
}

// encode makes c.octets and c.ends of the text in c.buf.
func (s *smppStep) encode(c *fileUser) (how short, err error) {
	c.octets, c.ends = c.octets[:0], c.ends[:0]
	if s.octets {
		c.octets = append(c.octets, c.buf...)
		c.ends = append(c.ends, uint32(len(c.octets)))
		if len(c.octets) > 254 {
			if s.long != payloadLong {
				return how, fmt.Errorf("a text of %d octets does not fit a short message", len(c.octets))
			}
			how.payload = true
		}
		how.coding = s.coding
		return how, nil
	}
	if (s.encoding == gsm.Auto || s.encoding == gsm.GSM7) && len(c.buf) <= 160 && sameInGSM(c.buf) {
		c.octets = append(c.octets, c.buf...)
		c.ends = append(c.ends, uint32(len(c.octets)))
		return how, nil
	}
	var info gsm.Info
	c.ref++
	c.octets, c.ends, info, err = gsm.Segment(c.octets, c.ends, string(c.buf), gsm.Options{Encoding: s.encoding, Ref: c.ref})
	if err != nil {
		return how, err
	}
	how.coding, how.udhi = info.DataCoding, info.UDHI
	if info.Parts > 1 && s.long == refuseLong {
		return how, fmt.Errorf("the text takes %d parts, and long is refuse", info.Parts)
	}
	if info.Parts > 1 && s.long == payloadLong {
		c.join()
		how.udhi, how.payload = false, true
	}
	return how, nil
}

// join makes one text of the parts again, without their headers.
func (c *fileUser) join() {
	w, start := 0, 0
	for _, end := range c.ends {
		part := c.octets[start:end]
		w += copy(c.octets[w:], part[1+int(part[0]):])
		start = int(end)
	}
	c.octets = c.octets[:w]
	c.ends = append(c.ends[:0], uint32(w))
}

// sameInGSM says that the text is the same octets in the GSM 7-bit alphabet.
func sameInGSM(text []byte) bool {
	for _, b := range text {
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '%' && b <= '?', b >= ' ' && b <= '#', b == '\n', b == '\r':
		default:
			return false
		}
	}
	return true
}

// fill sets what the parts of a message share.
func (s *smppStep) fill(c *fileUser, pdu *smpp.SubmitSM, how short, receipts bool) {
	c.from = s.from.Append(c.from[:0], c.scope)
	c.to = s.to.Append(c.to[:0], c.scope)
	pdu.Source, pdu.Dest = smpp.Address{TON: 5}, smpp.Address{TON: 1, NPI: 1}
	if allDigits(c.from) {
		pdu.Source = smpp.Address{TON: 1, NPI: 1}
	}
	if s.source != nil {
		pdu.Source = *s.source
	}
	if s.dest != nil {
		pdu.Dest = *s.dest
	}
	pdu.Source.Addr, pdu.Dest.Addr = c.from, c.to
	pdu.ServiceType, pdu.PriorityFlag, pdu.DataCoding = s.serviceType, s.priority, how.coding
	pdu.ValidityPeriod = nil
	if s.validity != nil {
		c.validity = s.validity.Append(c.validity[:0], c.scope)
		pdu.ValidityPeriod = c.validity
	}
	pdu.RegisteredDelivery, pdu.ESMClass = 0, 0
	if receipts && !s.unfollowed {
		pdu.RegisteredDelivery = 1
	}
	if how.udhi {
		pdu.ESMClass = 0x40
	}
}

func allDigits(s []byte) bool {
	for _, b := range s {
		if b < '0' || b > '9' {
			return false
		}
	}
	return len(s) > 0
}

// part sets the octets of one part.
func (s *smppStep) part(c *fileUser, pdu *smpp.SubmitSM, i int, how short) {
	start := uint32(0)
	if i > 0 {
		start = c.ends[i-1]
	}
	octets := c.octets[start:c.ends[i]]
	pdu.TLVs = pdu.TLVs[:0]
	pdu.ShortMessage = octets
	if how.payload {
		pdu.ShortMessage = nil
		pdu.TLVs = pdu.TLVs.Append(smpp.TagMessagePayload, octets)
	}
}
