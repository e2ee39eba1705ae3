package bulk

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/smsc"
)

// simulate starts an SMSC simulator.
func simulate(t *testing.T, b smsc.Behaviour) *smsc.Simulator {
	t.Helper()
	sim, err := smsc.New(smsc.Options{Addr: "127.0.0.1:0", Behaviour: b})
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return sim
}

// site is a platform whose accounts and connectors are changed over REST.
type site struct {
	*Platform
	t   *testing.T
	dir string
}

func openSite(t *testing.T, dir string, change func(*Config)) *site {
	t.Helper()
	c := DefaultConfig()
	c.Data, c.HTTP, c.SMPP, c.Durability, c.MinFreeDisk = dir, "127.0.0.1:0", "off", "none", 0
	if change != nil {
		change(&c)
	}
	p, err := New(Options{Config: c, Dev: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &site{Platform: p, t: t, dir: dir}
}

// call sends a request and returns status and body.
func (s *site) call(method, path, body string) (int, string) {
	s.t.Helper()
	return s.requested("", method, path, body)
}

// must is call that has to end with a status.
func (s *site) must(status int, method, path, body string) string {
	s.t.Helper()
	code, text := s.call(method, path, body)
	if code != status {
		s.t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, code, text, status)
	}
	return text
}

func (s *site) addConnector(name string, sim *smsc.Simulator, query string) {
	s.t.Helper()
	s.must(201, "POST", "/connectors", fmt.Sprintf(`{"name":%q,"url":"smpp://x:hunter2@%s?trace_tlv=1&%s"}`, name, sim.Addr(), query))
}

// pump accepts messages until the function it returns is called, which gives their ids.
func (s *site) pump() func() []message.ID {
	pace := time.NewTicker(2 * time.Millisecond) // leave something of the machine to the rest
	stop := make(chan struct{})
	got := make(chan []message.ID)
	go func() {
		var all []message.ID
		for {
			select {
			case <-stop:
				pace.Stop()
				got <- all
				return
			case <-pace.C:
				all = append(all, s.accept(20)...)
			}
		}
	}()
	return func() []message.ID { close(stop); return <-got }
}

// accept takes n messages at the door, and waits while the door is full.
func (s *site) accept(n int) []message.ID {
	reqs, out := make([]intake.Request, n), make([]intake.Outcome, n)
	for i := range reqs {
		reqs[i] = intake.Request{Account: s.accounts.ByName("dev"), From: "TEST", To: "+99361234567", Text: "hello"}
	}
	var ids []message.ID
	if err := s.Platform.intake.Submit(context.Background(), reqs, out); err != nil {
		time.Sleep(time.Millisecond)
		return nil
	}
	for _, o := range out {
		if o.Err == nil {
			ids = append(ids, o.Msg.ID)
		}
	}
	return ids
}

// settled waits until every message is DELIVERED, and checks that the ledger closes.
func (s *site) settled(ids []message.ID) {
	s.t.Helper()
	account := s.accounts.ByName("dev").ID
	eventually(s.t, fmt.Sprintf("%d messages delivered", len(ids)), func() bool {
		return insight{s.Platform}.Counts(account)[message.Delivered] == int64(len(ids))
	})
	var sum int64
	for _, n := range (insight{s.Platform}).Counts(account) {
		sum += n
	}
	if accepted := (insight{s.Platform}).Accepted(account); accepted != sum || accepted != int64(len(ids)) {
		s.t.Errorf("%d accepted at the door, %d counted, %d in the ledger", len(ids), accepted, sum)
	}
}

func TestConnectorChangesLoseNothing(t *testing.T) {
	a, b := simulate(t, smsc.Behaviour{}), simulate(t, smsc.Behaviour{})
	s := openSite(t, t.TempDir(), nil)
	s.addConnector("one", a, "binds=2&window=20")
	done := s.pump()
	eventually(t, "traffic", func() bool { return a.Counters().Submits > 100 })
	for _, change := range []string{`{"window":7}`, `{"tps":5000}`, `{"bind":"txrx","binds":3}`, `{"tps":0,"bind":"trx","enquire_link":"5s"}`} {
		s.must(200, "PATCH", "/connectors/one", change)
	}
	s.must(200, "POST", "/connectors/one/pause", "")
	still := a.Counters().Submits
	s.must(200, "POST", "/connectors/one/start", "")
	eventually(t, "traffic after the pause", func() bool { return a.Counters().Submits > still+100 })
	s.must(200, "POST", "/connectors/one/stop", "")
	eventually(t, "the stopped connector unbinds", func() bool { return a.Counters().Binds.Current == 0 })
	s.addConnector("two", b, "binds=1&window=50")
	eventually(t, "traffic over the second", func() bool { return b.Counters().Submits > 100 })
	s.must(409, "DELETE", "/connectors/one", "")
	s.must(200, "POST", "/connectors/one/start", "")
	ids := done()
	s.settled(ids)
	if n := a.Counters().Unique + b.Counters().Unique; n != uint64(len(ids)) {
		t.Errorf("the simulators saw %d messages, %d were accepted", n, len(ids))
	}
	if n := a.Counters().Duplicates + b.Counters().Duplicates; n != 0 {
		t.Errorf("%d sent twice although nothing was lost", n)
	}
	s.must(204, "DELETE", "/connectors/one", "")
	s.must(404, "GET", "/connectors/one", "")
	if code, text := s.call("GET", "/messages/"+ids[0].String(), ""); code != 200 || !strings.Contains(text, `"smsc":"one"`) {
		t.Errorf("a message of the deleted connector: %d %s", code, text)
	}
}

func TestConnectorsOutliveTheProcess(t *testing.T) {
	sim := simulate(t, smsc.Behaviour{})
	dir := t.TempDir()
	s := openSite(t, dir, nil)
	s.addConnector("one", sim, "binds=1")
	s.addConnector("two", sim, "binds=1&tps=7")
	s.must(204, "DELETE", "/connectors/two", "")
	s.must(200, "POST", "/connectors/one/stop", "")
	ids := s.accept(10)
	text := s.must(200, "GET", "/connectors", "")
	if strings.Contains(text, "hunter2") || !strings.Contains(text, `"password_set":true`) {
		t.Errorf("shown as %s", text)
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	noSecret(t, dir, "hunter2")

	again := openSite(t, dir, func(c *Config) { c.Connectors = []string{"late=smpp://x:y@127.0.0.1:1"} })
	var list struct {
		Connectors []struct{ Name, Mode, State string }
	}
	if err := json.Unmarshal([]byte(again.must(200, "GET", "/connectors", "")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Connectors) != 1 || list.Connectors[0].Name != "one" || list.Connectors[0].Mode != "stopped" {
		t.Fatalf("after a restart: %+v", list)
	}
	again.must(200, "POST", "/connectors/one/start", "")
	again.settled(ids)
	again.must(201, "POST", "/connectors", fmt.Sprintf(`{"name":"two","url":"smpp://x:y@%s"}`, sim.Addr()))
	if c, err := again.connector.Find("two"); err != nil || c.ID <= 3 {
		t.Errorf("the number of a deleted connector was given again: %+v, %v", c, err)
	}
}

// noSecret fails when a file under dir holds the text.
func noSecret(t *testing.T, dir, secret string) {
	t.Helper()
	read := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if read++; strings.Contains(string(text), secret) {
			t.Errorf("%s holds the password", path)
		}
		return err
	})
	if err != nil || read == 0 {
		t.Fatalf("%d files read, %v", read, err)
	}
}

func TestSettingsSeedAnEmptyStoreOnly(t *testing.T) {
	seed := func(c *Config) {
		c.Connectors = []string{"a=smpp://x:hunter2@127.0.0.1:1?tps=5", "b=smpps://x:y@127.0.0.1:1"}
	}
	dir := t.TempDir()
	s := openSite(t, dir, seed)
	s.must(200, "PATCH", "/connectors/a", `{"tps":9}`)
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	again := openSite(t, dir, seed)
	if c, err := again.connector.Find("a"); err != nil || c.TPS != 9 || c.Password != "hunter2" {
		t.Errorf("%+v, %v: the store is the truth", c, err)
	}
}

func TestConnectorOfTheSettingsIsFixed(t *testing.T) {
	sim := simulate(t, smsc.Behaviour{})
	s := openSite(t, t.TempDir(), func(c *Config) { c.Upstream = "smpp://x:y@" + sim.Addr() })
	s.must(409, "PATCH", "/connectors/default", `{"tps":5}`)
	s.must(409, "DELETE", "/connectors/default", "")
	s.must(200, "POST", "/connectors/default/pause", "")
	ids := s.accept(5)
	s.must(200, "POST", "/connectors/default/start", "")
	s.settled(ids)
}

func TestConnectorBadInput(t *testing.T) {
	s := openSite(t, t.TempDir(), nil)
	ok := `"name":"ok","address":"127.0.0.1:1","system_id":"x"`
	s.must(201, "POST", "/connectors", "{"+ok+`,"mode":"stopped"}`)
	for body, want := range map[string]string{
		`{}`:           `"/name"`,
		"{" + ok + "}": `named`,
		`{"name":"1st","address":"127.0.0.1:1","system_id":"x"}`:                          `"/name"`,
		`{"name":"a","address":"nowhere","system_id":"x"}`:                                `"/address"`,
		`{"name":"a","address":"127.0.0.1:1","system_id":"x","binds":0}`:                  `"/binds"`,
		`{"name":"a","address":"127.0.0.1:1","system_id":"x","binds":"two"}`:              `"wrong_type"`,
		`{"name":"a","address":"127.0.0.1:1","system_id":"x","window":1.5}`:               `"/window"`,
		`{"name":"a","address":"127.0.0.1:1","system_id":"x","tps":-1}`:                   `"/tps"`,
		`{"name":"a","address":"127.0.0.1:1","system_id":"x","enquire_link":"soon"}`:      `"/enquire_link"`,
		`{"name":"a","address":"127.0.0.1:1","system_id":"x","enquire_link":30}`:          `"/enquire_link"`,
		`{"name":"a","address":"127.0.0.1:1","system_id":"x","reconnect_min":"1h"}`:       `"/reconnect_min"`,
		`{"name":"a","address":"127.0.0.1:1","system_id":"x","tls_insecure":true}`:        `"/tls_insecure"`,
		`{"name":"a","address":"127.0.0.1:1","system_id":"x","tls":true,"tls_ca":"junk"}`: `"/tls_ca"`,
		`{"name":"a","address":"127.0.0.1:1","system_id":"x","message_ids":"octal"}`:      `"/message_ids"`,
		`{"name":"a","address":"127.0.0.1:1","system_id":"x","mode":"off"}`:               `"/mode"`,
		`{"name":"a","url":"ftp://x:hunter2@127.0.0.1:1"}`:                                `"/url"`,
	} {
		code, text := s.call("POST", "/connectors", body)
		if code != 422 && code != 409 || !strings.Contains(text, want) || strings.Contains(text, "hunter2") {
			t.Errorf("%s: %d %s, want %s", body, code, text, want)
		}
	}
	if code, text := s.call("PATCH", "/connectors/ok", `{"colour":"red","tps":3}`); code != 200 || !strings.Contains(text, "unknown field colour") {
		t.Errorf("unknown field: %d %s", code, text)
	}
	for body, want := range map[string]string{
		`{"charset":"ebcdic"}`:                       `"/charset"`,
		`{"source_rules":[{"kind":"roman"}]}`:        `"/source_rules/0/kind"`,
		`{"source_rules":[{"ton":1},{"ton":256}]}`:   `"/source_rules/1/ton"`,
		`{"dest_rules":[{"strip":3,"prepend":"8"}]}`: `"/dest_rules/0/prepend"`,
		`{"dest_rules":[{"tno":1}]}`:                 `"/dest_rules"`,
		`{"failover_after":"-1s"}`:                   `"/failover_after"`,
	} {
		if code, text := s.call("PATCH", "/connectors/ok", body); code != 422 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s, want %s", body, code, text, want)
		}
	}
	s.must(404, "PATCH", "/connectors/nobody", `{"tps":3}`)
	s.must(404, "POST", "/connectors/nobody/start", "")
}
