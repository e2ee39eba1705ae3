package smpp_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"protei-bulk/smpp"
)

func TestEveryPDUComesBackAsItWas(t *testing.T) {
	seen := map[smpp.CommandID]bool{}
	for _, p := range samples() {
		t.Run(p.CommandID().String(), func(t *testing.T) {
			seen[p.CommandID()] = true
			b := encode(t, p)
			h, got, err := smpp.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if h.ID != p.CommandID() || int(h.Length) != len(b) || h.Seq != 1 {
				t.Fatalf("header %+v", h)
			}
			if diff := cmp.Diff(p, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(smpp.BindReq{})); diff != "" {
				t.Fatal(diff)
			}
			clone, err := smpp.Clone(got)
			if err != nil {
				t.Fatal(err)
			}
			clear(b)
			if diff := cmp.Diff(p, clone, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(smpp.BindReq{})); diff != "" {
				t.Fatalf("the clone shares memory: %s", diff)
			}
		})
	}
	if len(seen) != 27 {
		t.Fatalf("samples of %d commands, SMPP 3.4 has 27", len(seen))
	}
}

// The bytes of a submit_sm written out by hand after SMPP 3.4 §4.4.1.
func TestSubmitSMBytes(t *testing.T) {
	p := &smpp.SubmitSM{
		ServiceType: []byte("CM"), Source: smpp.Address{TON: 5, Addr: []byte("A")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("79")},
		ESMClass: 0x40, ProtocolID: 2, PriorityFlag: 3, RegisteredDelivery: 1, ReplaceIfPresent: 0, DataCoding: 8, ShortMessage: []byte("hi"),
		TLVs: smpp.TLVs{}.AppendUint16(smpp.TagUserMessageReference, 0x1234),
	}
	want := "\x00\x00\x00\x2e\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01" +
		"CM\x00" + "\x05\x00A\x00" + "\x01\x0179\x00" + "\x40\x02\x03" + "\x00\x00" + "\x01\x00\x08\x00" + "\x02hi" + "\x02\x04\x00\x02\x12\x34"
	if got := encode(t, p); string(got) != want {
		t.Fatalf("\n got % x\nwant % x", got, want)
	}
}

