package compat_test

import (
	"fmt"
	"strings"
	"testing"

	"protei-bulk/bulk/compat"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

func kannelQuery(pairs ...string) string {
	return "/cgi-bin/sendsms?" + query(append([]string{"username", "acmesys", "password", "acmepass"}, pairs...)...)
}

// What Kannel's users send, and what becomes of it.
func TestKannelSend(t *testing.T) {
	r := start(t, nil)
	to := []string{"from", "Shop", "to", "+4915112345678"}
	for name, c := range map[string]struct {
		args []string
		want map[string]any
	}{
		"plain":           {[]string{"text", "Hello @"}, map[string]any{"from": "Shop", "to": "4915112345678", "dcs": "00", "octets": octets("Hello \x00"), "priority": "NORMAL"}},
		"chosen alphabet": {[]string{"text", "Привет"}, map[string]any{"dcs": "08"}},
		"charset":         {[]string{"text", "\xcf\xf0", "charset", "windows-1251"}, map[string]any{"dcs": "08", "octets": "041f0440"}},
		"Latin-1":         {[]string{"text", "\xfc", "charset", "ISO-8859-1", "coding", "0"}, map[string]any{"dcs": "00", "octets": "7e"}},
		"UCS-2":           {[]string{"text", "\x06\x23", "coding", "2"}, map[string]any{"dcs": "08", "octets": "0623"}},
		"UCS-2 of UTF-8":  {[]string{"text", "ü", "coding", "2", "charset", "UTF-8"}, map[string]any{"dcs": "08", "octets": "00fc"}},
		"octets":          {[]string{"text", "\x00\xff", "coding", "1"}, map[string]any{"dcs": "04", "octets": "00ff"}},
		"user data header": {
			[]string{"text", "\x01\x02", "udh", "\x06\x05\x04\x0b\x84\x23\xf0"},
			map[string]any{"dcs": "04", "octets": "0605040b8423f0" + "0102"},
		},
		"flash":            {[]string{"text", "x", "mclass", "0"}, map[string]any{"dcs": "10"}},
		"flash, alt-dcs":   {[]string{"text", "x", "mclass", "0", "alt-dcs", "1"}, map[string]any{"dcs": "f0"}},
		"SIM in UCS-2":     {[]string{"text", "\x00x", "coding", "2", "mclass", "2"}, map[string]any{"dcs": "1a", "octets": "0078"}},
		"voice mail":       {[]string{"text", "x", "mwi", "0"}, map[string]any{"dcs": "d8"}},
		"protocol id":      {[]string{"text", "x", "pid", "65"}, map[string]any{"pid": 65}},
		"priority":         {[]string{"text", "x", "priority", "3"}, map[string]any{"priority": "CRITICAL"}},
		"numbers of words": {[]string{"text", "x", "coding", "abc", "priority", ""}, map[string]any{"dcs": "00"}},
		"report": {
			[]string{"text", "x", "dlr-mask", "31", "dlr-url", "http://203.0.113.9/d/%p?s=%d&o=%o&m=%D&u=%n&pc=100%%&x=%20", "account", "a b", "meta-data", "?m?k=v&"},
			map[string]any{"form": int(message.KannelGET), "tells": 31, "url": "http://203.0.113.9/d/%00p?s=%00d&o=a+b&m=%3Fm%3Fk%3Dv%26&u=acmesys&pc=100%25&x=%20"},
		},
		"mask 0":      {[]string{"text", "x", "dlr-mask", "0", "dlr-url", "http://203.0.113.9/"}, map[string]any{"url": ""}},
		"other names": {[]string{"text", "x", "rpi", "2", "smsc", "any", "binfo", "b", "compress", "0"}, map[string]any{"octets": octets("x")}},
	} {
		status, text, header := r.ask("GET", kannelQuery(append(append([]string{}, to...), c.args...)...), "")
		if status != 202 || text != "0: Accepted for delivery" || header.Get("Content-Type") != "text/html" {
			t.Errorf("%s: %d %q %v", name, status, text, header)
			continue
		}
		r.wantLast(name, c.want)
	}
	if status, text, _ := r.ask("GET", kannelQuery(append(to, "text", "x", "deferred", "60", "validity", "120")...), ""); status != 202 || text != "3: Queued for later delivery" {
		t.Errorf("deferred: %d %s", status, text)
	}
	msgs := r.sink.Messages()
	if m := msgs[len(msgs)-1]; m.ValidUntil-m.ScheduleAt < 59*60_000 || m.ValidUntil-m.ScheduleAt > 61*60_000 {
		t.Errorf("valid for %d ms behind its time", m.ValidUntil-m.ScheduleAt)
	}
}

func TestKannelReceivers(t *testing.T) {
	r := start(t, nil)
	status, text, _ := r.ask("GET", kannelQuery("from", "Shop", "to", "4915112345678 4915112345679 abc 4915112345678", "text", "x"), "")
	if status != 202 || text != "0: Accepted for delivery" || len(r.sink.Messages()) != 2 {
		t.Errorf("%d %s: %d messages", status, text, len(r.sink.Messages()))
	}
	status, text, _ = r.ask("POST", "/cgi-bin/sendsms", "posted", "Content-Type", "text/plain", "X-Kannel-Username", "acmesys",
		"X-Kannel-Password", "acmepass", "X-Kannel-To", "4915112345670", "X-Kannel-From", "Shop")
	if status != 202 || text != "0: Accepted for delivery" {
		t.Errorf("POST: %d %s", status, text)
	}
	r.wantLast("POST", map[string]any{"to": "4915112345670", "octets": octets("posted")})
	r.ask("POST", "/cgi-bin/sendsms", "\x01", "Content-Type", "application/octet-stream", "X-Kannel-Username", "acmesys",
		"X-Kannel-Password", "acmepass", "X-Kannel-To", "4915112345671", "X-Kannel-From", "Shop", "X-Kannel-UDH", "0605040b8423f0")
	r.wantLast("POST of octets", map[string]any{"to": "4915112345671", "octets": "0605040b8423f001"})
	if status, _, _ := r.ask("GET", "/cgi-bin/sendsms?"+query("user", "acme", "pass", r.key, "from", "Shop", "to", "4915112345672", "text", "x"), ""); status != 202 {
		t.Errorf("with an API key: %d", status)
	}
}

// The answers are those of smsbox 1.4.5, octet by octet.
func TestKannelRefusals(t *testing.T) {
	r := start(t, nil)
	good := []string{"from", "Shop", "to", "4915112345678", "text", "x"}
	for name, c := range map[string]struct{ path, want string }{
		"password":    {"/cgi-bin/sendsms?" + query("username", "acmesys", "password", "no", "to", "1"), "403 Authorization failed for sendsms"},
		"no receiver": {kannelQuery("from", "Shop", "text", "x"), "400 Missing receiver number, rejected"},
		"empty":       {kannelQuery("from", "Shop", "to", "", "text", "x"), "400 Empty receiver number not allowed, rejected"},
		"no sender":   {kannelQuery("to", "4915112345678", "text", "x"), "400 Sender missing and no global set, rejected"},
		"illegal":     {kannelQuery("from", "Shop", "to", "abc", "text", "x"), "400 Number(s) has/have been denied by white- and/or black-lists."},
		"coding":      {kannelQuery(append(good, "coding", "7")...), "400 Coding field misformed, rejected"},
		"mclass":      {kannelQuery(append(good, "mclass", "4")...), "400 MClass field misformed, rejected"},
		"udh":         {kannelQuery(append(good, "udh", "\x05\x00")...), "400 UDH field misformed, rejected"},
		"priority":    {kannelQuery(append(good, "priority", "9")...), "400 Priority field misformed, rejected"},
		"mask":        {kannelQuery(append(good, "dlr-mask", "99")...), "400 DLR-Mask field misformed, rejected"},
		"dlr-url":     {kannelQuery(append(good, "dlr-url", "foo")...), "400 DLR-URL field misformed, rejected"},
		"NUL in URL":  {kannelQuery(append(good, "dlr-mask", "1", "dlr-url", "http://h/%00d")...), "400 DLR-URL field misformed, rejected"},
		"charset":     {kannelQuery(append(good, "charset", "NOPE")...), "400 Charset or body misformed, rejected"},
		"not UTF-8":   {kannelQuery("from", "Shop", "to", "4915112345678", "text", "\xff"), "400 Charset or body misformed, rejected"},
		"validity":    {kannelQuery(append(good, "validity", "10", "deferred", "20")...), "400 Validity field misformed, rejected"},
	} {
		if status, text, _ := r.ask("GET", c.path, ""); fmt.Sprint(status, " ", text) != c.want {
			t.Errorf("%s: %d %s, want %s", name, status, text, c.want)
		}
	}
	if n := len(r.sink.Messages()); n != 0 {
		t.Errorf("%d messages were taken", n)
	}
	r.sink.Fail(intake.ErrBusy)
	if status, text, header := r.ask("GET", kannelQuery(good...), ""); status != 503 || text != "Temporal failure, try again later." || header.Get("Retry-After") == "" {
		t.Errorf("busy: %d %s", status, text)
	}
}

// reported is a message of which a report is made.
func reported(form message.CallbackForm, tells message.Tells, url string) *message.Message {
	m := &message.Message{
		ID: 0xabc, Source: message.Address{TON: 5, Addr: "Shop"}, Dest: message.Address{TON: 1, NPI: 1, Addr: "4915112345678"},
		SubmittedAt: 1_795_670_278_000, DLRURL: url, Callback: message.Callback{Form: form, Tells: tells},
		Flags: message.WantReceipt | message.NotifyFinal, Status: message.Pending, Payload: []byte("Hello World"), Encoding: 1,
	}
	m.SetParts(1)
	m.Parts[0].End = uint32(len(m.Payload))
	return m
}

func apply(m *message.Message, evs ...message.Event) {
	for _, ev := range evs {
		ev.Msg = m
		ev.Apply()
	}
}

// The URLs are those that bearerbox and smsbox 1.4.5 asked for.
func TestKannelReports(t *testing.T) {
	const hook = "http://h/%00p?d=%00d&P=%00P&t=%00t&T=%00T&A=%00A&i=%00i&F=%00F&I=%00I&k=%00k&s=%00s&x=1"
	submitted := message.Event{Kind: message.Submitted, SMSCID: "1a2b", At: 1_795_670_279_000}
	for name, c := range map[string]struct {
		evs  []message.Event
		as   message.Tells
		want string
	}{
		"sent": {
			[]message.Event{submitted},
			0,
			"http://h/%2B4915112345678?d=8&P=Shop&t=2026-11-26+05:17:59&T=1795670279&A=ACK%2F&i=sim&F=1a2b&I=0000000000000abc&k=ACK%2F&s=&x=1",
		},
		"delivered": {
			[]message.Event{submitted, {Kind: message.Settle, Status: message.Delivered, At: 1_795_670_280_000}},
			0,
			"http://h/%2B4915112345678?d=1&P=Shop&t=2026-11-26+05:18:00&T=1795670280&A=id%3A0000000000000abc+sub%3A001+dlvrd%3A001+submit+date%3A2611260517+done+date%3A2611260518+stat%3ADELIVRD+err%3A000+text%3AHello+World&i=sim&F=1a2b&I=0000000000000abc&k=id%3A0000000000000abc&s=sub%3A001&x=1",
		},
		"sent, and delivered since": {
			[]message.Event{submitted, {Kind: message.Settle, Status: message.Delivered, At: 1_795_670_280_000}},
			message.TellSent,
			"http://h/%2B4915112345678?d=8&P=Shop&t=2026-11-26+05:17:59&T=1795670279&A=ACK%2F&i=sim&F=1a2b&I=0000000000000abc&k=ACK%2F&s=&x=1",
		},
		"failed": {
			[]message.Event{submitted, {Kind: message.Settle, Status: message.Failed, Error: 1, At: 1_795_670_280_000}},
			0,
			"http://h/%2B4915112345678?d=2&P=Shop&t=2026-11-26+05:18:00&T=1795670280&A=id%3A0000000000000abc+sub%3A001+dlvrd%3A000+submit+date%3A2611260517+done+date%3A2611260518+stat%3AUNDELIV+err%3A001+text%3AHello+World&i=sim&F=1a2b&I=0000000000000abc&k=id%3A0000000000000abc&s=sub%3A001&x=1",
		},
		"refused": {
			[]message.Event{{Kind: message.Settle, Status: message.Rejected, Error: 0xb, At: 1_795_670_280_000}},
			0,
			"http://h/%2B4915112345678?d=16&P=Shop&t=2026-11-26+05:18:00&T=1795670280&A=NACK%2F0x0000000b%2FESME_RINVDSTADR&i=sim&F=&I=0000000000000abc&k=NACK%2F0x0000000b%2FESME_RINVDSTADR&s=&x=1",
		},
		"buffered": {
			[]message.Event{submitted},
			message.TellBuffered,
			"http://h/%2B4915112345678?d=4&P=Shop&t=2026-11-26+05:17:59&T=1795670279&A=id%3A0000000000000abc+sub%3A001+dlvrd%3A000+submit+date%3A2611260517+done+date%3A2611260517+stat%3AENROUTE+err%3A000+text%3AHello+World&i=sim&F=1a2b&I=0000000000000abc&k=id%3A0000000000000abc&s=sub%3A001&x=1",
		},
	} {
		m := reported(message.KannelGET, 31, hook)
		apply(m, c.evs...)
		r := compat.Report{Msg: m, SMSC: "sim", As: c.as}
		if got := r.Request(); got.Method != "GET" || got.URL != c.want || got.Ack != "" {
			t.Errorf("%s:\n%s %s\nwant\n%s", name, got.Method, got.URL, c.want)
		}
	}
}

func TestJasminReports(t *testing.T) {
	submitted := message.Event{Kind: message.Submitted, SMSCID: "77", At: 1_795_670_279_000}
	refused := message.Event{Kind: message.Settle, Status: message.Rejected, Error: 0xb, At: 1_795_670_280_000}
	delivered := message.Event{Kind: message.Settle, Status: message.Delivered, At: 1_795_670_280_000}
	const final = message.TellDelivered | message.TellFailed | message.TellRefused
	for name, c := range map[string]struct {
		tells message.Tells
		evs   []message.Event
		want  string
	}{
		"level 1":          {message.TellSent | message.TellRefused, []message.Event{submitted}, "connector=sim&id=0000000000000abc&level=1&message_status=ESME_ROK"},
		"level 1, refused": {message.TellSent | message.TellRefused, []message.Event{refused}, "connector=sim&id=0000000000000abc&level=1&message_status=ESME_RINVDSTADR"},
		"level 2": {
			final,
			[]message.Event{submitted, delivered},
			"connector=sim&dlvrd=001&donedate=2611260518&err=000&id=0000000000000abc&id_smsc=77&level=2&message_status=DELIVRD&sub=001&subdate=2611260517&text=Hello+World",
		},
		"level 2, refused": {
			final,
			[]message.Event{refused},
			"connector=sim&dlvrd=000&donedate=2611260518&err=011&id=0000000000000abc&id_smsc=&level=2&message_status=REJECTD&sub=001&subdate=2611260517&text=Hello+World",
		},
	} {
		for _, form := range []message.CallbackForm{message.JasminGET, message.JasminPOST} {
			m := reported(form, c.tells, "http://h/d?own=1")
			apply(m, c.evs...)
			r := compat.Report{Msg: m, SMSC: "sim"}
			got := r.Request()
			said := string(got.Body)
			if form == message.JasminGET {
				said = strings.TrimPrefix(got.URL, "http://h/d?own=1&")
			}
			if said != c.want || got.Ack != "ACK/Jasmin" {
				t.Errorf("%s: %s %s\n%s\nwant\n%s", name, got.Method, got.URL, said, c.want)
			}
		}
	}
}
