package stats

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// wantClosed checks the two sums of Counts.
func wantClosed(t interface{ Errorf(string, ...any) }, c Counts) {
	if c.Issued != c.Accepted+c.Rejected+c.Unanswered+c.Awaiting {
		t.Errorf("issued %d ≠ accepted %d + rejected %d + unanswered %d + awaiting %d",
			c.Issued, c.Accepted, c.Rejected, c.Unanswered, c.Awaiting)
	}
	if c.Accepted != c.Delivered+c.Failed+c.Open+c.Pending+c.Lost {
		t.Errorf("accepted %d ≠ delivered %d + failed %d + open %d + pending %d + lost %d",
			c.Accepted, c.Delivered, c.Failed, c.Open, c.Pending, c.Lost)
	}
}

func TestLedgerFollowsAMessage(t *testing.T) {
	const at = 5 * time.Second
	tests := map[string]struct {
		steps func(l *Ledger)
		want  Counts
	}{
		"accepted and delivered": {
			func(l *Ledger) { l.Accept(0, nil); l.Receipt(0, FinalDelivered, at) },
			Counts{Accepted: 1, Delivered: 1, Receipts: 1},
		},
		"accepted and failed": {
			func(l *Ledger) { l.Accept(0, nil); l.Receipt(0, FinalFailed, at) },
			Counts{Accepted: 1, Failed: 1, Receipts: 1},
		},
		"accepted, receipt twice": {
			func(l *Ledger) { l.Accept(0, nil); l.Receipt(0, FinalDelivered, at); l.Receipt(0, FinalDelivered, at) },
			Counts{Accepted: 1, Delivered: 1, Receipts: 2, Duplicates: 1},
		},
		"contradicting receipts: the first counts": {
			func(l *Ledger) { l.Accept(0, nil); l.Receipt(0, FinalFailed, at); l.Receipt(0, FinalDelivered, at) },
			Counts{Accepted: 1, Failed: 1, Receipts: 2, Duplicates: 1},
		},
		"receipt before the response": {
			func(l *Ledger) { l.Receipt(0, FinalDelivered, at); l.Accept(0, nil) },
			Counts{Accepted: 1, Delivered: 1, Receipts: 1, EarlyReceipts: 1},
		},
		"rejected": {func(l *Ledger) { l.Reject(0) }, Counts{Rejected: 1}},
		"receipt for a rejected one": {
			func(l *Ledger) { l.Reject(0); l.Receipt(0, FinalDelivered, at) },
			Counts{Rejected: 1, Receipts: 1, UnknownReceipts: 1},
		},
		"unanswered": {func(l *Ledger) { l.Unanswered(0) }, Counts{Unanswered: 1}},
		"unanswered, settled by its receipt": {
			func(l *Ledger) { l.Unanswered(0); l.Receipt(0, FinalDelivered, at) },
			Counts{Accepted: 1, Delivered: 1, Receipts: 1},
		},
		"receipt first, then no answer": {
			func(l *Ledger) { l.Receipt(0, FinalDelivered, at); l.Unanswered(0) },
			Counts{Accepted: 1, Delivered: 1, Receipts: 1, EarlyReceipts: 1},
		},
		"receipt first, then a refusal": {
			func(l *Ledger) { l.Receipt(0, FinalDelivered, at); l.Reject(0) },
			Counts{Accepted: 1, Delivered: 1, Receipts: 1, EarlyReceipts: 1},
		},
		"unanswered, answered after all": {
			func(l *Ledger) { l.Unanswered(0); l.Accept(0, nil) }, Counts{Accepted: 1, Open: 1},
		},
		"answered twice": {func(l *Ledger) { l.Accept(0, nil); l.Accept(0, nil); l.Reject(0) }, Counts{Accepted: 1, Open: 1}},
		"never submitted": {
			func(l *Ledger) {
				l.Accept(0, nil)
				l.Receipt(77, FinalDelivered, at)
				l.Receipt(1<<40, FinalDelivered, at)
			},
			Counts{Accepted: 1, Open: 1, Receipts: 2, UnknownReceipts: 2},
		},
		"lost": {
			func(l *Ledger) { l.Accept(0, nil); l.Resolve(0, ResolvedLost); l.Resolve(0, ResolvedPending) },
			Counts{Accepted: 1, Lost: 1},
		},
		"pending, then its receipt": {
			func(l *Ledger) {
				l.Accept(0, nil)
				l.Resolve(0, ResolvedPending)
				l.Receipt(0, FinalDelivered, at)
			},
			Counts{Accepted: 1, Delivered: 1, Receipts: 1},
		},
		"unanswered, but the target knows it": {
			func(l *Ledger) { l.Unanswered(0); l.Resolve(0, ResolvedPending) }, Counts{Accepted: 1, Pending: 1},
		},
		"unanswered is not lost": {
			func(l *Ledger) { l.Unanswered(0); l.Resolve(0, ResolvedLost) }, Counts{Unanswered: 1},
		},
		"SMPP, receipt by id": {
			func(l *Ledger) { l.AcceptSMPP(0, []byte("a1")); l.ReceiptID([]byte("a1"), FinalDelivered, at) },
			Counts{Accepted: 1, Delivered: 1, Receipts: 1},
		},
		"SMPP, receipt before the response": {
			func(l *Ledger) { l.ReceiptID([]byte("a1"), FinalDelivered, at); l.AcceptSMPP(0, []byte("a1")) },
			Counts{Accepted: 1, Delivered: 1, Receipts: 1, EarlyReceipts: 1},
		},
		"SMPP, receipt twice": {
			func(l *Ledger) {
				l.AcceptSMPP(0, []byte("a1"))
				l.ReceiptID([]byte("a1"), FinalDelivered, at)
				l.ReceiptID([]byte("a1"), FinalDelivered, at)
			},
			Counts{Accepted: 1, Delivered: 1, Receipts: 2, Duplicates: 1},
		},
		"SMPP, receipt of a stranger stays parked": {
			func(l *Ledger) { l.AcceptSMPP(0, []byte("a1")); l.ReceiptID([]byte("zz"), FinalDelivered, at) },
			Counts{Accepted: 1, Open: 1, Receipts: 1, Parked: 1},
		},
		"SMPP, receipt of a stranger given up": {
			func(l *Ledger) {
				l.AcceptSMPP(0, []byte("a1"))
				l.ReceiptID([]byte("zz"), FinalDelivered, at)
				l.ExpireParked(at + 1)
			},
			Counts{Accepted: 1, Open: 1, Receipts: 1, UnknownReceipts: 1},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := NewLedger(LedgerOptions{})
			l.Issue(1, time.Second)
			tt.steps(l)
			got := l.Counts()
			tt.want.Issued = 1
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
			wantClosed(t, got)
		})
	}
}

