package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store/receiptindex"
)

// The secondary index of a table of messages is a set of sorted runs, as in a
// log-structured merge tree, kept in index_n:
//
//	run 17   block (key 0x01.., id)  |k id|k id|…   ≤ 128 entries (key, id), delta-coded
//	         block (key 0x05.., id)  |k id|…
//	run 18   …
//
// An entry is the 32-bit hash of one property of a message (its account, recipient,
// batch, …) and the message's id. Each transaction of the materialiser appends one run
// per kind, so that an index entry costs a few nanoseconds of sorting and two or so
// bytes instead of an insertion into a random page of a B-tree; mergeWidth runs of a
// level become one of the next. A reader verifies what it finds on the row, so a
// colliding hash or an entry that is out of date does no harm.

// runKind separates the entries that are merged and looked up together.
type runKind uint8

const (
	filterRuns  runKind = iota + 1 // account, sender, recipient, batch, campaign, final status
	receiptRuns                    // (connector group, SMSC id) of parts without a final state
)

const (
	blockEntries = 128
	mergeWidth   = 8
	// maxMerge bounds the memory of a merge; a table's runs above it stay apart.
	maxMerge = 3_000_000
)

// run is one sorted run.
type run struct {
	no      int64
	kind    runKind
	level   int
	entries int
	lo, hi  message.ID // bounds of its ids
}

// entry is one index entry.
type entry struct {
	id  message.ID
	key uint32
}

// property is a message's property that REST filters by.
type property uint64

const (
	byAccount property = iota + 1
	byStatus
	byFrom
	byTo
	byBatch
	byCampaign
)

// hasher makes the keys of index entries; seed belongs to the store.
type hasher struct{ seed uint64 }

func (h hasher) number(p property, n uint64) uint32 {
	return uint32(receiptindex.Mix(h.seed ^ uint64(p)<<56 ^ n*0x9E3779B97F4A7C15))
}

func (h hasher) text(p property, s string) uint32 {
	return uint32(receiptindex.HashString(h.seed^uint64(p)<<56, s))
}

// status is the key of an account's messages with a final status.
func (h hasher) status(account uint32, s message.Status) uint32 {
	return h.number(byStatus, uint64(account)<<8|uint64(s))
}

// runWriter sorts and writes entries; its buffers are used again.
type runWriter struct {
	conn  *database
	swap  []entry
	block []byte
}

// write stores entries, which it sorts, as a run of t.
func (w *runWriter) write(t *table, r run, entries []entry) error {
	entries = w.sort(entries)
	r.entries = len(entries)
	r.lo, r.hi = entries[0].id, entries[0].id
	for _, e := range entries {
		r.lo, r.hi = min(r.lo, e.id), max(r.hi, e.id)
	}
	stmt, err := w.conn.statement(t.sql.addBlock)
	if err != nil {
		return fmt.Errorf("prepare index block: %w", err)
	}
	for block := range slices.Chunk(entries, blockEntries) {
		w.block = appendBlock(w.block[:0], block)
		stmt.BindInt64(1, r.no)
		stmt.BindInt64(2, int64(block[0].key))
		stmt.BindInt64(3, int64(block[0].id))
		stmt.BindBytes(4, w.block)
		if _, err := stmt.Step(); err != nil {
			return fmt.Errorf("write index run %d: %w", r.no, err)
		}
		if err := stmt.Reset(); err != nil {
			return fmt.Errorf("write index run %d: %w", r.no, err)
		}
	}
	t.runs = append(t.runs, r)
	return exec(w.conn, "INSERT INTO runs VALUES (?,?,?,?,?,?,?)", r.no, t.n,
		int64(r.kind), int64(r.level), int64(r.entries), int64(r.lo), int64(r.hi))
}

// appendBlock encodes all entries after the first, whose key and id stand in the row.
// The entries are sorted by key, then id.
func appendBlock(dst []byte, entries []entry) []byte {
	last := entries[0]
	for _, e := range entries[1:] {
		dst = binary.AppendUvarint(dst, uint64(e.key-last.key))
		if e.key == last.key {
			dst = binary.AppendUvarint(dst, uint64(e.id-last.id))
		} else {
			dst = binary.AppendVarint(dst, int64(e.id-last.id))
		}
		last = e
	}
	return dst
}

// step reads the entry after last from an encoded block and returns what is left; ok is
// false at damage.
func step(last entry, data []byte) (next entry, rest []byte, ok bool) {
	key, n := binary.Uvarint(data)
	if n <= 0 || key > uint64(^uint32(0)-last.key) {
		return last, nil, false
	}
	data = data[n:]
	var delta uint64
	if key == 0 {
		delta, n = binary.Uvarint(data)
	} else {
		var d int64
		d, n = binary.Varint(data)
		delta = uint64(d)
	}
	if n <= 0 {
		return last, nil, false
	}
	return entry{id: last.id + message.ID(delta), key: last.key + uint32(key)}, data[n:], true
}

// decodeBlock appends the entries of a block to dst.
func decodeBlock(dst []entry, first entry, data []byte) ([]entry, error) {
	dst = append(dst, first)
	for len(data) > 0 {
		var ok bool
		if first, data, ok = step(first, data); !ok {
			return dst, fmt.Errorf("%w: index block", errCodec)
		}
		dst = append(dst, first)
	}
	return dst, nil
}

