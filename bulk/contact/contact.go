// Package contact is about whom customers write to: Members, who have a number and values
// of columns; their import from what customers upload (Importer); and contact lists, which
// campaigns are sent to (Lists). Members are kept in blocks of about a thousand, numbered
// from 1. The package starts no goroutine.
package contact

import (
	"context"
	"encoding/binary"
	"errors"

	"protei-bulk/bulk/message"
)

// BlockKind is what a Block has. The numbers are stored.
type BlockKind uint8

// The kinds.
const (
	Recipients BlockKind = 1 // members
	Refused    BlockKind = 2 // rows that were refused at an import, see Fault
	Failed     BlockKind = 3 // recipients that were refused when their message was made, see Fault
)

// BlockSize is how many entries a Block has, about.
const BlockSize = 1000

// MaxMembers bounds the members of a campaign or a list. Their numbers are kept in memory
// while rows are imported, in about 20 octets each.
const MaxMembers = 10_000_000

// Block is a run of numbered entries as they are stored.
type Block struct {
	Kind  BlockKind
	First uint32 // number of the first entry
	Count uint32
	Data  []byte
}

// Store reads the blocks of a campaign or a list.
type Store interface {
	// Blocks returns up to limit blocks in order, from the one that has the entry from.
	Blocks(ctx context.Context, owner message.ID, kind BlockKind, from uint32, limit int) ([]Block, error)
}

// Member is one recipient.
type Member struct {
	To     string
	Line   uint32   // of the file that it came from, 0: of none
	Values []string // of the owner's columns, by their place; the last ones may be missing
}

var errBlock = errors.New("contact: a stored block is damaged")

// AppendMember appends m as Cursor reads it.
func AppendMember(dst []byte, m *Member) []byte {
	dst = appendText(dst, m.To)
	dst = binary.AppendUvarint(dst, uint64(m.Line)+1)
	n := len(m.Values)
	for n > 0 && m.Values[n-1] == "" {
		n--
	}
	dst = binary.AppendUvarint(dst, uint64(n)+1)
	for _, v := range m.Values[:n] {
		dst = appendText(dst, v)
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// Cursor reads the entries of blocks. The strings that it gives alias one copy of the block.
type Cursor struct {
	rest string
	bad  bool
}

// Reset starts with a block.
func (c *Cursor) Reset(b *Block) { c.rest, c.bad = string(b.Data), false }

// Member reads the next member into m, whose Values are used again. It returns false at the
// end and after damage, which Err tells.
func (c *Cursor) Member(m *Member) bool {
	if c.rest == "" || c.bad {
		return false
	}
	m.To = c.text()
	line, n := c.uint(), c.uint()
	if line == 0 || n == 0 || n > uint64(len(c.rest))+1 {
		c.bad = true
		return false
	}
	m.Line, m.Values = uint32(line-1), m.Values[:0]
	for range n - 1 {
		m.Values = append(m.Values, c.text())
	}
	return !c.bad
}

// Err returns why the entries ended before the block did, or nil.
func (c *Cursor) Err() error {
	if c.bad {
		return errBlock
	}
	return nil
}

func (c *Cursor) uint() (n uint64) {
	for shift := 0; shift < 64 && len(c.rest) > 0; shift += 7 {
		b := c.rest[0]
		c.rest = c.rest[1:]
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	c.bad = true
	return 0
}

func (c *Cursor) text() string {
	n := c.uint()
	if n > uint64(len(c.rest)) {
		c.bad = true
		return ""
	}
	s := c.rest[:n]
	c.rest = c.rest[n:]
	return s
}
