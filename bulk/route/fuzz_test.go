package route_test

import (
	"encoding/json"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/route"
)

// FuzzRule: what Validate accepts can be compiled, asked and explained, and survives JSON.
func FuzzRule(f *testing.F) {
	f.Add([]byte(`{"name":"a","strategy":"failover","targets":[{"connector":"c1"}]}`), "99361", "A", "stop it")
	f.Add([]byte(`{"name":"b","priority":3,"strategy":"split","targets":[{"connector":"c1","weight":1},{"connector":"x","weight":99}],
		"match":{"prefixes":["+1","2"],"senders":["A*","B"],"encodings":["ucs2"],"min_parts":1,"max_parts":9,"keywords":["STOP"],
		"text":"(a|b)*$","tags":["t"],"priorities":["low"],"windows":[{"days":"fri-mon","from":"23:00","to":"01:30","zone":"Europe/Berlin"}]}}`), "1", "Ax", "b")
	f.Add([]byte(`{"name":"c","strategy":"least_cost","targets":[{"connector":"c1","cost":1e300}],"match":{"windows":[{"to":"24:00"}]}}`), "", "", "")
	f.Fuzz(func(t *testing.T, text []byte, dest, sender, body string) {
		var rule route.Rule
		if json.Unmarshal(text, &rule) != nil || rule.Validate() != nil {
			return
		}
		rows := []route.Row{{ID: 1, Rule: rule}}
		table, err := route.Compile([]route.Connector{{ID: 1, Name: "c1"}}, rows)
		if err != nil {
			t.Fatalf("valid, but %v", err)
		}
		q := &route.Query{
			Dest: message.Address{Addr: dest}, Source: message.Address{Addr: sender}, Text: body, Parts: 1, Encoding: 3, At: time.Unix(1e9, 0),
		}
		choice, ok := table.Route(q)
		e := table.Explain(rows, q, 1)
		if ok && (choice.Rule != 1 || !e.Matched) || e.Connector != "" && !ok {
			t.Fatalf("%+v, %v, explained as %+v", choice, ok, e)
		}
		again, err := json.Marshal(rule)
		if err != nil {
			t.Fatal(err)
		}
		var back route.Rule
		if err := json.Unmarshal(again, &back); err != nil || back.Validate() != nil {
			t.Fatalf("%s does not come back: %v", again, err)
		}
	})
}
