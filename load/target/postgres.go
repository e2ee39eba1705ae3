package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"protei-bulk/load/stats"
)

// postgresSeries are what a PostgreSQL database says about itself, in the order of postgresSource.values.
func postgresSeries() []stats.SeriesInfo {
	level := func(name, unit, label string) stats.SeriesInfo {
		return stats.SeriesInfo{Name: name, Unit: unit, Label: label, Level: true}
	}
	return []stats.SeriesInfo{
		level("connections", stats.UnitCount, "connections"),
		level("active", stats.UnitCount, "connections at work"),
		level("idle", stats.UnitCount, "connections idle"),
		level("idle_in_transaction", stats.UnitCount, "connections idle in a transaction"),
		level("waiting", stats.UnitCount, "connections waiting for a lock"),
		level("longest_query", stats.UnitSeconds, "longest query"),
		{Name: "transactions", Unit: stats.UnitRate, Label: "transactions", More: true},
		{Name: "rollbacks", Unit: stats.UnitRate, Label: "rollbacks"},
		{Name: "cache_hits", Unit: stats.UnitShare, Label: "cache hit ratio", More: true},
		level("deadlocks", stats.UnitCount, "deadlocks since the start"),
		level("size", stats.UnitBytes, "database size"),
	}
}

// postgresQuery reads everything but the size in one transaction. Its own connection is left out.
const postgresQuery = `SELECT a.total, a.active, a.idle, a.in_transaction, a.waiting, a.hidden, a.longest,
  d.xact_commit, d.xact_rollback, d.blks_hit, d.blks_read, d.deadlocks
FROM (SELECT count(*) AS total, count(*) FILTER (WHERE state = 'active') AS active,
    count(*) FILTER (WHERE state = 'idle') AS idle,
    count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS in_transaction,
    count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting,
    count(*) FILTER (WHERE query = '<insufficient privilege>') AS hidden,
    coalesce(max(extract(epoch FROM clock_timestamp() - query_start)) FILTER (WHERE state = 'active'), 0)::float8 AS longest
  FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND coalesce(backend_type, 'client backend') = 'client backend') a,
  pg_stat_database d WHERE d.datname = current_database()`

const (
	sizeEvery      = 10      // samples between two looks at the size, which reads the directory
	maxPGMessage   = 1 << 20 // bytes
	postgresClosed = time.Second
)

// postgresSource is a connection to one database, made again when it broke.
type postgresSource struct {
	text string
	conn *pgx.Conn
	raw  net.Conn // below conn

	samples            int
	size               float64
	commits, rollbacks counter
	hits, reads        float64
	deadlocks          float64 // before the first sample
	seen, counted      bool
}

func newPostgres(s *Spec) *postgresSource { return &postgresSource{text: s.text} }

func (p *postgresSource) settle([]stats.SeriesInfo) {}

func (p *postgresSource) close() {
	if p.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), postgresClosed)
	defer cancel()
	_ = p.conn.Close(ctx)
	p.drop()
}

// drop ends a connection without a word; what the driver still does in the background ends with it.
func (p *postgresSource) drop() {
	if p.raw != nil {
		_ = p.raw.Close()
	}
	if p.conn != nil {
		_ = p.conn.Close(context.Background()) // the socket is closed: this does not wait
		select {
		case <-p.conn.PgConn().CleanupDone():
		case <-time.After(postgresClosed):
		}
	}
	p.conn, p.raw = nil, nil
}

func (p *postgresSource) connect(ctx context.Context) error {
	config, err := pgx.ParseConfig(p.text)
	if err != nil {
		return err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // also through a pooler
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "protei-bulk load"
	}
	config.DialFunc = p.dial
	config.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(maxPGMessage) // whoever answers may be no PostgreSQL
		return f
	}
	p.conn, err = pgx.ConnectConfig(context.WithValue(ctx, connecting{}, true), config)
	return err
}

// connecting marks the context of a connect.
type connecting struct{}

// dial keeps the connection below pgx's. pgx also dials to ask for a query's end, after a timeout and, in the
// background, while it connects to the next host after one that talks nonsense; then it waits 15 s for the first
// connection. Nothing is dialed for that: we close the connection instead.
func (p *postgresSource) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if ctx.Value(connecting{}) == nil {
		return nil, errors.New("the connection was given up")
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err == nil {
		p.raw = conn
	}
	return conn, err
}

func (p *postgresSource) read(ctx context.Context) ([]stats.SeriesValue, error) {
	if p.conn == nil || p.conn.IsClosed() {
		p.drop()
		if err := p.connect(ctx); err != nil {
			p.raw = nil
			return nil, err
		}
	}
	raw := p.raw
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	values, err := p.query()
	if err != nil {
		p.drop()
		p.seen, p.commits, p.rollbacks = false, counter{}, counter{}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	return values, nil
}

// query is ended by closing the connection, not by its context.
func (p *postgresSource) query() ([]stats.SeriesValue, error) {
	ctx := context.Background()
	var r postgresRow
	err := p.conn.QueryRow(ctx, postgresQuery).Scan(&r.total, &r.active, &r.idle, &r.inTransaction, &r.waiting, &r.hidden, &r.longest,
		&r.commits, &r.rollbacks, &r.hits, &r.reads, &r.deadlocks)
	if err != nil {
		return nil, fmt.Errorf("read pg_stat_activity and pg_stat_database: %w", err)
	}
	if p.samples%sizeEvery == 0 {
		if err := p.conn.QueryRow(ctx, "SELECT pg_database_size(current_database())::float8").Scan(&p.size); err != nil {
			return nil, fmt.Errorf("read pg_database_size: %w", err)
		}
	}
	p.samples++
	return p.values(&r, time.Now()), nil
}

type postgresRow struct {
	total, active, idle, inTransaction, waiting, hidden int64
	longest                                             float64
	commits, rollbacks, hits, reads, deadlocks          int64
}

func (p *postgresSource) values(r *postgresRow, now time.Time) []stats.SeriesValue {
	count := func(n int64) stats.SeriesValue { return stats.SeriesValue{Value: float64(n)} }
	state := func(v stats.SeriesValue) stats.SeriesValue {
		if r.hidden > 0 {
			return stats.NotMeasured("the role may not see other sessions: GRANT pg_monitor")
		}
		return v
	}
	if !p.counted || float64(r.deadlocks) < p.deadlocks {
		p.deadlocks, p.counted = float64(r.deadlocks), true
	}
	cache := p.cache(float64(r.hits), float64(r.reads))
	p.seen = true
	return []stats.SeriesValue{
		count(r.total), state(count(r.active)), state(count(r.idle)), state(count(r.inTransaction)), state(count(r.waiting)),
		state(stats.SeriesValue{Value: r.longest}),
		p.commits.rate(float64(r.commits+r.rollbacks), now), p.rollbacks.rate(float64(r.rollbacks), now), cache,
		{Value: float64(r.deadlocks) - p.deadlocks},
		{Value: p.size},
	}
}

// cache is the share of blocks that were found in memory since the last sample.
func (p *postgresSource) cache(hits, reads float64) stats.SeriesValue {
	h, r := hits-p.hits, reads-p.reads
	p.hits, p.reads = hits, reads
	switch {
	case !p.seen:
		return stats.NotMeasured("a share needs two samples")
	case h < 0 || r < 0:
		return stats.NotMeasured(wasReset)
	case h+r == 0:
		return stats.NotMeasured("no block was asked for")
	}
	return stats.SeriesValue{Value: h / (h + r)}
}
