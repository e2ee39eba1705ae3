package esme_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/esme"
	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
)

// pump keeps a session's window full until its share of submit_sm has been answered.
type pump struct {
	s          *smpp.Session
	p          *smpp.SubmitSM
	left, open int
	bad        int
	done       chan struct{}
}

func (p *pump) Complete(r smpp.Result) {
	if r.Err != nil || r.Status != smpp.ROK {
		p.bad++
	}
	if p.left > 0 && p.s.TrySend(p.p, p) == nil {
		p.left--
		return
	}
	if p.open--; p.open == 0 {
		close(p.done)
	}
}

// BenchmarkSubmit: binds × window over loopback through esme and intake into a sink
// that forgets; the clients are in the same process. "grouped" answers what came in a
// millisecond together, as the store does.
func BenchmarkSubmit(b *testing.B) {
	b.Run("at once", func(b *testing.B) {
		submitAll(b, newRig(b, account.Spec{}, func(_ *esme.Options, s *sink) { s.drop = true }), 10, 100)
	})
	b.Run("grouped", func(b *testing.B) {
		r := newRig(b, account.Spec{}, func(_ *esme.Options, s *sink) { s.tick = true })
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					r.sink.release()
				case <-stop:
					return
				}
			}
		}()
		submitAll(b, r, 25, 50)
		close(stop)
		<-stopped
	})
}

func submitAll(b *testing.B, r *rig, binds, window int) {
	pumps := make([]*pump, binds)
	for i := range pumps {
		pumps[i] = &pump{s: r.bind(b, smpp.Transceiver, nil), p: message1(), left: b.N / binds, done: make(chan struct{})}
	}
	b.ReportAllocs()
	b.ResetTimer()
	began, total, cpu := time.Now(), 0, processTime()
	for _, p := range pumps {
		total += p.left
		first := min(window, p.left)
		p.left, p.open = p.left-first, first
		if first == 0 {
			close(p.done)
		}
		for range first {
			if err := p.s.Send(context.Background(), p.p, p); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, p := range pumps {
		<-p.done
		if p.bad != 0 {
			b.Fatalf("%d refused", p.bad)
		}
	}
	b.ReportMetric(float64(total)/time.Since(began).Seconds(), "submit_sm/s")
	b.ReportMetric(float64((processTime()-cpu).Nanoseconds())/float64(max(total, 1)), "cpu-ns/op")
}

// processTime is the CPU that this process has used.
func processTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReceipts: receipts from Push to the confirmed outbox, over 10 binds.
func BenchmarkReceipts(b *testing.B) {
	r := newRig(b, account.Spec{}, func(o *esme.Options, _ *sink) { o.Outbox = &forgetful{} })
	for range 10 {
		r.bind(b, smpp.Transceiver, nil)
	}
	eventually(b, "bound", func() bool { return r.srv.Stats().Binds == 10 })
	n := r.notice(message.Delivered)
	b.ReportAllocs()
	b.ResetTimer()
	began := time.Now()
	for range b.N {
		n.MessageID++
		for !r.srv.Push(n) {
			time.Sleep(100 * time.Microsecond)
		}
	}
	for r.srv.Stats().Pending > 0 {
		time.Sleep(100 * time.Microsecond)
	}
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "receipts/s")
}

// forgetful is an outbox that is always empty.
type forgetful struct{}

func (*forgetful) OpenReceipts(context.Context, uint32, message.ID, int) ([]esme.Notice, error) {
	return nil, nil
}

func (*forgetful) Notified(_ []esme.Notice, done func(error)) { done(nil) }