// TestLedgerClosesWhateverComes drives ledger and a naive model with the same random steps, compaction included.
func TestLedgerClosesWhateverComes(t *testing.T) {
	type model struct {
		answer, final int
		resolved      Resolution
	}
	rapid.Check(t, func(t *rapid.T) {
		l := NewLedger(LedgerOptions{})
		var messages []model
		seq := rapid.Custom(func(t *rapid.T) uint64 { return rapid.Uint64Range(0, 40).Draw(t, "seq") })
		known := func(s uint64) bool { return s < uint64(len(messages)) }
		answered := func(s uint64, answer int) {
			switch {
			case !known(s) || messages[s].answer != 0:
			default:
				messages[s].answer = answer
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"issue": func(t *rapid.T) {
				n := rapid.IntRange(1, 5).Draw(t, "n")
				if first := l.Issue(n, time.Second); first != uint64(len(messages)) {
					t.Fatalf("issued %d, want %d", first, len(messages))
				}
				messages = append(messages, make([]model, n)...)
			},
			"accept": func(t *rapid.T) {
				s := seq.Draw(t, "s")
				l.Accept(s, nil)
				if known(s) && (messages[s].answer == 0 || messages[s].answer == 3) {
					messages[s].answer = 1
				}
			},
			"reject": func(t *rapid.T) {
				s := seq.Draw(t, "s")
				l.Reject(s)
				answered(s, 2)
			},
			"unanswered": func(t *rapid.T) {
				s := seq.Draw(t, "s")
				l.Unanswered(s)
				answered(s, 3)
			},
			"receipt": func(t *rapid.T) {
				s, f := seq.Draw(t, "s"), Final(rapid.IntRange(1, 2).Draw(t, "f"))
				e := l.Receipt(s, f, 2*time.Second)
				switch {
				case !known(s) || messages[s].answer == 2:
					if e != Unknown {
						t.Fatalf("effect %d, want unknown", e)
					}
				case messages[s].final != 0:
					if e != Duplicate {
						t.Fatalf("effect %d, want duplicate", e)
					}
				default:
					if e != Settled {
						t.Fatalf("effect %d, want settled", e)
					}
					messages[s].final, messages[s].resolved = int(f), 0
					messages[s].answer = 1
				}
			},
			"resolve": func(t *rapid.T) {
				s := seq.Draw(t, "s")
				l.Resolve(s, ResolvedLost)
				if known(s) && messages[s].final == 0 && messages[s].answer == 1 {
					messages[s].resolved = ResolvedLost
				}
			},
			"compact": func(*rapid.T) { l.Compact() },
			"": func(t *rapid.T) {
				var want Counts
				want.Issued = uint64(len(messages))
				for _, m := range messages {
					switch m.answer {
					case 0:
						want.Awaiting++
					case 1:
						want.Accepted++
					case 2:
						want.Rejected++
					case 3:
						want.Unanswered++
					}
					switch {
					case m.final == 1:
						want.Delivered++
					case m.final == 2:
						want.Failed++
					case m.resolved != 0:
						want.Lost++
					}
				}
				got := l.Counts()
				if got.Issued != got.Accepted+got.Rejected+got.Unanswered+got.Awaiting ||
					got.Accepted != got.Delivered+got.Failed+got.Open+got.Pending+got.Lost {
					t.Fatalf("does not close: %+v", got)
				}
				if got.Accepted != want.Accepted || got.Rejected != want.Rejected || got.Unanswered != want.Unanswered ||
					got.Delivered != want.Delivered || got.Failed != want.Failed || got.Lost != want.Lost || got.Issued != want.Issued {
					t.Fatalf("got %+v\nwant %+v", got, want)
				}
			},
		})
	})
}

