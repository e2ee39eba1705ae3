package dispatch_test

import (
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
	m := newSMSC(b, 100)
	m.minimal = new(minimal)
	r := newRig(b, m, settings{url: "binds=4&window=200&trace_tlv=0", memory: 1 << 21})
	r.store.NoIndex = true
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
