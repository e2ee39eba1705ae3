package smpp_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"protei-bulk/smpp"
)

func sampleSubmit() *smpp.SubmitSM {
	return &smpp.SubmitSM{
		Source:             smpp.Address{TON: 5, Addr: []byte("PROTEI")},
		Dest:               smpp.Address{TON: 1, NPI: 1, Addr: []byte("79161234567")},
		RegisteredDelivery: smpp.RegisteredFinal,
		ShortMessage:       []byte("Your code is 123456. Do not tell it to anybody, not even to us."),
	}
}

func BenchmarkSubmitSM(b *testing.B) {
	p, d := sampleSubmit(), &smpp.SubmitSM{}
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		out, err := smpp.Append(buf, smpp.Header{Seq: 7}, p)
		if err != nil {
			b.Fatal(err)
		}
		if err := d.DecodeBody(out[smpp.HeaderLen:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDeliverSMReceipt(b *testing.B) {
	r := &smpp.Receipt{ID: []byte("3f2a9c0b11223344"), State: smpp.StateDelivered, SubmitDate: []byte("2611231500"), DoneDate: []byte("2611231501"), Text: []byte("Your code is 123456.")}
	buf, text, d := make([]byte, 0, 512), make([]byte, 0, 256), &smpp.DeliverSM{}
	p := &smpp.DeliverSM{ESMClass: smpp.ESMReceipt, Source: smpp.Address{TON: 1, NPI: 1, Addr: []byte("79161234567")}, Dest: smpp.Address{TON: 5, Addr: []byte("PROTEI")}}
	b.ReportAllocs()
	for b.Loop() {
		p.ShortMessage = smpp.AppendReceipt(text, r)
		p.TLVs = smpp.AppendReceiptTLVs(p.TLVs[:0], r)
		out, err := smpp.Append(buf, smpp.Header{Seq: 7}, p)
		if err != nil {
			b.Fatal(err)
		}
		if err := d.DecodeBody(out[smpp.HeaderLen:]); err != nil {
			b.Fatal(err)
		}
		if _, err := smpp.ParseReceipt(d.Payload(), d.TLVs); err != nil {
			b.Fatal(err)
		}
	}
}

// pump keeps one session's window full until n responses have come.
type pump struct {
	s    *smpp.Session
	p    *smpp.SubmitSM
	left int // to send
	open int
	done chan struct{}
}

func (p *pump) Complete(smpp.Result) {
	if p.left > 0 {
		p.left--
		if p.s.TrySend(p.p, p) == nil {
			return
		}
		panic("no room in the window")
	}
	if p.open--; p.open == 0 {
		close(p.done)
	}
}

// BenchmarkLoopback: 10 sessions × window 100 over loopback against a server that
// answers each submit_sm at once; both ends in this process.
func BenchmarkLoopback(b *testing.B) {
	const sessions, window = 10, 100
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	resp := &smpp.SubmitSMResp{MessageID: []byte("3f2a9c0b11223344")}
	srv, err := smpp.NewServer(smpp.ServerOptions{SystemID: "bench", Handler: smpp.HandlerFunc(func(s *smpp.Session, r *smpp.Request) {
		s.Respond(r.Seq, r.ID, smpp.ROK, resp)
	})})
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(ln) })
	pumps := make([]*pump, sessions)
	for i := range pumps {
		s, err := smpp.Dial(context.Background(), smpp.DialOptions{Addr: ln.Addr().String(), SystemID: "load", Session: smpp.SessionOptions{Window: window}})
		if err != nil {
			b.Fatal(err)
		}
		pumps[i] = &pump{s: s, p: sampleSubmit(), left: b.N / sessions, done: make(chan struct{})}
	}
	b.ResetTimer()
	began := time.Now()
	total := 0
	for _, p := range pumps {
		first := min(window, p.left)
		total += p.left
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
	}
	b.ReportMetric(float64(total)/time.Since(began).Seconds(), "submit_sm/s")
	b.StopTimer()
	for _, p := range pumps {
		p.s.Close()
		<-p.s.Done()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	srv.Shutdown(ctx)
	wg.Wait()
}
