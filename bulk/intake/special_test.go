package intake_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"protei-bulk/bulk/intake"
	"protei-bulk/gsm"
)

// TestSpecialContent: binary messages, user data headers, ports and transliteration.
func TestSpecialContent(t *testing.T) {
	const ports = "0605040b8423f0"
	long := strings.Repeat("x", 300)
	door, _, who := open(t, intake.Options{}, false)
	for name, c := range map[string]struct {
		req   intake.Request
		parts []string // hex of each; nil: refused
		code  intake.Code
		field string
		trans bool
	}{
		"base64": {
			req:   intake.Request{Content: &intake.Content{Data: base64.StdEncoding.EncodeToString([]byte{1, 2, 255})}},
			parts: []string{"0102ff"},
		},
		"hex with a header": {
			req:   intake.Request{Text: "0102", Encoding: gsm.Binary, Content: &intake.Content{UDH: ports}},
			parts: []string{ports + "0102"},
		},
		"WAP push by its ports": {
			req:   intake.Request{Text: "0102", Encoding: gsm.Binary, Content: &intake.Content{DestPort: 2948, SourcePort: 9200}},
			parts: []string{ports + "0102"},
		},
		"text to a port": {
			req:   intake.Request{Text: "hi", Content: &intake.Content{DestPort: 2948, SourcePort: 9200}},
			parts: []string{ports + "6869"},
		},
		"132 octets and ports are one part": {
			req:   intake.Request{Text: strings.Repeat("aa", 133), Encoding: gsm.Binary, Content: &intake.Content{UDH: ports}},
			parts: []string{ports + strings.Repeat("aa", 133)},
		},
		"134 octets and ports are two": {
			req: intake.Request{Text: strings.Repeat("aa", 134), Encoding: gsm.Binary, Content: &intake.Content{UDH: ports}},
			parts: []string{
				"0b0003RR02010504" + "0b8423f0" + strings.Repeat("aa", 128),
				"0b0003RR02020504" + "0b8423f0" + strings.Repeat("aa", 6),
			},
		},
		"a part of one's own": {
			req:   intake.Request{Text: "0102", Encoding: gsm.Binary, Content: &intake.Content{UDH: "0500030a0201"}},
			parts: []string{"0500030a02010102"},
		},
		"a part of one's own that is too long": {
			req:  intake.Request{Text: long, Content: &intake.Content{UDH: "0500030a0201"}},
			code: intake.InvalidHeader, field: "udh",
		},
		"header cut short":      {req: intake.Request{Text: "00", Content: &intake.Content{UDH: "0605040b84"}}, code: intake.InvalidHeader, field: "udh"},
		"header with a rest":    {req: intake.Request{Text: "00", Content: &intake.Content{UDH: ports + "00"}}, code: intake.InvalidHeader, field: "udh"},
		"header is not hex":     {req: intake.Request{Text: "00", Content: &intake.Content{UDH: "zz"}}, code: intake.InvalidHeader, field: "udh"},
		"header is too long":    {req: intake.Request{Text: "00", Content: &intake.Content{UDH: "43" + "7041" + strings.Repeat("00", 65)}}, code: intake.InvalidHeader, field: "udh"},
		"ports twice":           {req: intake.Request{Text: "00", Content: &intake.Content{UDH: ports, DestPort: 1}}, code: intake.InvalidHeader, field: "udh"},
		"data and text":         {req: intake.Request{Text: "00", Content: &intake.Content{Data: "AQ=="}}, code: intake.InvalidText, field: "data"},
		"data is not base64":    {req: intake.Request{Content: &intake.Content{Data: "A"}}, code: intake.InvalidText, field: "data"},
		"data with an alphabet": {req: intake.Request{Encoding: gsm.UCS2, Content: &intake.Content{Data: "AQ=="}}, code: intake.InvalidEncoding, field: "encoding"},
		"nothing but a header":  {req: intake.Request{Content: &intake.Content{UDH: ports}}, code: intake.MissingText, field: "text"},
		"transliterated": {
			req:   intake.Request{Text: "“a”—b", Content: &intake.Content{Transliterate: true}},
			parts: []string{hex.EncodeToString([]byte(`"a"-b`))}, trans: true,
		},
		"transliteration would not do": {
			req:   intake.Request{Text: "“я”", Content: &intake.Content{Transliterate: true}},
			parts: []string{"201c044f201d"},
		},
		"nothing to transliterate": {
			req:   intake.Request{Text: "plain", Content: &intake.Content{Transliterate: true}},
			parts: []string{hex.EncodeToString([]byte("plain"))},
		},
		"not asked to": {
			req:   intake.Request{Text: "“a”", Content: &intake.Content{}},
			parts: []string{"201c0061201d"},
		},
		"GSM7 that only transliteration makes": {
			req:   intake.Request{Text: "it’s", Encoding: gsm.GSM7, Content: &intake.Content{Transliterate: true}},
			parts: []string{hex.EncodeToString([]byte("it's"))}, trans: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.req.Account, c.req.From, c.req.To = who, "ACME", "+4915112345678"
			out := one(t, door, c.req)
			if c.code != "" {
				if out.Err == nil || out.Err.Code != c.code || out.Err.Field != c.field {
					t.Fatalf("%+v, want %s of %s", out.Err, c.code, c.field)
				}
				return
			}
			if out.Err != nil {
				t.Fatal(out.Err)
			}
			m := out.Msg
			if out.Transliterated != c.trans || len(m.Parts) != len(c.parts) {
				t.Fatalf("transliterated %v, %d parts", out.Transliterated, len(m.Parts))
			}
			for i, want := range c.parts {
				got := m.PartPayload(i)
				if at := strings.Index(want, "RR"); at >= 0 { // the reference is any
					want = want[:at] + fmt.Sprintf("%02x", got[at/2]) + want[at+2:]
				}
				if hex.EncodeToString(got) != want {
					t.Errorf("part %d is %x, want %s", i+1, got, want)
				}
			}
			if udhi := m.ESMClass&0x40 != 0; udhi != (c.req.Content.UDH != "" || c.req.Content.DestPort != 0 || len(c.parts) > 1) {
				t.Errorf("esm_class %#x", m.ESMClass)
			}
		})
	}
}
