package intake

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/route"
	"protei-bulk/gsm"
)

// Bounds of a message's fields.
const (
	MaxClientRef = 64   // characters
	MaxDLRURL    = 2048 // octets

	maxSingleOctets  = 140
	maxSingleSeptets = 160
	maxPooledPayload = 64 << 10
	udhIndicator     = 0x40 // esm_class, SMPP 3.4 §5.2.12
)

// build makes messages of Requests. It is scratch space for one call at a time.
type build struct {
	in      *Intake
	now     time.Time
	nowMs   int64
	ids     []message.ID
	msgs    []*message.Message
	payload []byte
	ends    []uint32
	text    []byte
	dest    [maxWritten]byte
	query   route.Query

	tariff *message.Tariff // used last
	purse  Purse           // of its payer
	floor  money.Amount    // of its payer

	elements  []byte // of the user data header
	exchanged bool   // the text of the last message was transliterated
	replaced  bool   // the sender of the last message is its account's default instead
}

func (b *build) begin(in *Intake, n int) {
	b.in = in
	b.now = in.opts.Now()
	b.nowMs = b.now.UnixMilli()
	if cap(b.ids) < n {
		b.ids = make([]message.ID, n)
	}
	b.ids = b.ids[:n]
	in.opts.IDs.Fill(b.ids)
}

// nextID hands out the ids that begin took, in order.
func (b *build) nextID() message.ID {
	id := b.ids[0]
	b.ids = b.ids[1:]
	return id
}

// message makes the message of one request, or says why not.
func (b *build) message(req *Request) (*message.Message, *Refusal) {
	b.exchanged, b.replaced = false, false
	m := &message.Message{
		ID: b.nextID(), Account: req.Account.ID, Batch: req.Batch, Campaign: req.Campaign, Ordinal: req.Ordinal,
		Priority: req.Priority, SubmittedAt: b.nowMs, Status: message.Pending,
	}
	if req.Priority >= message.NumPriorities {
		return nil, &Refusal{Code: InvalidPriority, Field: "priority", Detail: fmt.Sprintf("%d is not a priority", req.Priority)}
	}
	r := b.content(m, req)
	if r == nil {
		r = b.notify(m, req)
	}
	if r == nil {
		r = b.route(m, req)
	}
	if r != nil {
		return nil, r
	}
	if m.ScheduleAt != 0 {
		m.Status, m.DueAt = message.Scheduled, m.ScheduleAt
		for i := range m.Parts {
			m.Parts[i].Status = message.Scheduled
		}
	}
	if m.ValidUntil == 0 {
		m.ValidUntil = max(m.ScheduleAt, b.nowMs) + b.in.opts.DefaultValidity.Milliseconds()
	}
	return m, nil
}

// content sets addresses, times, payload and parts.
func (b *build) content(m *message.Message, req *Request) *Refusal {
	if req.Raw != nil {
		return b.raw(m, req)
	}
	if r := b.source(m, req.Account, req.From); r != nil {
		return r
	}
	if r := b.mayBe(m, req.Account, "from"); r != nil {
		return r
	}
	digits, ton, detail := parseRecipient(b.dest[:0], req.To)
	if detail != "" {
		if req.To == "" {
			return &Refusal{Code: MissingRecipient, Field: "to", Detail: "is needed"}
		}
		return &Refusal{Code: InvalidRecipient, Field: "to", Detail: detail}
	}
	m.Dest = message.Address{TON: ton, NPI: npiISDN}
	if r := b.names(m, digits, req.ClientRef); r != nil {
		return r
	}
	if r := b.listed(m, req, "to"); r != nil {
		return r
	}
	if r := b.times(m, req); r != nil {
		return r
	}
	m.Flags |= message.WantReceipt | message.NotifyFinal
	return b.segment(m, req)
}

// mayBe holds m's sender against the rules of its account.
func (b *build) mayBe(m *message.Message, a *account.Account, field string) *Refusal {
	switch a.Sender(m.Source.Addr) {
	case account.SenderRefused:
		return &Refusal{Code: SenderNotAllowed, Field: field, Detail: quote(m.Source.Addr) + " is none of the account's senders"}
	case account.SenderReplaced:
		b.replaced = true
		return b.source(m, a, "")
	}
	return nil
}

// listed refuses recipients that must not be written to.
func (b *build) listed(m *message.Message, req *Request, field string) *Refusal {
	if b.in.opts.Listed == nil || req.Unlisted {
		return nil
	}
	code, why := b.in.opts.Listed(m.Account, m.Source.Addr, m.Dest.Addr)
	if code == "" {
		return nil
	}
	return &Refusal{Code: code, Field: field, Detail: m.Dest.Addr + " " + why}
}