func TestLedgerUnderConcurrentReceiptsAndAnswers(t *testing.T) {
	const users, each = 4, 30_000
	l := NewLedger(LedgerOptions{})
	receipts := make(chan uint64, 1024)
	var senders, listeners sync.WaitGroup
	for range users {
		senders.Go(func() {
			for i := range each {
				seq := l.Issue(1, time.Duration(i)*time.Microsecond)
				if i%2 == 0 {
					l.Accept(seq, nil)
					receipts <- seq
				} else {
					receipts <- seq
					l.Accept(seq, nil)
				}
			}
		})
	}
	for range 2 {
		listeners.Go(func() {
			for seq := range receipts {
				l.Receipt(seq, FinalDelivered, time.Second)
				if seq%100 == 0 {
					l.Receipt(seq, FinalDelivered, time.Second)
				}
			}
		})
	}
	senders.Go(func() {
		for range 50 {
			l.Compact()
			runtime.Gosched()
		}
	})
	senders.Wait()
	close(receipts)
	listeners.Wait()
	c := l.Counts()
	wantClosed(t, c)
	if c.Delivered != users*each || c.Open != 0 || c.Duplicates != users*each/100 {
		t.Errorf("%+v", c)
	}
}

func TestLatencyAndIDsSurviveCompaction(t *testing.T) {
	const n = 3 * ledgerChunkSize
	l := NewLedger(LedgerOptions{})
	l.Issue(n, 2*time.Second)
	for seq := range uint64(n) {
		l.Accept(seq, fmt.Appendf(nil, "%016x", seq+1))
		if seq%3 != 0 {
			l.Receipt(seq, FinalDelivered, 2500*time.Millisecond)
		}
	}
	l.Compact()
	open := 0
	l.OpenMessages(func(m OpenMessage) bool {
		if m.Seq%3 != 0 || m.ID != m.Seq+1 || m.Sent != 2*time.Second || !m.Answered {
			t.Fatalf("open message %+v", m)
		}
		open++
		return true
	})
	if open != n/3 {
		t.Errorf("%d open, want %d", open, n/3)
	}
	for seq := uint64(0); seq < n; seq += 3 {
		l.Receipt(seq, FinalDelivered, 4*time.Second)
	}
	l.Compact()
	h := NewHistogram()
	l.drainLatency(h, true)
	if h.Count() != n || h.Min().Round(time.Millisecond) != 500*time.Millisecond || h.Max().Round(10*time.Millisecond) != 2*time.Second {
		t.Errorf("%d latencies from %v to %v, want %d from 500 ms to 2 s", h.Count(), h.Min(), h.Max(), n)
	}
}

