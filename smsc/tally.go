package smsc

import (
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/smpp"
)

const (
	tallyShards  = 8
	tallyOthers  = 256 // where a status without a name is counted
	rateSeconds  = 10
	samplePeriod = time.Second
)

// tally is one shard of the counters; a bind counts in the shard of its number.
type tally struct {
	submits, octets, unique, duplicates, untracked, unanswered atomic.Uint64
	wanted, sent, acked, retried, refused, lost                atomic.Uint64
	doubled, unknown, noted, dropped, moSent, moAcked          atomic.Uint64
	answered                                                   [tallyOthers + 1]atomic.Uint64
}

func (t *tally) answer(st smpp.Status) { t.answered[min(st, tallyOthers)].Add(1) }

func (t *tally) reset() {
	for _, n := range []*atomic.Uint64{
		&t.submits, &t.octets, &t.unique, &t.duplicates, &t.untracked, &t.unanswered, &t.wanted, &t.sent, &t.acked,
		&t.retried, &t.refused, &t.lost, &t.doubled, &t.unknown, &t.noted, &t.dropped, &t.moSent, &t.moAcked,
	} {
		n.Store(0)
	}
	for i := range t.answered {
		t.answered[i].Store(0)
	}
}

// Counters are what the simulator has seen since its start or the last reset.
type Counters struct {
	Submits    uint64            `json:"submits"`    // submit_sm and data_sm that came
	Octets     uint64            `json:"octets"`     // of their texts, headers included
	Unique     uint64            `json:"unique"`     // different messages accepted
	Duplicates uint64            `json:"duplicates"` // accepted again
	Untracked  uint64            `json:"untracked"`  // accepted beyond MaxTracked, unique or not
	Answered   map[string]uint64 `json:"answered"`   // by command_status
	Unanswered uint64            `json:"unanswered"` // by response loss and disconnects

	Receipts ReceiptCounters `json:"receipts"`
	Binds    BindCounters    `json:"binds"`
	MO       MOCounters      `json:"mo"`
	Rates    RateCounters    `json:"rates"`
	Memory   MemoryCounters  `json:"memory"`

	Seconds float64 `json:"seconds"` // since start or reset
}

// ReceiptCounters are about delivery receipts. Once nothing is pending, wanted + doubled
// + unknown + intermediate = acked + refused + lost + dropped.
type ReceiptCounters struct {
	Wanted       uint64 `json:"wanted"`       // messages accepted that asked for one, by their final state
	Doubled      uint64 `json:"doubled"`      // second receipts made by receipt_duplicates
	Unknown      uint64 `json:"unknown"`      // receipts for ids never given
	Intermediate uint64 `json:"intermediate"` // notifications that the message is under way
	Sent         uint64 `json:"sent"`         // deliver_sm sent, retries included
	Acked        uint64 `json:"acked"`        // answered ESME_ROK
	Retried      uint64 `json:"retried"`      // put off by the ESME, not answered, or their bind was lost
	Refused      uint64 `json:"refused"`      // answered with a permanent error
	Lost         uint64 `json:"lost"`         // never sent: receipt_loss
	Dropped      uint64 `json:"dropped"`      // given up after ReceiptTTL
	Pending      int    `json:"pending"`      // messages that wait for answer, receipt or its deliver_sm_resp
}

// BindCounters are about sessions.
type BindCounters struct {
	Current   int    `json:"current"`
	Receivers int    `json:"receivers"` // of the current ones
	Total     uint64 `json:"total"`
	Refused   uint64 `json:"refused"`
}

// MOCounters are about injected messages, in parts.
type MOCounters struct {
	Sent  uint64 `json:"sent"`
	Acked uint64 `json:"acked"`
}

// RateCounters are per second.
type RateCounters struct {
	Submits    float64 `json:"submits_1s"`
	Receipts   float64 `json:"receipts_1s"`
	Submits10  float64 `json:"submits_10s"`
	Receipts10 float64 `json:"receipts_10s"`
}

