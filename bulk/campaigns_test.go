package bulk

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"protei-bulk/smsc"
)

// campaignReply is what these tests look at of a campaign.
type campaignReply struct {
	ID       string `json:"campaign_id"`
	Status   string
	Reason   string
	Waiting  string
	Progress struct {
		Processed, Accepted, Refused, Sent int
		Messages                           map[string]int
	}
}

// campaign makes a campaign of n recipients and starts it.
func (s *site) campaign(n int) (id string) {
	s.t.Helper()
	var to []string
	for i := range n {
		to = append(to, fmt.Sprintf(`"+1555%07d"`, i))
	}
	var c campaignReply
	text := s.must(201, "POST", "/campaigns", `{"name":"sale","from":"ACME","text":"Sale!","recipients":[`+strings.Join(to, ",")+`]}`)
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		s.t.Fatal(err)
	}
	s.must(200, "POST", "/campaigns/"+c.ID+"/start", "")
	return c.ID
}

func (s *site) campaignNow(id string) (c campaignReply) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.must(200, "GET", "/campaigns/"+id, "")), &c); err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *site) balanceNow() (b float64) {
	s.t.Helper()
	var reply struct{ Balance float64 }
	if err := json.Unmarshal([]byte(s.must(200, "GET", "/balance", "")), &reply); err != nil {
		s.t.Fatal(err)
	}
	return reply.Balance
}

// TestACampaignPausesWithoutMoney: it goes on with the very recipient that the balance did
// not pay for, and what is cancelled is paid back.
func TestACampaignPausesWithoutMoney(t *testing.T) {
	sim := simulate(t, smsc.Behaviour{})
	s := openSite(t, t.TempDir(), nil)
	s.addConnector("a", sim, "")
	s.must(201, "POST", "/routes", `{"name":"all","targets":[{"connector":"a"}]}`)
	me := s.accounts.Anonymous().ID
	s.must(200, "PATCH", fmt.Sprintf("/accounts/%d", me), `{"billing":"prepaid","price":0.01}`)
	s.must(201, "POST", fmt.Sprintf("/accounts/%d/topup", me), `{"amount":15}`)

	id := s.campaign(2600)
	eventually(t, "the pause", func() bool { return s.campaignNow(id).Status == "PAUSED" })
	if c := s.campaignNow(id); c.Reason != "insufficient_balance" || c.Progress.Accepted != 1500 || c.Progress.Processed != 1500 || c.Progress.Refused != 0 {
		t.Errorf("paused as %+v", c)
	}
	s.must(201, "POST", fmt.Sprintf("/accounts/%d/topup", me), `{"amount":300}`)
	s.must(200, "POST", "/campaigns/"+id+"/resume", "")
	eventually(t, "the end", func() bool {
		c := s.campaignNow(id)
		return c.Status == "COMPLETED" && c.Progress.Messages["DELIVERED"] == 2600
	})
	if c := s.campaignNow(id); c.Reason != "" || c.Progress.Accepted != 2600 || c.Progress.Sent != 2600 {
		t.Errorf("ended as %+v", c)
	}
	if n := sim.Counters().Unique; n != 2600 {
		t.Errorf("the SMSC has %d messages", n)
	}
	if b := s.balanceNow(); b != 289 {
		t.Errorf("the balance is %v, want 315 less 26", b)
	}

	s.must(200, "POST", "/connectors/a/pause", "")
	id = s.campaign(24_000)
	eventually(t, "messages that wait", func() bool { return s.campaignNow(id).Waiting != "" })
	c := s.campaignNow(id)
	if c.Progress.Accepted >= 24_000 || c.Progress.Sent != 0 {
		t.Errorf("with a line that is down %+v", c.Progress)
	}
	s.must(200, "POST", "/campaigns/"+id+"/cancel", "")
	c = s.campaignNow(id)
	if c.Status != "CANCELLED" || c.Progress.Messages["CANCELLED"] != c.Progress.Accepted || c.Progress.Accepted == 0 {
		t.Errorf("cancelled as %+v", c)
	}
	if b := s.balanceNow(); b != 289 {
		t.Errorf("the balance is %v after the cancellation, want 289 as before", b)
	}
	s.must(200, "POST", "/connectors/a/start", "")
	s.accept(50)
	eventually(t, "what comes after them", func() bool { return sim.Counters().Unique >= 2650 })
	if n := sim.Counters().Unique; n != 2650 {
		t.Errorf("the SMSC has %d messages: cancelled ones were sent", n)
	}
}
