package bulk

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
	"protei-bulk/smsc"
)

// TestWithdrawFromAnotherNode: messages that wait in the lane of one node are cancelled and
// replaced by the other one, those of a campaign too.
func TestWithdrawFromAnotherNode(t *testing.T) {
	url := sharedStore(t)
	sim := simulate(t, smsc.Behaviour{})
	a := openNode(t, url, "a", nil)
	a.addConnector("one", sim, "binds=1")
	a.must(201, "POST", "/routes", `{"name":"all","targets":[{"connector":"one"}]}`)
	a.waitState("one", "up")
	a.must(200, "POST", "/connectors/one/pause", "")
	b := openNode(t, url, "b", func(c *Config) { c.Roles = []string{roleAPI, roleESME} })
	id := a.connector.All()[0].ID
	waiting := func() (n int64) {
		for _, d := range a.lanes.Depths(nil) {
			if d.Lane.Connector == id {
				n += d.Waiting
			}
		}
		return n
	}
	status := func(s *site, m string) string {
		var reply struct{ Status string }
		if err := json.Unmarshal([]byte(s.must(200, "GET", "/messages/"+m, "")), &reply); err != nil {
			t.Fatal(err)
		}
		return reply.Status
	}

	accept := func(body string) string {
		var reply struct {
			ID string `json:"message_id"`
		}
		if err := json.Unmarshal([]byte(b.must(201, "POST", "/messages", body)), &reply); err != nil {
			t.Fatal(err)
		}
		return reply.ID
	}
	waits := accept(`{"from":"T","to":"+99361234567","text":"to cancel"}`)
	fresh := accept(`{"from":"T","to":"+99361234567","text":"to cancel before the owner has looked"}`)
	b.must(200, "DELETE", "/messages/"+fresh, "")
	later := accept(fmt.Sprintf(`{"from":"T","to":"+99361234567","text":"later","schedule_at":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339)))
	eventually(t, "the owner has the message", func() bool { return waiting() == 1 })
	for _, m := range []string{waits, later} {
		b.must(200, "DELETE", "/messages/"+m, "")
		if got := status(a, m); got != message.Cancelled.String() {
			t.Errorf("message %s is %s", m, got)
		}
	}
	eventually(t, "the lane is empty", func() bool { return waiting() == 0 })

	c := b.bind()
	_, resp, err := c.Do(t.Context(), &smpp.SubmitSM{
		Source: smpp.Address{TON: 5, Addr: []byte("Test")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("99361234567")}, ShortMessage: []byte("before"),
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the owner has the message", func() bool { return waiting() == 1 })
	replace := &smpp.ReplaceSM{
		MessageID: resp.(*smpp.SubmitSMResp).MessageID, Source: smpp.Address{TON: 5, Addr: []byte("Test")}, ShortMessage: []byte("after"),
	}
	if st, _, err := c.Do(t.Context(), replace); err != nil || st != smpp.ROK {
		t.Errorf("replace_sm: %v %v", st, err)
	}
	eventually(t, "the new text waits alone", func() bool {
		_, text := b.call("GET", "/messages?status=PENDING", "")
		return waiting() == 1 && strings.Contains(text, "after") && !strings.Contains(text, "before")
	})

	var to []string
	for i := range 8 * campaignChunk {
		to = append(to, fmt.Sprintf(`"+1555%07d"`, i))
	}
	var sale campaignReply
	text := b.must(201, "POST", "/campaigns", `{"name":"sale","from":"ACME","text":"Sale!","max_tps":1000,"recipients":[`+strings.Join(to, ",")+`]}`)
	if err := json.Unmarshal([]byte(text), &sale); err != nil {
		t.Fatal(err)
	}
	b.must(200, "POST", "/campaigns/"+sale.ID+"/start", "")
	eventually(t, "messages of the campaign wait in the lane", func() bool { return waiting() > campaignChunk+100 })
	b.must(200, "POST", "/campaigns/"+sale.ID+"/cancel", "")
	eventually(t, "it is withdrawn", func() bool { return waiting() == 1 && b.campaignNow(sale.ID).Status == "CANCELLED" })
	a.must(200, "POST", "/connectors/one/start", "")
	eventually(t, "what was not withdrawn is sent", func() bool { return sim.Counters().Unique == 1 })
	if n := sim.Counters().Unique; n != 1 {
		t.Errorf("the SMSC has %d messages", n)
	}
}
