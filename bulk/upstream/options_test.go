package upstream_test

import (
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/upstream"
)

func TestParseURL(t *testing.T) {
	o, err := upstream.ParseURL("smpp://me:s%40cret@smsc.example.net:2776?binds=4&window=50&tps=12.5&bind=txrx&trace_tlv=1&ids=hex2dec&unknown=hold&system_type=VMA&timeout=3s&enquire_link=15s")
	if err != nil {
		t.Fatal(err)
	}
	if o.Addr != "smsc.example.net:2776" || o.SystemID != "me" || o.Password != "s@cret" || o.Binds != 4 || o.Window != 50 ||
		o.TPS != 12.5 || o.Mode != upstream.TXRX || !o.TraceTLV || o.SMSCIDs != "hex2dec" || o.Unknown != "hold" ||
		o.SystemType != "VMA" || o.ResponseTimeout != 3*time.Second || o.EnquireLink != 15*time.Second || o.TLS != nil {
		t.Errorf("parsed %+v", o)
	}
}

func TestParseURLDefaults(t *testing.T) {
	for url, addr := range map[string]string{
		"smpp://a:b@host":        "host:2775",
		"smpps://a:b@host":       "host:3550",
		"smpp://a:b@[::1]":       "[::1]:2775",
		"smpp://a@10.1.2.3:9000": "10.1.2.3:9000",
	} {
		o, err := upstream.ParseURL(url)
		if err != nil || o.Addr != addr {
			t.Errorf("%s: %q, %v; want %q", url, o.Addr, err, addr)
		}
		if strings.HasPrefix(url, "smpps") != (o.TLS != nil) {
			t.Errorf("%s: TLS %v", url, o.TLS != nil)
		}
	}
	g, err := upstream.New(upstream.Options{Addr: "127.0.0.1:1", SystemID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if o := g.Options(); o.Binds != 2 || o.Window != 100 || o.Unknown != "resend" || o.SMSCIDs != "auto" {
		t.Errorf("defaults are %+v", o)
	}
}

func TestParseURLNamesTheFaultAndHidesThePassword(t *testing.T) {
	for url, want := range map[string]string{
		"http://a:hunter2@host":                           "scheme",
		"smpp://a:hunter2@host?binds=0":                   "binds=0",
		"smpp://a:hunter2@host?binds=65":                  "binds 65",
		"smpp://a:hunter2@host?window=x":                  "window=x",
		"smpp://a:hunter2@host?tps=-1":                    "tps -1",
		"smpp://a:hunter2@host?tps=NaN":                   "tps NaN",
		"smpp://a:hunter2@host?timeout=-1s":               "negative",
		"smpp://a:hunter2@host?bind=rx":                   "trx or txrx",
		"smpp://a:hunter2@host?bnids=2":                   "bnids",
		"smpp://a:hunter2@host?ids=octal":                 `ids "octal"`,
		"smpp://a:hunter2@host?unknown=drop":              `unknown "drop"`,
		"smpp://a:hunter2@host?insecure=1":                "smpps",
		"smpp://:hunter2@host":                            "system_id",
		"smpp://sixteen-octets-x:hunter2@host":            "system_id",
		"smpp://a:hunter2@host:99999x":                    "not a URL",
		"smpp://a:hunter2@":                               "address",
		"smpp://a:hunter2@host?system_type=1234567890123": "system_type",
	} {
		_, err := upstream.ParseURL(url)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"smpp://a:b@host:1?binds=2", "smpps://a:b@[::1]?insecure=1&tps=1e300", "smpp://a@h?window=10000&ids=raw", "smpp://%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := upstream.ParseURL(s)
		if err != nil {
			return
		}
		if _, err := upstream.New(o); err != nil {
			t.Errorf("%q was parsed, and refused by New: %v", s, err)
		}
	})
}
