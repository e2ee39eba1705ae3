package stats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"
)

// The bucket layout is HdrHistogram's with lowest value 1 µs and 3 significant digits: values below 2,048 µs have a
// bucket each, and every doubling above is cut into 1,024 buckets, so a bucket is at most 1/1,024 wide.
//
//	index 0 … 2047 | 2048 … 3071 | 3072 … 4095 | …  | 20480 … 21503
//	value = index  | steps of 2  | steps of 4  | …  | steps of 2^19, up to 1,073 s
const (
	linearValues = 2048
	perDoubling  = 1024
	maxValue     = 1<<30 - 1 // µs, 17.9 minutes; longer durations are clamped to it
	bucketCount  = linearValues + 19*perDoubling

	chunkBits  = 8
	chunkSize  = 1 << chunkBits
	chunkCount = bucketCount / chunkSize
)

// bucketOf returns the bucket of a value in µs.
func bucketOf(v uint32) int {
	if v < linearValues {
		return int(v)
	}
	k := bits.Len32(v) - 11
	return k<<10 + int(v>>k)
}

// bucketRange returns the lowest and the highest value in µs of a bucket.
func bucketRange(i int) (low, high uint32) {
	if i < linearValues {
		return uint32(i), uint32(i)
	}
	k := i>>10 - 1
	low = uint32(i-k<<10) << k
	return low, low + 1<<k - 1
}

// micros rounds d to µs and clamps it to what a histogram can hold.
func micros(d time.Duration) uint32 {
	if d < 0 {
		return 0
	}
	v := (uint64(d) + 500) / 1000
	return uint32(min(v, maxValue))
}

// Histogram is a distribution of durations: 3 significant digits from 1 µs to 17.9 minutes, with an exact mean. It
// grows with the spread of its values (2 kB for each 256 buckets touched), never with their number. The zero value is
// empty and ready. It is not safe for concurrent use; the hot path records into its concurrent sibling inside a [Shard].
//
// It is a type of ours rather than hdrhistogram-go's because that one allocates its whole range at once (170 kB each),
// has no concurrent form, and encodes through gzip-less V2 with allocations; bucket layout and quantiles are the same,
// which a test checks against it.
type Histogram struct {
	chunks [chunkCount]*[chunkSize]uint64
	count  uint64
	sum    uint64 // ns
}

// NewHistogram makes an empty histogram.
func NewHistogram() *Histogram { return &Histogram{} }

// Record adds one duration.
func (h *Histogram) Record(d time.Duration) {
	h.add(bucketOf(micros(d)), 1)
	h.sum += uint64(max(d, 0))
}

func (h *Histogram) add(bucket int, n uint64) {
	c := h.chunks[bucket>>chunkBits]
	if c == nil {
		c = new([chunkSize]uint64)
		h.chunks[bucket>>chunkBits] = c
	}
	c[bucket&(chunkSize-1)] += n
	h.count += n
}

// Merge adds all of o, without loss.
func (h *Histogram) Merge(o *Histogram) {
	if o == nil || o.count == 0 {
		return
	}
	for i, src := range o.chunks {
		if src == nil {
			continue
		}
		dst := h.chunks[i]
		if dst == nil {
			dst = new([chunkSize]uint64)
			h.chunks[i] = dst
		}
		for j, n := range src {
			dst[j] += n
		}
	}
	h.count += o.count
	h.sum += o.sum
}

// Clone returns a copy.
func (h *Histogram) Clone() *Histogram {
	c := &Histogram{}
	c.Merge(h)
	return c
}

// Count returns how many durations were recorded. A nil histogram is empty.
func (h *Histogram) Count() uint64 {
	if h == nil {
		return 0
	}
	return h.count
}

// Mean returns the exact mean, 0 when empty.
func (h *Histogram) Mean() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.sum / h.count)
}

// Sum returns the exact sum.
func (h *Histogram) Sum() time.Duration {
	if h == nil {
		return 0
	}
	return time.Duration(h.sum)
}

// Min returns the lower end of the lowest bucket in use, 0 when empty.
func (h *Histogram) Min() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	for i, c := range h.chunks {
		if c == nil {
			continue
		}
		for j, n := range c {
			if n > 0 {
				low, _ := bucketRange(i<<chunkBits + j)
				return time.Duration(low) * time.Microsecond
			}
		}
	}
	return 0
}

