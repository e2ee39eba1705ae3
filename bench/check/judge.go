package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// costs are the units of which less is better, as benchstat writes them.
var costs = map[string]bool{"sec/op": true, "B/op": true, "allocs/op": true, "cpu-sec/op": true}

// finding is a figure that is worse.
type finding struct {
	folder, what, unit string
	percent            float64
	certainty          string
}

func (f finding) String() string {
	return fmt.Sprintf("%s %s, %s: +%.1f %% (%s)", f.folder, f.what, f.unit, f.percent, f.certainty)
}

// judge reads benchstat's tables as CSV and returns the costs that rose by more than bound percent,
// where benchstat is sure that they rose.
func judge(text string, bound float64) ([]finding, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	var worse []finding
	folder, unit := "", ""
	tables := 0
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("benchstat's answer: %w", err)
		}
		switch {
		case len(row) == 1:
			if rest, ok := strings.CutPrefix(row[0], "pkg: protei-bulk/"); ok {
				folder = rest
			}
		case len(row) == 7 && row[0] == "" && row[5] == "vs base":
			unit = row[1]
			tables++
		case len(row) == 7 && row[0] != "" && costs[unit] && strings.HasPrefix(row[5], "+"):
			percent, err := strconv.ParseFloat(strings.TrimSuffix(row[5][1:], "%"), 64)
			switch {
			case err != nil && row[5] != "+Inf%": // of nothing, something
				return nil, fmt.Errorf("benchstat's answer: %q: %w", row, err)
			case row[0] != "geomean" && (percent > bound || err != nil):
				worse = append(worse, finding{folder, row[0], unit, percent, row[6]})
			}
		}
	}
	if tables == 0 {
		return nil, fmt.Errorf("benchstat compared nothing:\n%s", text)
	}
	return worse, nil
}
