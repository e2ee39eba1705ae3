package stats

// Reset forgets everything but the ledger: the timeline, the figures since the start, failures and exceptions. Times
// still count from the run's start; [Collector.Whole] begins at the reset.
func (c *Collector) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timeline = timeline{maxBytes: c.timeline.maxBytes}
	c.peak = peakTracker{}
	c.cumulative = make(map[Entry]*EntryStats)
	c.total = &EntryStats{Name: Aggregated, Service: NewHistogram(), Response: NewHistogram()}
	c.dlr = NewHistogram()
	c.loaded = 0
	c.from = c.elapsed
	if c.follow != nil {
		c.follow = newFollower()
	}
	c.source.Forget()
}

// Whole is the window of the whole run so far, or since the last reset.
func (c *Collector) Whole() Window {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Window{From: c.from, To: c.elapsed}
}

func (t *failureTable) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.failures)
	clear(t.exceptions)
}

// Name returns what e was registered as.
func (r *Recorder) Name(e Entry) (method, name string) {
	k := r.key(e)
	return k.method, k.name
}

// Add adds o's figures; the histograms of s must be its own.
func (s *EntryStats) Add(o *EntryStats) { s.add(o) }
