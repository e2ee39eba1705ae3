package stats

import "time"

// follower keeps the sums of the whole run and of the measured window while the run goes on, so that a judgement on the
// run so far costs one row a second and not the whole timeline again.
type follower struct {
	whole      *merger // without entries: those of the run are the collector's
	wholeEnd   time.Duration
	window     *merger
	from, upTo time.Duration
}

func newFollower() *follower { return &follower{whole: newMerger()} }

// Follow takes the last second into the sums that [Collector.Followed] reads; warmup as for [Collector.Measured]. It is
// called once a tick; a first call late in a long run takes as long as [Collector.Summary]. A row that is joined with
// an older one before it was followed (the last split second of a run) is left out: the end of a run is judged by
// Summary.
func (c *Collector) Follow(warmup time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.follow == nil {
		c.follow = newFollower()
	}
	f := c.follow
	c.timeline.since(f.wholeEnd, func(r *row) {
		f.whole.addFrame(r)
		f.wholeEnd = r.end()
	})
	w, ok := c.peak.window(warmup)
	if !ok {
		f.window = nil
		return
	}
	if f.window == nil || w.From != f.from || w.To < f.upTo {
		f.window, f.from, f.upTo = newMerger(), w.From, w.From
	}
	c.timeline.since(f.upTo, func(r *row) {
		if r.end() <= w.To {
			f.window.add(r)
			f.upTo = r.end()
		}
	})
}

// Followed returns the whole run and its measured window as of the last [Collector.Follow]; without a measured window,
// measured covers nothing. Their Entries are nil; entries asks for those of the measured window.
func (c *Collector) Followed(entries bool) (whole, measured Summary) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.follow == nil {
		return Summary{}, Summary{}
	}
	f := c.follow
	whole = f.whole.figures()
	whole.Total = *c.total
	if f.window == nil {
		return whole, measured
	}
	measured = f.window.figures()
	measured.Total = f.window.total()
	if entries {
		measured.Entries = f.window.copies(c.key)
	}
	return whole, measured
}

// figures are all of a summary but its entries; its histograms are copies.
func (m *merger) figures() Summary {
	return Summary{
		Window: Window{From: m.from, To: m.to}, Covered: m.covered, Loaded: m.loaded, Receipts: m.receipts,
		DLRLatency: m.dlr.Clone(), Lateness: m.lateness.Clone(), Iterations: m.iterations, Dropped: m.dropped,
		Seconds: m.seconds, LateSeconds: m.late, HostSeconds: m.host, PeakUsers: m.peakUsers, PeakRate: m.peakRate,
		Mean: m.gauges.mean(), Peak: m.gauges.peak, SeriesMean: m.series.mean(), SeriesPeak: m.series.peak(),
	}
}

// copies are the entries so far, as values of their own.
func (m *merger) copies(key func(Entry) entryKey) []EntryStats {
	out := make([]EntryStats, 0, len(m.entries))
	for e, s := range m.entries {
		k := key(e)
		out = append(out, *joined(&EntryStats{Method: k.method, Name: k.name}, s))
	}
	sortEntries(out)
	return out
}

// since calls fn for every row that begins at or after from, in order of time.
func (t *timeline) since(from time.Duration, fn func(*row)) {
	parts := [][]row{t.coarse, t.tens, t.seconds}
	for i, part := range parts {
		if i+1 < len(parts) && len(parts[i+1]) > 0 && parts[i+1][0].point.At <= from {
			continue // all of it is older
		}
		for j := range part {
			if part[j].point.At >= from {
				fn(&part[j])
			}
		}
	}
}