func TestStampsWrapWithoutHarm(t *testing.T) {
	sent := 11*time.Hour + 55*time.Minute
	if got := sinceStamp(stampOf(sent), sent+20*time.Minute); got != 20*time.Minute {
		t.Errorf("across the wrap: %v", got)
	}
	if got := sinceStamp(stampOf(time.Second), 900*time.Millisecond); got != 0 {
		t.Errorf("received before it was sent: %v, want 0", got)
	}
}

func TestLedgerMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine and many numbers: nothing to race")
	}
	const n = 2_000_000
	l := NewLedger(LedgerOptions{})
	l.Issue(n, time.Second)
	id := []byte("0123456789abcdef")
	for seq := range uint64(n) {
		id = fmt.Appendf(id[:0], "%016x", seq+1)
		l.AcceptSMPP(seq, id)
	}
	if a := l.MemoryBytes() / n; a > 80 {
		t.Errorf("%d bytes a message in flight with its SMSC id, want ≤ 80", a)
	}
	l = NewLedger(LedgerOptions{})
	for range n / 1000 {
		first := l.Issue(1000, time.Second)
		for seq := first; seq < first+1000; seq++ {
			l.Accept(seq, id)
			if seq%1000 != 0 { // one in a thousand never gets its receipt
				l.Receipt(seq, FinalDelivered, 2*time.Second)
			}
		}
	}
	l.Compact()
	const young = ledgerChunkSize * 12 // the chunk that is being filled
	if bytes := l.MemoryBytes() - n/1000*80 - young; bytes > n+n/50 {
		t.Errorf("%.3f bytes a settled message, want ≤ 1.02", float64(bytes)/n)
	}
}

