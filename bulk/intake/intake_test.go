package intake_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/intake/intaketest"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/route"
	"protei-bulk/gsm"
)

var now = time.Date(2030, 1, 31, 9, 0, 0, 0, time.UTC)

// open returns a door, its sink and an account without limits.
func open(t testing.TB, opts intake.Options, drop bool) (*intake.Intake, *intaketest.Sink, *account.Account) {
	t.Helper()
	table, err := route.NewTable([]route.Connector{{ID: 1, Name: "default"}})
	if err != nil {
		t.Fatal(err)
	}
	router, err := route.NewRouter(table)
	if err != nil {
		t.Fatal(err)
	}
	sink := &intaketest.Sink{Drop: drop}
	if opts.Sink == nil {
		opts.Sink = sink
	}
	opts.Router, opts.IDs = router, message.NewIDSource(1, 0, nil)
	opts.Now = func() time.Time { return now }
	door, err := intake.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return door, sink, newAccount(t, account.Spec{Name: "acme"})
}

func newAccount(t testing.TB, spec account.Spec) *account.Account {
	t.Helper()
	d, err := account.Open(context.Background(), account.Options{Store: new(accounttest.Store)})
	if err != nil {
		t.Fatal(err)
	}
	a, _, err := d.Create(context.Background(), spec, "")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// one submits one request.
func one(t testing.TB, door *intake.Intake, req intake.Request) intake.Outcome {
	t.Helper()
	out := make([]intake.Outcome, 1)
	if err := door.Submit(context.Background(), []intake.Request{req}, out); err != nil {
		t.Fatal(err)
	}
	return out[0]
}

func TestRefusals(t *testing.T) {
	door, sink, who := open(t, intake.Options{AllowURL: func(u *url.URL) error {
		if u.Hostname() == "10.0.0.1" {
			return errors.New("private addresses are not allowed")
		}
		return nil
	}}, false)
	good := intake.Request{Account: who, From: "ACME", To: "+4915112345678", Text: "x", Priority: message.Normal}
	for name, c := range map[string]struct {
		change func(*intake.Request)
		code   intake.Code
		field  string
	}{
		"no sender":                 {func(r *intake.Request) { r.From = "" }, intake.MissingSender, "from"},
		"sender too long":           {func(r *intake.Request) { r.From = "ACMEACMEACME" }, intake.InvalidSender, "from"},
		"sender too long in digits": {func(r *intake.Request) { r.From = strings.Repeat("1", 21) }, intake.InvalidSender, "from"},
		"sender not international":  {func(r *intake.Request) { r.From = "+0123456789" }, intake.InvalidSender, "from"},
		"sender of other letters":   {func(r *intake.Request) { r.From = "ПРИВЕТ" }, intake.InvalidSender, "from"},
		"sender with control":       {func(r *intake.Request) { r.From = "A\x00B" }, intake.InvalidSender, "from"},
		"sender with extension":     {func(r *intake.Request) { r.From = "[[[[[[" }, intake.InvalidSender, "from"},
		"huge sender":               {func(r *intake.Request) { r.From = strings.Repeat("A", 10000) }, intake.InvalidSender, "from"},
		"no recipient":              {func(r *intake.Request) { r.To = "" }, intake.MissingRecipient, "to"},
		"recipient of letters":      {func(r *intake.Request) { r.To = "abc" }, intake.InvalidRecipient, "to"},
		"recipient plus only":       {func(r *intake.Request) { r.To = "+" }, intake.InvalidRecipient, "to"},
		"recipient two plus":        {func(r *intake.Request) { r.To = "++4915112345678" }, intake.InvalidRecipient, "to"},
		"recipient plus inside":     {func(r *intake.Request) { r.To = "49+15112345678" }, intake.InvalidRecipient, "to"},
		"recipient too short":       {func(r *intake.Request) { r.To = "1234" }, intake.InvalidRecipient, "to"},
		"recipient too long":        {func(r *intake.Request) { r.To = "+4915112345678901" }, intake.InvalidRecipient, "to"},
		"recipient +0":              {func(r *intake.Request) { r.To = "+04915112345" }, intake.InvalidRecipient, "to"},
		"recipient arabic digits":   {func(r *intake.Request) { r.To = "٠١٢٣٤٥٦٧٨٩" }, intake.InvalidRecipient, "to"},
		"recipient huge":            {func(r *intake.Request) { r.To = strings.Repeat("9", 100000) }, intake.InvalidRecipient, "to"},
		"no text":                   {func(r *intake.Request) { r.Text = "" }, intake.MissingText, "text"},
		"eleven parts":              {func(r *intake.Request) { r.Text = strings.Repeat("x", 153*10+1) }, intake.TextTooLong, "text"},
		"not GSM":                   {func(r *intake.Request) { r.Text, r.Encoding = "Привет", gsm.GSM7 }, intake.UnmappableText, "text"},
		"not Latin-1":               {func(r *intake.Request) { r.Text, r.Encoding = "日本", gsm.Latin1 }, intake.UnmappableText, "text"},
		"not hex":                   {func(r *intake.Request) { r.Text, r.Encoding = "0g", gsm.Binary }, intake.InvalidText, "text"},
		"odd hex":                   {func(r *intake.Request) { r.Text, r.Encoding = "012", gsm.Binary }, intake.InvalidText, "text"},
		"not UTF-8":                 {func(r *intake.Request) { r.Text = "a\xff" }, intake.InvalidText, "text"},
		"flash in Latin-1":          {func(r *intake.Request) { r.Flash, r.Encoding = true, gsm.Latin1 }, intake.InvalidEncoding, "encoding"},
		"priority":                  {func(r *intake.Request) { r.Priority = 4 }, intake.InvalidPriority, "priority"},
		"schedule not a time":       {func(r *intake.Request) { r.ScheduleAt = "tomorrow" }, intake.InvalidSchedule, "schedule_at"},
		"schedule without zone":     {func(r *intake.Request) { r.ScheduleAt = "2030-02-01T09:00:00" }, intake.InvalidSchedule, "schedule_at"},
		"schedule passed":           {func(r *intake.Request) { r.ScheduleAt = "2030-01-31T08:00:00Z" }, intake.InvalidSchedule, "schedule_at"},
		"schedule too far":          {func(r *intake.Request) { r.ScheduleAt = "2032-01-31T08:00:00Z" }, intake.InvalidSchedule, "schedule_at"},
		"validity nonsense":         {func(r *intake.Request) { r.ValidityPeriod = "soon" }, intake.InvalidValidity, "validity_period"},
		"validity zero":             {func(r *intake.Request) { r.ValidityPeriod = "PT0S" }, intake.InvalidValidity, "validity_period"},
		"validity negative":         {func(r *intake.Request) { r.ValidityPeriod = "-5" }, intake.InvalidValidity, "validity_period"},
		"validity too long":         {func(r *intake.Request) { r.ValidityPeriod = "P31D" }, intake.InvalidValidity, "validity_period"},
		"validity overflow":         {func(r *intake.Request) { r.ValidityPeriod = "P999999999W" }, intake.InvalidValidity, "validity_period"},
		"validity over before":      {func(r *intake.Request) { r.ValidityPeriod = "2030-01-31T08:59:59Z" }, intake.InvalidValidity, "validity_period"},
		"client_ref too long":       {func(r *intake.Request) { r.ClientRef = strings.Repeat("r", 65) }, intake.InvalidClientRef, "client_ref"},
		"client_ref control":        {func(r *intake.Request) { r.ClientRef = "a\nb" }, intake.InvalidClientRef, "client_ref"},
		"dlr_url scheme":            {func(r *intake.Request) { r.DLRURL = "ftp://example.com/" }, intake.InvalidDLRURL, "dlr_url"},
		"dlr_url relative":          {func(r *intake.Request) { r.DLRURL = "/dlr" }, intake.InvalidDLRURL, "dlr_url"},
		"dlr_url without host":      {func(r *intake.Request) { r.DLRURL = "http:///dlr" }, intake.InvalidDLRURL, "dlr_url"},
		"dlr_url port":              {func(r *intake.Request) { r.DLRURL = "http://example.com:65536/" }, intake.InvalidDLRURL, "dlr_url"},
		"dlr_url port 0":            {func(r *intake.Request) { r.DLRURL = "http://example.com:0/" }, intake.InvalidDLRURL, "dlr_url"},
		"dlr_url broken":            {func(r *intake.Request) { r.DLRURL = "http://[::1/" }, intake.InvalidDLRURL, "dlr_url"},
		"dlr_url password":          {func(r *intake.Request) { r.DLRURL = "http://a:b@example.com/" }, intake.InvalidDLRURL, "dlr_url"},
		"dlr_url too long":          {func(r *intake.Request) { r.DLRURL = "http://example.com/" + strings.Repeat("a", 2048) }, intake.InvalidDLRURL, "dlr_url"},
		"dlr_url by policy":         {func(r *intake.Request) { r.DLRURL = "http://10.0.0.1/" }, intake.DLRURLNotAllowed, "dlr_url"},
	} {
		t.Run(name, func(t *testing.T) {
			req := good
			c.change(&req)
			got := one(t, door, req).Err
			if got == nil {
				t.Fatal("accepted")
			}
			if got.Code != c.code || got.Field != c.field || got.HTTPStatus() != 422 || got.SMPPStatus() == 0 || got.Detail == "" {
				t.Errorf("refusal %+v (HTTP %d), want %s of %s", got, got.HTTPStatus(), c.code, c.field)
			}
			if len(got.Detail) > 300 {
				t.Errorf("the detail has %d octets", len(got.Detail))
			}
		})
	}
	if n := len(sink.Messages()); n != 0 {
		t.Errorf("%d messages reached the sink", n)
	}
}

func TestAddresses(t *testing.T) {
	door, _, who := open(t, intake.Options{}, false)
	for _, c := range []struct {
		from, to     string
		source, dest message.Address
	}{
		{"ACME", "+4915112345678", message.Address{TON: 5, NPI: 0, Addr: "ACME"}, message.Address{TON: 1, NPI: 1, Addr: "4915112345678"}},
		{" My Shop 24 ", "1512345678", message.Address{TON: 5, NPI: 0, Addr: "My Shop 24"}, message.Address{TON: 0, NPI: 1, Addr: "1512345678"}},
		{"4477", "(0151) 234-56.78", message.Address{TON: 3, NPI: 0, Addr: "4477"}, message.Address{TON: 0, NPI: 1, Addr: "015123456" + "78"}},
		{"+49 151 1234", "4915112345678", message.Address{TON: 1, NPI: 1, Addr: "491511234"}, message.Address{TON: 1, NPI: 1, Addr: "4915112345678"}},
		{"4915112345678", "72345", message.Address{TON: 1, NPI: 1, Addr: "4915112345678"}, message.Address{TON: 0, NPI: 1, Addr: "72345"}},
	} {
		o := one(t, door, intake.Request{Account: who, From: c.from, To: c.to, Text: "x"})
		if o.Err != nil {
			t.Errorf("%s to %s: %v", c.from, c.to, o.Err)
			continue
		}
		if o.Msg.Source != c.source || o.Msg.Dest != c.dest {
			t.Errorf("%s to %s became %+v to %+v", c.from, c.to, o.Msg.Source, o.Msg.Dest)
		}
	}
}

func TestTimes(t *testing.T) {
	door, _, who := open(t, intake.Options{}, false)
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		schedule, validity string
		at                 time.Time // zero: now
		until              time.Time
	}{
		"nothing":             {"", "", time.Time{}, now.Add(day)},
		"duration":            {"", "P1DT30M", time.Time{}, now.Add(day + 30*time.Minute)},
		"weeks":               {"", "P2W", time.Time{}, now.Add(14 * day)},
		"seconds":             {"", "90", time.Time{}, now.Add(90 * time.Second)},
		"moment":              {"", "2030-01-31T12:00:00+02:00", time.Time{}, now.Add(time.Hour)},
		"scheduled":           {"2030-02-01T09:00:00Z", "", now.Add(day), now.Add(2 * day)},
		"scheduled, duration": {"2030-02-01T10:00:00+01:00", "PT1H", now.Add(day), now.Add(day + time.Hour)},
		"just passed":         {"2030-01-31T08:59:00Z", "", time.Time{}, now.Add(day)},
	} {
		t.Run(name, func(t *testing.T) {
			o := one(t, door, intake.Request{Account: who, From: "ACME", To: "1512345678", Text: "x", ScheduleAt: c.schedule, ValidityPeriod: c.validity})
			if o.Err != nil {
				t.Fatal(o.Err)
			}
			m := o.Msg
			if c.at.IsZero() && (m.ScheduleAt != 0 || m.Status != message.Pending) || !c.at.IsZero() && (m.ScheduleAt != c.at.UnixMilli() || m.DueAt != m.ScheduleAt || m.Status != message.Scheduled || m.Parts[0].Status != message.Scheduled) {
				t.Errorf("schedule %d due %d %s", m.ScheduleAt, m.DueAt, m.Status)
			}
			if m.ValidUntil != c.until.UnixMilli() {
				t.Errorf("valid until %s, want %s", time.UnixMilli(m.ValidUntil).UTC(), c.until)
			}
		})
	}
	for _, bad := range []string{"P", "PT", "P1", "P1Y", "P1M", "PT1H1D", "P1DT", "PT1M1H", "P-1D", "PT1.5H", "p1d", "P1D "} {
		if o := one(t, door, intake.Request{Account: who, From: "ACME", To: "1512345678", Text: "x", ValidityPeriod: bad}); o.Err == nil {
			t.Errorf("the validity %q was accepted", bad)
		}
	}
}

