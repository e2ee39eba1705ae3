package scenario

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"protei-bulk/load"
	"protei-bulk/load/stats"
)

func receiptsOf(t *testing.T, body string) (list []string, err error) {
	t.Helper()
	err = eachReceipt([]byte(body), func(r receipt) {
		list = append(list, string(r.id)+"|"+string(r.ref)+"|"+string(r.status))
	})
	return list, err
}

func TestWebhookBodies(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want []string
		bad  bool
	}{
		"two events":       {`{"events":[{"message_id":"1","client_ref":"a","status":"DELIVERED"},{"status":"SENT","message_id":"2"}]}`, []string{"1|a|DELIVERED", "2||SENT"}, false},
		"more members":     {`{"v":[{"x":"}"}],"events":[{"parts":2,"message_id":"1","x":{"events":[1]},"status":"FAILED","t":null,"y":-1.5e3}],"z":true}`, []string{"1||FAILED"}, false},
		"spaces, escapes":  {"{ \"events\" : [ {\n\"text\":\"a\\\"b\\\\\", \"status\" : \"DELIVERED\" } ] }", []string{"||DELIVERED"}, false},
		"status no string": {`{"events":[{"status":7,"message_id":["x"]}]}`, []string{"||"}, false},
		"none":             {`{"events":[]}`, nil, false},
		"empty object":     {`{}`, nil, false},
		"array":            {`[]`, nil, true},
		"cut":              {`{"events":[{"message_id":"1"`, nil, true},
		"cut in a string":  {`{"events":[{"message_id":"1`, nil, true},
		"numbers":          {`{"events":[1,2]}`, nil, true},
		"nothing":          {``, nil, true},
		"text":             {`hello`, nil, true},
	} {
		got, err := receiptsOf(t, tc.body)
		if !slices.Equal(got, tc.want) || (err != nil) != tc.bad {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestFinalStates(t *testing.T) {
	f, err := Parse("s.yaml", []byte("users: {U: {tasks: [{get: /}]}}"), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	api := &f.api
	for status, want := range map[string]stats.Final{
		"DELIVERED": stats.FinalDelivered, "FAILED": stats.FinalFailed, "EXPIRED": stats.FinalFailed,
		"REJECTED": stats.FinalFailed, "CANCELLED": stats.FinalFailed, "UNKNOWN": stats.FinalFailed, "SENT": 0, "PENDING": 0, "": 0,
	} {
		if got, ok := api.final([]byte(status)); got != want || ok != (want != 0) {
			t.Errorf("%q: %v, %v", status, got, ok)
		}
	}
}

// FuzzWebhook: no panic; and whatever encoding/json reads as events is found with the same ids.
func FuzzWebhook(f *testing.F) {
	f.Add([]byte(`{"events":[{"message_id":"1","client_ref":"a","status":"DELIVERED"}]}`))
	f.Add([]byte(`{"a":{"b":[1,"x\"",null]},"events":[{"x":1.5e-7,"message_id":"z"},{}]}`))
	f.Add([]byte(`{"events":[{"message_id":"1"`))
	f.Add([]byte(`{"":{},"events":[[],{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got []string
		err := eachReceipt(b, func(r receipt) { got = append(got, string(r.id)) })
		if !json.Valid(b) || !utf8.Valid(b) || bytes.ContainsAny(b, `\`) { // encoding/json changes what is not UTF-8
			return
		}
		var top map[string]json.RawMessage
		if json.Unmarshal(b, &top) != nil || top == nil || bytes.Count(b, []byte(`"events"`)) != 1 {
			return
		}
		var events []map[string]json.RawMessage
		if json.Unmarshal(top["events"], &events) != nil || slices.ContainsFunc(events, func(m map[string]json.RawMessage) bool { return m == nil }) {
			return
		}
		if err != nil {
			t.Fatalf("valid events refused: %v", err)
		}
		if len(got) != len(events) {
			t.Fatalf("%d events found of %d", len(got), len(events))
		}
		for i, e := range events {
			var id string
			if strings.Count(string(b), `"message_id"`) == len(events) && json.Unmarshal(e["message_id"], &id) == nil && got[i] != id {
				t.Fatalf("event %d: id %q, want %q", i, got[i], id)
			}
		}
	})
}

// TestBulkAnswers: ids are taken in their order, those refused are left out by index.
func TestBulkAnswers(t *testing.T) {
	f, err := Parse("s.yaml", []byte("users: {U: {tasks: [{post: /, messages: 3, json: {$each: {}}}]}}"), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		body                           string
		accepted, rejected, unanswered uint64
		fault                          string
	}{
		"all":          {`{"message_ids":["a","b","c"],"errors":[]}`, 3, 0, 0, ""},
		"errors first": {`{"errors":[{"code":"x","index":1}],"message_ids":["a","c"]}`, 2, 1, 0, "bulk accepted in part"},
		"null for one": {`{"message_ids":["a",null,"c"],"errors":[{"index":1}]}`, 2, 1, 0, "bulk accepted in part"},
		"numbers":      {`{"message_ids":[1,2,3]}`, 3, 0, 0, ""},
		"odd errors":   {`{"message_ids":[],"errors":[{"index":-1},{"index":70},{"index":"x"},7,{}]}`, 0, 0, 3, "answer without message_ids"},
		"errors null":  {`{"message_ids":["a"],"errors":null}`, 1, 0, 2, "answer with fewer ids than messages"},
		"ids null":     {`{"message_ids":null}`, 0, 0, 3, "answer without message_ids"},
		"no ids":       {`{"batch_id":"1"}`, 0, 0, 3, "answer without message_ids"},
		"no JSON":      {`oops`, 0, 0, 3, "answer without message_ids"},
		"cut":          {`{"message_ids":["a"`, 1, 0, 2, "answer with fewer ids than messages"},
		"too many":     {`{"message_ids":["a","b","c","d"]}`, 3, 0, 0, ""},
	} {
		ledger := stats.NewLedger(stats.LedgerOptions{})
		r := &Run{file: f, opts: Options{Ledger: ledger, Clock: load.NewClock()}}
		c := r.newUser(nil, &load.User{}, rand.New(rand.NewPCG(1, 1)))
		s := f.classes[0].tasks[0].steps[0].(*httpStep)
		taken, _, fault := c.accepted(s, []byte(tc.body), c.issue(s))
		if n := ledger.Counts(); n.Accepted != tc.accepted || n.Rejected != tc.rejected || n.Unanswered != tc.unanswered || uint64(taken) != tc.accepted || fault != tc.fault {
			t.Errorf("%s: %d taken, %q, %+v", name, taken, fault, n)
		}
	}
	var set indexSet
	set.add(3)
	set.add(9999)
	if !set.has(3) || !set.has(9999) || set.has(9998) || set.has(64) {
		t.Error("indexSet")
	}
}

func TestSettings(t *testing.T) {
	s := DefaultSettings()
	for _, pair := range []string{
		"bulk=10-100", "wait=0.2-1s", "mix=1:0:2:0:0", "smpp_users=25", "SMPP_RATE=12.5", "smpp_window=7", "from=12345", "to=4477", "text=Hi ",
		"smpp_bind=tx+rx", "smpp_throttle=find-limit", "smpp_rebind=0.5-4", "smpp_enquire_link=0",
	} {
		if err := s.Set(pair); err != nil {
			t.Errorf("%s: %v", pair, err)
		}
	}
	want := Settings{
		BulkMin: 10, BulkMax: 100, WaitMin: 200 * time.Millisecond, WaitMax: time.Second, Mix: [5]int{1, 0, 2, 0, 0},
		SMPPUsers: 25, SMPPRate: 12.5, SMPPWindow: 7, SMPPBind: BindPairs, SMPPThrottle: ThrottleFindLimit,
		SMPPRebindMin: 500 * time.Millisecond, SMPPRebindMax: 4 * time.Second, SMPPEnquireLink: -1,
		From: "12345", ToPrefix: "4477", Text: "Hi",
	}
	if s != want {
		t.Errorf("got %+v", s)
	}
	for _, bad := range []string{
		"bulk", "bulk=0", "bulk=9-2", "bulk=x", "wait=3-1", "mix=1:2", "mix=0:0:0:0:0", "mix=1:1:1:1:x", "smpp_users=-1", "smpp_rate=0", "smpp_rate=NaN", "from=", "from=a\"b", "text=a\nb", "blk=1",
		"smpp_bind=both", "smpp_throttle=stop", "smpp_rebind=0", "smpp_rebind=4-1", "smpp_enquire_link=x",
	} {
		if err := s.Set(bad); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

func TestSMPPAddresses(t *testing.T) {
	for text, want := range map[string]SMPPAddress{
		"dev:devpass1@127.0.0.1:2775":    {"127.0.0.1:2775", false, "dev", "devpass1"},
		"smpp://me:a%40b:c@host:1":       {"host:1", false, "me", "a@b:c"},
		"smpps://me:se@cret@[::1]:3550/": {"[::1]:3550", true, "me", "se@cret"},
	} {
		if got, err := ParseSMPP(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "host:1", "me@host:1", ":x@host:1", "me:x@host", "me:x@:1", "averylongsystemid:x@host:1"} {
		if a, err := ParseSMPP(bad); err == nil {
			t.Errorf("%q passed as %+v", bad, a)
		} else if strings.Contains(err.Error(), "x@") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestDevCredentialsOnlyOnLoopback(t *testing.T) {
	for base, want := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://localhost:8080": true, "http://[::1]:8080": true,
		"http://192.168.1.5:8080": false, "http://sms.example.net": false, "http://localhost.example.net": false,
	} {
		if _, err := DevAPIKey(base); (err == nil) != want {
			t.Errorf("%s: API key: %v", base, err)
		}
		if _, ok := DevSMPP(base); ok != want {
			t.Errorf("%s: SMPP: %v", base, ok)
		}
	}
}