// source makes from, or the account's default when it is empty, the sender of m.
func (b *build) source(m *message.Message, owner *account.Account, from string) *Refusal {
	if from == "" {
		from = owner.DefaultSender
	}
	if a, ok := b.in.senders.get(from); ok {
		m.Source = a
		return nil
	}
	if from == "" {
		return &Refusal{Code: MissingSender, Field: "from", Detail: "is needed: the account has no default sender"}
	}
	a, detail := parseSender(from)
	if detail != "" {
		return &Refusal{Code: InvalidSender, Field: "from", Detail: detail}
	}
	b.in.senders.put(strings.Clone(from), a)
	m.Source = a
	return nil
}

// names keeps the recipient and the client's reference in one allocation.
func (b *build) names(m *message.Message, dest []byte, ref string) *Refusal {
	if ref == "" {
		m.Dest.Addr = string(dest)
		return nil
	}
	if detail := checkClientRef(ref); detail != "" {
		return &Refusal{Code: InvalidClientRef, Field: "client_ref", Detail: detail}
	}
	n := len(dest)
	both := string(append(dest, ref...))
	m.Dest.Addr, m.ClientRef = both[:n], both[n:]
	return nil
}

func checkClientRef(ref string) (detail string) {
	if len(ref) > MaxClientRef && utf8.RuneCountInString(ref) > MaxClientRef {
		return fmt.Sprintf("has %d characters, at most %d are allowed", utf8.RuneCountInString(ref), MaxClientRef)
	}
	for _, c := range ref {
		if c < ' ' || c == 0x7f || c > 0x7f && !unicode.IsPrint(c) {
			return fmt.Sprintf("has the character %U, which cannot be shown", c)
		}
	}
	return ""
}

func (b *build) times(m *message.Message, req *Request) (r *Refusal) {
	start := b.now
	if req.ScheduleAt != "" {
		if m.ScheduleAt, r = b.in.parseSchedule(req.ScheduleAt, b.now); r != nil {
			return r
		}
		if m.ScheduleAt != 0 {
			start = time.UnixMilli(m.ScheduleAt)
		}
	}
	if req.ValidityPeriod != "" {
		m.ValidUntil, r = b.in.parseValidity(req.ValidityPeriod, start)
	}
	return r
}

// segment turns the text into parts.
func (b *build) segment(m *message.Message, req *Request) *Refusal {
	o := gsm.Options{Encoding: req.Encoding, MaxParts: b.in.opts.MaxParts, Flash: req.Flash}
	if req.Content != nil {
		return b.special(m, req, &o)
	}
	if req.Text == "" {
		return &Refusal{Code: MissingText, Field: "text", Detail: "is needed"}
	}
	if o.Encoding == gsm.Auto {
		o.Encoding = req.Account.DefaultEncoding
	}
	if o.Encoding == gsm.Binary {
		if r := b.hexText(req.Text); r != nil {
			return r
		}
		return b.cutBinary(m, &o)
	}
	return b.cutText(m, req.Text, &o)
}

func (b *build) hexText(text string) (r *Refusal) {
	var err error
	if b.text, err = hex.AppendDecode(b.text[:0], []byte(text)); err != nil {
		r = &Refusal{Code: InvalidText, Field: "text", Detail: "is not pairs of hex digits, as encoding BINARY needs"}
	}
	return r
}

// cutBinary makes parts of the octets in b.text.
func (b *build) cutBinary(m *message.Message, o *gsm.Options) *Refusal {
	var info gsm.Info
	var err error
	o.Ref = b.reference(m, len(b.text)+len(o.Elements) >= maxSingleOctets)
	b.payload, b.ends, info, err = gsm.SegmentBinary(b.payload[:0], b.ends[:0], b.text, *o)
	return b.cut(m, info, err)
}

func (b *build) cutText(m *message.Message, text string, o *gsm.Options) *Refusal {
	var info gsm.Info
	var err error
	o.Ref = b.reference(m, len(text) > 70 || len(o.Elements) > 0)
	b.payload, b.ends, info, err = gsm.Segment(b.payload[:0], b.ends[:0], text, *o)
	return b.cut(m, info, err)
}

func (b *build) cut(m *message.Message, info gsm.Info, err error) *Refusal {
	if err != nil {
		return textRefusal(err)
	}
	b.parts(m, info)
	return nil
}

// reference returns the next concatenation reference of the pair when the text may be long.
func (b *build) reference(m *message.Message, long bool) uint16 {
	if !long {
		return 0
	}
	return b.in.refs.Next(m.Source.Addr, m.Dest.Addr)
}

