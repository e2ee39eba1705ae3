package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"protei-bulk/gsm"
	"protei-bulk/load/smppload"
	"protei-bulk/smpp"
)

// maxShown bounds what debug shows of a body.
const maxShown = 16 << 10

// ErrDebug says that a task failed while debug ran it.
var ErrDebug = errors.New("a task failed")

// Debug runs setup, then on_start and each task of each class once, and teardown is left
// to Close; it writes every request and answer to w, secrets masked. Nothing is recorded.
func (r *Run) Debug(ctx context.Context, w io.Writer) error {
	d := &debugger{run: r, w: w}
	setup := r.newUser(nil, nil, rand.New(rand.NewPCG(rand.Uint64(), 2)))
	r.ready = true
	d.user(ctx, setup, "setup", r.file.setup)
	copy(r.initial, setup.scope.Vars)
	setup.drop()
	for _, c := range r.classes {
		u := r.newUser(c, nil, rand.New(rand.NewPCG(rand.Uint64(), 5)))
		u.scope.Ref = fmt.Sprintf("debug-%08x", rand.Uint32())
		d.user(ctx, u, c.name+": on_start", c.onStart)
		for _, t := range c.tasks {
			if missing := d.missing(u, t); missing {
				fmt.Fprintf(w, "=== %s: %s: not run: it needs a value that nothing has saved yet\n\n", c.name, t.name)
				continue
			}
			u.scope.NextIteration()
			d.user(ctx, u, c.name+": "+t.name, t.steps)
			u.scope.Iteration++
		}
		d.user(ctx, u, c.name+": on_stop", c.onStop)
		u.drop()
	}
	if d.failed > 0 {
		return fmt.Errorf("%w: %d of %d steps", ErrDebug, d.failed, d.steps)
	}
	return nil
}

type debugger struct {
	run           *Run
	w             io.Writer
	steps, failed int
}

// missing says that the task can not run, and picks a message id where one is needed.
func (d *debugger) missing(u *fileUser, t *fileTask) bool {
	for _, slot := range t.needs {
		if slot == d.run.file.idSlot {
			u.scope.Vars[slot] = u.ids.pick(0)
		}
		if len(u.scope.Vars[slot]) == 0 {
			return true
		}
	}
	return false
}

// user runs the steps and shows them.
func (d *debugger) user(ctx context.Context, u *fileUser, title string, steps []step) {
	if len(steps) == 0 {
		return
	}
	fmt.Fprintf(d.w, "=== %s\n\n", title)
	stop := context.AfterFunc(ctx, u.Abort)
	defer stop()
	u.trace = d.show
	for _, s := range steps {
		if _, pause := s.(*pauseStep); !pause {
			d.steps++
		}
		do := s.do
		if sm, is := s.(*smppStep); is {
			do = func(u *fileUser) bool { return d.submit(ctx, u, sm) }
		}
		if !do(u) {
			d.failed++
			return
		}
	}
}

func (d *debugger) show(t traced) {
	secrets := t.user.secrets()
	fmt.Fprintln(d.w, indent("> ", mask(clipText(t.res.Request()), secrets)))
	if t.err != nil {
		fmt.Fprintf(d.w, "! %v\n\n", t.err)
		return
	}
	answer := string(t.res.Head()) + clipText(t.res.Body)
	fmt.Fprintln(d.w, indent("< ", mask(answer, secrets)))
	verdict := "ok"
	if t.fault != "" {
		verdict = "FAILED: " + t.fault
	}
	if t.messages > 0 {
		verdict += fmt.Sprintf(" (%d messages)", t.messages)
	}
	fmt.Fprintf(d.w, "= %s, %v\n\n", verdict, (t.res.Done - t.res.Sent).Round(10*time.Microsecond))
}

func clipText(b []byte) string {
	if len(b) <= maxShown {
		return string(b)
	}
	return strings.ToValidUTF8(string(b[:maxShown]), "") + fmt.Sprintf("… (%d bytes in all)", len(b))
}

// indent puts a mark before every line.
func indent(mark, text string) string {
	text = strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	return mark + strings.ReplaceAll(text, "\n", "\n"+mark)
}

// submit binds, sends one submit_sm and shows it with its answer.
func (d *debugger) submit(ctx context.Context, u *fileUser, s *smppStep) bool {
	m := d.run.smpp[u.class]
	answers := make(chan string, 1)
	ok := false
	binds := m.newBinds(d.run.opts.Recorder.Shard(0), func(a *smppload.Answer) {
		text := fmt.Sprintf("submit_sm_resp %v message_id=%q", a.Status, a.ID)
		if a.Err != nil {
			text = a.Err.Error()
		}
		ok = a.Err == nil && a.Status == smpp.ROK
		select {
		case answers <- text:
		default:
		}
	})
	defer closeBinds(context.WithoutCancel(ctx), binds)
	for _, b := range binds {
		err := b.client.Bind(ctx)
		fmt.Fprintf(d.w, "> %s as %s\n< %s\n", b.kind.Command(), m.opts.SMPP.SystemID, bindResult(err))
		if err != nil {
			return false
		}
	}
	u.buf = s.text.Append(u.buf[:0], u.scope)
	how, err := s.encode(u)
	if err != nil {
		fmt.Fprintf(d.w, "! %v\n\n", err)
		return false
	}
	var pdu smpp.SubmitSM
	s.fill(u, &pdu, how, !m.opts.NoReceipts)
	for i := range u.ends {
		s.part(u, &pdu, i, how)
		d.showSubmit(&pdu, u.buf, i, len(u.ends))
		if _, err := senderOf(binds).Submit(ctx, &pdu, 0, 0); err != nil {
			fmt.Fprintf(d.w, "! %v\n\n", err)
			return false
		}
		select {
		case text := <-answers:
			fmt.Fprintf(d.w, "< %s\n", text)
		case <-ctx.Done():
			return false
		}
	}
	fmt.Fprintln(d.w)
	return ok
}

func bindResult(err error) string {
	if err != nil {
		return smppErrorText(err)
	}
	return "ESME_ROK"
}

func (d *debugger) showSubmit(p *smpp.SubmitSM, text []byte, i, parts int) {
	octets := p.ShortMessage
	if v, ok := p.TLVs.Find(smpp.TagMessagePayload); ok {
		octets = v
	}
	fmt.Fprintf(d.w, "> submit_sm part %d of %d\n>   source %d/%d %s\n>   dest %d/%d %s\n>   data_coding %d, esm_class 0x%02x, registered_delivery %d, %d octets\n>   text %s\n",
		i+1, parts, p.Source.TON, p.Source.NPI, p.Source.Addr, p.Dest.TON, p.Dest.NPI, p.Dest.Addr,
		p.DataCoding, p.ESMClass, p.RegisteredDelivery, len(octets), bytes.ReplaceAll(text, []byte("\n"), []byte(" ")))
	if p.DataCoding == 0 && p.ESMClass == 0 && string(octets) != string(text) {
		fmt.Fprintf(d.w, ">   reads %s\n", gsm.Decode(gsm.GSM7, octets))
	}
}
