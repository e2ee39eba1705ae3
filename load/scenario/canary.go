package scenario

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"protei-bulk/load/httpload"
	"protei-bulk/load/smppload"
	"protei-bulk/load/stats"
	"protei-bulk/smpp"
)

// canary is one message sent before the ramp, to see that receipts come back.
type canary struct {
	ref  string
	done chan stats.Final // has room for one

	mu    sync.Mutex
	id    string                 // guarded by mu: over SMPP
	early map[string]stats.Final // guarded by mu: receipts before the response
}

func (c *canary) takes(ref []byte) bool { return c.ref != "" && string(ref) == c.ref }

// takesID says whether the receipt is this canary's. While its id is not known yet, every
// receipt is kept: nothing else has been sent.
func (c *canary) takesID(id []byte, f stats.Final) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ref != "" {
		return false
	}
	if c.id == "" {
		c.early[string(id)] = f
		return false
	}
	return string(id) == c.id
}

// named sets the id that the response gave.
func (c *canary) named(id string) {
	c.mu.Lock()
	f, came := c.early[id]
	c.id = id
	c.mu.Unlock()
	if came {
		c.arrived(f)
	}
}

func (c *canary) arrived(f stats.Final) {
	select {
	case c.done <- f:
	default: // a duplicate
	}
}

// CanaryError says why a canary's receipt did not come.
type CanaryError struct {
	Protocol string // "HTTP" or "SMPP"
	Why      string
}

func (e *CanaryError) Error() string { return e.Protocol + " canary: " + e.Why }

// Canary sends one message per protocol that the run uses and waits for its receipt, at
// most Options.CanaryTimeout. With NoReceipts it only sees that the message is accepted. A *CanaryError
// says what is wrong and where to look. It must not run beside users.
func (m *Messaging) Canary(ctx context.Context) error {
	defer m.canary.Store(nil)
	var errs []error
	if m.runs(MessagingUser) {
		errs = append(errs, m.canaryHTTP(ctx))
	}
	if m.runs(SMPPUser) {
		errs = append(errs, m.canarySMPP(ctx))
	}
	return errors.Join(errs...)
}

func newCanary(ref string) *canary {
	return &canary{ref: ref, done: make(chan stats.Final, 1), early: map[string]stats.Final{}}
}

func (m *Messaging) canaryHTTP(ctx context.Context) error {
	c := newCanary(fmt.Sprintf("canary-%08x", rand.Uint32()))
	m.canary.Store(c)
	client := m.target.NewClient(ctx)
	defer client.Close()
	stop := context.AfterFunc(ctx, client.Abort)
	defer stop()
	r := client.Request()
	r.Body = fmt.Appendf(r.Body, `%s%s,%s00000000%scanary","client_ref":"%s"}`,
		m.parts.single, m.parts.dlr, m.parts.to, m.parts.text, c.ref)
	res, err := client.Do(m.heads.single, r)
	if err != nil {
		return &CanaryError{"HTTP", fmt.Sprintf("%s does not answer: %v", m.opts.Host, err)}
	}
	if res.Status < 200 || res.Status > 299 {
		return &CanaryError{"HTTP", m.refusal(res)}
	}
	id := string(member(res.Body, "message_id"))
	res.Release()
	if id == "" {
		return &CanaryError{"HTTP", fmt.Sprintf("%s answers without a message_id: is it a messaging API?", m.opts.Host)}
	}
	if m.opts.NoReceipts {
		return nil
	}
	f, err := c.wait(ctx, m.opts.CanaryTimeout)
	if err != nil {
		return &CanaryError{"HTTP", m.noReceipt(client, id)}
	}
	return finalCanary("HTTP", f)
}

// refusal explains a negative answer to the canary.
func (m *Messaging) refusal(res *httpload.Response) string {
	detail := string(member(res.Body, "detail"))
	if detail == "" {
		detail = string(member(res.Body, "title"))
	}
	text := statusText(res)
	if detail != "" {
		text += ": " + detail
	}
	switch {
	case res.Status == 401 || res.Status == 403:
		return text + " (is --api-key right?)"
	case strings.Contains(text, "dlr_url") || strings.Contains(text, "webhook"):
		return text + fmt.Sprintf("; the platform refuses the receipt URL %s: allow it there (webhooks.allow) or give --dlr-url", m.ReceiptURL())
	}
	return text
}

