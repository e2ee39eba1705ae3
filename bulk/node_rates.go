package bulk

import (
	"errors"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/queue/redisq"
)

// ratePool is the rates of accounts over all nodes: in Redis, or divided by the nodes without one.
type ratePool struct {
	n     *node
	rates *redisq.Rates // nil: without Redis
}

func (n *node) ratePool() account.Pool {
	r := ratePool{n: n}
	if q := n.p.hints; q != nil {
		r.rates = q.Rates()
	}
	return r
}

var errNoPool = errors.New("without Redis each node keeps to its part of a rate")

// Draw implements account.Pool.
func (r ratePool) Draw(id uint32, rate account.Rate, n, more int) (int, time.Duration, error) {
	if r.rates == nil {
		return 0, 0, errNoPool
	}
	return r.rates.Draw(id, rate.TPS, rate.Burst, n, more)
}

// Nodes implements account.Pool.
func (r ratePool) Nodes() int { return r.n.member.Alive() }
