package test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// TestKilledAtItsStart kills the platform at random moments of its first start; the next
// one works.
func TestKilledAtItsStart(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		data := filepath.Join(t.TempDir(), "data")
		for range 8 {
			cmd := exec.Command(binary, "serve", "--dev", "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0", "--data", data)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// A random moment is the point: it is not waiting for anything.
			<-time.After(time.Duration(random.IntN(150)) * time.Millisecond)
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			stuck := time.AfterFunc(20*time.Second, func() {
				t.Errorf("%v at the start does not end it", sig)
				_ = cmd.Process.Kill()
			})
			_ = cmd.Wait() // it was signalled
			stuck.Stop()
		}
		p := serveDev(t, "--data", data)
		p.assertWell()
		if code := p.stop(); code != 0 {
			t.Errorf("exit code %d\n%s", code, p.out)
		}
	}
}

// TestLimitsOfAnAccount: the rate of an account holds at both doors, and a disabled one
// is locked out of both.
func TestLimitsOfAnAccount(t *testing.T) {
	t.Parallel()
	p := serveDev(t)
	var slow struct {
		ID  int    `json:"account_id"`
		Key string `json:"api_key"`
	}
	p.want(http.StatusCreated, "POST", "/api/v1/accounts", `{"name":"slow","system_id":"slow","password":"slowpass","tps":5}`, &slow)
	limited := 0
	for range 30 {
		a := p.post("/api/v1/messages", `{"from":"Test","to":"+15550009301","text":"x"}`, "X-API-Key", slow.Key)
		switch a.code {
		case http.StatusCreated:
		case http.StatusTooManyRequests:
			limited++
			if a.header.Get("Retry-After") == "" || a.problem(t).Code != "rate_limited" {
				t.Errorf("429 without Retry-After, or with another reason: %s", a.body)
			}
		default:
			t.Fatalf("%d %s", a.code, a.body)
		}
	}
	if limited < 10 || limited == 30 {
		t.Errorf("%d of 30 messages were limited at 5 a second", limited)
	}
	s, err := p.bind("slow", "slowpass", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	throttled := 0
	for range 30 {
		st, _, err := s.Do(t.Context(), &smpp.SubmitSM{
			Source: smpp.Address{TON: 5, Addr: []byte("Test")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("15550009302")}, ShortMessage: []byte("x"),
		})
		if err != nil || st != smpp.ROK && st != smpp.RTHROTTLED {
			t.Fatalf("submit_sm: %v %v", st, err)
		}
		if st == smpp.RTHROTTLED {
			throttled++
		}
	}
	if throttled < 10 {
		t.Errorf("%d of 30 submit_sm were throttled at 5 a second", throttled)
	}

	p.want(http.StatusOK, "PATCH", fmt.Sprintf("/api/v1/accounts/%d", slow.ID), `{"disabled":true}`, nil)
	if a := p.do("GET", "/api/v1/messages", nil, "X-API-Key", slow.Key); a.code != http.StatusForbidden {
		t.Errorf("a disabled account over HTTP: %d", a.code)
	}
	if s, err := p.bind("slow", "slowpass", nil); err == nil {
		s.Close()
		t.Error("a disabled account binds")
	}
	st, _, err := s.Do(t.Context(), &smpp.SubmitSM{
		Source: smpp.Address{TON: 5, Addr: []byte("Test")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("15550009303")}, ShortMessage: []byte("x"),
	})
	if err == nil && st == smpp.ROK {
		t.Error("a session of a disabled account goes on submitting")
	}
	p.assertWell()
}

// TestCampaignStates walks a campaign through its states and tries what is not allowed.
func TestCampaignStates(t *testing.T) {
	t.Parallel()
	p := serveDev(t)
	numbers := make([]string, 400)
	for i := range numbers {
		numbers[i] = fmt.Sprintf(`"+1555%07d"`, i)
	}
	var c struct {
		ID     string `json:"campaign_id"`
		Status string
	}
	p.want(http.StatusCreated, "POST", "/api/v1/campaigns", `{"name":"States","sender_id":"Test","message_content":"x","max_tps":100}`, &c)
	path := "/api/v1/campaigns/" + c.ID
	act := func(action string, code int, status string) {
		t.Helper()
		a := p.post(path+"/"+action, "")
		if a.code != code {
			t.Fatalf("%s answered %d, want %d: %s", action, a.code, code, a.body)
		}
		if code != http.StatusOK {
			a.problem(t)
			return
		}
		a.into(t, &c)
		if c.Status != status {
			t.Errorf("%s makes it %s, want %s", action, c.Status, status)
		}
	}
	act("start", http.StatusUnprocessableEntity, "") // no recipients
	act("pause", http.StatusConflict, "")
	p.want(http.StatusOK, "POST", path+"/recipients", `{"recipients":[`+strings.Join(numbers[:200], ",")+`]}`, nil)
	p.want(http.StatusOK, "POST", path+"/recipients", `{"recipients":[`+strings.Join(numbers[200:], ",")+`]}`, nil)
	p.want(http.StatusOK, "PATCH", path, `{"name":"Still states"}`, nil)
	act("start", http.StatusOK, "RUNNING")
	act("start", http.StatusConflict, "")
	act("pause", http.StatusOK, "PAUSED")
	var paused, later campaignText
	p.want(http.StatusOK, "GET", path, "", &paused)
	if paused.Progress.Processed >= 400 {
		t.Errorf("paused at once after %d of 400 recipients at 100 a second", paused.Progress.Processed)
	}
	if a := p.do("PATCH", path, strings.NewReader(`{"message_content":"y"}`)); a.code != http.StatusConflict {
		t.Errorf("change of a paused campaign: %d %s", a.code, a.body)
	}
	act("resume", http.StatusOK, "RUNNING")
	waitUntil(t, 10*time.Second, func() bool {
		p.want(http.StatusOK, "GET", path, "", &later)
		return later.Progress.Processed > paused.Progress.Processed
	})
	act("cancel", http.StatusOK, "CANCELLED")
	act("resume", http.StatusConflict, "")
	var end campaignText
	p.want(http.StatusOK, "GET", path, "", &end)
	if end.Progress.Accepted == 0 || end.Progress.Accepted >= 400 {
		t.Errorf("cancelled in the middle with %d of 400 accepted", end.Progress.Accepted)
	}
	p.allBecome(end.Progress.Accepted, "DELIVERED")
	if a := p.do("DELETE", path, nil); a.code != http.StatusNoContent {
		t.Errorf("delete: %d %s", a.code, a.body)
	}
	if a := p.get(path); a.code != http.StatusNotFound {
		t.Errorf("a deleted campaign: %d", a.code)
	}
}
