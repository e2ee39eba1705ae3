package test

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// inbox gathers deliver_sm and answers each with ESME_ROK.
type inbox chan *smpp.DeliverSM

// HandleRequest implements smpp.Handler.
func (b inbox) HandleRequest(s *smpp.Session, r *smpp.Request) {
	if p, ok := r.PDU.(*smpp.DeliverSM); ok {
		if c, err := smpp.Clone(p); err == nil {
			b <- c.(*smpp.DeliverSM)
		}
	}
	s.Respond(r.Seq, r.ID, smpp.ROK, nil)
}

func (b inbox) receipt(t *testing.T) smpp.Receipt {
	t.Helper()
	select {
	case p := <-b:
		rec, err := smpp.ParseReceipt(p.ShortMessage, p.TLVs)
		if err != nil {
			t.Fatalf("%q: %v", p.ShortMessage, err)
		}
		return rec
	case <-time.After(20 * time.Second):
		t.Fatal("no deliver_sm comes")
		return smpp.Receipt{}
	}
}

func ask(t *testing.T, s *smpp.Session, p smpp.PDU) (smpp.Status, smpp.PDU) {
	t.Helper()
	st, body, err := s.Do(t.Context(), p)
	if err != nil {
		t.Fatalf("%s: %v", p.CommandID(), err)
	}
	return st, body
}

// TestSMPPManagement: query_sm, cancel_sm, replace_sm and submit_multi against the real
// platform, from submit to receipt.
func TestSMPPManagement(t *testing.T) {
	t.Parallel()
	p := serveDev(t)
	box := make(inbox, 100)
	s, err := p.bind("dev", "devpass1", box)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	source := smpp.Address{TON: 5, Addr: []byte("Test")}
	later := []byte("000000010000000R") // in an hour
	scheduled := func(text string) string {
		t.Helper()
		st, body := ask(t, s, &smpp.SubmitSM{
			Source: source, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("15550008001")}, RegisteredDelivery: 1,
			ScheduleDeliveryTime: later, ShortMessage: []byte(text),
		})
		if st != smpp.ROK {
			t.Fatalf("submit_sm: %v", st)
		}
		return string(body.(*smpp.SubmitSMResp).MessageID)
	}
	state := func(id string) smpp.MessageState {
		t.Helper()
		st, body := ask(t, s, &smpp.QuerySM{MessageID: []byte(id), Source: source})
		if st != smpp.ROK {
			t.Fatalf("query_sm of %s: %v", id, st)
		}
		return body.(*smpp.QuerySMResp).MessageState
	}

	id := scheduled("to be cancelled")
	if got := state(id); got != smpp.StateEnroute {
		t.Errorf("scheduled: %v", got)
	}
	if st, _ := ask(t, s, &smpp.CancelSM{MessageID: []byte(id), Source: source}); st != smpp.ROK {
		t.Errorf("cancel_sm: %v", st)
	}
	if rec := box.receipt(t); string(rec.ID) != id || rec.State != smpp.StateDeleted {
		t.Errorf("receipt of the cancelled one: %+v", rec)
	}
	if got := state(id); got != smpp.StateDeleted {
		t.Errorf("cancelled: %v", got)
	}

	// What is replaced goes now, with the text of the replacement, under the old message_id.
	id = scheduled("to be replaced")
	soon := smpp.AppendTime(nil, time.Now().Add(time.Second))
	if st, _ := ask(t, s, &smpp.ReplaceSM{
		MessageID: []byte(id), Source: source, ScheduleDeliveryTime: soon, RegisteredDelivery: 1, ShortMessage: []byte("the replacement"),
	}); st != smpp.ROK {
		t.Fatalf("replace_sm: %v", st)
	}
	if rec := box.receipt(t); string(rec.ID) != id || rec.State != smpp.StateDelivered || !strings.HasPrefix(string(rec.Text), "the replacement") {
		t.Errorf("receipt of the replaced one: %s %v %s", rec.ID, rec.State, rec.Text)
	}
	if got := state(id); got != smpp.StateDelivered {
		t.Errorf("replaced and delivered: %v", got)
	}
	if st, _ := ask(t, s, &smpp.ReplaceSM{MessageID: []byte(id), Source: source, ShortMessage: []byte("again")}); st != smpp.RREPLACEFAIL {
		t.Errorf("replace_sm of a delivered one: %v", st)
	}

	for range 3 {
		scheduled("of a group")
	}
	if st, _ := ask(t, s, &smpp.CancelSM{Source: source, Dest: smpp.Address{Addr: []byte("15550008001")}}); st != smpp.ROK {
		t.Errorf("cancel_sm of a group: %v", st)
	}
	for range 3 {
		if rec := box.receipt(t); rec.State != smpp.StateDeleted {
			t.Errorf("receipt of a group: %+v", rec)
		}
	}

	multi := &smpp.SubmitMulti{Source: source, RegisteredDelivery: 1, ShortMessage: []byte("to both")}
	for _, number := range []string{"15550008101", "15550008102"} {
		multi.Dests = append(multi.Dests, smpp.Destination{Address: smpp.Address{TON: 1, NPI: 1, Addr: []byte(number)}})
	}
	st, body := ask(t, s, multi)
	if st != smpp.ROK {
		t.Fatalf("submit_multi: %v", st)
	}
	call := string(body.(*smpp.SubmitMultiResp).MessageID)
	for range 2 {
		if rec := box.receipt(t); string(rec.ID) != call || rec.State != smpp.StateDelivered {
			t.Errorf("receipt of submit_multi: %s %v, want %s", rec.ID, rec.State, call)
		}
	}
	if got := state(call); got != smpp.StateDelivered {
		t.Errorf("submit_multi: %v", got)
	}

	// Intermediate notifications come before the final receipt.
	if st, _ := ask(t, s, &smpp.SubmitSM{Source: source, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("15550008201")}, RegisteredDelivery: 0x11, ShortMessage: []byte("x")}); st != smpp.ROK {
		t.Fatal(st)
	}
	if rec := box.receipt(t); rec.State != smpp.StateEnroute {
		t.Errorf("on the way: %+v", rec)
	}
	if rec := box.receipt(t); rec.State != smpp.StateDelivered {
		t.Errorf("at the end: %+v", rec)
	}
}