// TestLedgerHeap holds the estimate of MemoryBytes against the heap.
func TestLedgerHeap(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine and many numbers: nothing to race")
	}
	const n = 4_000_000
	before := heap()
	l := NewLedger(LedgerOptions{})
	for range n / 1000 {
		first := l.Issue(1000, time.Second)
		for seq := first; seq < first+1000; seq++ {
			l.Accept(seq, nil)
			l.Receipt(seq, FinalDelivered, 2*time.Second)
		}
		l.Compact()
	}
	grown := heap() - before
	runtime.KeepAlive(l)
	if perMessage := float64(grown) / n; perMessage > 1.2 { // 160 million: 192 MB
		t.Errorf("%.2f bytes of heap a settled message", perMessage)
	}
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func TestHashTableAgainstAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table hashTable
		model := make(map[uint64]uint64)
		key := rapid.Custom(func(t *rapid.T) uint64 { // few homes: long probes that wrap around
			return rapid.Uint64Range(0, 12).Draw(t, "high")<<40 | rapid.SampledFrom([]uint64{0x3f00, 0x3e00, 0}).Draw(t, "home") | 1
		})
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, v := key.Draw(t, "k"), rapid.Uint64().Draw(t, "v")
				table.put(k, v)
				model[k] = v
			},
			"take": func(t *rapid.T) {
				k := key.Draw(t, "k")
				v, ok := table.take(k)
				want, wantOK := model[k]
				if v != want || ok != wantOK {
					t.Fatalf("take %x: %d %v, want %d %v", k, v, ok, want, wantOK)
				}
				delete(model, k)
			},
			"": func(t *rapid.T) {
				if table.len != len(model) {
					t.Fatalf("len %d, want %d", table.len, len(model))
				}
				for k, v := range model {
					if got, ok := table.get(k); !ok || got != v {
						t.Fatalf("get %x: %d %v, want %d", k, got, ok, v)
					}
				}
			},
		})
	})
}

func TestIDTableIsBounded(t *testing.T) {
	l := NewLedger(LedgerOptions{MaxIDs: 640, MaxParked: 640})
	l.Issue(5000, 0)
	for seq := range uint64(5000) {
		l.AcceptSMPP(seq, fmt.Appendf(nil, "id-%d", seq))
	}
	for i := range 5000 {
		l.ReceiptID(fmt.Appendf(nil, "stranger-%d", i), FinalDelivered, 0)
	}
	c := l.Counts()
	if c.IDsRefused < 5000-640 || c.Parked > 640 || c.UnknownReceipts != 5000-c.Parked {
		t.Errorf("%+v", c)
	}
	wantClosed(t, c)
}

func TestRefComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NewLedger(LedgerOptions{Run: rapid.Uint32().Draw(t, "run"), Worker: rapid.Uint16().Draw(t, "worker")})
		l.next.Store(1 << 62)
		seq := rapid.Uint64Range(0, 1<<60).Draw(t, "seq")
		ref := l.AppendRef(nil, seq)
		if got, ok := l.ParseRef(ref); !ok || got != seq {
			t.Fatalf("%s: %d %v, want %d", ref, got, ok, seq)
		}
	})
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"0-0-0", "k3f9-1-zz", "", "-", "--", "a-b", "zzzzzzzzzzzzzzz-0-0", "0-0-0-0", "1-0-1 "} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := ParseRef(b)
		if !ok {
			return
		}
		l := NewLedger(LedgerOptions{Run: r.Run, Worker: r.Worker})
		again, ok := ParseRef(l.AppendRef(nil, r.Seq))
		if !ok || again != r {
			t.Fatalf("%q: %+v, then %+v", b, r, again)
		}
	})
}

func TestLedgerDoesNotAllocate(t *testing.T) {
	l := NewLedger(LedgerOptions{})
	l.Issue(ledgerChunkSize/2, 0)
	ids := make([][]byte, 4096)
	for i := range ids {
		ids[i] = fmt.Appendf(nil, "%016x", i*7919)
	}
	n := 0
	ref := make([]byte, 0, 64)
	step := func() {
		seq := l.Issue(1, time.Second)
		id := ids[n&4095]
		n++
		ref = l.AppendRef(ref[:0], seq)
		if got, ok := l.ParseRef(ref); !ok || got != seq {
			t.Fatal("ref")
		}
		if n&1 == 0 {
			l.Accept(seq, id)
			l.Receipt(seq, FinalDelivered, 2*time.Second)
		} else {
			l.AcceptSMPP(seq, id)
			l.ReceiptID(id, FinalDelivered, 2*time.Second)
		}
	}
	for range 4000 { // the first ones grow tables
		step()
	}
	if a := testing.AllocsPerRun(2000, step); a != 0 {
		t.Errorf("%v allocations a message", a)
	}
}