// noReceipt explains a receipt that did not come, after a look at the message's status.
func (m *Messaging) noReceipt(client *httpload.Client, id string) string {
	status := "unknown"
	r := client.Request()
	r.Path = append(r.Path, id...)
	if res, err := client.Do(m.heads.status, r); err == nil && res.Status == 200 {
		status = string(member(res.Body, "status"))
	}
	text := fmt.Sprintf("message %s was accepted, its receipt did not come within %v", id, m.opts.CanaryTimeout)
	switch {
	case status == "PENDING" || status == "SENT" || status == "SCHEDULED":
		return text + fmt.Sprintf(": the target says it is still %s (is its SMSC connected and does it return receipts?)", status)
	case m.hook.bad.Load() > 0:
		return text + ": webhook calls came, but not of the expected form {\"events\":[…]}"
	case status == "unknown":
		return text + fmt.Sprintf(" at %s, and the target does not say what became of it", m.ReceiptURL())
	}
	return text + fmt.Sprintf(": the target says %s but nothing was posted to %s (unreachable from there? see --dlr-listen and --dlr-url)", status, m.ReceiptURL())
}

// wait waits for the receipt.
func (c *canary) wait(ctx context.Context, timeout time.Duration) (stats.Final, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case f := <-c.done:
		return f, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func finalCanary(protocol string, f stats.Final) error {
	if f == stats.FinalDelivered {
		return nil
	}
	return &CanaryError{protocol, "the message was accepted, but its receipt says that it was not delivered"}
}

func (m *Messaging) canarySMPP(ctx context.Context) error {
	c := newCanary("")
	m.canary.Store(c)
	answers := make(chan error, 1)
	binds := m.newBinds(m.opts.Recorder.Shard(0), func(a *smppload.Answer) {
		if a.Late {
			return
		}
		if a.Err == nil && a.Status == smpp.ROK {
			c.named(string(a.ID))
		}
		answers <- answerError(a)
	})
	where := fmt.Sprintf("%s as %s", m.opts.SMPP.Addr, m.opts.SMPP.SystemID)
	defer closeBinds(context.WithoutCancel(ctx), binds)
	for _, b := range binds {
		if err := b.client.Bind(ctx); err != nil {
			return &CanaryError{"SMPP", fmt.Sprintf("bind to %s: %s (see --smpp, or name MessagingUser to run without SMPP)", where, smppErrorText(err))}
		}
	}
	sender := senderOf(binds)
	if sender == nil {
		return nil // what a receiver gets is not ours to ask for
	}
	if err := m.submitCanary(ctx, sender, answers); err != nil {
		return &CanaryError{"SMPP", fmt.Sprintf("submit_sm to %s: %s", where, smppErrorText(err))}
	}
	if m.opts.NoReceipts {
		return nil
	}
	f, err := c.wait(ctx, m.opts.CanaryTimeout)
	if err != nil {
		return &CanaryError{"SMPP", fmt.Sprintf("submit_sm to %s was accepted, no deliver_sm with its receipt came within %v (is the SMSC behind it connected?)", where, m.opts.CanaryTimeout)}
	}
	return finalCanary("SMPP", f)
}

// submitCanary sends one submit_sm and waits for its answer.
func (m *Messaging) submitCanary(ctx context.Context, client *smppload.Client, answers <-chan error) error {
	pdu := m.newSubmit()
	pdu.Dest.Addr = []byte(m.opts.Settings.ToPrefix + "00000000")
	pdu.ShortMessage = []byte(m.opts.Settings.Text + "canary")
	if _, err := client.Submit(ctx, &pdu, 0, 0); err != nil {
		return err
	}
	select {
	case err := <-answers:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answerError says why an answer is no success; nil when it is one.
func answerError(a *smppload.Answer) error {
	if a.Err != nil {
		return a.Err
	}
	if a.Status != smpp.ROK {
		return &smpp.StatusError{Status: a.Status, Cmd: smpp.CmdSubmitSM}
	}
	return nil
}