func TestLongTextBecomesPartsWithDifferentReferences(t *testing.T) {
	door, _, who := open(t, intake.Options{}, false)
	req := intake.Request{Account: who, From: "ACME", To: "1512345678", Text: strings.Repeat("x", 200)}
	seen := map[byte]bool{}
	for range 200 {
		m := one(t, door, req).Msg
		if len(m.Parts) != 2 || m.ESMClass != 0x40 || m.Parts[1].End != uint32(len(m.Payload)) {
			t.Fatalf("message %+v", m)
		}
		first, second := m.PartPayload(0), m.PartPayload(1)
		if first[3] != second[3] || first[5] != 1 || second[5] != 2 || len(first) != 159 {
			t.Fatalf("headers % x and % x", first[:6], second[:6])
		}
		if seen[first[3]] {
			t.Fatalf("the reference %d was used twice within 200 messages of one pair", first[3])
		}
		seen[first[3]] = true
	}
}

func TestRateLimitCountsAllDoorsAndABulkWaitsAfterwards(t *testing.T) {
	door, sink, _ := open(t, intake.Options{}, false)
	who := newAccount(t, account.Spec{Name: "slow", TPS: 5})
	reqs := make([]intake.Request, 50)
	for i := range reqs {
		reqs[i] = intake.Request{Account: who, From: "ACME", To: "1512345678", Text: "x"}
	}
	out := make([]intake.Outcome, len(reqs))
	if err := door.Submit(context.Background(), reqs, out); err != nil || out[49].Err != nil {
		t.Fatalf("the first bulk: %v, %v", err, out[49].Err)
	}
	r := one(t, door, reqs[0]).Err
	if r == nil || r.Code != intake.RateLimited || r.HTTPStatus() != 429 || r.SMPPStatus() != 0x58 {
		t.Fatalf("refusal %+v", r)
	}
	if r.Retry < 8*time.Second || r.Retry > 10*time.Second { // 46 messages of debt at 5 a second
		t.Errorf("wait %s", r.Retry)
	}
	if n := len(sink.Messages()); n != 50 {
		t.Errorf("%d messages accepted, want 50", n)
	}
}

