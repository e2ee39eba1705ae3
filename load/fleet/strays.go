package fleet

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"protei-bulk/load/stats"
)

// A platform may send the deliver_sm of a message to any bind of the account, so to any
// worker. A receipt whose id is not known here is offered to the others after a moment;
// the one that sent the message settles it, at the time when it came here.
const (
	strayEvery = 150 * time.Millisecond
	maxStrays  = 5000 // in a message
)

// offerStrays offers what came to the wrong worker.
func (s *session) offerStrays() { s.offer(time.Since(s.start)) }

// offerLast offers everything once more, whether its time has come or not.
func (s *session) offerLast() { s.offer(time.Since(s.start) + time.Hour) }

func (s *session) offer(now time.Duration) {
	if !s.begun || s.Ledger == nil {
		return
	}
	list := s.Ledger.Strays(now, maxStrays)
	if len(list) == 0 {
		return
	}
	wire := make([]stray, len(list))
	for i, r := range list {
		wire[i] = stray{ID: r.ID, Final: uint8(r.Final), At: r.At}
	}
	b, err := json.Marshal(wire)
	if err == nil {
		err = s.life.conn.Publish(fmt.Sprint(subjectStrays, s.life.id), b)
	}
	if err != nil {
		s.life.worker.opts.Logger.Warn("offer receipts of other workers", "error", err)
	}
}

// placeStrays settles what another worker offers and this one has sent.
func (s *session) placeStrays(msg *nats.Msg) {
	from, err := strconv.Atoi(strings.TrimPrefix(msg.Subject, subjectStrays))
	if err != nil || from == s.life.id || s.Ledger == nil {
		return
	}
	var wire []stray
	if json.Unmarshal(msg.Data, &wire) != nil {
		return
	}
	var taken [][]byte
	for _, r := range wire {
		if s.Ledger.TakeStray(r.ID, stats.Final(r.Final), r.At) {
			taken = append(taken, r.ID)
		}
	}
	if len(taken) == 0 {
		return
	}
	if b, err := json.Marshal(taken); err == nil {
		_ = s.life.conn.Publish(fmt.Sprint(subjectTaken, from), b)
	}
}

// strayTaken forgets what another worker has settled.
func (s *session) strayTaken(msg *nats.Msg) {
	var ids [][]byte
	if s.Ledger == nil || json.Unmarshal(msg.Data, &ids) != nil {
		return
	}
	for _, id := range ids {
		s.Ledger.ForgetStray(id)
	}
}