// idsOf appends the ids that a block has for one key to dst.
func idsOf(dst []message.ID, key uint32, first entry, data []byte) ([]message.ID, error) {
	for {
		if first.key == key {
			dst = append(dst, first.id)
		}
		if first.key > key || len(data) == 0 {
			return dst, nil
		}
		var ok bool
		if first, data, ok = step(first, data); !ok {
			return dst, fmt.Errorf("%w: index block", errCodec)
		}
	}
}

// sort orders entries by key, then id, and drops repetitions. Entries mostly come in the
// order of their ids, so a stable radix sort by key leaves little to do.
func (w *runWriter) sort(entries []entry) []entry {
	if len(entries) > 256 {
		w.radix(entries)
		sortSpans(entries)
	} else {
		slices.SortFunc(entries, func(a, b entry) int {
			return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id))
		})
	}
	return slices.Compact(entries)
}

// sortSpans puts the ids of each key in order where they are not.
func sortSpans(entries []entry) {
	for start := 0; start < len(entries); {
		end, ordered := start+1, true
		for end < len(entries) && entries[end].key == entries[start].key {
			ordered = ordered && entries[end].id >= entries[end-1].id
			end++
		}
		if !ordered {
			slices.SortFunc(entries[start:end], func(a, b entry) int { return cmp.Compare(a.id, b.id) })
		}
		start = end
	}
}

// radix sorts by key in three stable passes of 11 bits.
func (w *runWriter) radix(entries []entry) {
	w.swap = slices.Grow(w.swap[:0], len(entries))[:len(entries)]
	from, to := entries, w.swap
	for shift := 0; shift < 33; shift += 11 {
		var start [1 << 11]int
		for _, e := range from {
			start[e.key>>shift&(1<<11-1)]++
		}
		sum := 0
		for i, n := range start {
			start[i], sum = sum, sum+n
		}
		for _, e := range from {
			bucket := e.key >> shift & (1<<11 - 1)
			to[start[bucket]] = e
			start[bucket]++
		}
		from, to = to, from
	}
	copy(entries, from)
}

// merge joins runs of t where a level has mergeWidth of them. next gives run numbers.
func (w *runWriter) merge(t *table, next func() int64) error {
	for {
		due, level := t.dueForMerge()
		if due == nil {
			return nil
		}
		if err := w.join(t, due, run{no: next(), kind: due[0].kind, level: level + 1}); err != nil {
			return err
		}
	}
}

// dueForMerge returns mergeWidth runs of one kind and level, if there are.
func (t *table) dueForMerge() (due []run, level int) {
	type group struct {
		kind  runKind
		level int
	}
	counts := make(map[group][]run)
	for _, r := range t.runs {
		g := group{r.kind, r.level}
		counts[g] = append(counts[g], r)
		total := 0
		for _, r := range counts[g] {
			total += r.entries
		}
		if len(counts[g]) == mergeWidth && total <= maxMerge {
			return counts[g], r.level
		}
	}
	return nil, 0
}

// seal leaves one receipt run of a table that no new messages go to: a receipt's lookup
// then costs one seek there.
func (w *runWriter) seal(t *table, next func() int64) error {
	var all []run
	total := 0
	for _, r := range t.runs {
		if r.kind == receiptRuns {
			all = append(all, r)
			total += r.entries
		}
	}
	if len(all) < 2 || total > maxMerge {
		return nil
	}
	return w.join(t, all, run{no: next(), kind: receiptRuns, level: all[0].level + 1})
}

// join writes the entries of old as one run and drops them.
func (w *runWriter) join(t *table, old []run, merged run) error {
	slices.SortFunc(old, func(a, b run) int { return cmp.Compare(a.lo, b.lo) })
	total := 0
	for _, r := range old {
		total += r.entries
	}
	entries := make([]entry, 0, total)
	for _, r := range old {
		var err error
		if entries, err = w.read(t, r, entries); err != nil {
			return err
		}
	}
	for _, r := range old {
		if err := exec(w.conn, t.sql.dropRun, r.no); err != nil {
			return fmt.Errorf("drop index run %d: %w", r.no, err)
		}
		if err := exec(w.conn, "DELETE FROM runs WHERE run = ?", r.no); err != nil {
			return fmt.Errorf("forget index run %d: %w", r.no, err)
		}
	}
	t.runs = slices.DeleteFunc(t.runs, func(r run) bool { return slices.Contains(old, r) })
	return w.write(t, merged, entries)
}

// read appends all entries of a run to dst.
func (w *runWriter) read(t *table, r run, dst []entry) ([]entry, error) {
	err := query1(w.conn, t.sql.readRun, func(stmt *sqlite.Stmt) (err error) {
		dst, err = decodeRow(stmt, dst)
		return err
	}, r.no)
	if err != nil {
		return dst, fmt.Errorf("read index run %d: %w", r.no, err)
	}
	return dst, nil
}

func decodeRow(stmt *sqlite.Stmt, dst []entry) ([]entry, error) {
	var local [2048]byte
	first := entry{key: uint32(stmt.ColumnInt64(0)), id: message.ID(stmt.ColumnInt64(1))}
	return decodeBlock(dst, first, blob(stmt, 2, local[:]))
}
