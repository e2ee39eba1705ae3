package scenario

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

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

// Canary runs setup, and sends one message per protocol that the run sends any over; it
// waits for the receipts, each at most Options.CanaryTimeout. With NoReceipts it only sees
// that the message is accepted. A *CanaryError says what is wrong and where to look. It
// must not run beside users.
func (r *Run) Canary(ctx context.Context) error {
	if err := r.setup(ctx); err != nil {
		return err
	}
	errs := []error{r.canaryHTTP(ctx)}
	for _, c := range r.classes {
		if g := r.smpp[c]; g != nil {
			errs = append(errs, r.canarySMPP(ctx, c, g))
		}
	}
	return errors.Join(errs...)
}

func newCanary(ref string) *canary {
	return &canary{ref: ref, done: make(chan stats.Final, 1), early: map[string]stats.Final{}}
}

// canaryStep is the first step that sends a message, one of a single message if possible.
func (r *Run) canaryStep() (found *httpStep, class *fileClass) {
	for _, c := range r.classes {
		c.each(func(s step) {
			h, ok := s.(*httpStep)
			if ok && h.mostMsgs > 0 && (found == nil || found.bulk && !h.bulk) {
				found, class = h, c
			}
		})
	}
	return found, class
}

func (r *Run) canaryHTTP(ctx context.Context) error {
	step, class := r.canaryStep()
	if step == nil {
		return nil
	}
	defer r.canary.Store(nil)
	ref := fmt.Sprintf("canary-%08x", rand.Uint32())
	known := newCanary(ref)
	if r.file.api.byID {
		known = newCanary("")
	}
	r.canary.Store(known)
	u := r.newUser(class, nil, rand.New(rand.NewPCG(rand.Uint64(), 1)))
	u.canary, u.scope.Ref = true, ref
	defer u.drop()
	stop := context.AfterFunc(ctx, u.Abort)
	defer stop()
	for _, s := range class.onStart {
		if !s.do(u) {
			return &CanaryError{"HTTP", "on_start of " + class.name + ": " + u.fault}
		}
	}
	why := ""
	u.trace = func(t traced) { why = r.refused(t) }
	if !step.do(u) {
		return &CanaryError{"HTTP", why}
	}
	known.named(u.gotID)
	if r.opts.NoReceipts {
		return nil
	}
	f, err := known.wait(ctx, r.opts.CanaryTimeout)
	if err != nil {
		return &CanaryError{"HTTP", r.noReceipt(ctx, u.gotID)}
	}
	return finalCanary("HTTP", f)
}

// refused explains a canary that was not accepted.
func (r *Run) refused(t traced) string {
	where := t.step.method + " " + t.step.name
	if t.err != nil {
		return fmt.Sprintf("%s does not answer %s: %v", r.opts.Host, where, t.err)
	}
	text := where + ": " + t.fault
	detail := member(t.res.Body, "detail")
	if detail == nil {
		detail = member(t.res.Body, "title")
	}
	if len(detail) > 0 && !t.step.check.expects(t.res.Status) {
		text += ": " + string(detail)
	}
	switch {
	case t.res.Status == 401 || t.res.Status == 403:
		return text + " (is --api-key right, and `messaging: auth` of the scenario?)"
	case strings.Contains(text, "dlr_url") || strings.Contains(text, "webhook"):
		return text + fmt.Sprintf("; the platform refuses the receipt URL %s: allow it there (webhooks.allow) or give --dlr-url", r.ReceiptURL())
	case t.step.check.expects(t.res.Status):
		return text + ": is it a messaging API? (where is the id? see `messaging: id` and `ids` of the scenario; `protei-bulk load debug` shows the exchange)"
	}
	return text
}

// noReceipt explains a receipt that did not come, after a look at the message's status.
func (r *Run) noReceipt(ctx context.Context, id string) string {
	state, pending := r.stateOf(ctx, id)
	text := fmt.Sprintf("message %s was accepted, its receipt did not come within %v", id, r.opts.CanaryTimeout)
	switch {
	case pending:
		return text + fmt.Sprintf(": the target says it is still %s (is its SMSC connected and does it return receipts?)", state)
	case r.hook.bad.Load() > 0:
		return text + ": calls came, but not of the expected form (see `messaging: receipts` of the scenario)"
	case state == "":
		return text + fmt.Sprintf(" at %s (unreachable from there? see --dlr-listen and --dlr-url), and the target does not say what became of it", r.ReceiptURL())
	}
	return text + fmt.Sprintf(": the target says %s but nothing was posted to %s (unreachable from there? see --dlr-listen and --dlr-url)", state, r.ReceiptURL())
}