func TestSinkErrorsAreForTheWholeBatch(t *testing.T) {
	door, sink, who := open(t, intake.Options{}, false)
	for _, c := range []struct {
		err  error
		code intake.Code
		smpp uint32
	}{{intake.ErrBusy, intake.QueueFull, 0x14}, {intake.ErrDiskFull, intake.DiskFull, 0x64}, {errors.New("odd"), intake.TemporarilyClosed, 0x64}} {
		sink.Fail(c.err)
		req := intake.Request{Account: who, From: "ACME", To: "1512345678", Text: "x"}
		err := door.Submit(context.Background(), []intake.Request{req}, make([]intake.Outcome, 1))
		r := intake.AsRefusal(err)
		if !errors.Is(err, c.err) || r.Code != c.code || r.HTTPStatus() != 503 || r.SMPPStatus() != c.smpp || r.Retry <= 0 {
			t.Errorf("%v became %+v", c.err, r)
		}
		var async error
		door.SubmitAsync(&req, func(o intake.Outcome, err error) { async = err })
		if !errors.Is(async, c.err) {
			t.Errorf("async: %v, want %v", async, c.err)
		}
	}
}

func TestRaw(t *testing.T) {
	door, _, who := open(t, intake.Options{}, false)
	raw := func(change func(*intake.Raw)) intake.Outcome {
		r := &intake.Raw{
			Source: message.Address{TON: 5, Addr: "BOX"}, Dest: message.Address{TON: 1, NPI: 1, Addr: "4915112345678"},
			Octets: []byte{0x00, 0x1b, 0x65}, ReceiptRequested: 1, ESMClass: 0x03,
		}
		change(r)
		var got intake.Outcome
		door.SubmitAsync(&intake.Request{Account: who, Raw: r, ClientRef: "77"}, func(o intake.Outcome, err error) {
			if err != nil {
				t.Error(err)
			}
			got = o
		})
		return got
	}
	m := raw(func(*intake.Raw) {}).Msg
	if m == nil || string(m.Payload) != "\x00\x1b\x65" || m.ESMClass != 0 || m.ClientRef != "77" || m.Source.TON != 5 ||
		m.Flags != message.ViaSMPP|message.WantReceipt|message.NotifyFinal {
		t.Fatalf("message %+v", m)
	}
	for name, c := range map[string]struct {
		change func(*intake.Raw)
		flags  message.Flags
		parts  int
	}{
		"no receipt":    {func(r *intake.Raw) { r.ReceiptRequested = 0 }, message.ViaSMPP, 1},
		"failure only":  {func(r *intake.Raw) { r.ReceiptRequested = 2 }, message.ViaSMPP | message.WantReceipt | message.NotifyFinal | message.NotifyFailureOnly, 1},
		"a part":        {func(r *intake.Raw) { r.ESMClass, r.Octets = 0x43, []byte{5, 0, 3, 9, 2, 1, 'x'} }, message.ViaSMPP | message.WantReceipt | message.NotifyFinal, 1},
		"long text":     {func(r *intake.Raw) { r.Octets = []byte(strings.Repeat("x", 400)) }, message.ViaSMPP | message.WantReceipt | message.NotifyFinal, 3},
		"long UCS-2":    {func(r *intake.Raw) { r.DataCoding, r.Octets = 8, []byte(strings.Repeat("\x04\x1f", 71)) }, message.ViaSMPP | message.WantReceipt | message.NotifyFinal, 2},
		"long binary":   {func(r *intake.Raw) { r.DataCoding, r.Octets = 4, []byte(strings.Repeat("\xff", 141)) }, message.ViaSMPP | message.WantReceipt | message.NotifyFinal, 2},
		"passed":        {func(r *intake.Raw) { r.ScheduleAt = now.Add(-time.Hour).UnixMilli() }, message.ViaSMPP | message.WantReceipt | message.NotifyFinal, 1},
		"empty message": {func(r *intake.Raw) { r.Octets = nil }, message.ViaSMPP | message.WantReceipt | message.NotifyFinal, 1},
	} {
		o := raw(c.change)
		if o.Err != nil || o.Msg.Flags != c.flags || len(o.Msg.Parts) != c.parts {
			t.Errorf("%s: %+v, %+v", name, o.Err, o.Msg)
		}
	}
	for name, c := range map[string]struct {
		change func(*intake.Raw)
		smpp   uint32
	}{
		"no destination":  {func(r *intake.Raw) { r.Dest.Addr = "" }, 0x0B},
		"bad destination": {func(r *intake.Raw) { r.Dest.Addr = "abc" }, 0x0B},
		"bad source":      {func(r *intake.Raw) { r.Source.Addr = "\x01" }, 0x0A},
		"broken header":   {func(r *intake.Raw) { r.ESMClass, r.Octets = 0x40, []byte{9, 0, 3} }, 0x43},
		"over before":     {func(r *intake.Raw) { r.ValidUntil = now.UnixMilli() - 1 }, 0x62},
		"over before its time": {func(r *intake.Raw) {
			r.ScheduleAt, r.ValidUntil = now.Add(2*time.Hour).UnixMilli(), now.Add(time.Hour).UnixMilli()
		}, 0x62},
		"over at its time": {func(r *intake.Raw) {
			r.ScheduleAt, r.ValidUntil = now.Add(2*time.Hour).UnixMilli(), now.Add(2*time.Hour).UnixMilli()
		}, 0x62},
		"part too long": {func(r *intake.Raw) {
			r.ESMClass, r.Octets = 0x40, append([]byte{5, 0, 3, 9, 2, 1}, make([]byte, 155)...)
		}, 0x01},
		"eleven parts":     {func(r *intake.Raw) { r.Octets = make([]byte, 153*10+1) }, 0x01},
		"too far ahead":    {func(r *intake.Raw) { r.ScheduleAt = now.Add(400 * 24 * time.Hour).UnixMilli() }, 0x61},
		"destination huge": {func(r *intake.Raw) { r.Dest.Addr = strings.Repeat("1", 16) }, 0x0B},
	} {
		o := raw(c.change)
		if o.Err == nil || o.Err.SMPPStatus() != c.smpp {
			t.Errorf("%s: %+v, want command_status %#x", name, o.Err, c.smpp)
		}
	}
}

