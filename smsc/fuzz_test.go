package smsc

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"protei-bulk/gsm"
	"protei-bulk/smpp"
)

// FuzzControl sends requests to the control port: no panic and no fault of the simulator's,
// each answer is JSON, and a behaviour that was refused has not changed.
func FuzzControl(f *testing.F) {
	f.Add(uint8(0), "", `{"latency":"20ms","error_rate":"RTHROTTLED=1%"}`)
	f.Add(uint8(0), "", `{"latency":null,"tps":"7","x":{}}`)
	f.Add(uint8(1), "id=0123456789abcdef%2F1", "")
	f.Add(uint8(2), "", `["0123456789abcdef","",null]`)
	f.Add(uint8(2), "", `{"ids":["a"],"more":1}`)
	f.Add(uint8(3), "", `{"from":"79161234567","to":"1000","hex":"0gff","order":[2,1,2]}`)
	f.Add(uint8(4), "system_id=x;y", "")
	s, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	control := s.Control()
	f.Fuzz(func(t *testing.T, which uint8, query, body string) {
		s.behaviour.Store(new(Behaviour))
		calls := []struct{ method, path string }{{"PATCH", "/behaviour"}, {"GET", "/seen"}, {"POST", "/seen"}, {"POST", "/mo"}, {"POST", "/disconnect"}}
		c := calls[int(which)%len(calls)]
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(body))
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		control.ServeHTTP(w, r)
		if !json.Valid(w.Body.Bytes()) || w.Code >= 500 && w.Code != 503 {
			t.Fatalf("%s %s: status %d, %s", c.method, c.path, w.Code, w.Body)
		}
		after := s.Behaviour()
		if !reflect.DeepEqual(after, Behaviour{}) && w.Code != 200 {
			t.Fatalf("status %d, but the behaviour is %+v", w.Code, after)
		}
		if err := after.Validate(); err != nil {
			t.Fatalf("%s was taken: %v", body, err)
		}
	})
}

// FuzzMO: a message that passes becomes deliver_sm that can be encoded, and whose parts have
// its text.
func FuzzMO(f *testing.F) {
	f.Add([]byte(`{"from":"79161234567","to":"1000","text":"hi"}`))
	f.Add([]byte(`{"from":"1","to":"2","text":"` + strings.Repeat("ü€", 200) + `","encoding":"UCS2","sar":true}`))
	f.Add([]byte(`{"from":"1","to":"2","hex":"00ff","udh":"0605040b8423f0","data_coding":245,"esm_class":64}`))
	f.Add([]byte(`{"from":"1","to":"2","text":"x","udh":"0500030a0201","payload":true,"ref":7}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var mo MO
		if json.Unmarshal(text, &mo) != nil || mo.check() != nil {
			return
		}
		m, parts, err := mo.parts(1)
		if err != nil {
			var field *FieldError
			if !errors.As(err, &field) {
				t.Fatalf("%v does not name its field", err)
			}
			return
		}
		var got []byte
		for _, part := range parts {
			m.ShortMessage, m.TLVs = part.octets, part.tlvs
			pdu, err := smpp.Append(nil, smpp.Header{Seq: 1}, m)
			if err != nil {
				t.Fatalf("%s cannot be sent: %v", text, err)
			}
			if _, _, err := smpp.Decode(pdu); err != nil {
				t.Fatalf("%s is sent as %x: %v", text, pdu, err)
			}
			body := part.octets
			if v, ok := part.tlvs.Find(smpp.TagMessagePayload); ok {
				body = v
			}
			if m.ESMClass&smpp.ESMUDHI != 0 && mo.ESMClass == nil {
				if _, body, err = gsm.ParseUDH(body); err != nil {
					t.Fatalf("%s: part %x: %v", text, body, err)
				}
			}
			got = append(got, body...)
		}
		if len(mo.Hex) > 0 && mo.ESMClass == nil && !bytes.Equal(got, mo.Hex) {
			t.Fatalf("%x became %x", mo.Hex, got)
		}
	})
}
