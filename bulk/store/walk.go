package store

import (
	"fmt"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
)

// walk goes through ids of one table, newest first.
type walk interface {
	// down goes to the highest id that is not above bound; bounds never rise.
	down(bound message.ID) error
	// at returns where the walk stands, or false behind its end.
	at() (message.ID, bool)
}

func (m *merged) at() (message.ID, bool) { return m.id, m.valid }

// openWalk walks the index of rows without a final status.
type openWalk struct {
	conn    *database
	table   *table
	status  message.Status
	account uint32       // 0: all
	ids     []message.ID // read ahead, newest first
	more    bool         // the table may have more below ids
}

func newOpenWalk(conn *database, t *table, q *Query) *openWalk {
	return &openWalk{conn: conn, table: t, status: q.Status, account: q.Account, more: true}
}

func (w *openWalk) at() (message.ID, bool) {
	if len(w.ids) == 0 {
		return 0, false
	}
	return w.ids[0], true
}

func (w *openWalk) down(bound message.ID) error {
	for len(w.ids) > 0 && w.ids[0] > bound {
		w.ids = w.ids[1:]
	}
	if len(w.ids) > 0 || !w.more {
		return nil
	}
	w.ids = nil
	collect := func(stmt *sqlite.Stmt) error {
		w.ids = append(w.ids, message.ID(stmt.ColumnInt64(0)))
		return nil
	}
	var err error
	if w.account != 0 {
		err = query1(w.conn, w.table.sql.openAccount, collect, int64(w.status), int64(w.account), int64(bound))
	} else {
		err = query1(w.conn, w.table.sql.open, collect, int64(w.status), int64(bound))
	}
	w.more = len(w.ids) > 0
	if err != nil {
		return fmt.Errorf("read unsettled messages: %w", err)
	}
	return nil
}

// either walks the ids of two walks.
type either struct{ a, b walk }

func (e *either) at() (message.ID, bool) {
	a, okA := e.a.at()
	b, okB := e.b.at()
	switch {
	case !okA:
		return b, okB
	case !okB:
		return a, true
	}
	return max(a, b), true
}

func (e *either) down(bound message.ID) error {
	if err := e.a.down(bound); err != nil {
		return err
	}
	return e.b.down(bound)
}

// agree returns the highest id that is not above bound and lies on all walks: each in
// turn goes down to where the one before it stands, until none has to move.
func agree(walks []walk, bound message.ID) (id message.ID, ok bool, err error) {
	for {
		lowest := bound
		for _, w := range walks {
			if err := w.down(lowest); err != nil {
				return 0, false, err
			}
			if lowest, ok = w.at(); !ok {
				return 0, false, nil
			}
		}
		if first, _ := walks[0].at(); first == lowest {
			return lowest, true, nil
		}
		bound = lowest
	}
}
