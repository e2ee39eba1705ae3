package template

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"protei-bulk/internal/nearest"
)

// functionNames in the order of the documentation.
var functionNames = []string{
	"random", "digits", "hex", "letters", "msisdn", "choice", "uuid", "now", "counter",
	"user", "iteration", "seq", "client_ref", "raw", "env",
}

// FunctionNames are the functions of the language.
func FunctionNames() []string { return slices.Clone(functionNames) }

// maxRandomLength bounds a random string.
const maxRandomLength = 10_000

// call compiles a function.
func (e *Env) call(name string, at int, args []argument, esc Escape) (op, *Fault) {
	bad := func(want string) (op, *Fault) {
		return op{}, &Fault{at, fmt.Sprintf("want ${%s}", want)}
	}
	switch name {
	case "random":
		return randomOp(at, args)
	case "digits", "hex", "letters":
		kind := map[string]opKind{"digits": opDigits, "hex": opHex, "letters": opLetters}[name]
		n, ok := wholeArg(args, 1, maxRandomLength)
		if !ok {
			return bad(name + "(LENGTH)} with a LENGTH from 1 to " + strconv.Itoa(maxRandomLength) + " in ${" + name + "(8)")
		}
		return op{kind: kind, slot: n}, nil
	case "msisdn":
		return msisdnOp(at, args)
	case "choice":
		if len(args) == 0 {
			return bad("choice(A, B, …)")
		}
		o := op{kind: opChoice}
		for _, a := range args {
			o.list = append(o.list, string(appendEscaped(nil, a.text, esc)))
		}
		return o, nil
	case "now":
		return nowOp(at, args)
	case "counter":
		return e.counterOp(at, args)
	case "raw":
		return e.rawOp(at, args)
	case "env":
		return e.envOp(at, args, esc)
	}
	kind, ok := map[string]opKind{
		"uuid": opUUID, "user": opUser, "iteration": opIteration, "seq": opSeq, "client_ref": opRef,
	}[name]
	switch {
	case !ok:
		return op{}, &Fault{at, "no variable or function " + strconv.Quote(name) + nearest.Meant(name, e.Known())}
	case len(args) > 0:
		return bad(name)
	}
	return op{kind: kind}, nil
}

func wholeArg(args []argument, least, most int) (int, bool) {
	if len(args) != 1 {
		return 0, false
	}
	n, err := strconv.Atoi(args[0].text)
	return n, err == nil && n >= least && n <= most
}

func randomOp(at int, args []argument) (op, *Fault) {
	if len(args) != 2 {
		return op{}, &Fault{at, "want ${random(LEAST, MOST)}"}
	}
	var bounds [2]int64
	for i, a := range args {
		n, err := strconv.ParseInt(a.text, 10, 64)
		if err != nil {
			return op{}, &Fault{a.offset, fmt.Sprintf("%q is no whole number", a.text)}
		}
		bounds[i] = n
	}
	if bounds[1] < bounds[0] {
		return op{}, &Fault{at, "want ${random(LEAST, MOST)}, the lower number first"}
	}
	return op{kind: opRandom, least: bounds[0], span: uint64(bounds[1]-bounds[0]) + 1}, nil
}

// msisdnOp reads ranges FIRST-LAST and patterns with an X for each random digit.
func msisdnOp(at int, args []argument) (op, *Fault) {
	want := "want ${msisdn(9665XXXXXXXX)} or ${msisdn(966500000000-966599999999, …)}"
	if len(args) == 1 && strings.Contains(args[0].text, "X") {
		if strings.Trim(args[0].text, "0123456789X+") != "" || len(args[0].text) > 20 {
			return op{}, &Fault{args[0].offset, want}
		}
		return op{kind: opPattern, text: args[0].text}, nil
	}
	o := op{kind: opNumberIn}
	for _, a := range args {
		s, ok := parseSpan(a.text)
		if !ok {
			return op{}, &Fault{a.offset, fmt.Sprintf("%q is no range of numbers: %s", a.text, want)}
		}
		o.spans = append(o.spans, s)
		o.span += s.count
	}
	if len(o.spans) == 0 || len(o.spans) > 16 {
		return op{}, &Fault{at, want}
	}
	return o, nil
}

