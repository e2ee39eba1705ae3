package report

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"protei-bulk/load/stats"
)

// Headers of Locust's files.
var (
	statsHeader = append([]string{
		"Type", "Name", "Request Count", "Failure Count", "Median Response Time", "Average Response Time",
		"Min Response Time", "Max Response Time", "Average Content Size", "Requests/s", "Failures/s",
	}, percentileLabels()...)
	historyHeader = append(append([]string{
		"Timestamp", "User Count", "Type", "Name", "Requests/s", "Failures/s",
	}, percentileLabels()...),
		"Total Request Count", "Total Failure Count", "Total Median Response Time", "Total Average Response Time",
		"Total Min Response Time", "Total Max Response Time", "Total Average Content Size",
	)
	failuresHeader   = []string{"Method", "Name", "Error", "Occurrences", "First Seen", "Last Seen"}
	exceptionsHeader = []string{"Count", "Message", "Traceback", "Nodes"}
)

func percentileLabels() []string {
	out := make([]string, len(percentiles))
	for i, p := range percentiles {
		out[i] = p.label
	}
	return out
}

// notAvailable stands for a figure before the first request, as in Locust's files.
const notAvailable = "N/A"

// CSV writes Locust's four files: PREFIX_stats.csv, PREFIX_stats_history.csv, PREFIX_failures.csv and
// PREFIX_exceptions.csv, with Locust's headers, line ends (CRLF) and units (ms, bytes, Unix seconds), and beside them
// PREFIX_series.csv with what Locust does not measure.
//
// Two columns are better than Locust's: response times keep their fraction instead of being rounded to 1, 10 or 100
// ms, and the percentiles of the history are those of the last 10 seconds, as Locust documents them, instead of
// cumulative ones. Throttled answers count as requests, and are left out of response times.
type CSV struct {
	full    bool
	history *os.File
	series  *os.File // nil without watched series
	own     *os.File
	ownEnd  time.Duration // of the last second in own
	tables  [3]csvTable
	buf     bytes.Buffer
}

// csvTable is a file that is rewritten each second.
type csvTable struct {
	file   *os.File
	header []string
	rows   func(*stats.Live) [][]string
}

// OpenCSV creates the files and the missing directories of prefix. fullHistory adds a row for each request name
// to every second of the history.
func OpenCSV(prefix string, fullHistory bool) (*CSV, error) {
	if err := os.MkdirAll(filepath.Dir(prefix), 0o755); err != nil {
		return nil, fmt.Errorf("directory of --csv %s: %w", prefix, err)
	}
	c := &CSV{full: fullHistory}
	c.tables = [3]csvTable{
		{header: statsHeader, rows: statsRows},
		{header: failuresHeader, rows: failureRows},
		{header: exceptionsHeader, rows: exceptionRows},
	}
	open := func(dst **os.File, suffix string) error {
		f, err := os.Create(prefix + suffix)
		*dst = f
		return err
	}
	err := errors.Join(
		open(&c.tables[0].file, "_stats.csv"), open(&c.history, "_stats_history.csv"),
		open(&c.tables[1].file, "_failures.csv"), open(&c.tables[2].file, "_exceptions.csv"), open(&c.own, "_series.csv"),
	)
	if err == nil {
		err = errors.Join(c.appendHistory([][]string{historyHeader}), c.appendTo(c.own, [][]string{ownHeader()}))
	}
	if err == nil {
		err = c.rewrite(&stats.Live{})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--csv %s: %w", prefix, err), c.Close())
	}
	return c, nil
}

// Write rewrites the tables and appends to the history: once a second with the state after the tick. Everything is in
// the files when it returns.
func (c *CSV) Write(live stats.Live) error {
	err := errors.Join(c.rewrite(&live), c.appendHistory(historyRows(&live, c.full)))
	if row := c.ownRow(&live); row != nil {
		err = errors.Join(err, c.appendTo(c.own, [][]string{row}))
	}
	if c.series != nil {
		err = errors.Join(err, c.appendTo(c.series, [][]string{seriesCells(&live)}))
	}
	if err != nil {
		return fmt.Errorf("write CSV files: %w", err)
	}
	return nil
}

