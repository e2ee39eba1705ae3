package stats

// parseID reads a message id of exactly 16 hex digits.
func parseID(id []byte) (n uint64, ok bool) {
	if len(id) != 16 {
		return 0, false
	}
	for _, c := range id {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		n = n<<4 | uint64(c)
	}
	return n, n != 0
}

const refDigits = "0123456789abcdefghijklmnopqrstuvwxyz"

// AppendRef appends the client_ref of seq: run, worker and sequence in base 36, joined by hyphens.
func (l *Ledger) AppendRef(dst []byte, seq uint64) []byte {
	dst = appendBase36(dst, uint64(l.run))
	dst = append(dst, '-')
	dst = appendBase36(dst, uint64(l.worker))
	dst = append(dst, '-')
	return appendBase36(dst, seq)
}

func appendBase36(dst []byte, v uint64) []byte {
	var b [13]byte
	i := len(b)
	for {
		i--
		b[i] = refDigits[v%36]
		if v /= 36; v == 0 {
			return append(dst, b[i:]...)
		}
	}
}

// Ref is a parsed client_ref.
type Ref struct {
	Run    uint32
	Worker uint16
	Seq    uint64
}

// ParseRef reads a client_ref of any run and worker.
func ParseRef(ref []byte) (Ref, bool) {
	run, rest, ok := cutBase36(ref, '-', 1<<32-1)
	if !ok {
		return Ref{}, false
	}
	worker, rest, ok := cutBase36(rest, '-', 1<<16-1)
	if !ok {
		return Ref{}, false
	}
	seq, _, ok := cutBase36(rest, 0, 1<<63-1)
	return Ref{uint32(run), uint16(worker), seq}, ok
}

// cutBase36 reads digits up to end (0 = the end of b) and returns what follows.
func cutBase36(b []byte, end byte, limit uint64) (v uint64, rest []byte, ok bool) {
	for i, c := range b {
		switch {
		case c == end && end != 0:
			return v, b[i+1:], i > 0
		case i >= 12:
			return 0, nil, false
		case c >= '0' && c <= '9':
			v = v*36 + uint64(c-'0')
		case c >= 'a' && c <= 'z':
			v = v*36 + uint64(c-'a') + 10
		default:
			return 0, nil, false
		}
		if v > limit {
			return 0, nil, false
		}
	}
	return v, nil, end == 0 && len(b) > 0
}

// ParseRef reads a client_ref of this run and worker; ok is false for any other.
func (l *Ledger) ParseRef(ref []byte) (seq uint64, ok bool) {
	r, ok := ParseRef(ref)
	return r.Seq, ok && r.Run == l.run && r.Worker == l.worker && r.Seq < l.next.Load()
}
