package stats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Reporter tells another process what this one has measured. Its reports are cumulative: each one says everything since
// the start, so that a report that is lost, doubled or late neither loses nor doubles data in a [Union]; only the
// newest counts.
type Reporter struct {
	source Source

	mu       sync.Mutex // guards all below
	seq      uint64
	entries  map[Entry]*EntryStats
	lateness *Histogram
	dlr      *Histogram
	dropped  uint64
}

// NewReporter makes a reporter, which becomes the one caller of source.Take.
func NewReporter(source Source) *Reporter {
	return &Reporter{source: source, entries: make(map[Entry]*EntryStats), lateness: NewHistogram(), dlr: NewHistogram()}
}

// The bounds of a report.
const (
	reportVersion     = 1
	maxReportEntries  = 4096
	maxReportFailures = 1024
	maxReportText     = maxTraceback + 64
)

// Append appends the report of now. shift is added to the times of failures: what the receiver's clock is ahead. all
// also takes what the current second has so far, as the last report must.
func (r *Reporter) Append(dst []byte, shift time.Duration, all bool) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.take(all)
	r.seq++
	dst = append(dst, reportVersion)
	dst = binary.AppendUvarint(dst, r.seq)
	dst = binary.AppendUvarint(dst, r.dropped)
	counts := r.source.Counts()
	for _, v := range counts.fields() {
		dst = binary.AppendUvarint(dst, *v)
	}
	dst = appendHistogram(dst, r.lateness)
	dst = appendHistogram(dst, r.dlr)
	dst = binary.AppendUvarint(dst, uint64(len(r.entries)))
	for _, s := range r.sorted() {
		dst = appendText(appendText(dst, s.Method), s.Name)
		for _, v := range s.fields() {
			dst = binary.AppendUvarint(dst, *v)
		}
		dst = appendHistogram(appendHistogram(dst, s.Service), s.Response)
	}
	dst = appendFailures(dst, r.source.Failures(), shift)
	return appendExceptions(dst, r.source.Exceptions())
}

func (r *Reporter) take(all bool) {
	sec := r.source.Take(all)
	r.lateness.Merge(sec.Lateness)
	r.dlr.Merge(sec.DLR)
	r.dropped += sec.Dropped
	for e, s := range sec.Entries {
		sum := r.entries[e]
		if sum == nil {
			sum = s
			sum.Method, sum.Name = r.source.Name(e)
			r.entries[e] = sum
			continue
		}
		sum.add(s)
	}
}

func (r *Reporter) sorted() []EntryStats {
	list := make([]EntryStats, 0, len(r.entries))
	for _, s := range r.entries {
		list = append(list, *s)
	}
	sortEntries(list)
	return list
}

// fields are the counts in the order of the wire.
func (c *Counts) fields() []*uint64 {
	return []*uint64{
		&c.Issued, &c.Accepted, &c.Rejected, &c.Unanswered, &c.Awaiting, &c.Delivered, &c.Failed, &c.Open, &c.Pending,
		&c.Lost, &c.Receipts, &c.Duplicates, &c.UnknownReceipts, &c.EarlyReceipts, &c.Parked, &c.IDsRefused,
	}
}

func (s *EntryStats) fields() []*uint64 {
	return []*uint64{&s.Requests, &s.Failures, &s.Throttled, &s.Messages, &s.Segments, &s.Bytes}
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// appendHistogram writes the length in front, in four bytes.
func appendHistogram(dst []byte, h *Histogram) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst, _ = h.AppendBinary(dst) // it has no error to return
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

func appendFailures(dst []byte, list []Failure, shift time.Duration) []byte {
	list = list[:min(len(list), maxReportFailures)]
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, f := range list {
		dst = appendText(appendText(appendText(dst, f.Method), f.Name), f.Error)
		dst = binary.AppendUvarint(dst, f.Occurrences)
		dst = binary.AppendVarint(dst, f.FirstSeen.Add(shift).UnixNano())
		dst = binary.AppendVarint(dst, f.LastSeen.Add(shift).UnixNano())
	}
	return dst
}

func appendExceptions(dst []byte, list []Exception) []byte {
	list = list[:min(len(list), maxReportFailures)]
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, e := range list {
		dst = appendText(appendText(dst, e.Message), e.Traceback)
		dst = binary.AppendUvarint(dst, e.Count)
	}
	return dst
}

// ErrReport is returned for bytes that are no report.
var ErrReport = errors.New("not a report")

// report is a decoded one; its histograms alias the bytes it was read from.
type report struct {
	seq, dropped  uint64
	counts        Counts
	lateness, dlr []byte
	entries       []reportEntry
	failures      []Failure
	exceptions    []Exception
}

type reportEntry struct {
	key               entryKey
	counts            EntryStats // without histograms
	service, response []byte
}

// reportReader reads a report; after an error it reads zeros.
type reportReader struct {
	b   []byte
	err error
}

func (r *reportReader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrReport, what)
	}
	r.b = nil
}

// maxReportCount bounds every count, so that no sum of many workers runs over.
const maxReportCount = 1 << 52

func (r *reportReader) count() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > maxReportCount {
		r.fail("a count")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reportReader) time() time.Time {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail("a time")
		return time.Time{}
	}
	r.b = r.b[n:]
	return time.Unix(0, v)
}

