package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestAnswersBelongToTheirRequests: many customers at once, singles, bulks, reads and
// cancels mixed: each id is the one of its own message, and accounts see only theirs.
func TestAnswersBelongToTheirRequests(t *testing.T) {
	t.Parallel()
	const customers, each = 8, 60
	p := serveDev(t)
	var keys [customers]string
	for i := range keys {
		var made struct {
			Key string `json:"api_key"`
		}
		p.want(http.StatusCreated, "POST", "/api/v1/accounts", fmt.Sprintf(`{"name":"c%d"}`, i), &made)
		keys[i] = made.Key
	}
	ids := [customers][]string{}
	var all sync.WaitGroup
	for i := range keys {
		mine := &platform{child: p.child, serveAt: p.serveAt, key: keys[i]}
		all.Go(func() {
			for n := range each {
				ref := fmt.Sprintf("%d-%d", i, n)
				id, err := mine.sendAndRead(fmt.Sprintf("+1555%03d%04d", i, n), ref)
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = append(ids[i], id)
			}
		})
	}
	all.Wait()
	p.allBecome(customers*each, "DELIVERED")
	for i := range keys {
		other := ids[(i+1)%customers][0]
		mine := &platform{child: p.child, serveAt: p.serveAt, key: keys[i]}
		if a := mine.get("/api/v1/messages/" + other); a.code != http.StatusNotFound {
			t.Errorf("a customer reads the message of another: %d %s", a.code, a.body)
		}
		if a := mine.do("DELETE", "/api/v1/messages/"+other, nil); a.code != http.StatusNotFound {
			t.Errorf("a customer cancels the message of another: %d %s", a.code, a.body)
		}
		if got := mine.walk("/api/v1/messages?limit=500"); len(got) != each {
			t.Errorf("a customer lists %d messages of %d", len(got), each)
		}
		if accepted, _ := mine.byStatus(); accepted != each {
			t.Errorf("a customer's ledger shows %d of %d", accepted, each)
		}
	}
}

// sendAndRead sends a message, reads it back, and compares.
func (p *platform) sendAndRead(to, ref string) (id string, err error) {
	a, err := p.try("POST", "/api/v1/messages", strings.NewReader(fmt.Sprintf(`{"from":"Test","to":%q,"text":"text %s","client_ref":%q}`, to, ref, ref)))
	if err != nil {
		return "", err
	}
	var sent struct {
		ID  string `json:"message_id"`
		Ref string `json:"client_ref"`
	}
	if err := json.Unmarshal(a.body, &sent); err != nil || sent.Ref != ref {
		return "", fmt.Errorf("message %s was answered with %d %s: %w", ref, a.code, a.body, err)
	}
	if a, err = p.try("GET", "/api/v1/messages/"+sent.ID, nil); err != nil {
		return "", err
	}
	var m struct{ Text, To string }
	if err := json.Unmarshal(a.body, &m); err != nil || m.Text != "text "+ref || m.To != to {
		return "", fmt.Errorf("message %s is %d %s: %w", ref, a.code, a.body, err)
	}
	return sent.ID, nil
}

// TestClientsThatLeave: customers who hang up before their answer, again and again, leave
// nothing behind, and what was accepted is delivered.
func TestClientsThatLeave(t *testing.T) {
	t.Parallel()
	p := serveDev(t)
	before := p.rest()
	const body = `{"from":"Test","to":"+15550011001","text":"gone"}`
	request := fmt.Sprintf("POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Length: %d\r\n\r\n%s", p.key, len(body), body)
	for n := range 200 {
		conn, err := net.Dial("tcp", p.HTTP)
		if err != nil {
			t.Fatal(err)
		}
		cut := len(request)
		if n%3 == 1 {
			cut = n % len(request)
		}
		if _, err := io.WriteString(conn, request[:cut]); err != nil {
			t.Fatal(err)
		}
		if n%2 == 0 {
			_ = conn.(*net.TCPConn).SetLinger(0) // a reset instead of an orderly end
		}
		conn.Close()
	}
	for n := range 30 {
		conn := dialRaw(t, p.SMPP)
		if _, err := conn.Write(submitPDU(t)[:1+n]); err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	p.assertWell()
	p.assertRest(before)
	var accepted int
	var by map[string]int
	waitUntil(t, 10*time.Second, func() bool {
		accepted, by = p.byStatus()
		return accepted == by["DELIVERED"]
	})
	if accepted != by["DELIVERED"] {
		t.Errorf("%d accepted, %v", accepted, by)
	}
	if out := p.out.String(); strings.Contains(out, "panic") || strings.Count(out, "\n") > 300 {
		t.Errorf("the log is full of clients that left:\n%.3000s", out)
	}
}