// WatchSeries adds another file, PREFIX_target.csv: a row a second with the values of what is watched of the target
// system, empty where one was not measured. Shares are 0..1, the other units are those of the series.
func (c *CSV) WatchSeries(prefix string, infos []stats.SeriesInfo) error {
	header := []string{"Timestamp"}
	for _, info := range infos {
		header = append(header, info.Name)
	}
	var err error
	if c.series, err = os.Create(prefix + "_target.csv"); err != nil {
		return fmt.Errorf("--csv %s: %w", prefix, err)
	}
	return c.appendTo(c.series, [][]string{header})
}

func seriesCells(live *stats.Live) []string {
	cells := []string{strconv.FormatInt(live.At.Unix(), 10)}
	for i := range live.SeriesInfo {
		text := ""
		if i < len(live.Last.Series) && !math.IsNaN(live.Last.Series[i]) {
			text = strconv.FormatFloat(live.Last.Series[i], 'f', -1, 64)
		}
		cells = append(cells, text)
	}
	return cells
}

// Close closes the files.
func (c *CSV) Close() error {
	var errs []error
	for _, f := range []*os.File{c.tables[0].file, c.tables[1].file, c.tables[2].file, c.history, c.series, c.own} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

func (c *CSV) rewrite(live *stats.Live) error {
	for i := range c.tables {
		t := &c.tables[i]
		if err := c.encode(append([][]string{t.header}, t.rows(live)...)); err != nil {
			return err
		}
		if _, err := t.file.WriteAt(c.buf.Bytes(), 0); err != nil {
			return err
		}
		if err := t.file.Truncate(int64(c.buf.Len())); err != nil {
			return err
		}
	}
	return nil
}

func (c *CSV) appendHistory(rows [][]string) error { return c.appendTo(c.history, rows) }

func (c *CSV) appendTo(f *os.File, rows [][]string) error {
	if err := c.encode(rows); err != nil {
		return err
	}
	_, err := f.Write(c.buf.Bytes())
	return err
}

func (c *CSV) encode(rows [][]string) error {
	c.buf.Reset()
	w := csv.NewWriter(&c.buf)
	w.UseCRLF = true
	return w.WriteAll(rows)
}

func statsRows(live *stats.Live) [][]string {
	var rows [][]string
	elapsed := live.Loaded.Seconds()
	row := func(e *stats.EntryStats) {
		r := []string{e.Method, e.Name, count(e.Requests), count(e.Failures)}
		r = append(r, responseTimes(e)...)
		r = append(r, decimal(float64(e.Requests)/max(elapsed, 1e-3)), decimal(float64(e.Failures)/max(elapsed, 1e-3)))
		rows = append(rows, append(r, percentileCells(e.Response)...))
	}
	for i := range live.Entries {
		row(&live.Entries[i])
	}
	total := live.Total
	total.Method, total.Name = "", stats.Aggregated
	row(&total)
	return rows
}

// responseTimes are median, average, min and max in ms, and the average size.
func responseTimes(e *stats.EntryStats) []string {
	h := e.Response
	if h.Count() == 0 {
		return []string{"0", "0", "0", "0", decimal(e.MeanBytes())}
	}
	return []string{ms(h.Quantile(0.5)), ms(h.Mean()), ms(h.Min()), ms(h.Max()), decimal(e.MeanBytes())}
}

func percentileCells(h *stats.Histogram) []string {
	out := make([]string, len(percentiles))
	for i, p := range percentiles {
		out[i] = notAvailable
		if h.Count() > 0 {
			out[i] = ms(h.Quantile(p.q))
		}
	}
	return out
}

// historyRows are the rows of one second: the aggregated one, and with full history one for each name before it.
func historyRows(live *stats.Live, full bool) [][]string {
	var rows [][]string
	row := func(total, recent *stats.EntryStats) {
		var h *stats.Histogram
		rps, fps := 0.0, 0.0
		if recent != nil {
			h = recent.Response
			rps, fps = live.Recent.PerSecond(recent.Requests), live.Recent.PerSecond(recent.Failures)
		}
		r := []string{
			strconv.FormatInt(live.At.Unix(), 10), strconv.Itoa(live.Users), total.Method, total.Name, decimal(rps), decimal(fps),
		}
		r = append(r, percentileCells(h)...)
		r = append(r, count(total.Requests), count(total.Failures))
		rows = append(rows, append(r, responseTimes(total)...))
	}
	if full {
		for i := range live.Entries {
			e := &live.Entries[i]
			row(e, recentOf(live, e))
		}
	}
	total := live.Total
	total.Method, total.Name = "", stats.Aggregated
	row(&total, &live.Recent.Total)
	return rows
}

func recentOf(live *stats.Live, e *stats.EntryStats) *stats.EntryStats {
	for i := range live.Recent.Entries {
		if r := &live.Recent.Entries[i]; r.Method == e.Method && r.Name == e.Name {
			return r
		}
	}
	return nil
}

func failureRows(live *stats.Live) [][]string {
	rows := make([][]string, 0, len(live.Failures))
	for _, f := range live.Failures {
		rows = append(rows, []string{f.Method, f.Name, f.Error, count(f.Occurrences), isoTime(f.FirstSeen), isoTime(f.LastSeen)})
	}
	return rows
}

func exceptionRows(live *stats.Live) [][]string {
	rows := make([][]string, 0, len(live.Exceptions))
	for _, e := range live.Exceptions {
		rows = append(rows, []string{count(e.Count), e.Message, e.Traceback, "local"})
	}
	return rows
}

func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func count(n uint64) string { return strconv.FormatUint(n, 10) }

// ms writes a duration in ms, to the µs.
func ms(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Round(time.Microsecond))/float64(time.Millisecond), 'f', -1, 64)
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