// MemoryCounters are about what is remembered.
type MemoryCounters struct {
	Messages int `json:"messages"` // remembered to find duplicates
	Octets   int `json:"octets"`   // that they take
}

// Counters returns the state of all counters. They are read one after the other while
// messages go on.
func (s *Simulator) Counters() Counters {
	c := Counters{Answered: make(map[string]uint64)}
	// First of all: a receipt is counted before it stops pending, so that none is missing below.
	c.Receipts.Pending, c.Binds.Current, c.Binds.Receivers = s.spool.size()
	for i := range s.tallies {
		s.tallies[i].addTo(&c)
	}
	c.Binds.Total, c.Binds.Refused = s.binds.total.Load(), s.binds.refused.Load()
	c.Memory.Messages, c.Memory.Octets = s.seen.size()
	c.Rates = s.rates.read()
	c.Seconds = (s.elapsed() - time.Duration(s.since.Load())).Seconds()
	return c
}

func (t *tally) addTo(c *Counters) {
	for to, from := range map[*uint64]*atomic.Uint64{
		&c.Submits: &t.submits, &c.Octets: &t.octets, &c.Unique: &t.unique, &c.Duplicates: &t.duplicates,
		&c.Untracked: &t.untracked, &c.Unanswered: &t.unanswered,
		&c.Receipts.Wanted: &t.wanted, &c.Receipts.Doubled: &t.doubled, &c.Receipts.Unknown: &t.unknown,
		&c.Receipts.Intermediate: &t.noted,
		&c.Receipts.Sent:         &t.sent, &c.Receipts.Acked: &t.acked, &c.Receipts.Retried: &t.retried,
		&c.Receipts.Refused: &t.refused, &c.Receipts.Lost: &t.lost, &c.Receipts.Dropped: &t.dropped,
		&c.MO.Sent: &t.moSent, &c.MO.Acked: &t.moAcked,
	} {
		*to += from.Load()
	}
	for st := range t.answered {
		n := t.answered[st].Load()
		if n == 0 {
			continue
		}
		name := "other"
		if st < tallyOthers {
			name = "ESME_" + statusName(smpp.Status(st))
		}
		c.Answered[name] += n
	}
}

// rates keeps one sample a second.
type rates struct {
	mu      sync.Mutex
	samples [rateSeconds + 1]sample // guarded by mu; newest first
	n       int                     // guarded by mu
}

type sample struct{ submits, acked uint64 }

func (r *rates) add(s sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	copy(r.samples[1:], r.samples[:])
	r.samples[0] = s
	r.n = min(r.n+1, len(r.samples))
}

func (r *rates) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n = 0
}

func (r *rates) read() RateCounters {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n < 2 {
		return RateCounters{}
	}
	over := func(seconds int) (submits, acked float64) {
		then := r.samples[seconds]
		return float64(r.samples[0].submits-then.submits) / float64(seconds),
			float64(r.samples[0].acked-then.acked) / float64(seconds)
	}
	var c RateCounters
	c.Submits, c.Receipts = over(1)
	c.Submits10, c.Receipts10 = over(r.n - 1)
	return c
}

func (s *Simulator) sampleRates() {
	tick := time.NewTicker(samplePeriod)
	defer tick.Stop()
	for {
		var at sample
		for i := range s.tallies {
			at.submits += s.tallies[i].submits.Load()
			at.acked += s.tallies[i].acked.Load()
		}
		s.rates.add(at)
		select {
		case <-s.quit:
			return
		case <-tick.C:
		}
	}
}

// pace is a rate limit with a tenth of a second of burst: the time by which the last
// permit is worked off.
type pace struct{ busyUntil atomic.Int64 }

func (p *pace) allow(now time.Duration, perSecond int) bool {
	if perSecond <= 0 {
		return true
	}
	step := int64(time.Second) / int64(perSecond)
	burst := max(step, int64(100*time.Millisecond))
	for {
		was := p.busyUntil.Load()
		next := max(was, int64(now)) + step
		if next-int64(now) > burst {
			return false
		}
		if p.busyUntil.CompareAndSwap(was, next) {
			return true
		}
	}
}
