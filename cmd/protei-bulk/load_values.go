package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"protei-bulk/load"
)

// timespan is a flag with Locust's times.
type timespan time.Duration

func (t *timespan) String() string {
	if *t == 0 {
		return "0"
	}
	return time.Duration(*t).String()
}

func (t *timespan) Type() string { return "time" }

func (t *timespan) Set(s string) error {
	d, err := load.ParseTimespan(s)
	*t = timespan(d)
	return err
}

// seconds is a flag with Locust's plain seconds; a unit may be given.
type seconds time.Duration

func (s *seconds) String() string {
	return strconv.FormatFloat(time.Duration(*s).Seconds(), 'f', -1, 64)
}

func (s *seconds) Type() string { return "seconds" }

func (s *seconds) Set(text string) error {
	if text == "-1" {
		*s = seconds(-time.Second) // Locust's "not at all"
		return nil
	}
	return (*timespan)(s).Set(text)
}

// number is a flag whose NaN says that it was not given.
type number float64

func (n *number) String() string {
	if math.IsNaN(float64(*n)) {
		return ""
	}
	return strconv.FormatFloat(float64(*n), 'f', -1, 64)
}

func (n *number) Type() string { return "number" }

func (n *number) Set(text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return fmt.Errorf("%q: want a number of 0 or more", text)
	}
	*n = number(v)
	return nil
}

// words is a flag with a list: given again, separated by blanks or commas, as [a, b], or
// as several arguments in a row (see spreadLists).
type words []string

func (w *words) String() string        { return strings.Join(*w, " ") }
func (w *words) Type() string          { return "words" }
func (w *words) GetSlice() []string    { return *w }
func (w *words) Append(s string) error { return w.Set(s) }

func (w *words) Replace(values []string) error {
	*w = values
	return nil
}

func (w *words) Set(text string) error {
	fields := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t,[]\"'", r) })
	if len(fields) == 0 {
		return fmt.Errorf("%q has no word", text)
	}
	*w = append(*w, fields...)
	return nil
}

// spreadLists gives each word after a list flag of load its own flag, for Locust's
// `-T a b`: words up to the next flag belong to the list.
func spreadLists(args []string) []string {
	if len(args) == 0 || args[0] != "load" {
		return args
	}
	var out []string
	list := ""
	for i, a := range args {
		if a == "--" {
			return append(out, args[i:]...)
		}
		switch {
		case a == "-T" || a == "--tags" || a == "-E" || a == "--exclude-tags":
			list = a
		case strings.HasPrefix(a, "-"):
			list = ""
		case list != "" && len(out) > 0 && out[len(out)-1] != list:
			out = append(out, list)
		}
		out = append(out, a)
	}
	return out
}
