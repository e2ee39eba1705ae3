package dispatch_test

import (
	"context"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
)

// minimal answers every submit_sm with the next number and keeps nothing.
type minimal struct{ ids atomic.Uint64 }

func (m *minimal) HandleRequest(s *smpp.Session, r *smpp.Request) {
	var buf [20]byte
	s.Respond(r.Seq, r.ID, smpp.ROK, &smpp.SubmitSMResp{MessageID: strconv.AppendUint(buf[:0], m.ids.Add(1), 10)})
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkThroughput sends messages from the lanes to a minimal SMPP server in the same
// process, over loopback, and records their results in a store in memory. CPU includes
// the server and the store.
func BenchmarkThroughput(b *testing.B) {
	for _, commit := range []time.Duration{0, 3 * time.Millisecond} {
		b.Run("commit="+commit.String(), func(b *testing.B) { throughput(b, commit) })
	}
}

func throughput(b *testing.B, commit time.Duration) {
	m := newSMSC(b, 100)
	m.other = new(minimal)
	r := newRig(b, m, settings{url: "binds=4&window=200&trace_tlv=0", memory: 1 << 21})
	r.store.NoIndex, r.store.CommitTime = true, commit
	payload := []byte("Your code is 123456. Do not share it with anybody.")
	msgs := make([]*message.Message, b.N)
	for i := range msgs {
		msg := r.message(i)
		msg.Payload, msg.Parts[0].End, msg.Flags = payload, uint32(len(payload)), 0
		msgs[i] = msg
	}
	eventually(b, "binds up", r.group.Up)
	runtime.GC()
	b.ReportAllocs()
	b.ResetTimer()
	cpu, began := cpuTime(), time.Now()
	for len(msgs) > 0 {
		n := min(1000, len(msgs))
		r.store.Accept(msgs[:n], nil)
		msgs = msgs[n:]
	}
	for r.d.Counters().Submitted < uint64(b.N) {
		time.Sleep(time.Millisecond)
	}
	elapsed := time.Since(began)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/elapsed.Seconds(), "msg/s")
	b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N), "cpu-ns/msg")
}

// BenchmarkReceipts is Throughput with a receipt for each message: matched in memory,
// settled, and acknowledged after the commit.
func BenchmarkReceipts(b *testing.B) {
	m := newSMSC(b, 1000)
	r := newRig(b, m, settings{url: "binds=4&window=200&trace_tlv=0", memory: 1 << 21})
	reply := &receipting{}
	m.other = reply
	msgs := make([]*message.Message, b.N)
	for i := range msgs {
		msgs[i] = r.message(i)
	}
	eventually(b, "binds up", r.group.Up)
	runtime.GC()
	b.ReportAllocs()
	b.ResetTimer()
	cpu, began := cpuTime(), time.Now()
	for len(msgs) > 0 {
		n := min(1000, len(msgs))
		r.store.Accept(msgs[:n], nil)
		msgs = msgs[n:]
	}
	for reply.acked.Load() < uint64(b.N) {
		time.Sleep(time.Millisecond)
	}
	elapsed := time.Since(began)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/elapsed.Seconds(), "msg/s")
	b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N), "cpu-ns/msg")
	if n := r.store.Count()[message.Delivered]; n != b.N {
		b.Errorf("%d of %d delivered", n, b.N)
	}
}

// receipting answers every submit_sm and sends its receipt.
type receipting struct{ ids, acked atomic.Uint64 }

func (m *receipting) HandleRequest(s *smpp.Session, r *smpp.Request) {
	p := r.PDU.(*smpp.SubmitSM)
	id := strconv.FormatUint(m.ids.Add(1), 10)
	s.Respond(r.Seq, r.ID, smpp.ROK, &smpp.SubmitSMResp{MessageID: []byte(id)})
	d := &smpp.DeliverSM{
		ESMClass: smpp.ESMReceipt, Source: smpp.Address{TON: 1, NPI: 1, Addr: append([]byte(nil), p.Dest.Addr...)},
		ShortMessage: []byte("id:" + id + " sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:DELIVRD err:000 text:x"),
	}
	go m.deliver(s, d)
}

func (m *receipting) deliver(s *smpp.Session, d *smpp.DeliverSM) { s.Send(context.Background(), d, m) }

// Complete counts the acknowledged receipts.
func (m *receipting) Complete(r smpp.Result) {
	if r.Err == nil && r.Status == smpp.ROK {
		m.acked.Add(1)
	}
}