func TestNoRouteAndDisabledAccount(t *testing.T) {
	table, err := route.NewTable([]route.Connector{{ID: 1, Disabled: true}})
	if err != nil {
		t.Fatal(err)
	}
	door, err := intake.New(intake.Options{Sink: new(intaketest.Sink), IDs: message.NewIDSource(1, 0, nil), Router: table})
	if err != nil {
		t.Fatal(err)
	}
	req := intake.Request{Account: newAccount(t, account.Spec{Name: "acme"}), From: "ACME", To: "1512345678", Text: "x"}
	if r := one(t, door, req).Err; r == nil || r.Code != intake.NoRoute {
		t.Errorf("refusal %+v", r)
	}
	req.Account = newAccount(t, account.Spec{Name: "off", Disabled: true})
	if r := one(t, door, req).Err; r == nil || r.Code != intake.AccountDisabled || r.HTTPStatus() != 403 {
		t.Errorf("refusal %+v", r)
	}
}

func TestRequestsAreOnlyBorrowed(t *testing.T) {
	door, sink, who := open(t, intake.Options{}, false)
	buf := []byte("1512345678")
	octets := []byte("secret")
	door.SubmitAsync(&intake.Request{Account: who, Raw: &intake.Raw{
		Source: message.Address{Addr: "BOX"}, Dest: message.Address{Addr: string(buf)}, Octets: octets,
	}}, func(intake.Outcome, error) {})
	copy(octets, "xxxxxx")
	if m := sink.Messages()[0]; string(m.Payload) != "secret" {
		t.Errorf("payload %q", m.Payload)
	}
}
