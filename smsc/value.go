package smsc

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"protei-bulk/smpp"
)

// Share is a part of all messages, 0 to 1. As text it is a percentage ("1.5%") or a
// fraction ("0.015").
type Share float64

// ParseShare reads a share.
func ParseShare(text string) (Share, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		f /= 100
	}
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, fmt.Errorf("%q is not a share such as 1.5%% or 0.015", text)
	}
	return Share(f), nil
}

// String returns the share as a percentage.
func (s Share) String() string { return strconv.FormatFloat(float64(s)*100, 'g', 12, 64) + "%" }

// MarshalText returns String.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// hit reports whether the draw u is inside the share.
func (s Share) hit(u uint64) bool { return unit(u) < float64(s) }

// unit maps a draw to [0, 1).
func unit(u uint64) float64 { return float64(u>>11) / (1 << 53) }

// maxDelay bounds every delay.
const maxDelay = 24 * time.Hour

// Delay is a time to wait, drawn for each message. As text it is fixed ("20ms"), uniform
// ("5ms-50ms"), exponential by its mean ("exp:50ms") or normal by mean and standard
// deviation ("normal:50ms,10ms"). The zero Delay is none.
type Delay struct {
	kind delayKind
	a, b time.Duration
}

type delayKind uint8

const (
	fixedDelay delayKind = iota
	uniformDelay
	expDelay
	normalDelay
)

// Fixed returns a delay that is always d.
func Fixed(d time.Duration) Delay { return Delay{a: d} }

// Between returns a delay that is uniform from low to high.
func Between(low, high time.Duration) Delay { return Delay{kind: uniformDelay, a: low, b: high} }

// ParseDelay reads a delay.
func ParseDelay(text string) (d Delay, err error) {
	text = strings.TrimSpace(text)
	bad := fmt.Errorf("%q is not a delay such as 20ms, 5ms-50ms, exp:50ms or normal:50ms,10ms, up to %v", text, maxDelay)
	first, sep := text, ""
	switch {
	case strings.HasPrefix(text, "exp:"):
		d.kind, first = expDelay, text[len("exp:"):]
	case strings.HasPrefix(text, "normal:"):
		d.kind, first, sep = normalDelay, text[len("normal:"):], ","
	case strings.Contains(text, "-"):
		d.kind, sep = uniformDelay, "-"
	case text == "" || text == "0":
		return Delay{}, nil
	}
	if sep != "" {
		var second string
		first, second, _ = strings.Cut(first, sep)
		if d.b, err = time.ParseDuration(strings.TrimSpace(second)); err != nil {
			return Delay{}, bad
		}
	}
	d.a, err = time.ParseDuration(strings.TrimSpace(first))
	if err != nil || d.a < 0 || d.b < 0 || d.a > maxDelay || d.b > maxDelay || d.kind == uniformDelay && d.a > d.b {
		return Delay{}, bad
	}
	return d, nil
}

// String returns the delay as ParseDelay reads it.
func (d Delay) String() string {
	switch d.kind {
	case uniformDelay:
		return d.a.String() + "-" + d.b.String()
	case expDelay:
		return "exp:" + d.a.String()
	case normalDelay:
		return "normal:" + d.a.String() + "," + d.b.String()
	default:
		return d.a.String()
	}
}

// MarshalText returns String.
func (d Delay) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// draw returns the delay of the draw u. An exponential one is cut at ten times its mean,
// a normal one at zero and at four deviations.
func (d Delay) draw(u uint64) time.Duration {
	switch d.kind {
	case uniformDelay:
		return d.a + time.Duration(unit(u)*float64(d.b-d.a))
	case expDelay:
		return time.Duration(min(-math.Log1p(-unit(u)), 10) * float64(d.a))
	case normalDelay:
		// Box and Muller, from the two halves of u.
		r := math.Sqrt(-2 * math.Log(float64(u>>32|1)/(1<<32)))
		z := r * math.Cos(2*math.Pi*float64(u&math.MaxUint32)/(1<<32))
		return max(0, d.a+time.Duration(max(-4, min(4, z))*float64(d.b)))
	default:
		return d.a
	}
}

// StatusShare is one line of an ErrorMix.
type StatusShare struct {
	Status smpp.Status
	Share  Share
}

