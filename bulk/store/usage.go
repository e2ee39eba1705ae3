package store

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
)

// Parts are counted by account and quarter of an hour, since no zone differs from UTC by
// anything finer: a day or month of any zone is a sum of quarters.
const (
	quarterMs     = 15 * 60 * 1000
	quartersOfDay = 96
	// usageDays is how long counts are kept: two months of 31 days and the days that zones reach over.
	usageDays = 64
)

type usageKey struct {
	account uint32
	day     int32 // since 1970, UTC
}

// usage is the parts accepted of one account in one day, twice, as counts are.
type usage struct {
	key   usageKey
	now   [quartersOfDay]atomic.Uint32
	rows  [quartersOfDay]uint32 // the materialiser's
	dirty bool                  // the materialiser's
}

// usages holds all usage.
type usages = Registry[usageKey, usage]

func newUsage(key usageKey) *usage { return &usage{key: key} }

// meter finds where the parts of a message are counted; runs of messages share that.
type meter struct {
	usages *usages
	last   *usage
}

func (mt *meter) of(m *message.Message) (day *usage, quarter int) {
	n := m.SubmittedAt / quarterMs
	key := usageKey{m.Account, int32(n / quartersOfDay)}
	if mt.last == nil || mt.last.key != key {
		mt.last = mt.usages.Get(key, newUsage)
	}
	return mt.last, int(n % quartersOfDay)
}

// Parts returns the parts that an account had accepted from a moment on and before another,
// both Unix ms and whole quarters of an hour. It is exact after any crash: what is not in
// SQLite is counted again from the journal's accept records. It goes back two months.
func (e *Embedded) Parts(account uint32, from, to int64) (sum int64) {
	first, last := from/quarterMs, (to-1)/quarterMs
	for day := first / quartersOfDay; day <= last/quartersOfDay; day++ {
		u := e.usages.Find(usageKey{account, int32(day)})
		if u == nil {
			continue
		}
		for q := range u.now {
			if n := day*quartersOfDay + int64(q); n >= first && n <= last {
				sum += int64(u.now[q].Load())
			}
		}
	}
	return sum
}

// usageRows writes the days that changed.
func (m *materialiser) usageRows() error {
	var b []byte
	for _, u := range m.days {
		b = b[:0]
		for _, n := range u.rows {
			b = binary.AppendUvarint(b, uint64(n))
		}
		if err := exec(m.conn, "INSERT OR REPLACE INTO usage VALUES (?,?,?)", int64(u.key.account), int64(u.key.day), b); err != nil {
			return fmt.Errorf("save usage of account %d: %w", u.key.account, err)
		}
	}
	return nil
}

// purgeUsage forgets the days before the last usageDays.
func (m *materialiser) purgeUsage(now time.Time) error {
	oldest := int32(now.Unix()/86400) - usageDays
	if oldest <= m.purgedUsage {
		return nil
	}
	if err := exec(m.conn, "DELETE FROM usage WHERE day < ?", int64(oldest)); err != nil {
		return fmt.Errorf("delete old usage: %w", err)
	}
	m.purgedUsage = oldest
	m.e.usages.Drop(func(key usageKey) bool { return key.day < oldest })
	return nil
}

func (e *Embedded) restoreUsage(conn *database) error {
	err := query1(conn, "SELECT account, day, parts FROM usage", func(stmt *sqlite.Stmt) error {
		u := e.usages.Get(usageKey{uint32(stmt.ColumnInt64(0)), int32(stmt.ColumnInt64(1))}, newUsage)
		b := columnBytes(stmt, 2)
		for q := range u.rows {
			n, size := binary.Uvarint(b)
			if size <= 0 {
				return fmt.Errorf("%w: usage of account %d", errCodec, u.key.account)
			}
			b = b[size:]
			u.rows[q] = uint32(n)
			u.now[q].Store(uint32(n))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read usage: %w", err)
	}
	return nil
}