// stateOf asks the target about a message; "" when it does not say.
func (r *Run) stateOf(ctx context.Context, id string) (state string, pending bool) {
	api := &r.file.api
	if api.statusPath == nil {
		return "", false
	}
	u := r.newUser(nil, nil, rand.New(rand.NewPCG(1, 4)))
	client := r.target.NewClient(ctx)
	defer client.Close()
	stop := context.AfterFunc(ctx, client.Abort)
	defer stop()
	u.scope.Vars[r.file.idSlot] = []byte(id)
	req := client.Request()
	req.Path = api.statusPath.Append(req.Path, u.scope)
	res, err := client.Do(r.status, req)
	if err != nil || res.Status != 200 {
		return "", false
	}
	state = string(found(&api.statusState, res.Body))
	return state, slices.Contains(api.pending, state)
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

// firstSubmit is the first submit_sm of a class; nil: it has none.
func (c *fileClass) firstSubmit() (found *smppStep) {
	c.each(func(s step) {
		if sm, ok := s.(*smppStep); ok && found == nil {
			found = sm
		}
	})
	return found
}

func (r *Run) canarySMPP(ctx context.Context, class *fileClass, g *smppGroup) error {
	known := newCanary("")
	g.canary.Store(known)
	defer g.canary.Store(nil)
	answers := make(chan error, 1)
	binds := g.newBinds(r.opts.Recorder.Shard(0), func(a *smppload.Answer) {
		if a.Late {
			return
		}
		if a.Err == nil && a.Status == smpp.ROK {
			known.named(string(a.ID))
		}
		answers <- answerError(a)
	})
	where := fmt.Sprintf("%s as %s", r.opts.SMPP.Addr, r.opts.SMPP.SystemID)
	defer closeBinds(context.WithoutCancel(ctx), binds)
	for _, b := range binds {
		if err := b.client.Bind(ctx); err != nil {
			return &CanaryError{"SMPP", fmt.Sprintf("bind to %s: %s (see --smpp, or name other user classes to run without SMPP)", where, smppErrorText(err))}
		}
	}
	step := class.firstSubmit()
	if step == nil {
		return nil // what a receiver gets is not ours to ask for
	}
	if err := r.submitCanary(ctx, class, senderOf(binds), answers); err != nil {
		return &CanaryError{"SMPP", fmt.Sprintf("submit_sm to %s: %s", where, smppErrorText(err))}
	}
	if r.opts.NoReceipts || step.unfollowed {
		return nil
	}
	f, err := known.wait(ctx, r.opts.CanaryTimeout)
	if err != nil {
		return &CanaryError{"SMPP", fmt.Sprintf("submit_sm to %s was accepted, no deliver_sm with its receipt came within %v (is the SMSC behind it connected?)", where, r.opts.CanaryTimeout)}
	}
	return finalCanary("SMPP", f)
}

// submitCanary sends the class's first submit_sm and waits for its answer. A text of
// several parts is replaced: each part would have its own receipt.
func (r *Run) submitCanary(ctx context.Context, class *fileClass, client *smppload.Client, answers <-chan error) error {
	step := class.firstSubmit()
	u := r.newUser(class, nil, rand.New(rand.NewPCG(rand.Uint64(), 6)))
	u.scope.Ref = "canary"
	u.buf = step.text.Append(u.buf[:0], u.scope)
	how, err := step.encode(u)
	if err == nil && len(u.ends) > 1 {
		u.buf = append(u.buf[:0], "canary"...)
		how, err = step.encode(u)
	}
	if err != nil {
		return err
	}
	var pdu smpp.SubmitSM
	step.fill(u, &pdu, how, !r.opts.NoReceipts)
	step.part(u, &pdu, 0, how)
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
