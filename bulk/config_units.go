package bulk

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Duration is a time.Duration that also reads days: 30d, 1d12h.
type Duration time.Duration

func (d Duration) String() string {
	if d != 0 && time.Duration(d)%(24*time.Hour) == 0 {
		return strconv.Itoa(int(time.Duration(d)/(24*time.Hour))) + "d"
	}
	return time.Duration(d).String()
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads Go durations with days in front: 30d, 1d12h, 90s.
func (d *Duration) UnmarshalText(b []byte) error {
	text := string(b)
	var days time.Duration
	if head, rest, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.Atoi(head)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a duration such as 30d, 12h or 90s", text)
		}
		if n > int(math.MaxInt64/(24*time.Hour)) {
			return fmt.Errorf("%q is longer than 292 years", b)
		}
		days, text = time.Duration(n)*24*time.Hour, rest
	}
	var clock time.Duration
	if text != "" && text != "0" {
		var err error
		if clock, err = time.ParseDuration(text); err != nil || clock < 0 {
			return fmt.Errorf("%q is not a duration such as 30d, 12h or 90s", b)
		}
	} else if len(b) == 0 {
		return errors.New("a duration is missing")
	}
	if days+clock < 0 {
		return fmt.Errorf("%q is longer than 292 years", b)
	}
	*d = Duration(days + clock)
	return nil
}

// UnmarshalYAML is UnmarshalText with the place in the file, which the YAML library leaves
// out of a type's own errors.
func (d *Duration) UnmarshalYAML(node ast.Node) error { return atPlace(node, d.UnmarshalText) }

func atPlace(node ast.Node, read func([]byte) error) error {
	at := node.GetToken()
	if err := read([]byte(at.Value)); err != nil {
		return fmt.Errorf("[%d:%d] %w", at.Position.Line, at.Position.Column, err)
	}
	return nil
}

// Size is a number of bytes that reads and writes KiB, MiB, GiB and TiB.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func (s Size) String() string {
	for _, u := range sizeUnits {
		if int64(s) >= u.bytes && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText writes what UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads 1073741824, 1GiB or 500MiB.
func (s *Size) UnmarshalText(b []byte) error {
	text, unit := strings.TrimSpace(string(b)), int64(1)
	for _, u := range sizeUnits {
		if head, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = strings.TrimSpace(head), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return fmt.Errorf("%q is not a size such as 500MiB or 1GiB", b)
	}
	*s = Size(n * unit)
	return nil
}

// UnmarshalYAML is UnmarshalText with the place in the file.
func (s *Size) UnmarshalYAML(node ast.Node) error { return atPlace(node, s.UnmarshalText) }
