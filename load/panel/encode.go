package panel

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"protei-bulk/load/stats"
)

// encoder appends JSON to a buffer: a tick of hundreds of names is encoded each second, and encoding/json has no way to
// write a figure that was not measured. Commas are its business.
type encoder struct {
	b     []byte
	comma bool
}

func (e *encoder) sep() {
	if e.comma {
		e.b = append(e.b, ',')
	}
	e.comma = true
}

func (e *encoder) open(c byte) {
	e.sep()
	e.b = append(e.b, c)
	e.comma = false
}

func (e *encoder) close(c byte) {
	e.b = append(e.b, c)
	e.comma = true
}

// key begins a field.
func (e *encoder) key(name string) {
	e.sep()
	e.b = append(e.b, '"')
	e.b = append(e.b, name...)
	e.b = append(e.b, '"', ':')
	e.comma = false
}

// list writes an array.
func (e *encoder) list(fn func()) {
	e.open('[')
	fn()
	e.close(']')
}

// object writes an object.
func (e *encoder) object(fn func()) {
	e.open('{')
	fn()
	e.close('}')
}

// num writes a number; NaN and infinities are null.
func (e *encoder) num(v float64) {
	e.sep()
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		e.b = append(e.b, "null"...)
	case v == math.Trunc(v) && math.Abs(v) < 1e15:
		e.b = strconv.AppendInt(e.b, int64(v), 10)
	default:
		e.b = strconv.AppendFloat(e.b, v, 'f', -1, 64)
	}
}

// short writes a number with at most three decimals.
func (e *encoder) short(v float64) { e.num(math.Round(v*1000) / 1000) }

func (e *encoder) count(n uint64) {
	e.sep()
	e.b = strconv.AppendUint(e.b, n, 10)
}

func (e *encoder) bool(v bool) {
	e.sep()
	e.b = strconv.AppendBool(e.b, v)
}

// ms writes a duration in milliseconds, to the microsecond.
func (e *encoder) ms(d time.Duration) {
	e.short(float64(d.Round(time.Microsecond)) / float64(time.Millisecond))
}

// msOf is ms of what may not have been measured: then null.
func (e *encoder) msOf(d time.Duration, samples uint64) {
	if samples == 0 {
		e.num(math.NaN())
		return
	}
	e.ms(d)
}

// unix writes a time in milliseconds since 1970, null for none.
func (e *encoder) unix(t time.Time) {
	if t.IsZero() {
		e.num(math.NaN())
		return
	}
	e.num(float64(t.UnixMilli()))
}

func (e *encoder) str(s string) {
	e.sep()
	if plain(s) {
		e.b = append(e.b, '"')
		e.b = append(e.b, s...)
		e.b = append(e.b, '"')
		return
	}
	quoted, _ := json.Marshal(s) // a string always has a form
	e.b = append(e.b, quoted...)
}

// plain says that a string needs no escapes.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// value writes whatever encoding/json writes.
func (e *encoder) value(v any) {
	e.sep()
	b, err := json.Marshal(v)
	if err != nil {
		b = []byte("null")
	}
	e.b = append(e.b, b...)
}

// quantiles writes Locust's eleven percentiles in milliseconds.
func (e *encoder) quantiles(q *stats.Quantiles, samples uint64) {
	for _, d := range q {
		e.msOf(d, samples)
	}
}
