package bulk

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
	"protei-bulk/smsc"
)

// refuse makes a simulator drop its binds and refuse new ones, or take them again.
func refuse(t *testing.T, sim *smsc.Simulator, on bool) {
	t.Helper()
	b := sim.Behaviour()
	b.RefuseBinds = on
	if err := sim.SetBehaviour(b); err != nil {
		t.Fatal(err)
	}
	if on {
		sim.Disconnect("x")
	}
}

func (s *site) waitState(name, state string) {
	s.t.Helper()
	eventually(s.t, name+" "+state, func() bool {
		return strings.Contains(s.must(200, "GET", "/connectors/"+name, ""), `"state":"`+state+`"`)
	})
}

func TestFailoverWhileMessagesWait(t *testing.T) {
	a, b := simulate(t, smsc.Behaviour{}), simulate(t, smsc.Behaviour{})
	s := openSite(t, t.TempDir(), func(c *Config) { c.Limits.LaneMemory = 4000 }) // most wait on disk
	s.addConnector("a", a, "binds=1&window=10&tps=200")
	s.addConnector("b", b, "binds=1&window=50")
	s.must(200, "PATCH", "/connectors/a", `{"failover_after":"300ms","reconnect_min":"50ms","reconnect_max":"100ms"}`)
	s.must(201, "POST", "/routes", `{"name":"all","targets":[{"connector":"a"},{"connector":"b"}]}`)
	s.waitState("a", "up")
	s.waitState("b", "up")
	var ids []message.ID
	for len(ids) < 6000 {
		ids = append(ids, s.accept(100)...)
	}
	eventually(t, "traffic over a", func() bool { return a.Counters().Submits > 20 })
	refuse(t, a, true)
	eventually(t, "b sends what waited for a", func() bool { return b.Counters().Unique > 5000 })
	refuse(t, a, false)
	s.settled(ids)
	seen := a.Counters().Unique + b.Counters().Unique
	if most := uint64(len(ids)) + 10; seen < uint64(len(ids)) || seen > most {
		t.Errorf("the simulators saw %d messages of %d: at most a window of them twice", seen, len(ids))
	}
	// The last one is over b by now and says so.
	if text := s.must(200, "GET", "/messages/"+ids[len(ids)-1].String(), ""); !strings.Contains(text, `"smsc":"b","route":"all"`) {
		t.Errorf("shown as %s", text)
	}
	if n := s.fleet.link(s.connector.Named("a").ID).trouble.moved.Load(); n == 0 {
		t.Error("nothing was counted as moved")
	}
}

func TestNoRouteGoesToTheNextConnector(t *testing.T) {
	a, b := simulate(t, smsc.Behaviour{Errors: smsc.ErrorMix{{Status: smpp.RINVDSTADR, Share: 1}}}), simulate(t, smsc.Behaviour{})
	s := openSite(t, t.TempDir(), nil)
	s.addConnector("a", a, "")
	s.addConnector("b", b, "")
	s.must(200, "PATCH", "/connectors/a", `{"statuses":{"ESME_RINVDSTADR":"no_route"}}`)
	s.must(201, "POST", "/routes", `{"name":"both","priority":1,"match":{"tags":["x"]},"targets":[{"connector":"a"},{"connector":"b"}]}`)
	s.must(201, "POST", "/routes", `{"name":"only","targets":[{"connector":"a"}]}`)
	s.waitState("a", "up")
	s.waitState("b", "up")
	final := func(body, want string) {
		t.Helper()
		text := s.must(201, "POST", "/messages", body)
		_, id, _ := strings.Cut(text, `"message_id":"`)
		eventually(t, want, func() bool {
			_, text = s.call("GET", "/messages/"+id[:16], "")
			return strings.Contains(text, want)
		})
	}
	long := strings.Repeat("long ", 80)
	for _, text := range []string{"hello", long} {
		final(fmt.Sprintf(`{"from":"A","to":"+99361234567","tag":"x","text":%q}`, text), `"status":"DELIVERED"`)
		final(fmt.Sprintf(`{"from":"A","to":"+99361234567","text":%q}`, text), `"status":"REJECTED"`)
	}
	if n := b.Counters().Unique; n != 1+3 {
		t.Errorf("b got %d parts, want 4", n)
	}
}

func TestStatusClassesOfAConnector(t *testing.T) {
	sim := simulate(t, smsc.Behaviour{Errors: smsc.ErrorMix{{Status: smpp.RSYSERR, Share: 1}}})
	s := openSite(t, t.TempDir(), nil)
	s.addConnector("a", sim, "")
	s.must(200, "PATCH", "/connectors/a", `{"statuses":{"rsyserr":"permanent","0x400":"temporary"}}`)
	ids := s.accept(1)
	eventually(t, "FAILED", func() bool {
		m, err := s.store.Message(context.Background(), ids[0])
		return err == nil && m.Status == message.Failed
	})
	for bad, want := range map[string]string{
		`{"ESME_ROK":"rejected"}`: `"/statuses/ESME_ROK"`, `{"0x8":"rejected","NO/SUCH":"rejected"}`: `"/statuses/NO~1SUCH"`,
		`{"0x8":"maybe"}`: `"/statuses/0x8"`, `["0x8"]`: `"/statuses"`,
	} {
		if code, text := s.call("PATCH", "/connectors/a", `{"statuses":`+bad+`}`); code != 422 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s, want %s", bad, code, text, want)
		}
	}
}

func TestMoveEmptiesAConnector(t *testing.T) {
	sim := simulate(t, smsc.Behaviour{})
	dir := t.TempDir()
	s := openSite(t, dir, func(c *Config) { c.Limits.LaneMemory = 1000 })
	s.addConnector("a", sim, "")
	s.must(200, "POST", "/connectors/a/stop", "")
	var ids []message.ID
	for len(ids) < 3000 {
		ids = append(ids, s.accept(100)...)
	}
	at := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	s.must(201, "POST", "/messages", fmt.Sprintf(`{"from":"A","to":"+99361234567","text":"later","schedule_at":%q}`, at))
	s.must(409, "DELETE", "/connectors/a", "")
	s.addConnector("b", sim, "")
	s.must(200, "POST", "/connectors/b/stop", "")
	for body, status := range map[string]int{`{"to":"a"}`: 422, `{"to":"nobody"}`: 422, `{}`: 422} {
		s.must(status, "POST", "/connectors/a/move", body)
	}
	if text := s.must(200, "POST", "/connectors/a/move", `{"to":"b"}`); !strings.Contains(text, `"moved":3001`) {
		t.Errorf("answered %s", text)
	}
	s.must(204, "DELETE", "/connectors/a", "")
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	again := openSite(t, dir, nil)
	again.must(200, "POST", "/connectors/b/start", "")
	eventually(t, "all delivered", func() bool {
		c := insight{again.Platform}.Counts(0)
		return c[message.Delivered] == int64(len(ids)) && c[message.Scheduled] == 1
	})
}
