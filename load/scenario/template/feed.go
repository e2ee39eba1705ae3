package template

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
)

// Order says which row of a feed an iteration gets.
type Order uint8

// Sequential goes through the rows in their order, all users together, and begins again
// after the last; Random draws one.
const (
	Sequential Order = iota
	Random
)

// Feed is a CSV file whose rows are handed out, one for each iteration that asks.
type Feed struct {
	Name    string
	columns []string
	rows    [][]string
	order   Order
	index   int
	next    atomic.Uint64
	part    atomic.Uint64 // of several processes: its index<<32 | how many there are
}

// Share gives every of-th row of a sequential feed, beginning at index: the part of one of
// several processes. Safe for concurrent use.
func (f *Feed) Share(index, of int) { f.part.Store(uint64(index)<<32 | uint64(of)) }

// sequential is the next row in order.
func (f *Feed) sequential() int {
	n := f.next.Add(1) - 1
	if part := f.part.Load(); part > 0 {
		n = n*(part&(1<<32-1)) + part>>32
	}
	return int(n % uint64(len(f.rows)))
}

// MaxFeedRows bounds a feed.
const MaxFeedRows = 5_000_000

// ParseCSV reads a feed; the first line names the columns.
func ParseCSV(name string, data []byte, order Order) (*Feed, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	r.TrimLeadingSpace = true
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("it is empty: the first line names the columns")
	}
	if err != nil {
		return nil, err
	}
	f := &Feed{Name: name, columns: head, order: order}
	for {
		row, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			if len(f.rows) == 0 {
				return nil, errors.New("no row follows the line with the names of the columns")
			}
			return f, nil
		case err != nil:
			return nil, err
		case len(f.rows) == MaxFeedRows:
			return nil, fmt.Errorf("it has more than %d rows", MaxFeedRows)
		}
		f.rows = append(f.rows, row)
	}
}

// Columns are the names in the first line.
func (f *Feed) Columns() []string { return f.columns }

// Len is the number of rows.
func (f *Feed) Len() int { return len(f.rows) }

func (f *Feed) column(name string) int { return slices.Index(f.columns, name) }

// value is a column of the iteration's row.
func (f *Feed) value(s *Scope, column int) string {
	row := s.Rows[f.index]
	if row < 0 {
		if f.order == Random {
			row = s.Rand.IntN(len(f.rows))
		} else {
			row = f.sequential()
		}
		s.Rows[f.index] = row
	}
	return f.rows[row][column]
}
