package test

import (
	"bufio"
	"context"
	"crypto/tls"
	be "encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// pdu frames a body with an SMPP header.
func pdu(id, status, seq uint32, body []byte) []byte {
	b := be.BigEndian.AppendUint32(nil, uint32(16+len(body)))
	b = be.BigEndian.AppendUint32(b, id)
	b = be.BigEndian.AppendUint32(b, status)
	b = be.BigEndian.AppendUint32(b, seq)
	return append(b, body...)
}

func submitPDU(t *testing.T) []byte {
	t.Helper()
	b, err := smpp.Append(nil, smpp.Header{Seq: 7}, &smpp.SubmitSM{
		Source: smpp.Address{Addr: []byte("1")}, Dest: smpp.Address{Addr: []byte("15550001111")}, ShortMessage: []byte("x"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestGarbageOnTheSMPPPort writes what is not SMPP, or is at the wrong time. The server
// answers or hangs up, within a bound, and stays as it was.
func TestGarbageOnTheSMPPPort(t *testing.T) {
	p := serveDev(t)
	before := p.rest()
	random := make([]byte, 64<<10)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(random)
	random[0] = 0x7f // a length that is far too long, whatever the seed
	for _, c := range []struct {
		name string
		send []byte
		// answer is the command_status of the first PDU that comes back; hangUp: nothing
		// has to come, but the connection must end.
		answers uint32
		hangUp  bool
	}{
		{name: "HTTP request", send: []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), answers: uint32(smpp.RINVCMDLEN), hangUp: true},
		{name: "TLS hello", send: clientHello(t), answers: uint32(smpp.RINVCMDLEN), hangUp: true},
		{name: "length 0xFFFFFFFF", send: []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), answers: uint32(smpp.RINVCMDLEN), hangUp: true},
		{name: "length 0", send: make([]byte, 16), answers: uint32(smpp.RINVCMDLEN), hangUp: true},
		{name: "random bytes", send: random, answers: uint32(smpp.RINVCMDLEN), hangUp: true},
		{name: "submit_sm before the bind", send: submitPDU(t), answers: uint32(smpp.RINVBNDSTS)},
		{name: "unknown command", send: pdu(0x00ABCDEF, 0, 3, nil), answers: uint32(smpp.RINVCMDID)},
		{name: "bind without end", send: pdu(9, 0, 1, []byte("dev")), hangUp: true},
		{name: "a response nobody asked for", send: append(pdu(0x80000004, 0, 9, []byte("x\x00")), submitPDU(t)...), answers: uint32(smpp.RINVBNDSTS)},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := dialRaw(t, p.SMPP)
			if _, err := conn.Write(c.send); err != nil {
				t.Fatal(err)
			}
			var header [16]byte
			_, err := io.ReadFull(conn, header[:])
			if c.answers != 0 {
				if err != nil {
					t.Fatalf("no answer: %v", err)
				}
				if got := be.BigEndian.Uint32(header[8:]); got != c.answers {
					t.Errorf("answered %v, want %v", smpp.Status(got), smpp.Status(c.answers))
				}
			}
			if !c.hangUp {
				return
			}
			if rest, err := io.Copy(io.Discard, conn); isTimeout(err) || rest > 4096 {
				t.Errorf("the server goes on after garbage: %d octets, %v", rest, err)
			}
		})
	}
	p.assertWell()
	p.assertRest(before)
}

// TestGarbageOnTheHTTPPort: what is not a request of HTTP is answered with 4xx or cut.
func TestGarbageOnTheHTTPPort(t *testing.T) {
	p := serveDev(t)
	before := p.rest()
	const head = "POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nX-API-Key: dev-api-key\r\n"
	const body = `{"from":"A","to":"+15550001111","text":"x"}`
	for _, c := range []struct {
		name, send string
		hangUp     bool // half of the connection is closed after sending
		codes      []int
	}{
		{name: "SMPP", send: string(submitPDU(t)) + "\r\n\r\n", codes: []int{400}},
		{name: "TLS hello", send: string(clientHello(t)) + "\r\n\r\n", codes: []int{400}},
		{name: "HTTP/9", send: "GET /api/v1/health HTTP/9.9\r\nHost: x\r\n\r\n", codes: []int{400, 505}},
		{name: "no host", send: "GET /api/v1/health HTTP/1.1\r\n\r\n", codes: []int{400}},
		{name: "headers without end", send: "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 64<<10), codes: []int{431}},
		{name: "long path", send: "GET /" + strings.Repeat("y", 64<<10) + " HTTP/1.1\r\n", codes: []int{431, 414}},
		{name: "negative length", send: head + "Content-Length: -5\r\n\r\n" + body, codes: []int{400}},
		{name: "length of nonsense", send: head + "Content-Length: 18446744073709551617\r\n\r\n" + body, codes: []int{400}},
		{name: "two lengths", send: head + "Content-Length: 5\r\nContent-Length: 50\r\n\r\n" + body, codes: []int{400}},
		{name: "unknown transfer coding", send: head + "Transfer-Encoding: chunked, zip\r\n\r\n" + body, codes: []int{400, 501}},
		{name: "chunk of nonsense", send: head + "Transfer-Encoding: chunked\r\n\r\nZZZZ\r\n" + body, codes: []int{400}},
		{name: "body too short", send: head + "Content-Length: 500\r\n\r\n" + body, hangUp: true, codes: []int{400}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := dialRaw(t, p.HTTP)
			if _, err := io.WriteString(conn, c.send); err != nil && !c.hangUp {
				t.Logf("the server hangs up early: %v", err)
			}
			if c.hangUp {
				if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
			resp.Body.Close()
			if !slices.Contains(c.codes, resp.StatusCode) {
				t.Errorf("answered %d, want one of %v: %s", resp.StatusCode, c.codes, text)
			}
		})
	}
	p.assertWell()
	p.assertRest(before)
	if accepted, by := p.byStatus(); accepted != by["DELIVERED"] || accepted != 2 {
		t.Errorf("garbage was accepted as messages: %d, %v", accepted, by)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func dialRaw(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

// clientHello is what a TLS client says first.
func clientHello(t *testing.T) []byte {
	t.Helper()
	near, far := net.Pipe()
	go func() {
		_ = tls.Client(near, &tls.Config{ServerName: "example.com"}).Handshake() // ends when far closes
		near.Close()
	}()
	defer far.Close()
	hello := make([]byte, 4096)
	n, err := far.Read(hello)
	if err != nil {
		t.Fatal(err)
	}
	return hello[:n]
}

// TestSubmitsThatAreWrong: a bound ESME's bad PDUs are refused one by one and the session
// lives on.
func TestSubmitsThatAreWrong(t *testing.T) {
	p := serveDev(t)
	p.assertWell()
	s, err := p.bind("dev", "devpass1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	good := func() *smpp.SubmitSM {
		return &smpp.SubmitSM{
			Source: smpp.Address{TON: 5, Addr: []byte("Test")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("15550001111")},
			ShortMessage: []byte("x"),
		}
	}
	for name, c := range map[string]struct {
		change func(*smpp.SubmitSM)
		want   smpp.Status
	}{
		"no recipient":         {func(m *smpp.SubmitSM) { m.Dest.Addr = nil }, smpp.RINVDSTADR},
		"letters as recipient": {func(m *smpp.SubmitSM) { m.Dest.Addr = []byte("nobody") }, smpp.RINVDSTADR},
		"sender of controls":   {func(m *smpp.SubmitSM) { m.Source.Addr = []byte("\x01\x02") }, smpp.RINVSRCADR},
		"schedule of nonsense": {func(m *smpp.SubmitSM) { m.ScheduleDeliveryTime = []byte("999999999999999X") }, smpp.RINVSCHED},
		"validity of nonsense": {func(m *smpp.SubmitSM) { m.ValidityPeriod = []byte("999999999999999X") }, smpp.RINVEXPIRY},
	} {
		m := good()
		c.change(m)
		if st, _, err := s.Do(t.Context(), m); err != nil || st != c.want {
			t.Errorf("%s: %v %v, want %v", name, st, err, c.want)
		}
	}
	if st, _, err := s.Do(t.Context(), good()); err != nil || st != smpp.ROK {
		t.Errorf("a good submit_sm after the bad ones: %v %v", st, err)
	}
	if st, _, err := s.Do(t.Context(), &smpp.QuerySM{MessageID: []byte("nonsense")}); err != nil || st == smpp.ROK {
		t.Errorf("query_sm of nonsense: %v %v", st, err)
	}
	p.assertWell()
}

// TestBindsBeyondTheLimit: an account gets as many binds as it may, not more, and a place
// is free again when one leaves.
func TestBindsBeyondTheLimit(t *testing.T) {
	const limit, flood = 3, 40
	p := serveDev(t)
	p.want(http.StatusCreated, "POST", "/api/v1/accounts", `{"name":"few","system_id":"few","password":"fewpass1","max_binds":3}`, nil)
	before := p.rest()
	var mu sync.Mutex
	var bound []*smpp.Session
	refused := 0
	var all sync.WaitGroup
	for range flood {
		all.Go(func() {
			s, err := p.bind("few", "fewpass1", nil)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				bound = append(bound, s)
			case strings.Contains(err.Error(), "ESME_RBINDFAIL"):
				refused++
			default:
				t.Errorf("bind: %v", err)
			}
		})
	}
	all.Wait()
	if len(bound) != limit || refused != flood-limit {
		t.Errorf("%d bound and %d refused of %d, want %d and %d", len(bound), refused, flood, limit, flood-limit)
	}
	p.assertWell()
	for _, s := range bound {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if err := s.Unbind(ctx); err != nil {
			t.Errorf("unbind: %v", err)
		}
		cancel()
	}
	s, err := p.bind("few", "fewpass1", nil)
	if err != nil {
		t.Fatalf("bind after the others have left: %v", err)
	}
	s.Close()
	// argon2id takes 19 MiB a password, two at once, and an idle process collects late.
	p.assertRestWithin(before, 120)
}

// TestConnectionsBeyondTheLimit: limits.max_binds bounds the connections of everybody.
func TestConnectionsBeyondTheLimit(t *testing.T) {
	t.Setenv("PROTEI_BULK_LIMITS_MAX_BINDS", "5")
	p := serveDev(t)
	var open []net.Conn
	for range 5 {
		open = append(open, dialRaw(t, p.SMPP))
	}
	over := dialRaw(t, p.SMPP)
	if _, err := over.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("the sixth connection stays open: %v", err)
	}
	for _, c := range open {
		c.Close()
	}
	var s *smpp.Session
	waitUntil(t, 5*time.Second, func() (ok bool) {
		var err error
		s, err = p.bind("dev", "devpass1", nil)
		return err == nil
	})
	if s == nil {
		t.Fatal("no bind after the others have left")
	}
	s.Close()
	p.assertWell()
}

// TestSilentConnections: connections that never say what they came for are closed, by
// the time limits of each protocol, and cost no goroutine afterwards. It waits for the
// real limits (10 s for HTTP's headers, 30 s for a bind), beside the other tests.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	p := serveDev(t)
	before := p.rest()
	silent := map[string]net.Conn{}
	open := func(name, addr, first string) {
		conn := dialRaw(t, addr)
		_ = conn.SetDeadline(time.Now().Add(50 * time.Second))
		if _, err := io.WriteString(conn, first); err != nil {
			t.Fatal(err)
		}
		silent[name] = conn
	}
	open("HTTP, nothing", p.HTTP, "")
	open("HTTP, half a header", p.HTTP, "POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nX-API-")
	open("SMPP, nothing", p.SMPP, "")
	open("SMPP, half a header", p.SMPP, string(submitPDU(t)[:9]))
	open("SMPP, half a PDU", p.SMPP, string(submitPDU(t)[:30]))

	// The slowloris goes on sending a header line again and again.
	loris := dialRaw(t, p.HTTP)
	_ = loris.SetDeadline(time.Now().Add(50 * time.Second))
	ended := make(chan time.Duration, 1)
	go func() {
		began := time.Now()
		defer func() { ended <- time.Since(began) }()
		if _, err := io.WriteString(loris, "GET /api/v1/health HTTP/1.1\r\n"); err != nil {
			return
		}
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := io.WriteString(loris, "X-Drip: drop\r\n"); err != nil {
				return
			}
		}
	}()

	p.assertWell()
	var all sync.WaitGroup
	for name, conn := range silent {
		all.Go(func() {
			began := time.Now()
			_, err := io.Copy(io.Discard, bufio.NewReader(conn))
			if isTimeout(err) {
				t.Errorf("%s: still open after %v", name, time.Since(began).Round(time.Second))
			}
		})
	}
	if took := <-ended; took > 15*time.Second {
		t.Errorf("headers may drip for %v", took)
	}
	all.Wait()
	p.assertWell()
	p.assertRest(before)
}