// ErrorMix says which share of the submits is refused, and how. As text:
// "RTHROTTLED=1%,RSYSERR=0.5%"; a status is the standard's name, with or without ESME_,
// or a number.
type ErrorMix []StatusShare

// ParseErrorMix reads a mix.
func ParseErrorMix(text string) (ErrorMix, error) {
	var mix ErrorMix
	err := eachShare(text, func(name string, share Share) error {
		st, err := ParseStatus(name)
		if err == nil && st == smpp.ROK {
			err = fmt.Errorf("%s is not an error", name)
		}
		mix = append(mix, StatusShare{st, share})
		return err
	})
	if err != nil {
		return nil, err
	}
	return mix, nil
}

// String returns the mix as ParseErrorMix reads it.
func (m ErrorMix) String() string {
	var lines []string
	for _, e := range m {
		lines = append(lines, statusName(e.Status)+"="+e.Share.String())
	}
	return strings.Join(lines, ",")
}

// MarshalText returns String.
func (m ErrorMix) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

func (m ErrorMix) draw(u uint64) smpp.Status {
	at := unit(u)
	for _, e := range m {
		if at -= float64(e.Share); at < 0 {
			return e.Status
		}
	}
	return smpp.ROK
}

// StateShare is one line of a ReceiptMix.
type StateShare struct {
	State smpp.MessageState
	Share Share
}

// ReceiptMix says how messages end; what it leaves of 100 % is delivered. As text:
// "UNDELIV=2%,EXPIRED=1%".
type ReceiptMix []StateShare

// ParseReceiptMix reads a mix.
func ParseReceiptMix(text string) (ReceiptMix, error) {
	var mix ReceiptMix
	err := eachShare(text, func(name string, share Share) error {
		state, ok := finalStates[strings.ToUpper(name)]
		if !ok {
			return fmt.Errorf("%q is not a final state: DELIVRD, EXPIRED, DELETED, UNDELIV, UNKNOWN or REJECTD", name)
		}
		mix = append(mix, StateShare{state, share})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return mix, nil
}

// String returns the mix as ParseReceiptMix reads it.
func (m ReceiptMix) String() string {
	var lines []string
	for _, e := range m {
		lines = append(lines, e.State.Stat()+"="+e.Share.String())
	}
	return strings.Join(lines, ",")
}

// MarshalText returns String.
func (m ReceiptMix) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

func (m ReceiptMix) draw(u uint64) smpp.MessageState {
	at := unit(u)
	for _, e := range m {
		if at -= float64(e.Share); at < 0 {
			return e.State
		}
	}
	return smpp.StateDelivered
}

// eachShare reads name=share lists and checks that they stay within 100 %.
func eachShare(text string, add func(name string, share Share) error) error {
	total := Share(0)
	for item := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(item) == "" {
			continue
		}
		name, value, ok := strings.Cut(item, "=")
		if !ok {
			return fmt.Errorf("%q is not NAME=SHARE, such as RTHROTTLED=1%%", item)
		}
		share, err := ParseShare(value)
		if err != nil {
			return err
		}
		if err := add(strings.TrimSpace(name), share); err != nil {
			return err
		}
		total += share
	}
	if total > 1+1e-9 {
		return fmt.Errorf("shares of %q are %v together", text, total)
	}
	return nil
}

// ParseStatus reads a command_status: the standard's name, with or without ESME_, or a
// number such as 0x58.
func ParseStatus(name string) (smpp.Status, error) {
	if n, err := strconv.ParseUint(name, 0, 32); err == nil {
		return smpp.Status(n), nil
	}
	want := "ESME_" + strings.TrimPrefix(strings.ToUpper(name), "ESME_")
	const lastNamed = 0x1FF
	for st := range smpp.Status(lastNamed + 1) {
		if st.Name() == want {
			return st, nil
		}
	}
	return 0, fmt.Errorf("%q is not a command_status such as RTHROTTLED or 0x58", name)
}

// statusName is the short form that ParseStatus reads back.
func statusName(st smpp.Status) string {
	if name := st.Name(); name != "" {
		return strings.TrimPrefix(name, "ESME_")
	}
	return fmt.Sprintf("0x%02X", uint32(st))
}