func TestFieldLimits(t *testing.T) {
	const mark = "Q"
	q := []byte(mark)
	dest := smpp.Address{Addr: []byte("79")}
	submit := func(f func(*smpp.SubmitSM)) smpp.PDU {
		p := &smpp.SubmitSM{Dest: dest}
		f(p)
		return p
	}
	bind := func(f func(*smpp.BindReq)) smpp.PDU {
		p := &smpp.BindReq{ID: smpp.CmdBindTransceiver, InterfaceVersion: 0x34}
		f(p)
		return p
	}
	for _, c := range []struct {
		item string
		size int // with the NUL
		st   smpp.Status
		p    smpp.PDU
	}{
		{"item 14: system_id", 16, smpp.RINVSYSID, bind(func(p *smpp.BindReq) { p.SystemID = q })},
		{"item 14: password", 9, smpp.RINVPASWD, bind(func(p *smpp.BindReq) { p.Password = q })},
		{"item 14: system_type", 13, smpp.RINVSYSTYP, bind(func(p *smpp.BindReq) { p.SystemType = q })},
		{"item 14: address_range", 41, smpp.RINVCMDLEN, bind(func(p *smpp.BindReq) { p.AddressRange = q })},
		{"item 14: outbind system_id", 16, smpp.RINVSYSID, &smpp.Outbind{SystemID: q}},
		{"item 14: outbind password", 9, smpp.RINVPASWD, &smpp.Outbind{Password: q}},
		{"item 15: service_type", 6, smpp.RINVSERTYP, submit(func(p *smpp.SubmitSM) { p.ServiceType = q })},
		{"item 15: source_addr in submit_sm", 21, smpp.RINVSRCADR, submit(func(p *smpp.SubmitSM) { p.Source.Addr = q })},
		{"item 15: destination_addr in submit_sm", 21, smpp.RINVDSTADR, submit(func(p *smpp.SubmitSM) { p.Dest.Addr = q })},
		{"item 15: source_addr in deliver_sm", 21, smpp.RINVSRCADR, &smpp.DeliverSM{Source: smpp.Address{Addr: q}}},
		{"item 15: destination_addr in deliver_sm", 21, smpp.RINVDSTADR, &smpp.DeliverSM{Dest: smpp.Address{Addr: q}}},
		{"item 15: source_addr in data_sm", 65, smpp.RINVSRCADR, &smpp.DataSM{Source: smpp.Address{Addr: q}}},
		{"item 15: destination_addr in data_sm", 65, smpp.RINVDSTADR, &smpp.DataSM{Dest: smpp.Address{Addr: q}}},
		{"item 17: message_id in submit_sm_resp", 65, smpp.RINVMSGID, &smpp.SubmitSMResp{MessageID: q}},
		{"item 17: message_id in data_sm_resp", 65, smpp.RINVMSGID, &smpp.DataSMResp{MessageID: q}},
		{"item 17: message_id in query_sm", 65, smpp.RINVMSGID, &smpp.QuerySM{MessageID: q}},
		{"item 17: message_id in cancel_sm", 65, smpp.RINVMSGID, &smpp.CancelSM{MessageID: q}},
		{"item 17: message_id in replace_sm", 65, smpp.RINVMSGID, &smpp.ReplaceSM{MessageID: q}},
		{"item 17: dl_name", 21, smpp.RINVDLNAME, &smpp.SubmitMulti{Dests: []smpp.Destination{{List: q}}}},
		{"item 17: esme_addr", 65, smpp.RINVDSTADR, &smpp.AlertNotification{ESME: smpp.Address{Addr: q}}},
	} {
		t.Run(c.item, func(t *testing.T) {
			raw := encodeBody(t, c.p)
			at := bytes.Index(raw, q)
			stretched := func(n int) []byte {
				return bytes.Replace(bytes.Clone(raw), q, bytes.Repeat([]byte("x"), n), 1)
			}
			wantStatus(t, smpp.NewPDU(c.p.CommandID()).DecodeBody(stretched(c.size-1)), smpp.ROK)
			wantStatus(t, smpp.NewPDU(c.p.CommandID()).DecodeBody(stretched(c.size)), c.st)
			wantStatus(t, smpp.NewPDU(c.p.CommandID()).DecodeBody(raw[:at+1]), smpp.RINVCMDLEN) // no NUL
			if _, err := smpp.Append(nil, smpp.Header{}, withMark(c.p, q, strings.Repeat("x", c.size-1))); err != nil {
				t.Fatalf("encode at the limit: %v", err)
			}
			_, err := smpp.Append(nil, smpp.Header{}, withMark(c.p, q, "a\x00b"))
			wantStatus(t, err, c.st)
			if c.item == "item 14: password" {
				return // sent up to 64 octets, see BindReq.AppendBody
			}
			_, err = smpp.Append(nil, smpp.Header{}, withMark(c.p, q, strings.Repeat("x", c.size)))
			wantStatus(t, err, c.st)
		})
	}
}

// withMark returns a copy of p with the field that is q set to v.
func withMark(p smpp.PDU, q []byte, v string) smpp.PDU {
	set := func(fields ...*[]byte) {
		for _, f := range fields {
			if bytes.Equal(*f, q) {
				*f = []byte(v)
			}
		}
	}
	c, err := smpp.Clone(p)
	if err != nil {
		panic(err)
	}
	switch c := c.(type) {
	case *smpp.BindReq:
		set(&c.SystemID, &c.Password, &c.SystemType, &c.AddressRange)
	case *smpp.Outbind:
		set(&c.SystemID, &c.Password)
	case *smpp.SubmitSM:
		set(&c.ServiceType, &c.Source.Addr, &c.Dest.Addr)
	case *smpp.DeliverSM:
		set(&c.Source.Addr, &c.Dest.Addr)
	case *smpp.DataSM:
		set(&c.Source.Addr, &c.Dest.Addr)
	case *smpp.SubmitSMResp:
		set(&c.MessageID)
	case *smpp.DataSMResp:
		set(&c.MessageID)
	case *smpp.QuerySM:
		set(&c.MessageID)
	case *smpp.CancelSM:
		set(&c.MessageID)
	case *smpp.ReplaceSM:
		set(&c.MessageID)
	case *smpp.SubmitMulti:
		set(&c.Dests[0].List)
	case *smpp.AlertNotification:
		set(&c.ESME.Addr)
	}
	return c
}

