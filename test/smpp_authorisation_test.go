package test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// TestOtherAccountsOverSMPP tries each operation on a message of another account: it is told that there is no such message,
// the message stays as it is, and its receipt goes to its owner alone.
func TestOtherAccountsOverSMPP(t *testing.T) {
	t.Parallel()
	_, far := simulator(t)
	p := serveProduction(t, "", t.TempDir(), "--upstream", upstreamOf(far))
	p.key, _ = p.firstSecrets()
	for _, members := range []string{
		`{"name":"owner","system_id":"owner","password":"OwnerPas"}`,
		`{"name":"thief","system_id":"thief","password":"ThiefPas"}`,
		`{"name":"thief2","system_id":"thief2","password":"ThiefPas","message_ids":"dec"}`,
	} {
		p.newAccount(members)
	}
	session := func(name, password string) (*smpp.Session, inbox) {
		box := make(inbox, 100)
		s, err := p.bind(name, password, box)
		if err != nil {
			t.Fatalf("bind as %s: %v", name, err)
		}
		t.Cleanup(func() { s.Close() })
		return s, box
	}
	owner, ownBox := session("owner", "OwnerPas")
	source, dest := smpp.Address{TON: 5, Addr: []byte("Owner")}, smpp.Address{TON: 1, NPI: 1, Addr: []byte("15550007001")}
	submit := func(s *smpp.Session, text string, change func(*smpp.SubmitSM)) string {
		t.Helper()
		m := &smpp.SubmitSM{Source: source, Dest: dest, RegisteredDelivery: 1, ShortMessage: []byte(text)}
		if change != nil {
			change(m)
		}
		st, body := ask(t, s, m)
		if st != smpp.ROK {
			t.Fatalf("submit_sm: %v", st)
		}
		return string(body.(*smpp.SubmitSMResp).MessageID)
	}
	later := func(m *smpp.SubmitSM) { m.ScheduleDeliveryTime = []byte("000000010000000R") } // in an hour
	id := submit(owner, "the owner's", later)
	unchanged := func(after string) {
		t.Helper()
		var m struct{ Status, Text string }
		p.want(http.StatusOK, "GET", "/api/v1/messages/"+id, "", &m)
		if m.Status != "SCHEDULED" || m.Text != "the owner's" {
			t.Fatalf("after %s the message is %+v", after, m)
		}
	}
	unchanged("nothing")

	for _, name := range []string{"thief", "thief2"} {
		s, box := session(name, "ThiefPas")
		for form, named := range map[string]string{"in hex": id, "in decimal": decimal(t, id)} {
			for op, pdu := range map[string]smpp.PDU{
				"query_sm":                    &smpp.QuerySM{MessageID: []byte(named), Source: source},
				"query_sm without a source":   &smpp.QuerySM{MessageID: []byte(named)},
				"cancel_sm":                   &smpp.CancelSM{MessageID: []byte(named), Source: source, Dest: dest},
				"cancel_sm without addresses": &smpp.CancelSM{MessageID: []byte(named)},
				"replace_sm":                  &smpp.ReplaceSM{MessageID: []byte(named), Source: source, ShortMessage: []byte("stolen")},
				"replace_sm without a source": &smpp.ReplaceSM{MessageID: []byte(named), ShortMessage: []byte("stolen")},
			} {
				if st, _ := ask(t, s, pdu); st != smpp.RINVMSGID {
					t.Errorf("%s of another account's message %s as %s: %v, want ESME_RINVMSGID", op, form, name, st)
				}
				unchanged(op)
			}
		}
		if st, _ := ask(t, s, &smpp.CancelSM{Source: source, Dest: dest}); st != smpp.RCANCELFAIL {
			t.Errorf("cancel_sm of a group that others have, as %s: %v, want ESME_RCANCELFAIL", name, st)
		}
		unchanged("cancel_sm of a group")
		if submit(s, "instead", func(m *smpp.SubmitSM) { later(m); m.ReplaceIfPresent = 1 }) == id {
			t.Errorf("replace_if_present gives %s the id of another account's message", name)
		}
		unchanged("submit_sm with replace_if_present")

		// Of two messages to one number the receipts go to who sent them.
		submit(s, "mine", nil)
		if r := box.receipt(t); r.State != smpp.StateDelivered {
			t.Errorf("receipt of %s: %+v", name, r)
		}
		delivered := submit(owner, "hers", nil)
		if r := ownBox.receipt(t); string(r.ID) != delivered || r.State != smpp.StateDelivered {
			t.Errorf("receipt of the owner: %+v, want that of %s", r, delivered)
		}
		submit(s, "mine again", nil) // its receipt comes after any that was given to the wrong one
		if r := box.receipt(t); r.State != smpp.StateDelivered || string(r.ID) == delivered {
			t.Errorf("receipt of %s: %+v", name, r)
		}
		select {
		case m := <-box:
			t.Errorf("%s gets another deliver_sm: %q", name, m.ShortMessage)
		case m := <-ownBox:
			t.Errorf("the owner gets another deliver_sm: %q", m.ShortMessage)
		case <-time.After(100 * time.Millisecond): // one that is under way; what comes later would fail the next round
		}
	}
	if st, body := ask(t, owner, &smpp.QuerySM{MessageID: []byte(id), Source: source}); st != smpp.ROK || body.(*smpp.QuerySMResp).MessageState != smpp.StateEnroute {
		t.Errorf("the owner's query_sm: %v", st)
	}
}

// decimal writes an id as accounts with message_ids "dec" see it.
func decimal(t *testing.T, hex string) string {
	t.Helper()
	n, err := strconv.ParseUint(hex, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.FormatUint(n, 10)
}
