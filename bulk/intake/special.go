package intake

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
)

// special makes the parts of a message with Content.
func (b *build) special(m *message.Message, req *Request, o *gsm.Options) *Refusal {
	c := req.Content
	concatenated, r := b.header(c, o)
	if r != nil {
		return r
	}
	if r = b.specialText(m, req, o); r != nil {
		return r
	}
	m.ProtocolID = c.ProtocolID
	if c.SetDataCoding {
		m.DataCoding = c.DataCoding
	}
	if concatenated && len(m.Parts) > 1 {
		return &Refusal{Code: InvalidHeader, Field: "udh", Detail: fmt.Sprintf("says which part this is of a longer message, and the text needs %d parts itself", len(m.Parts))}
	}
	return nil
}

// header reads the user data header and the ports into o.Elements.
func (b *build) header(c *Content, o *gsm.Options) (concatenated bool, r *Refusal) {
	b.elements = b.elements[:0]
	if c.UDH != "" {
		octets, err := hex.DecodeString(c.UDH)
		if err != nil {
			return false, &Refusal{Code: InvalidHeader, Field: "udh", Detail: "is not pairs of hex digits"}
		}
		h, rest, err := gsm.ParseUDH(octets)
		if err != nil || len(rest) != 0 {
			return false, &Refusal{Code: InvalidHeader, Field: "udh", Detail: "is not a length octet and whole information elements of that length"}
		}
		_, concatenated = h.Concat()
		b.elements = append(b.elements, h...)
	}
	if c.DestPort != 0 || c.SourcePort != 0 {
		if _, _, ok := gsm.UDH(b.elements).Ports(); ok {
			return false, &Refusal{Code: InvalidHeader, Field: "udh", Detail: "has ports, and so has the request"}
		}
		b.elements = gsm.AppendPorts(b.elements, c.DestPort, c.SourcePort)
	}
	if len(b.elements) > gsm.MaxElements {
		return false, &Refusal{Code: InvalidHeader, Field: "udh", Detail: fmt.Sprintf("has %d octets of information elements, at most %d are allowed", len(b.elements), gsm.MaxElements)}
	}
	o.Elements = b.elements
	return concatenated, nil
}

func (b *build) specialText(m *message.Message, req *Request, o *gsm.Options) *Refusal {
	c := req.Content
	if o.Encoding == gsm.Auto && c.Data == "" && len(c.Octets) == 0 {
		o.Encoding = req.Account.DefaultEncoding
	}
	switch {
	case c.Data != "" && req.Text != "":
		return &Refusal{Code: InvalidText, Field: "data", Detail: "is given beside text"}
	case len(c.Octets) > 0 && req.Text != "":
		return &Refusal{Code: InvalidText, Field: "text", Detail: "is given beside octets"}
	case len(c.Octets) > 0:
		b.text = append(b.text[:0], c.Octets...)
		return b.cutBinary(m, o)
	case c.Data != "":
		if o.Encoding != gsm.Auto && o.Encoding != gsm.Binary {
			return &Refusal{Code: InvalidEncoding, Field: "encoding", Detail: "is " + o.Encoding.String() + ", and data is BINARY"}
		}
		var err error
		if b.text, err = base64.StdEncoding.AppendDecode(b.text[:0], []byte(c.Data)); err != nil || len(b.text) == 0 {
			return &Refusal{Code: InvalidText, Field: "data", Detail: "is not base64 of at least one octet"}
		}
		return b.cutBinary(m, o)
	case req.Text == "":
		return &Refusal{Code: MissingText, Field: "text", Detail: "is needed"}
	case o.Encoding == gsm.Binary:
		if r := b.hexText(req.Text); r != nil {
			return r
		}
		return b.cutBinary(m, o)
	}
	text := req.Text
	if c.Transliterate && (o.Encoding == gsm.Auto || o.Encoding == gsm.GSM7) {
		text = b.transliterate(text)
	}
	return b.cutText(m, text, o)
}

// transliterate exchanges characters when that, and nothing less, brings the text into GSM7.
func (b *build) transliterate(text string) string {
	if _, fits := gsm.Septets(text); fits {
		return text
	}
	plain, changed := gsm.Transliterate(text)
	if _, fits := gsm.Septets(plain); !changed || !fits {
		return text
	}
	b.exchanged = true
	return plain
}
