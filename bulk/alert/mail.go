package alert

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"strings"
	"time"

	"protei-bulk/bulk/callback"
)

// mailer sends alerts by SMTP.
type mailer struct {
	guard *callback.Guard
	roots *x509.CertPool
}

func (m mailer) send(ctx context.Context, c *Channel, a Alert) error {
	host, _, err := net.SplitHostPort(c.Server)
	if err != nil {
		return fmt.Errorf("mail server %q: %w", c.Server, err)
	}
	conn, err := m.guard.Dialer(sendTimeout).DialContext(ctx, "tcp", c.Server)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // an error shows at the next use
	}
	secure := &tls.Config{ServerName: host, RootCAs: m.roots, MinVersion: tls.VersionTLS12}
	if c.Security == TLS {
		conn = tls.Client(conn, secure)
	}
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	if c.Security == StartTLS {
		if ok, _ := client.Extension("STARTTLS"); !ok {
			return errors.New("the mail server offers no STARTTLS")
		}
		if err := client.StartTLS(secure); err != nil {
			return fmt.Errorf("STARTTLS: %w", err)
		}
	}
	if c.User != "" {
		if err := client.Auth(smtp.PlainAuth("", c.User, c.Secret, host)); err != nil {
			return fmt.Errorf("sign in at the mail server: %w", err)
		}
	}
	return deliver(client, c, a)
}

func deliver(client *smtp.Client, c *Channel, a Alert) error {
	from, err := mail.ParseAddress(c.From)
	if err != nil {
		return fmt.Errorf("from: %w", err)
	}
	if err := client.Mail(from.Address); err != nil {
		return fmt.Errorf("MAIL FROM: %w", err)
	}
	for _, text := range c.To {
		to, err := mail.ParseAddress(text)
		if err != nil {
			return fmt.Errorf("to: %w", err)
		}
		if err := client.Rcpt(to.Address); err != nil {
			return fmt.Errorf("RCPT TO %s: %w", to.Address, err)
		}
	}
	w, err := client.Data()
	if err != nil {
		return fmt.Errorf("DATA: %w", err)
	}
	if _, err := w.Write(letter(c, from, a)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("DATA: %w", err)
	}
	_ = client.Quit() // the mail is taken
	return nil
}

// letter is the mail with its headers.
func letter(c *Channel, from *mail.Address, a Alert) []byte {
	var b bytes.Buffer
	subject := mime.QEncoding.Encode("utf-8", "["+strings.ToUpper(string(a.State))+"] "+a.Summary)
	for _, h := range [][2]string{
		{"From", from.String()},
		{"To", strings.Join(addresses(c.To), ", ")},
		{"Subject", subject},
		{"Date", a.At.Format(time.RFC1123Z)},
		{"Message-Id", "<" + rand.Text() + "@protei-bulk>"},
		{"Auto-Submitted", "auto-generated"},
		{"Mime-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	body := quotedprintable.NewWriter(&b)
	fmt.Fprintf(body, "%s\r\n\r\nstate: %s\r\nsince: %s\r\n", a.Summary, a.State, a.Since.Format(time.RFC3339))
	_ = body.Close() // a buffer takes all
	return b.Bytes()
}

func addresses(list []string) []string {
	all := make([]string, 0, len(list))
	for _, text := range list {
		if a, err := mail.ParseAddress(text); err == nil {
			all = append(all, a.String())
		}
	}
	return all
}