// WriteStatsCSV writes the table of PREFIX_stats.csv.
func WriteStatsCSV(w io.Writer, live *stats.Live) error {
	if live.Total.Response == nil {
		return writeCSV(w, [][]string{statsHeader})
	}
	return writeCSV(w, append([][]string{statsHeader}, statsRows(live)...))
}

// WriteFailuresCSV writes the table of PREFIX_failures.csv.
func WriteFailuresCSV(w io.Writer, live *stats.Live) error {
	return writeCSV(w, append([][]string{failuresHeader}, failureRows(live)...))
}

// WriteExceptionsCSV writes the table of PREFIX_exceptions.csv.
func WriteExceptionsCSV(w io.Writer, live *stats.Live) error {
	return writeCSV(w, append([][]string{exceptionsHeader}, exceptionRows(live)...))
}

// WriteHistoryCSV writes the points of a run as PREFIX_stats_history.csv has them: one row for each point of the
// timeline, which is a second at first and wider later, with its own percentiles. The last five columns, figures since
// the start, are not in the timeline: they are not available.
func WriteHistoryCSV(w io.Writer, started time.Time, points []stats.Point) error {
	rows := [][]string{historyHeader}
	requests, failed := 0.0, 0.0
	for i := range points {
		p := &points[i]
		requests += p.Requests * p.Width.Seconds()
		failed += p.Failures * p.Width.Seconds()
		r := []string{
			strconv.FormatInt(started.Add(p.At+p.Width).Unix(), 10), strconv.Itoa(p.Users), "", stats.Aggregated,
			decimal(p.Requests), decimal(p.Failures),
		}
		for _, q := range p.Quantiles {
			if p.Samples == 0 {
				r = append(r, notAvailable)
			} else {
				r = append(r, ms(q))
			}
		}
		r = append(r, count(uint64(requests+0.5)), count(uint64(failed+0.5)))
		rows = append(rows, append(r, notAvailable, notAvailable, notAvailable, notAvailable, notAvailable))
	}
	return writeCSV(w, rows)
}

func writeCSV(w io.Writer, rows [][]string) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	return c.WriteAll(rows)
}
