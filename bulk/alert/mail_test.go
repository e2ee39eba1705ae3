package alert_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"protei-bulk/bulk/alert"
)

// mailServer is an SMTP server that takes one mail with STARTTLS and AUTH PLAIN.
type mailServer struct {
	net.Listener
	secure *tls.Config
	said   chan string // what the client said, whole
}

func newMailServer(t *testing.T) (*mailServer, *x509.CertPool) {
	t.Helper()
	certified := httptest.NewTLSServer(nil) // its certificate is for 127.0.0.1
	certified.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	s := &mailServer{ln, &tls.Config{Certificates: certified.TLS.Certificates}, make(chan string, 1)}
	go s.serve()
	roots := x509.NewCertPool()
	roots.AddCert(certified.Certificate())
	return s, roots
}

func (s *mailServer) serve() {
	conn, err := s.Accept()
	if err != nil {
		return
	}
	defer func() { conn.Close() }()
	var said strings.Builder
	defer func() { s.said <- said.String() }()
	r, answer := bufio.NewReader(conn), "220 ready"
	data := false
	for {
		if answer != "" {
			fmt.Fprintf(conn, "%s\r\n", answer)
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		said.WriteString(line)
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case data:
			answer = ""
			if verb == "." {
				data, answer = false, "250 taken"
			}
		case verb == "EHLO":
			answer = "250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN"
		case verb == "STARTTLS":
			fmt.Fprint(conn, "220 go\r\n")
			conn = tls.Server(conn, s.secure)
			r, answer = bufio.NewReader(conn), ""
			said.WriteString("(secure)\n")
		case verb == "AUTH":
			answer = "235 welcome"
		case verb == "DATA":
			data, answer = true, "354 go on"
		case verb == "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		default:
			answer = "250 ok"
		}
	}
}

func TestMailIsSentSecurely(t *testing.T) {
	s, roots := newMailServer(t)
	m := &memory{}
	book, err := alert.OpenBook(t.Context(), m, loopback)
	if err != nil {
		t.Fatal(err)
	}
	w := alert.NewWatcher(alert.Options{Book: book, Store: m, Guard: loopback, Logger: slog.New(slog.DiscardHandler), Roots: roots})
	_, err = book.SetChannel(t.Context(), alert.Channel{
		Name: "night", Kind: alert.Email, Server: s.Addr().String(), User: "me", Secret: "s3cret",
		From: "Bulk <bulk@example.com>", To: []string{"night@example.com", "day@example.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Try(t.Context(), "night"); err != nil {
		t.Fatal(err)
	}
	open, secure, _ := strings.Cut(<-s.said, "(secure)\n")
	for _, want := range []string{
		"AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00me\x00s3cret")), "MAIL FROM:<bulk@example.com>",
		"RCPT TO:<night@example.com>", "RCPT TO:<day@example.com>", "Subject: [TEST] test of the alert channel night\r\n",
	} {
		if !strings.Contains(secure, want) || strings.Contains(open, want) {
			t.Errorf("%q is not in what was said securely: %q, then %q", want, open, secure)
		}
	}
}

func TestMailServerOfAnotherNameIsRefused(t *testing.T) {
	s, _ := newMailServer(t)
	d := newDesk(t, &memory{}) // trusts the system's roots only
	d.set(t, alert.Channel{Name: "night", Kind: alert.Email, Server: s.Addr().String(), From: "a@b.c", To: []string{"d@e.f"}})
	if err := d.Try(t.Context(), "night"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
}

// TestMailStaysOneMail: names of customers and connectors stand in a summary. Line breaks in one make no
// header, no second recipient and no end of the mail.
func TestMailStaysOneMail(t *testing.T) {
	server, roots := newMailServer(t)
	m := &memory{}
	book, err := alert.OpenBook(t.Context(), m, loopback)
	if err != nil {
		t.Fatal(err)
	}
	const subject = "acme\r\nBcc: evil@example.com\r\n\r\n.\r\nRCPT TO:<evil@example.com>"
	w := alert.NewWatcher(alert.Options{
		Book: book, Store: m, Guard: loopback, Logger: slog.New(slog.DiscardHandler), Roots: roots,
		Measure: func(time.Time) []alert.Sample {
			return []alert.Sample{{Rule: alert.LaneLong, Subject: subject, Value: 200_000}}
		},
	})
	good := alert.Channel{Name: "mail", Kind: alert.Email, Server: server.Addr().String(), From: "Ops <ops@example.com>", To: []string{"night@example.com"}}
	for what, change := range map[string]func(*alert.Channel){
		"the sender's address":    func(c *alert.Channel) { c.From = "ops@example.com\r\nRCPT TO:<evil@example.com>" },
		"the sender's name":       func(c *alert.Channel) { c.From = "Ops\r\nBcc: evil@example.com <ops@example.com>" },
		"the recipient's address": func(c *alert.Channel) { c.To = []string{"night@example.com\r\nBcc: evil@example.com"} },
	} {
		bad := good
		change(&bad)
		if _, err := book.SetChannel(t.Context(), bad); err == nil {
			t.Errorf("line breaks in %s are taken", what)
		}
	}
	if _, err := book.SetChannel(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	r, err := book.Rule(alert.LaneLong)
	if err != nil {
		t.Fatal(err)
	}
	r.For = 0
	if err := book.SetRule(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	w.Start()
	said := <-server.said
	w.Stop()
	envelope, mail, _ := strings.Cut(said, "DATA\r\n")
	header, body, _ := strings.Cut(mail, "\r\n\r\n")
	if strings.Count(envelope, "RCPT TO:") != 1 || strings.Contains(header, "\r\nBcc") || !strings.Contains(header, "=0D=0ABcc") {
		t.Errorf("the subject makes a header or a recipient of its own:\n%s", said)
	}
	if text, commands, _ := strings.Cut(body, "\r\n.\r\n"); !strings.Contains(text, "RCPT TO:<evil") || strings.Contains(commands, "RCPT") {
		t.Errorf("the mail ends early:\n%s", said)
	}
}
