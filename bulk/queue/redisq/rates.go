package redisq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

const (
	// drawTimeout bounds how long a message may wait for Redis.
	drawTimeout = 100 * time.Millisecond
	// awayFor is how long Redis is not asked after it did not answer.
	awayFor = time.Second
)

// errAway: Redis did not answer a moment ago.
var errAway = errors.New("no answer from Redis")

// draw fills the bucket of KEYS[1] by the clock of Redis and takes from it. ARGV: tokens a second,
// tokens at most, how many are needed, how many more are welcome. It returns how many it took and
// the milliseconds until there is one. A bucket that is full by then is forgotten.
var draw = rueidis.NewLuaScript(`
local t = redis.call('TIME')
local now = t[1] + t[2] / 1e6
local rate, burst, need, more = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local b = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if b[1] then tokens = math.min(burst, b[1] + math.max(0, now - b[2]) * rate) end
if tokens < 1 then return {0, math.ceil((1 - tokens) / rate * 1000)} end
local took = math.max(need, math.min(need + more, math.floor(tokens)))
tokens = tokens - took
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens) / rate * 1000) + 1000)
return {took, 0}`)

// Rates is token buckets in Redis, which all nodes share.
type Rates struct {
	client rueidis.Client
	away   atomic.Int64 // until when Redis is not asked, in Unix ns
}

// Rates returns the buckets that the nodes of q's Redis share.
func (q *Queue) Rates() *Rates { return &Rates{client: q.client} }

// Draw takes need tokens of a bucket and up to more beyond, as far as they are there; need are
// taken whole when there is one. Otherwise it takes none, and returns how long until there is.
func (r *Rates) Draw(bucket uint32, tps float64, burst, need, more int) (took int, wait time.Duration, err error) {
	now := time.Now()
	if now.UnixNano() < r.away.Load() {
		return 0, 0, errAway
	}
	ctx, cancel := context.WithTimeout(context.Background(), drawTimeout)
	defer cancel()
	answer, err := draw.Exec(ctx, r.client, []string{fmt.Sprintf("pb:rate:{%d}", bucket)}, []string{
		strconv.FormatFloat(tps, 'f', -1, 64), strconv.Itoa(burst), strconv.Itoa(need), strconv.Itoa(more),
	}).AsIntSlice()
	if err == nil && len(answer) != 2 {
		err = fmt.Errorf("an answer of %d numbers", len(answer))
	}
	if err != nil {
		r.away.Store(now.Add(awayFor).UnixNano())
		return 0, 0, fmt.Errorf("draw from the rate of account %d: %w", bucket, err)
	}
	return int(answer[0]), time.Duration(answer[1]) * time.Millisecond, nil
}
