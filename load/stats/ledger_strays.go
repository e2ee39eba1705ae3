package stats

import "time"

// A platform may send the receipt of a message to any bind of the account, so to any
// worker. One that is parked here may be another's: it is offered to all, a few times,
// since the response that names its id may still be on its way there.
const (
	firstOffer = 150 * time.Millisecond // after it came
	mostOffers = 6                      // the time between two doubles: the last is after 9 s
)

// Stray is a receipt by SMSC id that no message of this ledger is known for.
type Stray struct {
	ID    []byte
	Final Final
	At    time.Duration // since the start of the run, when it came
}

// Strays are parked receipts of a shared ledger that are to be offered to other workers now, most at most.
func (l *Ledger) Strays(now time.Duration, most int) (list []Stray) {
	if !l.shared {
		return nil
	}
	for i := range l.ids.shards {
		s := &l.ids.shards[i]
		s.mu.Lock()
		for h, p := range s.parked {
			if p.offers >= mostOffers || now < p.next {
				continue
			}
			if len(list) == most {
				break
			}
			p.next = now + firstOffer<<p.offers*2
			p.offers++
			s.parked[h] = p
			list = append(list, Stray{[]byte(p.id), p.final, p.at})
		}
		s.mu.Unlock()
	}
	return list
}

// TakeStray settles a message by a receipt that came to another worker, which has counted it; false: no message of this
// ledger has that id.
func (l *Ledger) TakeStray(id []byte, f Final, at time.Duration) bool {
	seq, match := l.ids.find(l.ids.hash(id))
	switch match {
	case idLive:
		l.settle(seq, f, at, false)
	case idSettled:
		l.stripe(seq).duplicates.Add(1)
	default:
		return false
	}
	return true
}

// ForgetStray takes back a parked receipt that another worker has settled.
func (l *Ledger) ForgetStray(id []byte) { l.ids.unpark(l.ids.hash(id)) }

// find takes the message of a receipt, as receipt does, but parks nothing.
func (t *idTable) find(h uint64) (seq uint64, m idMatch) {
	s := t.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq, ok := s.live.take(h); ok {
		s.settle(h, seq)
		return seq, idLive
	}
	for i := range s.settled {
		if seq, ok := s.settled[i].get(h); ok {
			return seq, idSettled
		}
	}
	return 0, idUnknown
}

func (t *idTable) unpark(h uint64) {
	s := t.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.parked, h)
}
