package intake_test

import (
	"testing"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

func TestSendersOfTheAccountOverBothDoors(t *testing.T) {
	door, sink, _ := open(t, intake.Options{}, false)
	strict := newAccount(t, account.Spec{Name: "strict", Senders: []string{"Brand", "4917*"}})
	mild := newAccount(t, account.Spec{Name: "mild", Senders: []string{"Brand", "4917*"}, SenderPolicy: account.ReplaceSender, DefaultSender: "Brand"})
	forms := map[string]func(who *account.Account, from string) intake.Request{
		"rest": func(who *account.Account, from string) intake.Request {
			return intake.Request{Account: who, From: from, To: "4915112345678", Text: "x"}
		},
		"smpp": func(who *account.Account, from string) intake.Request {
			return intake.Request{Account: who, Raw: &intake.Raw{
				Source: message.Address{TON: 1, NPI: 1, Addr: from}, Dest: message.Address{TON: 1, NPI: 1, Addr: "4915112345678"}, Octets: []byte("x"),
			}}
		},
	}
	for name, form := range forms {
		for _, from := range []string{"Brand", "+491711234567", "491711234567"} {
			if o := one(t, door, form(strict, from)); o.Err != nil || o.SenderReplaced {
				t.Errorf("%s: %s: %v", name, from, o.Err)
			}
		}
		o := one(t, door, form(strict, "Other"))
		if o.Err == nil || o.Err.Code != intake.SenderNotAllowed || o.Err.HTTPStatus() != 422 || o.Err.SMPPStatus() != 0x0A {
			t.Errorf("%s: %+v", name, o.Err)
		}
		if o := one(t, door, form(mild, "4916111111111")); o.Err != nil || !o.SenderReplaced {
			t.Errorf("%s: %+v", name, o)
		}
		all := sink.Messages()
		if got := all[len(all)-1].Source; got != (message.Address{TON: 5, Addr: "Brand"}) {
			t.Errorf("%s: sent as %+v", name, got)
		}
	}
}
