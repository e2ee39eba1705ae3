package contact

import (
	"context"
	"errors"
	"io"
	"slices"

	"protei-bulk/bulk/contact/sheet"
	"protei-bulk/bulk/message"
)

// Inline is a sheet.Reader of rows in memory.
type Inline struct {
	Rows []sheet.Row
	next int
}

// Next implements sheet.Reader.
func (r *Inline) Next(row *sheet.Row) error {
	if r.next == len(r.Rows) {
		return io.EOF
	}
	*row = r.Rows[r.next]
	r.next++
	return nil
}

// Close implements sheet.Reader.
func (r *Inline) Close() error { return nil }

// MemberReader is a sheet.Reader of the members of a campaign or a list.
type MemberReader struct {
	ctx     context.Context
	store   Store
	owner   message.ID
	at, to  uint32 // number of the next member, and of the last
	skip    uint32 // members of the block that come before at
	names   []string
	blocks  []Block
	current Cursor
	member  Member
	cells   []string
}

// Span is a run of an owner's members: those after number After, up to number To.
type Span struct {
	Owner     message.ID
	Columns   []string // of the owner
	After, To uint32
}

// NewMemberReader reads members in order.
func NewMemberReader(ctx context.Context, s Store, span Span) *MemberReader {
	return &MemberReader{
		ctx: ctx, store: s, owner: span.Owner, at: span.After + 1, to: span.To, names: append([]string{"to"}, span.Columns...),
	}
}

// At is the number of the member that Member returned last.
func (r *MemberReader) At() uint32 { return r.at - 1 }

// Member returns the next member, which is valid until the next call, or io.EOF.
func (r *MemberReader) Member() (*Member, error) {
	for {
		if r.at > r.to {
			return nil, io.EOF
		}
		for r.current.Member(&r.member) {
			if r.skip > 0 {
				r.skip--
				continue
			}
			r.at++
			return &r.member, nil
		}
		if err := r.current.Err(); err != nil {
			return nil, err
		}
		if err := r.block(); err != nil {
			return nil, err
		}
	}
}

// block goes to the block that has the member at.
func (r *MemberReader) block() error {
	if len(r.blocks) == 0 {
		var err error
		if r.blocks, err = r.store.Blocks(r.ctx, r.owner, Recipients, r.at, 16); err != nil {
			return err
		}
	}
	if len(r.blocks) == 0 || r.blocks[0].First > r.at {
		return errBlock
	}
	r.skip = r.at - r.blocks[0].First
	r.current.Reset(&r.blocks[0])
	r.blocks = r.blocks[1:]
	return nil
}

// Next implements sheet.Reader.
func (r *MemberReader) Next(row *sheet.Row) error {
	m, err := r.Member()
	if err != nil {
		return err
	}
	r.cells = append(append(r.cells[:0], m.To), m.Values...)
	*row = sheet.Row{Line: r.at - 1, Cells: r.cells, Names: r.names[:len(r.cells)], Raw: m.To}
	return nil
}

// Close implements sheet.Reader.
func (r *MemberReader) Close() error { return nil }

// ReadMembers returns up to limit members of a span.
func ReadMembers(ctx context.Context, s Store, span Span, limit int) ([]Member, error) {
	r := NewMemberReader(ctx, s, span)
	all := []Member{}
	for len(all) < limit {
		m, err := r.Member()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, Member{To: m.To, Line: m.Line, Values: slices.Clone(m.Values)})
	}
	return all, nil
}
