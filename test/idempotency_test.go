package test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// keyed is a request with an Idempotency-Key and what it was answered, if it was.
type keyed struct {
	path, kind, body, key string
	refs                  []string
	answer                string
}

// newKeyed makes request number n: a single message, a bulk request or lines.
func newKeyed(n int) *keyed {
	r := &keyed{key: fmt.Sprintf("request-%d", n), path: "/api/v1/messages", kind: "application/json"}
	item := func(i int) string {
		ref := fmt.Sprintf("r%d.%d", n, i)
		r.refs = append(r.refs, ref)
		return fmt.Sprintf(`{"from":"Kill","to":"+1555%07d","text":"once","client_ref":%q}`, n, ref)
	}
	switch n % 3 {
	case 0:
		r.body = item(0)
		return r
	case 1:
		r.kind = "application/x-ndjson"
	}
	r.path += "/bulk"
	var items []string
	for i := range 5 + n%40 {
		items = append(items, item(i))
	}
	if r.body = strings.Join(items, "\n"); n%3 == 2 {
		r.body = `{"messages":[` + strings.Join(items, ",") + `]}`
	}
	return r
}

// send posts the request and returns what was answered with 201.
func (r *keyed) send(ctx context.Context, addr string) (status int, answer string, replayed bool, err error) {
	req, err := http.NewRequestWithContext(ctx, "POST", "http://"+addr+r.path, strings.NewReader(r.body))
	if err != nil {
		return 0, "", false, err
	}
	req.Header.Set("Content-Type", r.kind)
	req.Header.Set("Idempotency-Key", r.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", false, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("Location") + string(text), resp.Header.Get("Idempotency-Replayed") == "true", err
}

// TestIdempotencyKeySurvivesSIGKILL kills the platform while requests with keys are under
// way and sends all of them again: what was answered is answered the same, and every
// message is there once.
func TestIdempotencyKeySurvivesSIGKILL(t *testing.T) {
	data := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var all []*keyed
	unanswered := 0
	for round := range 6 {
		p := serveDev(t, "--data", data)
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var load sync.WaitGroup
		for worker := range 8 {
			load.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					r := newKeyed(round*1_000_000 + worker*100_000 + n)
					mu.Lock()
					all = append(all, r)
					mu.Unlock()
					status, answer, _, err := r.send(ctx, p.HTTP)
					if err != nil {
						return
					}
					if status == http.StatusCreated {
						r.answer = answer
					}
				}
			})
		}
		// A random moment is the point of this test: it is not waiting for anything.
		<-time.After(time.Duration(50+random.IntN(250)) * time.Millisecond)
		p.kill()
		cancel()
		load.Wait()
	}
	p := serveDev(t, "--data", data)
	replayedUnanswered := 0
	for _, r := range all {
		for range 2 {
			status, answer, replayed, err := r.send(t.Context(), p.HTTP)
			switch {
			case err != nil || status != http.StatusCreated:
				t.Fatalf("repeat of %s: %d %s %v\n%s", r.key, status, answer, err, p.out)
			case r.answer == "":
				r.answer = answer
				unanswered++
				if replayed {
					replayedUnanswered++
				}
			case answer != r.answer || !replayed:
				t.Errorf("%s was answered\n%s\nand then\n%s (replayed: %v)", r.key, r.answer, answer, replayed)
			}
		}
	}
	t.Logf("%d requests, %d not answered before the kill, %d of those durable", len(all), unanswered, replayedUnanswered)
	if unanswered == 0 || len(all) < 50 {
		t.Error("too little happened for this to mean anything")
	}
	want := map[string]bool{}
	for _, r := range all {
		for _, ref := range r.refs {
			want[ref] = true
		}
	}
	got := allRefs(t, p.HTTP)
	for ref, n := range got {
		if n != 1 || !want[ref] {
			t.Errorf("%s: %d messages", ref, n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d client_refs, want %d", len(got), len(want))
	}
}

// allRefs counts the messages by their client_ref.
func allRefs(t *testing.T, addr string) map[string]int {
	t.Helper()
	type page struct {
		Messages []struct {
			Ref string `json:"client_ref"`
		}
		Next string `json:"next_cursor"`
	}
	refs := map[string]int{}
	var accepted struct{ Accepted int }
	if _, err := call(t.Context(), "GET", "http://"+addr+"/api/v1/statistics", "", &accepted); err != nil {
		t.Fatal(err)
	}
	read := func() {
		clear(refs)
		for cursor := ""; ; {
			url := "http://" + addr + "/api/v1/messages?limit=1000"
			if cursor != "" {
				url += "&cursor=" + cursor
			}
			var p page
			if code, err := call(t.Context(), "GET", url, "", &p); err != nil || code != http.StatusOK {
				t.Fatalf("list: %d %v", code, err)
			}
			for _, m := range p.Messages {
				refs[m.Ref]++
			}
			if cursor = p.Next; cursor == "" {
				return
			}
		}
	}
	waitUntil(t, 20*time.Second, func() bool { // a list is up to 2 s behind
		read()
		n := 0
		for _, count := range refs {
			n += count
		}
		return n == accepted.Accepted
	})
	return refs
}
