package redisq

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// bind sets how many binds of an account (KEYS[1]) a node has. ARGV: the node, its binds, how many
// all nodes may have together (below 0: whatever they have), the milliseconds that the node counts
// without being seen. It returns whether that is set. Nodes that are not seen any more are forgotten.
var bind = rueidis.NewLuaScript(`
local node, binds, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local others = 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if all[i] ~= node then
    if redis.call('EXISTS', 'pb:node:' .. all[i]) == 1 then
      others = others + tonumber(all[i + 1])
    else
      redis.call('HDEL', KEYS[1], all[i])
    end
  end
end
if most >= 0 and others + binds > most then return 0 end
if binds > 0 then
  redis.call('HSET', KEYS[1], node, binds)
else
  redis.call('HDEL', KEYS[1], node)
end
return 1`)

// Binds is the SMPP binds of accounts in Redis, by node: a hash for each account
// (pb:binds:{account}), and a key for each node that is alive (pb:node:{name}).
type Binds struct {
	client rueidis.Client
	node   string
	ttl    time.Duration
	away   atomic.Int64 // until when Redis is not asked, in Unix ns
}

// Binds returns the counts that the nodes of q's Redis share. What this node has is forgotten ttl
// after the last Renew.
func (q *Queue) Binds(ttl time.Duration) *Binds {
	return &Binds{client: q.client, node: q.o.Name, ttl: ttl}
}

func (b *Binds) key() string { return "pb:node:" + b.node }

// Set notes how many binds of an account this node has, unless all nodes have more than most
// together then; most below 0 is no bound.
func (b *Binds) Set(ctx context.Context, account uint32, binds, most int) (bool, error) {
	if time.Now().UnixNano() < b.away.Load() {
		return false, errAway
	}
	ok, err := bind.Exec(ctx, b.client, []string{fmt.Sprintf("pb:binds:{%d}", account)}, []string{b.node, strconv.Itoa(binds), strconv.Itoa(most)}).AsInt64()
	if err != nil {
		b.away.Store(time.Now().Add(awayFor).UnixNano())
		return false, fmt.Errorf("count the binds of account %d: %w", account, err)
	}
	return ok == 1, nil
}

// Renew says that this node is alive. It reports whether the others had forgotten it: then all its
// binds have to be set again.
func (b *Binds) Renew(ctx context.Context) (forgotten bool, err error) {
	err = b.client.Do(ctx, b.client.B().Set().Key(b.key()).Value("1").Get().Px(b.ttl).Build()).Error()
	if rueidis.IsRedisNil(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("renew this node's binds: %w", err)
	}
	return false, nil
}

// Leave frees all binds of this node.
func (b *Binds) Leave(ctx context.Context) error {
	return b.client.Do(ctx, b.client.B().Del().Key(b.key()).Build()).Error()
}