func TestTimesOnTheWire(t *testing.T) {
	for _, c := range []struct {
		name  string
		field string
		st    smpp.Status
	}{
		{"item 16: empty", "", smpp.ROK},
		{"item 16: 16 characters", validTime, smpp.ROK},
		{"item 16: 15 characters", validTime[:15], smpp.RINVSCHED},
		{"item 16: 17 characters", validTime + "x", smpp.RINVSCHED},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := encodeBody(t, &smpp.SubmitSM{ScheduleDeliveryTime: []byte(validTime)})
			raw = bytes.Replace(raw, []byte(validTime), []byte(c.field), 1)
			wantStatus(t, new(smpp.SubmitSM).DecodeBody(raw), c.st)
		})
	}
	t.Run("item 16: validity", func(t *testing.T) {
		raw := bytes.Replace(encodeBody(t, &smpp.SubmitSM{ValidityPeriod: []byte(validTime)}), []byte(validTime), []byte("1"), 1)
		wantStatus(t, new(smpp.SubmitSM).DecodeBody(raw), smpp.RINVEXPIRY)
	})
	t.Run("item 17: final_date", func(t *testing.T) {
		raw := bytes.Replace(encodeBody(t, &smpp.QuerySMResp{FinalDate: []byte(validTime)}), []byte(validTime), []byte("1"), 1)
		wantStatus(t, new(smpp.QuerySMResp).DecodeBody(raw), smpp.RINVEXPIRY)
	})
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"261123160000000+": "2026-11-23T16:00:00Z",
		"261123160000512+": "2026-11-23T13:00:00.5Z",
		"261123160000016-": "2026-11-23T20:00:00Z",
		"000001020304000R": "2026-11-24T17:03:04Z",
		"010100000000000R": "2027-12-23T15:00:00Z",
		"000000000000000R": "2026-11-23T15:00:00Z",
		"240229000000000+": "2024-02-29T00:00:00Z",
	} {
		got, err := smpp.ParseTime([]byte(in), now)
		if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("%s: got %v, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "2611231600", "26112316000000X+", "261323160000000+", "260631000000000+", "261100160000000+", "261123240000000+", "261123160000049+", "261123160000000Z", "26-123160000000+"} {
		if got, err := smpp.ParseTime([]byte(in), now); err == nil {
			t.Errorf("%q is taken as %v", in, got)
		}
	}
	if got := string(smpp.AppendTime(nil, now.Add(1500*time.Millisecond))); got != "261123150001500+" {
		t.Errorf("absolute: %s", got)
	}
	if got := string(smpp.AppendRelativeTime(nil, 26*time.Hour+61*time.Second)); got != "000001020101000R" {
		t.Errorf("relative: %s", got)
	}
	if got := string(smpp.AppendRelativeTime(nil, 5000*time.Hour)); got != "000099235959000R" {
		t.Errorf("relative, too long: %s", got)
	}
}

func TestShortMessageLength(t *testing.T) {
	for _, n := range []int{0, 1, 254} {
		t.Run(fmt.Sprintf("item 18: %d octets", n), func(t *testing.T) {
			var got smpp.SubmitSM
			wantStatus(t, got.DecodeBody(encodeBody(t, &smpp.SubmitSM{ShortMessage: bytes.Repeat([]byte{0xFF}, n)})), smpp.ROK)
			if len(got.ShortMessage) != n {
				t.Fatalf("%d octets came back", len(got.ShortMessage))
			}
		})
	}
	raw := encodeBody(t, &smpp.SubmitSM{ShortMessage: []byte("Q")})
	at := len(raw) - 2
	t.Run("item 18: sm_length 255", func(t *testing.T) {
		long := append(append(bytes.Clone(raw[:at]), 255), bytes.Repeat([]byte("x"), 255)...)
		wantStatus(t, new(smpp.SubmitSM).DecodeBody(long), smpp.RINVMSGLEN)
		_, err := smpp.Append(nil, smpp.Header{}, &smpp.SubmitSM{ShortMessage: make([]byte, 255)})
		wantStatus(t, err, smpp.RINVMSGLEN)
	})
	t.Run("item 18: sm_length above the rest", func(t *testing.T) {
		wantStatus(t, new(smpp.SubmitSM).DecodeBody(append(bytes.Clone(raw[:at]), 2, 'x')), smpp.RINVMSGLEN)
	})
	t.Run("item 18: sm_length below the rest", func(t *testing.T) {
		wantStatus(t, new(smpp.SubmitSM).DecodeBody(append(bytes.Clone(raw), 'x')), smpp.RINVOPTPARSTREAM)
	})
}