// TestCertificateReload: a new certificate is presented without a restart.
func TestCertificateReload(t *testing.T) {
	t.Parallel()
	cert, key, _ := selfSigned(t)
	file := filepath.Join(t.TempDir(), "bulk.yaml")
	if err := os.WriteFile(file, []byte("tls:\n  cert: "+cert+"\n  key: "+key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serveDev(t, "--config", file)
	serial := func(addr string) string {
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return string(conn.ConnectionState().PeerCertificates[0].Raw)
	}
	old := serial(p.SMPP)
	nextCert, nextKey, _ := selfSigned(t)
	for from, to := range map[string]string{nextCert: cert, nextKey: key} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, addr := range []string{p.SMPP, p.HTTP} {
		waitUntil(t, 20*time.Second, func() bool { return serial(addr) != old })
		if serial(addr) == old {
			t.Errorf("%s still presents the old certificate\n%s", addr, p.out)
		}
	}
	if err := os.WriteFile(cert, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, 20*time.Second, func() bool { serial(p.SMPP); return strings.Contains(p.out.String(), "stays in force") })
	if now := serial(p.SMPP); now == old {
		t.Error("a broken file brings the first certificate back")
	}
}

// TestAccountsSMPPSettings: decimal ids and the list of addresses, over REST.
func TestAccountsSMPPSettings(t *testing.T) {
	t.Parallel()
	p := serveDev(t)
	var made struct {
		ID       int    `json:"account_id"`
		Password string `json:"password"`
		IDs      string `json:"message_ids"`
	}
	p.want(http.StatusCreated, "POST", "/api/v1/accounts", `{"name":"dec","system_id":"dec","message_ids":"dec","smpp_allow":["127.0.0.0/8"]}`, &made)
	if made.IDs != "dec" {
		t.Errorf("%+v", made)
	}
	s, err := p.bind("dec", made.Password, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id := p.submit(s, "15550008301", "decimal")
	if _, ok := smpp.ParseMessageID([]byte(id), smpp.IDDecimal); !ok {
		t.Errorf("message_id %s", id)
	}
	for body, code := range map[string]string{
		`{"message_ids":"octal"}`: "invalid_message_ids", `{"smpp_allow":["here"]}`: "invalid_smpp_allow", `{"smpp_allow":"127.0.0.1"}`: "wrong_type", `{"outbind":"nowhere"}`: "invalid_outbind",
	} {
		if a := p.do("PATCH", "/api/v1/accounts/me", strings.NewReader(body)); a.code != 422 || a.problem(t).Errors[0].Code != code {
			t.Errorf("%s: %d %s", body, a.code, a.body)
		}
	}
}
