package postgres

import "encoding/binary"

// copyFrom is how many rows at least a transaction brings by COPY: it costs a round trip of its own,
// and fills pages and their WAL records with many rows at once.
const copyFrom = 200

const copyRows = "COPY messages (id, account, connector, priority, status, rare, version, due, campaign, ordinal, batch, source, dest, body) FROM STDIN (FORMAT binary)"

const (
	copyBegins = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" // no flags, no extension
	copyFields = 14
	copyEnds   = 0xffff
)

// appendCopy appends the rows as copyRows reads them: PostgreSQL's binary format of COPY, in which each
// field has its length before it.
func (c *columns) appendCopy(b []byte) []byte {
	b = append(b, copyBegins...)
	big := binary.BigEndian
	int16s := func(v int16) { b = big.AppendUint16(append(b, 0, 0, 0, 2), uint16(v)) }
	int32s := func(v int32) { b = big.AppendUint32(append(b, 0, 0, 0, 4), uint32(v)) }
	int64s := func(v int64) { b = big.AppendUint64(append(b, 0, 0, 0, 8), uint64(v)) }
	texts := func(v string) { b = append(big.AppendUint32(b, uint32(len(v))), v...) }
	for i := range c.id {
		b = big.AppendUint16(b, copyFields)
		int64s(c.id[i])
		int64s(c.account[i])
		int16s(c.connector[i])
		int16s(c.priority[i])
		int16s(c.status[i])
		int16s(c.rare[i])
		int32s(c.version[i])
		int64s(c.due[i])
		int64s(c.campaign[i])
		int64s(c.ordinal[i])
		int64s(c.batch[i])
		texts(c.source[i])
		texts(c.dest[i])
		b = append(big.AppendUint32(b, uint32(len(c.body[i]))), c.body[i]...)
	}
	return big.AppendUint16(b, copyEnds)
}