func TestSubmitMultiDestinations(t *testing.T) {
	body := func(dests ...byte) []byte {
		b := append([]byte{0, 0, 0, 0}, dests...) // service_type, source
		return append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	for _, c := range []struct {
		name string
		raw  []byte
		st   smpp.Status
	}{
		{"item 60: none", body(0), smpp.RINVNUMDESTS},
		{"item 60: 255", body(255), smpp.RINVNUMDESTS},
		{"item 60: address", body(1, 1, 0, 0, '7', 0), smpp.ROK},
		{"item 60: list", body(1, 2, 'a', 0), smpp.ROK},
		{"item 60: empty list name", body(1, 2, 0), smpp.RINVDLNAME},
		{"item 60: dest_flag 3", body(1, 3, 'a', 0), smpp.RINVDESTFLAG},
	} {
		t.Run(c.name, func(t *testing.T) { wantStatus(t, new(smpp.SubmitMulti).DecodeBody(c.raw), c.st) })
	}
	most := &smpp.SubmitMulti{Dests: make([]smpp.Destination, smpp.MaxDestinations)}
	wantStatus(t, new(smpp.SubmitMulti).DecodeBody(encodeBody(t, most)), smpp.ROK)
	_, err := smpp.Append(nil, smpp.Header{}, &smpp.SubmitMulti{Dests: make([]smpp.Destination, smpp.MaxDestinations+1)})
	wantStatus(t, err, smpp.RINVNUMDESTS)
}

func TestValues(t *testing.T) {
	now := time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)
	rules := &smpp.Rules{Now: func() time.Time { return now }}
	strict := &smpp.Rules{StrictNumbers: true, Now: rules.Now}
	lenient := &smpp.Rules{IgnoreDefaultMsgID: true}
	for _, c := range []struct {
		name    string
		set     func(*smpp.SubmitSM)
		rules   *smpp.Rules
		version byte
		st      smpp.Status
	}{
		{"item 15: empty destination", func(p *smpp.SubmitSM) { p.Dest.Addr = nil }, rules, 0x34, smpp.RINVDSTADR},
		{"item 15: empty source", func(p *smpp.SubmitSM) { p.Source.Addr = nil }, rules, 0x34, smpp.ROK},
		{"item 16: bad schedule", func(p *smpp.SubmitSM) { p.ScheduleDeliveryTime = []byte("261323160000000+") }, rules, 0x34, smpp.RINVSCHED},
		{"item 16: bad validity", func(p *smpp.SubmitSM) { p.ValidityPeriod = []byte("xxxxxxxxxxxxxxxx") }, rules, 0x34, smpp.RINVEXPIRY},
		{"item 16: relative in both", func(p *smpp.SubmitSM) {
			p.ScheduleDeliveryTime, p.ValidityPeriod = []byte("000001000000000R"), []byte("000002000000000R")
		}, rules, 0x34, smpp.ROK},
		{"item 16: validity in the past", func(p *smpp.SubmitSM) { p.ValidityPeriod = []byte("261123145959900+") }, rules, 0x34, smpp.RINVEXPIRY},
		{"item 16: validity before schedule", func(p *smpp.SubmitSM) {
			p.ScheduleDeliveryTime, p.ValidityPeriod = []byte("000002000000000R"), []byte("000001000000000R")
		}, rules, 0x34, smpp.RINVEXPIRY},
		{"item 19: unknown TON accepted", func(p *smpp.SubmitSM) { p.Source.TON, p.Dest.NPI = 9, 77 }, rules, 0x34, smpp.ROK},
		{"item 19: strict source TON", func(p *smpp.SubmitSM) { p.Source.TON = 7 }, strict, 0x34, smpp.RINVSRCTON},
		{"item 19: strict source NPI", func(p *smpp.SubmitSM) { p.Source.NPI = 2 }, strict, 0x34, smpp.RINVSRCNPI},
		{"item 19: strict dest TON", func(p *smpp.SubmitSM) { p.Dest.TON = 7 }, strict, 0x34, smpp.RINVDSTTON},
		{"item 19: strict dest NPI", func(p *smpp.SubmitSM) { p.Dest.NPI = 19 }, strict, 0x34, smpp.RINVDSTNPI},
		{"item 20: priority 3", func(p *smpp.SubmitSM) { p.PriorityFlag = 3 }, rules, 0x34, smpp.ROK},
		{"item 20: priority 4", func(p *smpp.SubmitSM) { p.PriorityFlag = 4 }, rules, 0x34, smpp.RINVPRTFLG},
		{"item 20: registered_delivery 3 in 3.4", func(p *smpp.SubmitSM) { p.RegisteredDelivery = 3 }, rules, 0x34, smpp.RINVREGDLVFLG},
		{"item 20: registered_delivery 3 in 5.0", func(p *smpp.SubmitSM) { p.RegisteredDelivery = 3 }, rules, 0x50, smpp.ROK},
		{"item 20: intermediate notification", func(p *smpp.SubmitSM) { p.RegisteredDelivery = 0x11 }, rules, 0x34, smpp.ROK},
		{"item 20: replace_if_present 2", func(p *smpp.SubmitSM) { p.ReplaceIfPresent = 2 }, rules, 0x34, smpp.RINVREPFLAG},
		{"item 20: Kannel's mode 3", func(p *smpp.SubmitSM) { p.ESMClass = 3 }, rules, 0x34, smpp.ROK},
		{"item 20: reserved message type", func(p *smpp.SubmitSM) { p.ESMClass = 0x04 }, rules, 0x34, smpp.RINVESMCLASS},
		{"item 20: user acknowledgement", func(p *smpp.SubmitSM) { p.ESMClass = 0x10 }, rules, 0x34, smpp.ROK},
		{"item 21: predefined message", func(p *smpp.SubmitSM) { p.SMDefaultMsgID = 1 }, rules, 0x34, smpp.RINVDFTMSGID},
		{"item 21: predefined message ignored", func(p *smpp.SubmitSM) { p.SMDefaultMsgID = 1 }, lenient, 0x34, smpp.ROK},
		{"item 25: message and payload", func(p *smpp.SubmitSM) { p.TLVs = p.TLVs.Append(smpp.TagMessagePayload, []byte("x")) }, rules, 0x34, smpp.RINVMSGLEN},
		{"item 25: payload alone", func(p *smpp.SubmitSM) {
			p.ShortMessage, p.TLVs = nil, p.TLVs.Append(smpp.TagMessagePayload, make([]byte, 65535))
		}, rules, 0x34, smpp.ROK},
		{"item 26: sar", func(p *smpp.SubmitSM) { p.TLVs = sar(2, 2) }, rules, 0x34, smpp.ROK},
		{"item 26: sar with UDHI", func(p *smpp.SubmitSM) { p.ESMClass, p.TLVs = 0x40, sar(2, 1) }, rules, 0x34, smpp.RINVOPTPARAMVAL},
		{"item 26: segment 0", func(p *smpp.SubmitSM) { p.TLVs = sar(2, 0) }, rules, 0x34, smpp.RINVOPTPARAMVAL},
		{"item 26: segment above total", func(p *smpp.SubmitSM) { p.TLVs = sar(2, 3) }, rules, 0x34, smpp.RINVOPTPARAMVAL},
		{"item 26: total 0", func(p *smpp.SubmitSM) { p.TLVs = sar(0, 0) }, rules, 0x34, smpp.RINVOPTPARAMVAL},
		{"item 23: sar without total", func(p *smpp.SubmitSM) { p.TLVs = p.TLVs.AppendUint16(smpp.TagSarMsgRefNum, 1) }, rules, 0x34, smpp.RMISSINGOPTPARAM},
		{"item 23: receipted_message_id in submit_sm", func(p *smpp.SubmitSM) { p.TLVs = p.TLVs.AppendCString(smpp.TagReceiptedMessageID, []byte("1")) }, rules, 0x34, smpp.ROPTPARNOTALLWD},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := sampleSubmit()
			c.set(p)
			err := p.Validate(c.rules, c.version)
			if c.st == smpp.ROK && err != nil {
				t.Fatal(err)
			}
			wantStatus(t, err, c.st)
		})
	}
}