func (r *reportReader) text() string {
	n := r.count()
	if n > maxReportText || n > uint64(len(r.b)) {
		r.fail("a text")
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reportReader) histogram() []byte {
	if len(r.b) < 4 {
		r.fail("a histogram")
		return nil
	}
	n := binary.LittleEndian.Uint32(r.b)
	r.b = r.b[4:]
	if uint64(n) > uint64(len(r.b)) {
		r.fail("a histogram")
		return nil
	}
	h := r.b[:n]
	r.b = r.b[n:]
	return h
}

// length reads how many items follow.
func (r *reportReader) length(most int) int {
	n := r.count()
	if n > uint64(most) {
		r.fail("a length")
		return 0
	}
	return int(n)
}

// readReport decodes b.
func readReport(b []byte) (*report, error) {
	if len(b) == 0 || b[0] != reportVersion {
		return nil, fmt.Errorf("%w: version", ErrReport)
	}
	r := &reportReader{b: b[1:]}
	out := &report{seq: r.count(), dropped: r.count()}
	for _, v := range out.counts.fields() {
		*v = r.count()
	}
	out.lateness, out.dlr = r.histogram(), r.histogram()
	for range r.length(maxReportEntries) {
		e := reportEntry{key: entryKey{r.text(), r.text()}}
		for _, v := range e.counts.fields() {
			*v = r.count()
		}
		e.service, e.response = r.histogram(), r.histogram()
		out.entries = append(out.entries, e)
	}
	for range r.length(maxReportFailures) {
		out.failures = append(out.failures, Failure{
			Method: r.text(), Name: r.text(), Error: r.text(), Occurrences: r.count(), FirstSeen: r.time(), LastSeen: r.time(),
		})
	}
	for range r.length(maxReportFailures) {
		out.exceptions = append(out.exceptions, Exception{Message: r.text(), Traceback: r.text(), Count: r.count()})
	}
	if len(r.b) > 0 {
		r.fail("bytes behind its end")
	}
	return out, r.err
}

// growth is what a cumulative histogram gained since an older one.
type growth struct {
	sum     uint64
	buckets []bucketGrowth
}

type bucketGrowth struct {
	bucket int
	count  uint64
}

// grown compares two encoded cumulative histograms. An error says that b is none, or that it lost something that a has:
// then it is not a later state of the same histogram.
func grown(a, b []byte) (g growth, err error) {
	old, err := openEncoded(a)
	if err != nil {
		return g, err
	}
	now, err := openEncoded(b)
	if err != nil {
		return g, err
	}
	if now.sum < old.sum {
		return g, fmt.Errorf("%w: it shrank", ErrHistogram)
	}
	g.sum = now.sum - old.sum
	before, had := old.next()
	for is, ok := now.next(); ok; is, ok = now.next() {
		n := is.count
		if had && before.bucket == is.bucket {
			if n < before.count {
				return g, fmt.Errorf("%w: bucket %d shrank", ErrHistogram, is.bucket)
			}
			n -= before.count
			before, had = old.next()
		} else if had && before.bucket < is.bucket {
			return g, fmt.Errorf("%w: bucket %d is gone", ErrHistogram, before.bucket)
		}
		if n > 0 {
			g.buckets = append(g.buckets, bucketGrowth{is.bucket, n})
		}
	}
	if had && now.err == nil {
		return g, fmt.Errorf("%w: bucket %d is gone", ErrHistogram, before.bucket)
	}
	return g, errors.Join(old.err, now.err)
}

func (h *Histogram) gain(g growth) {
	for _, b := range g.buckets {
		h.add(b.bucket, b.count)
	}
	h.sum += g.sum
}

// encodedReader walks through the buckets of an encoded histogram.
type encodedReader struct {
	b      []byte
	sum    uint64
	bucket int
	total  uint64
	err    error
}

func openEncoded(b []byte) (*encodedReader, error) {
	r := &encodedReader{bucket: -1}
	if len(b) == 0 {
		return r, nil
	}
	if b[0] != encodingVersion {
		return r, fmt.Errorf("%w: version %d", ErrHistogram, b[0])
	}
	sum, n := binary.Uvarint(b[1:])
	if n <= 0 || sum > 1<<62 {
		return r, fmt.Errorf("%w: sum", ErrHistogram)
	}
	r.sum, r.b = sum, b[1+n:]
	return r, nil
}

func (r *encodedReader) next() (g bucketGrowth, ok bool) {
	if len(r.b) == 0 || r.err != nil {
		return g, false
	}
	step, n := binary.Uvarint(r.b)
	if n <= 0 || step == 0 || step > bucketCount || r.bucket+int(step) >= bucketCount {
		r.err = fmt.Errorf("%w: bucket after %d", ErrHistogram, r.bucket)
		return g, false
	}
	count, m := binary.Uvarint(r.b[n:])
	if m <= 0 || count == 0 || count > maxReportCount || r.total+count > maxReportCount {
		r.err = fmt.Errorf("%w: count of bucket %d", ErrHistogram, r.bucket+int(step))
		return g, false
	}
	r.bucket += int(step)
	r.total += count
	r.b = r.b[n+m:]
	return bucketGrowth{r.bucket, count}, true
}