// Max returns the upper end of the highest bucket in use, 0 when empty.
func (h *Histogram) Max() time.Duration { return h.Quantile(1) }

// Quantile returns the value that a share q of the durations does not exceed (nearest rank), as the upper end of its
// bucket: never below the true value and at most 0.1 % above it. 0 when empty.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.Count() == 0 {
		return 0
	}
	rank := h.rank(q)
	var seen uint64
	for i, c := range h.chunks {
		if c == nil {
			continue
		}
		for j, n := range c {
			if seen += n; seen >= rank {
				_, high := bucketRange(i<<chunkBits + j)
				return time.Duration(high) * time.Microsecond
			}
		}
	}
	return maxValue * time.Microsecond
}

// rank of the quantile q, from 1 to count; there is at least one value.
func (h *Histogram) rank(q float64) uint64 {
	rank := uint64(math.Ceil(math.Min(math.Max(q, 0), 1)*float64(h.count) - 1e-9))
	return min(max(rank, 1), h.count)
}

// Bucket is one non-empty bucket.
type Bucket struct {
	Low, High time.Duration
	Count     uint64
}

// Buckets returns the non-empty buckets in ascending order.
func (h *Histogram) Buckets() []Bucket {
	if h == nil {
		return nil
	}
	var out []Bucket
	for i, c := range h.chunks {
		if c == nil {
			continue
		}
		for j, n := range c {
			if n > 0 {
				low, high := bucketRange(i<<chunkBits + j)
				out = append(out, Bucket{time.Duration(low) * time.Microsecond, time.Duration(high) * time.Microsecond, n})
			}
		}
	}
	return out
}

// encodingVersion is the first byte of an encoded histogram.
const encodingVersion = 1

// ErrHistogram is returned for bytes that are no encoded histogram.
var ErrHistogram = errors.New("not an encoded histogram")

// AppendBinary appends the histogram in a compact form: version, sum, then (distance to the bucket before, count)
// pairs, all as varints. Typically 2–3 bytes a bucket in use.
func (h *Histogram) AppendBinary(dst []byte) ([]byte, error) {
	dst = append(dst, encodingVersion)
	if h.Count() == 0 {
		return append(dst, 0), nil
	}
	dst = binary.AppendUvarint(dst, h.sum)
	last := -1
	for i, c := range h.chunks {
		if c == nil {
			continue
		}
		for j, n := range c {
			if n > 0 {
				bucket := i<<chunkBits + j
				dst = binary.AppendUvarint(dst, uint64(bucket-last))
				dst = binary.AppendUvarint(dst, n)
				last = bucket
			}
		}
	}
	return dst, nil
}

// MarshalBinary returns the compact form of [Histogram.AppendBinary].
func (h *Histogram) MarshalBinary() ([]byte, error) { return h.AppendBinary(nil) }

// UnmarshalBinary replaces the histogram by an encoded one.
func (h *Histogram) UnmarshalBinary(b []byte) error {
	*h = Histogram{}
	if len(b) == 0 {
		return nil
	}
	if err := h.mergeEncoded(b); err != nil {
		*h = Histogram{}
		return err
	}
	return nil
}

// mergeEncoded adds an encoded histogram. After an error h holds a part of it.
func (h *Histogram) mergeEncoded(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if b[0] != encodingVersion {
		return fmt.Errorf("%w: version %d", ErrHistogram, b[0])
	}
	sum, n := binary.Uvarint(b[1:])
	if n <= 0 {
		return fmt.Errorf("%w: sum", ErrHistogram)
	}
	b = b[1+n:]
	h.sum += sum
	bucket := -1
	for len(b) > 0 {
		step, n := binary.Uvarint(b)
		if n <= 0 || step == 0 || step > bucketCount || bucket+int(step) >= bucketCount {
			return fmt.Errorf("%w: bucket after %d", ErrHistogram, bucket)
		}
		b = b[n:]
		count, n := binary.Uvarint(b)
		if n <= 0 || h.count+count < h.count {
			return fmt.Errorf("%w: count of bucket %d", ErrHistogram, bucket+int(step))
		}
		b = b[n:]
		bucket += int(step)
		h.add(bucket, count)
	}
	return nil
}
