package cdrload

import (
	"iter"
	"time"

	"protei-bulk/bulk/cdr"
	"protei-bulk/bulk/message"
)

// rows gives the records of a file to CopyFrom, one by one.
type rows struct {
	next   func() ([]any, bool)
	stop   func()
	values []any
	sum    cdr.Summary // when all have been read
	err    error
}

// stream begins to read a file. stop must be called.
func stream(file string) *rows {
	r := &rows{}
	r.next, r.stop = iter.Pull(func(yield func([]any) bool) {
		values := make([]any, len(columns))
		r.sum, r.err = cdr.ReadFile(file, func(c *cdr.Record) error {
			fill(values, c)
			if !yield(values) {
				return errStopped
			}
			return nil
		})
	})
	return r
}

type stopped struct{}

func (stopped) Error() string { return "the database did not take it" }

var errStopped = stopped{}

// Next implements pgx.CopyFromSource.
func (r *rows) Next() (ok bool) {
	r.values, ok = r.next()
	return ok
}

// Values implements pgx.CopyFromSource.
func (r *rows) Values() ([]any, error) { return r.values, nil }

// Err implements pgx.CopyFromSource.
func (r *rows) Err() error { return r.err }

func fill(v []any, c *cdr.Record) {
	via := "HTTP"
	if c.ViaSMPP {
		via = "SMPP"
	}
	for i, value := range [...]any{
		time.UnixMilli(c.Time), c.Message.String(), int32(c.Part), int32(c.Parts), int64(c.Account), c.From, c.To,
		int32(c.Connector), c.SMSCID, c.Status.String(), int64(c.Error), moment(c.SubmittedAt), moment(c.SentAt), moment(c.DoneAt),
		int32(c.Attempts), c.Priority.String(), via, c.ClientRef, id(c.Batch), id(c.Campaign), c.PossibleDuplicate,
	} {
		v[i] = value
	}
}

// moment is NULL for one that never came.
func moment(ms int64) any {
	if ms == 0 {
		return nil
	}
	return time.UnixMilli(ms)
}

// id is NULL for none.
func id(n message.ID) any {
	if n == 0 {
		return nil
	}
	return n.String()
}
