package intake_test

import (
	"testing"

	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

// TestListedNumbersOverBothDoors: what is asked for is the sender and the digits as they are
// sent, and the platform's own answer to a STOP goes out all the same.
func TestListedNumbersOverBothDoors(t *testing.T) {
	var asked []string
	door, sink, who := open(t, intake.Options{Listed: func(account uint32, sender, dest string) (intake.Code, string) {
		asked = append(asked, sender+">"+dest)
		if dest == "4915112345678" {
			return intake.OptedOut, "has asked not to be written to"
		}
		return "", ""
	}}, false)
	for name, req := range map[string]intake.Request{
		"rest": {From: "ACME", To: "+49 151 12345678", Text: "x"},
		"smpp": {Raw: &intake.Raw{
			Source: message.Address{TON: 5, Addr: "ACME"}, Dest: message.Address{TON: 1, NPI: 1, Addr: "+4915112345678"}, Octets: []byte("x"),
		}},
	} {
		asked = nil
		req.Account = who
		o := one(t, door, req)
		if o.Err == nil || o.Err.Code != intake.OptedOut || o.Err.HTTPStatus() != 422 || o.Err.SMPPStatus() != 0x0B || o.Msg != nil {
			t.Errorf("%s: %+v", name, o.Err)
		}
		if len(asked) != 1 || asked[0] != "ACME>4915112345678" {
			t.Errorf("%s: asked for %v", name, asked)
		}
		req.Unlisted = true
		if o := one(t, door, req); o.Err != nil || len(asked) != 1 {
			t.Errorf("%s: an answer of the platform: %v", name, o.Err)
		}
	}
	if o := one(t, door, intake.Request{Account: who, From: "ACME", To: "4915112345679", Text: "x"}); o.Err != nil {
		t.Error(o.Err)
	}
	if n := len(sink.Messages()); n != 3 {
		t.Errorf("%d messages", n)
	}
}