// parts copies payload and ends into the message.
func (b *build) parts(m *message.Message, info gsm.Info) {
	m.Encoding, m.DataCoding = uint8(info.Encoding), info.DataCoding
	if info.UDHI {
		m.ESMClass |= udhIndicator
	}
	m.Payload = append(make([]byte, 0, len(b.payload)), b.payload...)
	m.SetParts(len(b.ends))
	for i, end := range b.ends {
		m.Parts[i].End = end
	}
}

func textRefusal(err error) *Refusal {
	var unmappable *gsm.UnmappableError
	var tooMany *gsm.TooManyPartsError
	switch {
	case errors.As(err, &unmappable):
		return &Refusal{Code: UnmappableText, Field: "text", Detail: err.Error()}
	case errors.As(err, &tooMany):
		return &Refusal{Code: TextTooLong, Field: "text", Detail: fmt.Sprintf("needs %d parts, at most %d are allowed", tooMany.Parts, tooMany.Max)}
	case errors.Is(err, gsm.ErrNoFlash):
		return &Refusal{Code: InvalidEncoding, Field: "encoding", Detail: err.Error()}
	}
	return &Refusal{Code: InvalidText, Field: "text", Detail: err.Error()}
}

// notify decides whether and where the customer is told the final state.
func (b *build) notify(m *message.Message, req *Request) *Refusal {
	if req.DLRURL != "" {
		u, r := b.webhook(req.DLRURL)
		if r != nil {
			return r
		}
		m.DLRURL, m.Callback = u, req.Callback
	}
	if m.Flags&message.ViaSMPP == 0 && m.DLRURL == "" && req.Account.DLRURL == "" {
		m.Flags &^= message.NotifyFinal
	}
	return nil
}

func (b *build) webhook(raw string) (string, *Refusal) {
	if u, ok := b.in.urls.get(raw); ok {
		return u, nil
	}
	if r := b.in.CheckWebhook(raw); r != nil {
		return "", r
	}
	own := strings.Clone(raw)
	b.in.urls.put(own, own)
	return own, nil
}

// CheckWebhook refuses a webhook address that can never work or that the policy excludes. nil: it
// may be used.
func (in *Intake) CheckWebhook(raw string) *Refusal {
	bad := func(detail string) *Refusal {
		return &Refusal{Code: InvalidDLRURL, Field: "dlr_url", Detail: detail}
	}
	if len(raw) > MaxDLRURL {
		return bad(fmt.Sprintf("has %d octets, at most %d are allowed", len(raw), MaxDLRURL))
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return bad(quote(raw) + " is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return bad(quote(raw) + " is not an http or https URL")
	case u.Hostname() == "":
		return bad(quote(raw) + " names no host")
	case !validPort(u.Port()):
		return bad(quote(raw) + " has a port that does not exist")
	case u.User != nil:
		return bad("carries a user name or password, which is not allowed")
	}
	if in.opts.AllowURL != nil {
		if err := in.opts.AllowURL(u); err != nil {
			return &Refusal{Code: DLRURLNotAllowed, Field: "dlr_url", Detail: err.Error()}
		}
	}
	return nil
}

// validPort takes none, too.
func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n != 0
}

// route gives m its connector.
func (b *build) route(m *message.Message, req *Request) *Refusal {
	if len(req.Tag) > route.MaxTag {
		return &Refusal{Code: InvalidTag, Field: "tag", Detail: fmt.Sprintf("has %d octets, at most %d are allowed", len(req.Tag), route.MaxTag)}
	}
	b.query = route.Query{
		Account: m.Account, Source: m.Source, Dest: m.Dest, Priority: m.Priority,
		Encoding: m.Encoding, Parts: len(m.Parts), Tag: req.Tag, At: b.now,
	}
	if b.in.opts.Router.NeedsText() {
		if b.query.Text = req.Text; req.Raw != nil {
			b.query.Text = route.TextOf(m)
		}
	}
	c, ok := b.in.opts.Router.Route(&b.query)
	if !ok {
		return &Refusal{Code: NoRoute, Detail: "no route carries messages to " + m.Dest.Addr + " from " + quote(m.Source.Addr)}
	}
	m.Connector, m.Route = c.Connector, c.Rule
	if price := b.in.PriceOf(req.Account, &c); price > 0 && b.in.opts.Purse != nil {
		b.price(m, req.Account, price)
	}
	if req.Ordered || req.Account.Ordered {
		m.Flags |= message.Ordered
		if b.in.opts.AdmitOrdered != nil {
			if err := b.in.opts.AdmitOrdered(); err != nil {
				return AsRefusal(err)
			}
		}
	}
	if b.in.opts.Admit != nil {
		if err := b.in.opts.Admit(m.Lane()); err != nil {
			return AsRefusal(err)
		}
	}
	return nil
}
