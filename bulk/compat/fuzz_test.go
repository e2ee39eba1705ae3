package compat_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRequests sends requests to every path of the other products' APIs, with credentials
// that hold: no panic and no fault of ours, JSON where it is said to be, an answer in
// proportion, and no message without a number to send it to.
func FuzzRequests(f *testing.F) {
	for _, c := range []struct {
		path        uint8
		query, kind string
		body        string
	}{
		{0, "from=ACME&to=4915112345678&text=hi;you&dlrUrl=http://example.com/", "", ""},
		{0, "", "application/json", `{"from":"ACME","messages":[{"to":"4915112345678","text":"a"},{"msisdn":4915112345679,"text":"b"}]}`},
		{0, "", "application/json", `{"from":"ACME","to":["4915112345678","1"],"text":"x"}`},
		{0, "", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n4915112345678\r\n--x--\r\n"},
		{1, "messageId=00000000000000ff", "", ""},
		{2, "", "application/x-www-form-urlencoded", "a=b%zz"},
		{3, "from=A&to=4915112345678+4915112345679&text=%00%E4&coding=2&charset=UTF-16BE&dlr-mask=31&dlr-url=http://e.com/%25d%25p&udh=%01%02", "", ""},
		{3, "from=A&to=4915112345678&deferred=5&validity=-1&priority=3&mclass=0&mwi=2&alt-dcs=1", "text/plain", "hello"},
		{4, "from=A&to=4915112345678&content=hi&coding=8&dlr=yes&dlr-url=http://e.com/&dlr-level=3&sdt=000000003600000R", "", ""},
		{4, "from=A&to=4915112345678&hex-content=00e4&coding=8&validity-period=1440&tags=1,2", "", ""},
		{5, "to=4915112345678", "", ""},
		{6, "", "", ""},
		{7, "", "", ""},
		{8, "", "application/json", `{"to":4915112345678,"from":"A","content":"x","dlr":"no","custom_tlvs":[[1,null,"Int1",2]]}`},
		{9, "", "application/json", `{"globals":{"from":"A"},"batch_config":{"schedule_at":"60s","callback_url":"http://e.com/"},"messages":[{"to":["4915112345678","4915112345679"],"content":"x"}]}`},
		{10, "to=4915112345678&from=A&content=x", "", ""},
		{11, "", "", ""},
	} {
		f.Add(c.path, c.query, c.kind, []byte(c.body))
	}
	paths := []string{
		"/api/sendBulk", "/api/getDLR", "/api/getBalance", "/cgi-bin/sendsms", "/send", "/rate", "/balance", "/ping",
		"/secure/send", "/secure/sendbatch", "/secure/rate", "/secure/balance",
	}
	r := start(f, nil)
	credentials := url.Values{"username": {"acme"}, "password": {r.key}}.Encode()
	f.Fuzz(func(t *testing.T, i uint8, query, kind string, body []byte) {
		path := paths[int(i)%len(paths)]
		method := "GET"
		if len(body) > 0 {
			method = "POST"
		}
		req := httptest.NewRequest(method, path, strings.NewReader(string(body)))
		if req.URL.RawQuery = query; path[1] == 's' && path != "/send" {
			req.SetBasicAuth("acme", r.key)
		} else {
			req.URL.RawQuery = credentials + "&" + query
		}
		req.Header.Set("Content-Type", kind)
		r.told = r.told[:0]
		w := httptest.NewRecorder()
		r.answer.ServeHTTP(w, req)
		answer := w.Body.Bytes()
		if w.Code >= 500 || !utf8.Valid(answer) {
			t.Fatalf("%s %s: status %d, %q", method, path, w.Code, answer)
		}
		if w.Header().Get("Content-Type") == "application/json" && !json.Valid(answer) {
			t.Fatalf("%s: the answer is not JSON: %q", path, answer)
		}
		if sent := len(query) + len(body); len(answer) > 4096+400*sent {
			t.Fatalf("%s: %d octets became %d", path, sent, len(answer))
		}
		for _, m := range r.sink.Take() {
			if m.Dest.Addr == "" || strings.Trim(m.Dest.Addr, "0123456789") != "" || len(m.Parts) == 0 || int(m.Parts[len(m.Parts)-1].End) != len(m.Payload) {
				t.Fatalf("%s: accepted %+v", path, m)
			}
			if w.Code >= 300 {
				t.Fatalf("%s: status %d, but accepted %+v", path, w.Code, m)
			}
		}
	})
}