func sar(total, seq byte) smpp.TLVs {
	return smpp.TLVs{}.AppendUint16(smpp.TagSarMsgRefNum, 7).AppendByte(smpp.TagSarTotalSegments, total).AppendByte(smpp.TagSarSegmentSeqnum, seq)
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	err := new(smpp.SubmitSM).DecodeBody([]byte("toolong\x00"))
	if want := "submit_sm: service_type is too long: ESME_RINVSERTYP (0x15)"; err == nil || err.Error() != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	se := &smpp.StatusError{Status: smpp.RTHROTTLED, Cmd: smpp.CmdSubmitSM}
	if want := "submit_sm refused: ESME_RTHROTTLED (0x58)"; se.Error() != want {
		t.Fatalf("got %s, want %s", se, want)
	}
	if got := smpp.StatusOf(fmt.Errorf("send: %w", se)); got != smpp.RTHROTTLED {
		t.Fatalf("got %s", got)
	}
	if got := smpp.Status(0x4ff).String(); got != "status 0x4FF" {
		t.Fatal(got)
	}
	if got := smpp.CommandID(0x99).String(); got != "command 0x00000099" {
		t.Fatal(got)
	}
}

func TestNoAllocations(t *testing.T) {
	r := &smpp.Receipt{ID: []byte("3f2a9c0b11223344"), State: smpp.StateDelivered, SubmitDate: []byte("2611231500"), DoneDate: []byte("2611231501")}
	var submit smpp.SubmitSM
	var resp smpp.SubmitSMResp
	var deliver smpp.DeliverSM
	var link smpp.EnquireLink
	for _, c := range []struct {
		from, to smpp.PDU
	}{
		{sampleSubmit(), &submit},
		{&smpp.SubmitSMResp{MessageID: []byte("3f2a9c0b11223344")}, &resp},
		{&smpp.DeliverSM{ESMClass: smpp.ESMReceipt, ShortMessage: smpp.AppendReceipt(nil, r), TLVs: smpp.AppendReceiptTLVs(nil, r)}, &deliver},
		{&smpp.EnquireLink{}, &link},
	} {
		buf := make([]byte, 0, 1024)
		if n := testing.AllocsPerRun(100, func() {
			b, err := smpp.Append(buf, smpp.Header{Seq: 1}, c.from)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.to.DecodeBody(b[smpp.HeaderLen:]); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", c.from.CommandID(), n)
		}
	}
}

// Item 63: every PDU cut at every octet, and every octet of every PDU changed.
func TestDamagedPDUs(t *testing.T) {
	for _, p := range samples() {
		t.Run("item 63: "+p.CommandID().String(), func(t *testing.T) {
			body := encodeBody(t, p)
			for n := range body {
				decodeAnything(t, p.CommandID(), body[:n])
			}
			for n := range body[:min(len(body), 200)] {
				for _, v := range []byte{0, 1, 0x7F, 0xFF, body[n] + 1} {
					damaged := bytes.Clone(body)
					damaged[n] = v
					decodeAnything(t, p.CommandID(), damaged)
				}
			}
		})
	}
}

// decodeAnything decodes body; what is accepted must encode, and come back the same.
func decodeAnything(t *testing.T, id smpp.CommandID, body []byte) {
	t.Helper()
	p := smpp.NewPDU(id)
	if err := p.DecodeBody(body); err != nil {
		if smpp.StatusOf(err) == smpp.RSYSERR {
			t.Fatalf("% x: %v has no status", body, err)
		}
		return
	}
	again, err := p.AppendBody(nil)
	if err != nil {
		t.Fatalf("decoded % x to what does not encode: %v", body, err)
	}
	q := smpp.NewPDU(id)
	if err := q.DecodeBody(again); err != nil {
		t.Fatalf("% x: %v", again, err)
	}
	if diff := cmp.Diff(p, q, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(smpp.BindReq{})); diff != "" {
		t.Fatal(diff)
	}
}
