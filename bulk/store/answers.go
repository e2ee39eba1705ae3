package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/message"
)

const (
	// AnswerAge is how long the answer to a request with an Idempotency-Key is kept.
	AnswerAge = 24 * time.Hour
	// maxAnswerBytes bounds the answers that SQLite does not hold yet, before Accept says
	// ErrBusy.
	maxAnswerBytes = 64 << 20
	// answerPurge is how many old answers one look deletes.
	answerPurge = 20_000
)

// ErrTooLarge: messages that must be durable together do not fit in one group of the journal.
var ErrTooLarge = errors.New("store: too much for one commit")

// stamp is an answer in the journal: n messages follow its record, and none of them is
// accepted without it.
type stamp struct {
	at     int // index of the first message among the events of its pending
	n      int
	first  message.ID
	batch  message.ID
	answer *message.Answer
}

type answerKey struct {
	account uint32
	key     [32]byte
}

// answers holds what has been journaled of answers and is not in SQLite yet. Rows replace
// older ones with the same key, so that replaying the journal ends in the same state.
type answers struct {
	mu      sync.Mutex // guards what follows
	fresh   map[answerKey]*message.Answer
	writing map[answerKey]*message.Answer // of the transaction under way
	bytes   int                           // of fresh and writing
	written int                           // bytes of writing
}

func (s *answers) init() { s.fresh = make(map[answerKey]*message.Answer) }

// answerSize is about what an answer takes in memory.
func answerSize(a *message.Answer) int { return 250 + len(a.Location) + len(a.Text) }

func (s *answers) apply(a *message.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh[answerKey{a.Account, a.Key}] = a
	s.bytes += answerSize(a)
}

func (s *answers) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes > maxAnswerBytes
}

func (s *answers) find(k answerKey) *message.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.fresh[k]; a != nil {
		return a
	}
	return s.writing[k]
}

// take returns what a transaction writes, the same again when it is tried again.
func (s *answers) take() map[answerKey]*message.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.fresh) > 0 && len(s.writing) == 0 {
		s.writing, s.fresh = s.fresh, make(map[answerKey]*message.Answer)
		s.written = s.bytes
	}
	return s.writing
}

// done lets go of what the transaction wrote.
func (s *answers) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = nil
	s.bytes -= s.written
	s.written = 0
}

// admitAnswer says whether an answer may come in with its messages, which one group of the
// journal has to hold.
func (e *Embedded) admitAnswer(msgs []*message.Message, a *message.Answer) error {
	size := len(a.Text) + len(a.Location)
	for _, m := range msgs {
		size += 200 + len(m.Payload) + len(m.ClientRef) + len(m.DLRURL) + 10*len(m.Parts)
	}
	switch {
	case len(msgs) == 0:
		return errors.New("store: an answer without messages")
	case size > e.log.MaxGroupBytes()/2 || len(a.Text) > journal.MaxRecordBytes/2:
		return ErrTooLarge
	case e.answers.full():
		return ErrBusy
	}
	return nil
}

// Answer returns what a request with this key was answered in the last 24 hours, or
// ErrNotFound. It sees every durable answer.
func (e *Embedded) Answer(ctx context.Context, account uint32, key [32]byte) (*message.Answer, error) {
	a := e.answers.find(answerKey{account, key})
	if a == nil {
		a = &message.Answer{Account: account, Key: key}
		err := e.one(ctx, "SELECT body, at, status, location, answer FROM answers WHERE account = ? AND key = ?", func(stmt *sqlite.Stmt) error {
			stmt.ColumnBytes(0, a.Body[:])
			a.At, a.Status, a.Location, a.Text = stmt.ColumnInt64(1), int(stmt.ColumnInt64(2)), stmt.ColumnText(3), columnBytes(stmt, 4)
			return nil
		}, int64(account), key[:])
		if err != nil {
			return nil, wrap(err, "read the answer to a request of account %d", account)
		}
	}
	if a.At < e.opts.Now().Add(-AnswerAge).UnixMilli() {
		return nil, ErrNotFound
	}
	return a, nil
}

// answerRows writes the answers into SQLite.
func (m *materialiser) answerRows() error {
	for k, a := range m.e.answers.take() {
		err := exec(m.conn, "INSERT OR REPLACE INTO answers (account, key, body, at, status, location, answer) VALUES (?,?,?,?,?,?,?)",
			int64(a.Account), k.key[:], a.Body[:], a.At, int64(a.Status), a.Location, a.Text)
		if err != nil {
			return fmt.Errorf("insert answer of account %d: %w", a.Account, err)
		}
	}
	return nil
}

// purgeAnswers deletes answers that nobody may ask for any more. They are numbered as they
// came, so the first ones are the oldest.
func (m *materialiser) purgeAnswers(now time.Time) error {
	limit := now.Add(-AnswerAge).UnixMilli()
	oldest := limit
	err := query1(m.conn, "SELECT at FROM answers ORDER BY n LIMIT 1", func(stmt *sqlite.Stmt) error {
		oldest = stmt.ColumnInt64(0)
		return nil
	})
	if err == nil && oldest < limit {
		err = exec(m.conn, "DELETE FROM answers WHERE n IN (SELECT n FROM answers ORDER BY n LIMIT ?) AND at < ?", int64(answerPurge), limit)
	}
	if err != nil {
		return fmt.Errorf("delete answers older than %s: %w", AnswerAge, err)
	}
	return nil
}
