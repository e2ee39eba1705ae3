package contact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"protei-bulk/bulk/contact/sheet"
)

// ImportError says why a whole import cannot be carried out; nothing of it is kept.
type ImportError struct{ Code, Detail string }

// Error implements error.
func (e *ImportError) Error() string { return e.Detail }

// Progress counts the rows of an import while it runs. Rows = Added + Refused.
type Progress struct {
	Rows       atomic.Int64 // read, without the heading
	Added      atomic.Int64
	Refused    atomic.Int64 // in the error file; skipped duplicates are among them
	Duplicates atomic.Int64 // numbers that were there already, kept or skipped
}

// Importer adds the rows of a Reader to the members of a campaign or a list.
type Importer struct {
	Reader sheet.Reader
	Header Header
	To     string            // column of the number, by name or from 1; "": found
	Map    map[string]string // name of a value → column; nil: every column under its own name

	// Columns are the names of the owner's values, in the form of ColumnName; those of the
	// file are added.
	Columns []string
	Added   uint32 // members that the owner has already
	Refused uint32 // entries of its error file already
	// Check returns a number in the form in which it is kept, or what is wrong with it.
	Check func(to string) (number, detail string)
	// SkipDuplicates refuses numbers that the owner has already; otherwise they are counted.
	SkipDuplicates bool
	Progress       *Progress
	// Put stores blocks, durably. Members and faults are numbered on from Added and Refused.
	Put func(ctx context.Context, blocks []Block) error

	seen    numbers
	layout  layout
	members pile
	faults  pile
	ready   []Block
	member  Member
	entry   []byte
}

// pile collects entries until they are a Block.
type pile struct {
	kind  BlockKind
	first uint32 // of the next block
	count uint32
	data  []byte
}

const (
	putBlocks   = 10        // stored together
	maxPile     = 512 << 10 // octets of a block
	sampledRows = 20        // looked at to find the heading and the numbers
)

// Known adds a number that the owner has already, for duplicates.
func (i *Importer) Known(number string) { i.seen.add(key(number)) }

// Run imports. Rows that are refused do not end it. After an error the caller forgets what
// was put.
func (i *Importer) Run(ctx context.Context) error {
	i.members = pile{kind: Recipients, first: i.Added + 1}
	i.faults = pile{kind: Refused, first: i.Refused + 1}
	sample, end, err := i.sample()
	if err == nil {
		err = i.arrange(&sample)
	}
	if err != nil {
		return err
	}
	for n := range sample {
		if err := i.looked(ctx, &sample[n]); err != nil {
			return err
		}
	}
	for row := (sheet.Row{}); !end; {
		switch err := i.read(ctx, &row); {
		case errors.Is(err, io.EOF):
			end = true
		case err != nil:
			return err
		}
	}
	i.members.close(&i.ready)
	i.faults.close(&i.ready)
	return i.put(ctx)
}

// sampled is a row that was read ahead, or why it cannot be read.
type sampled struct {
	sheet.Row
	bad *sheet.Malformed
}

// sample reads the first rows, to look at them.
func (i *Importer) sample() (rows []sampled, end bool, err error) {
	for good := 0; good < sampledRows; {
		var s sampled
		switch err := i.Reader.Next(&s.Row); {
		case errors.Is(err, io.EOF):
			return rows, true, nil
		case errors.As(err, &s.bad):
			if len(rows) > 100*sampledRows { // it is not what it says it is
				return nil, false, &ImportError{"unreadable_file", fmt.Sprintf("the first rows cannot be read; line %d: %s", s.bad.Line, s.bad.Detail)}
			}
		case err != nil:
			return nil, false, err
		default:
			good++
		}
		s.Cells, s.Names = slices.Clone(s.Cells), slices.Clone(s.Names)
		rows = append(rows, s)
	}
	return rows, false, nil
}

func (i *Importer) looked(ctx context.Context, s *sampled) error {
	if s.bad == nil {
		return i.row(ctx, &s.Row)
	}
	return i.malformed(ctx, s.bad)
}

// read takes one row.
func (i *Importer) read(ctx context.Context, row *sheet.Row) error {
	err := i.Reader.Next(row)
	if err == nil {
		return i.row(ctx, row)
	}
	var bad *sheet.Malformed
	if !errors.As(err, &bad) {
		return err
	}
	return i.malformed(ctx, bad)
}

func (i *Importer) malformed(ctx context.Context, bad *sheet.Malformed) error {
	i.Progress.Rows.Add(1)
	return i.refuse(ctx, &Fault{Line: bad.Line, Code: bad.Code, Reason: bad.Detail, Row: bad.Raw})
}

// row makes a member of a row, or a fault.
func (i *Importer) row(ctx context.Context, row *sheet.Row) error {
	i.Progress.Rows.Add(1)
	to, field, fault := i.place(row)
	if fault != nil {
		return i.refuse(ctx, fault)
	}
	number, detail := i.Check(to)
	if detail != "" {
		code := "invalid_recipient"
		if to == "" {
			code, detail = "missing_recipient", "is empty"
		}
		return i.refuse(ctx, &Fault{Line: row.Line, Field: field, Code: code, Reason: detail, Row: shorten(row.Raw)})
	}
	if !i.seen.add(key(number)) {
		i.Progress.Duplicates.Add(1)
		if i.SkipDuplicates {
			return i.refuse(ctx, &Fault{Line: row.Line, Field: field, Code: "duplicate", Reason: "the number is there already", Row: shorten(row.Raw)})
		}
	}
	if i.members.next() > MaxMembers {
		return &ImportError{"too_many_recipients", fmt.Sprintf("there are more than the %d recipients allowed", MaxMembers)}
	}
	i.member.To, i.member.Line = number, row.Line
	i.entry = AppendMember(i.entry[:0], &i.member)
	i.Progress.Added.Add(1)
	return i.add(ctx, &i.members)
}

func (i *Importer) refuse(ctx context.Context, f *Fault) error {
	i.Progress.Refused.Add(1)
	i.entry = AppendFault(i.entry[:0], f)
	return i.add(ctx, &i.faults)
}

// add puts entry on a pile.
func (i *Importer) add(ctx context.Context, p *pile) error {
	p.data = append(p.data, i.entry...)
	if p.count++; p.count >= BlockSize || len(p.data) > maxPile {
		p.close(&i.ready)
	}
	if len(i.ready) < putBlocks {
		return ctx.Err()
	}
	return i.put(ctx)
}

func (i *Importer) put(ctx context.Context) error {
	if len(i.ready) == 0 {
		return ctx.Err()
	}
	err := i.Put(ctx, i.ready)
	clear(i.ready)
	i.ready = i.ready[:0]
	return err
}

// next is the number of the entry that is added next.
func (p *pile) next() uint32 { return p.first + p.count }

func (p *pile) close(into *[]Block) {
	if p.count == 0 {
		return
	}
	*into = append(*into, Block{Kind: p.kind, First: p.first, Count: p.count, Data: p.data})
	p.first += p.count
	p.count, p.data = 0, make([]byte, 0, len(p.data))
}

// shorten keeps a row small enough for the error file.
func shorten(s string) string { return strings.ToValidUTF8(s[:min(len(s), 500)], "\ufffd") }