// BenchmarkLedger reports the time of one operation; each message takes three.
func BenchmarkLedger(b *testing.B) {
	report := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/3, "ns/operation")
	}
	b.Run("http", func(b *testing.B) {
		l := NewLedger(LedgerOptions{})
		id := []byte("0123456789abcdef")
		b.ReportAllocs()
		for b.Loop() {
			seq := l.Issue(1, time.Second)
			l.Accept(seq, id)
			l.Receipt(seq, FinalDelivered, 2*time.Second)
		}
		report(b)
	})
	b.Run("smpp", func(b *testing.B) {
		l := NewLedger(LedgerOptions{})
		ids := make([][]byte, 1<<17)
		for i := range ids {
			ids[i] = fmt.Appendf(nil, "%016x", rand.Uint64())
		}
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			seq := l.Issue(1, time.Second)
			l.AcceptSMPP(seq, ids[n&(1<<17-1)])
			if n >= 1<<16 { // 65,536 in flight
				l.ReceiptID(ids[(n-1<<16)&(1<<17-1)], FinalDelivered, 2*time.Second)
			}
			n++
		}
		report(b)
	})
	b.Run("parallel", func(b *testing.B) {
		l := NewLedger(LedgerOptions{})
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				seq := l.Issue(1, time.Second)
				l.Accept(seq, nil)
				l.Receipt(seq, FinalDelivered, 2*time.Second)
			}
		})
		report(b)
	})
}

// TestLedgerWithoutReceipts: what nobody waits for costs a byte.
func TestLedgerWithoutReceipts(t *testing.T) {
	const n = 4 * ledgerChunkSize
	l := NewLedger(LedgerOptions{NoReceipts: true})
	first := l.Issue(n, time.Second)
	for seq := first; seq < first+n; seq++ {
		switch seq % 100 {
		case 0:
			l.Reject(seq)
		case 1:
			l.Unanswered(seq)
		case 2:
			l.AcceptSMPP(seq, []byte("0123456789abcdef"))
		default:
			l.Accept(seq, []byte("0123456789abcdef"))
		}
	}
	l.Compact()
	bytes := 0
	for _, c := range *l.chunks.Load() {
		bytes += c.bytes()
	}
	if bytes > n*5/4 {
		t.Errorf("%d bytes for %d messages", bytes, n)
	}
	c := l.Counts()
	wantClosed(t, c)
	if c.Open != c.Accepted || c.Rejected != n/100+1 || c.IDsRefused != 0 {
		t.Errorf("%+v", c)
	}
}

func TestLatencyByState(t *testing.T) {
	const expired, delivered = 3, 2
	l := NewLedger(LedgerOptions{})
	l.Issue(4, time.Second)
	ids := [][]byte{[]byte("a"), []byte("b"), []byte("c")}
	l.ReceiptID(ids[2], FinalFailed.WithState(expired), 9*time.Second) // before its response
	for seq, id := range ids {
		l.AcceptSMPP(uint64(seq), id)
	}
	l.ReceiptID(ids[0], FinalDelivered.WithState(delivered), 2*time.Second)
	l.ReceiptID(ids[1], FinalFailed.WithState(expired), 4*time.Second)
	l.Receipt(3, FinalDelivered, 5*time.Second) // no state named
	for range 2 {                               // asking takes nothing away
		if h := l.LatencyByState(delivered); h.Count() != 1 || h.Max().Round(10*time.Millisecond) != time.Second {
			t.Errorf("delivered: %d, %v", h.Count(), h.Max())
		}
		if h := l.LatencyByState(expired); h.Count() != 2 || h.Max().Round(10*time.Millisecond) != 8*time.Second {
			t.Errorf("expired: %d, %v", h.Count(), h.Max())
		}
		if h := l.LatencyByState(0); h.Count() != 0 {
			t.Errorf("without a state: %d", h.Count())
		}
	}
	if c := l.Counts(); c.Delivered != 2 || c.Failed != 2 || c.Open != 0 {
		t.Errorf("%+v", c)
	}
}