func parseSpan(text string) (span, bool) {
	low, high, ranged := strings.Cut(text, "-")
	low, high = strings.TrimSpace(low), strings.TrimSpace(high)
	if !ranged {
		high = low
	}
	first, err1 := strconv.ParseUint(low, 10, 60)
	last, err2 := strconv.ParseUint(high, 10, 60)
	if err1 != nil || err2 != nil || last < first || len(low) != len(high) || len(low) > 18 {
		return span{}, false
	}
	return span{first, last - first + 1, len(low)}, true
}

func nowOp(at int, args []argument) (op, *Fault) {
	switch {
	case len(args) == 0:
		return op{kind: opTime, text: time.RFC3339}, nil
	case len(args) > 1:
		return op{}, &Fault{at, "want ${now}, ${now(unix)}, ${now(unix_ms)} or ${now('2006-01-02 15:04:05')}"}
	case args[0].text == "unix":
		return op{kind: opUnix}, nil
	case args[0].text == "unix_ms":
		return op{kind: opUnixMilli}, nil
	}
	layout := args[0].text
	if strings.ContainsFunc(layout, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) || len(layout) > 64 || time.Unix(1e9, 0).UTC().Format(layout) == layout {
		return op{}, &Fault{args[0].offset, fmt.Sprintf("%q is no layout: write the moment 2006-01-02 15:04:05 as you want it, as ${now('02.01.2006')}", layout)}
	}
	return op{kind: opTime, text: layout}, nil
}

func (e *Env) counterOp(at int, args []argument) (op, *Fault) {
	if len(args) == 0 || len(args) > 2 || !ValidName(args[0].text) {
		return op{}, &Fault{at, "want ${counter(NAME)} or ${counter(NAME, FIRST)}"}
	}
	first := int64(1)
	if len(args) == 2 {
		n, err := strconv.ParseInt(args[1].text, 10, 64)
		if err != nil || n > math.MaxInt64/2 || n < math.MinInt64/2 {
			return op{}, &Fault{args[1].offset, fmt.Sprintf("%q is no number to count from", args[1].text)}
		}
		first = n
	}
	c := e.counters[args[0].text]
	if c == nil {
		c = new(atomic.Int64)
		c.Store(first)
		e.counters[args[0].text] = c
	} else if len(args) == 2 {
		c.Store(first)
	}
	return op{kind: opCounter, counter: c}, nil
}

func (e *Env) rawOp(at int, args []argument) (op, *Fault) {
	if len(args) != 1 {
		return op{}, &Fault{at, "want ${raw(VARIABLE)}"}
	}
	name := args[0].text
	slot, ok := e.slots[name]
	if v, isConst := e.consts[name]; isConst {
		return op{kind: opLiteral, text: v}, nil
	}
	if !ok {
		return op{}, &Fault{args[0].offset, "no variable " + strconv.Quote(name) + nearest.Meant(name, e.Known())}
	}
	if e.onVar != nil {
		e.onVar(name)
	}
	return op{kind: opVarRaw, slot: slot}, nil
}

func (e *Env) envOp(at int, args []argument, esc Escape) (op, *Fault) {
	if len(args) == 0 || len(args) > 2 {
		return op{}, &Fault{at, "want ${env(NAME)} or ${env(NAME, DEFAULT)}"}
	}
	v := ""
	if e.getenv != nil {
		v = e.getenv(args[0].text)
	}
	if v == "" && len(args) == 1 {
		return op{}, &Fault{at, fmt.Sprintf("the environment has no %s; ${env(%s, DEFAULT)} does without", args[0].text, args[0].text)}
	}
	if v == "" {
		v = args[1].text
	}
	return op{kind: opLiteral, text: string(appendEscaped(nil, v, esc))}, nil
}
