package test

import (
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
)

// campaignState is a campaign as REST shows it.
type campaignState struct {
	ID       string `json:"campaign_id"`
	Status   string
	Total    int    `json:"total_recipients"`
	Last     string `json:"last_error"`
	Progress struct {
		Processed, Accepted, Refused, Sent int
		Messages                           map[string]int
	}
}

// TestKilledCampaignReachesEachRecipientOnce kills the platform with SIGKILL in the middle
// of a campaign, again and again. In the end each recipient has exactly one message, or one
// line in the error file.
func TestKilledCampaignReachesEachRecipientOnce(t *testing.T) {
	const recipients, wrong = 20_000, 97 // one of so many has no name
	var far smscAt
	launch(t, "smsc", &far, "smsc", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--receipt-delay", "0-100ms")
	data := t.TempDir()
	start := func() (*child, string) {
		var at serveAt
		p := launch(t, "serve", &at, "serve", "--dev", "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0", "--data", data,
			"--upstream", "smpp://x:y@"+far.SMPP+"?binds=2&window=100&trace_tlv=1")
		return p, "http://" + at.HTTP + "/api/v1/campaigns"
	}
	p, url := start()
	var c campaignState
	code, err := call(t.Context(), "POST", url, `{"name":"killed","from":"Kill","text":"Hi {{name}}","max_tps":8000}`, &c)
	if err != nil || code != http.StatusCreated {
		t.Fatalf("create: %d %v", code, err)
	}
	path := "/" + c.ID

	// An upload that a kill cuts adds nothing.
	cut, feed := io.Pipe()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		resp, err := http.Post(url+path+"/recipients", "text/csv", cut)
		if err == nil {
			resp.Body.Close()
		}
	}()
	for i := range 50_000 {
		if _, err := fmt.Fprintf(feed, "+1555%07d,x\n", i); err != nil {
			t.Fatal(err)
		}
	}
	p.kill()
	cut.CloseWithError(io.ErrUnexpectedEOF)
	<-sent
	p, url = start()
	if _, err := call(t.Context(), "GET", url+path, "", &c); err != nil || c.Total != 0 {
		t.Fatalf("after an upload that was cut there are %d recipients, %v", c.Total, err)
	}

	var file strings.Builder
	file.WriteString("to,name\n")
	missing := 0
	for i := range recipients {
		name := "Ann"
		if i%wrong == 0 {
			name = ""
			missing++
		}
		fmt.Fprintf(&file, "+1555%07d,%s\n", i, name)
	}
	resp, err := http.Post(url+path+"/recipients", "text/csv", strings.NewReader(file.String()))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if code, err := call(t.Context(), "POST", url+path+"/start", "", &c); err != nil || code != http.StatusOK || c.Total != recipients {
		t.Fatalf("start: %d %v %+v", code, err, c)
	}

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	kills := 0
	for ; c.Status != "COMPLETED" && kills < 12; kills++ {
		// A random moment is the point of this test: it is not waiting for anything.
		<-time.After(time.Duration(50+random.IntN(500)) * time.Millisecond)
		p.kill()
		p, url = start()
		if _, err := call(t.Context(), "GET", url+path, "", &c); err != nil {
			t.Fatal(err)
		}
		if kills == 0 && c.Status != "RUNNING" {
			t.Fatalf("after the first kill it is %s: %s", c.Status, c.Last)
		}
	}
	waitUntil(t, 60*time.Second, func() bool {
		_, err := call(t.Context(), "GET", url+path, "", &c)
		return err == nil && c.Status == "COMPLETED" && c.Progress.Messages["DELIVERED"] == recipients-missing
	})
	t.Logf("%d kills; %+v", kills, c)
	if kills < 3 {
		t.Errorf("only %d kills: this means little", kills)
	}
	if c.Status != "COMPLETED" || c.Progress.Accepted != recipients-missing || c.Progress.Refused != missing || c.Progress.Processed != recipients {
		t.Errorf("%s, %+v: want %d accepted, %d refused", c.Status, c.Progress, recipients-missing, missing)
	}
	assertOncePerRecipient(t, strings.TrimSuffix(url, "/campaigns")+"/messages?limit=1000&campaign_id="+c.ID, recipients-missing)
	assertErrorFile(t, url+path+"/errors", missing)
	assertLedgerCloses(t, strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/api/v1/campaigns"))
}

// assertOncePerRecipient walks the campaign's messages; the list is up to 2 s behind.
func assertOncePerRecipient(t *testing.T, list string, want int) {
	t.Helper()
	var seen map[string]int
	waitUntil(t, 20*time.Second, func() bool {
		seen = walkRecipients(t, list)
		return len(seen) >= want
	})
	twice := 0
	for _, n := range seen {
		if n > 1 {
			twice++
		}
	}
	if len(seen) != want || twice != 0 {
		t.Errorf("%d recipients have a message, %d of them more than one; want %d and none", len(seen), twice, want)
	}
}

// walkRecipients counts the messages of each recipient.
func walkRecipients(t *testing.T, list string) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for cursor := ""; ; {
		var page struct {
			Messages []struct{ To string }
			Next     string `json:"next_cursor"`
		}
		if code, err := call(t.Context(), "GET", list+cursor, "", &page); err != nil || code != http.StatusOK {
			t.Fatalf("%s: %d %v", list+cursor, code, err)
		}
		for _, m := range page.Messages {
			seen[m.To]++
		}
		if page.Next == "" {
			return seen
		}
		cursor = "&cursor=" + page.Next
	}
}

func assertErrorFile(t *testing.T, url string, want int) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	rows, err := csv.NewReader(resp.Body).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	for _, row := range rows[1:] {
		if row[2] != "missing_variable" {
			t.Errorf("row %q", row)
		}
		lines[row[0]] = true
	}
	if len(rows)-1 != want || len(lines) != want {
		t.Errorf("%d lines in the error file, %d different; want %d", len(rows)-1, len(lines), want)
	}
}
