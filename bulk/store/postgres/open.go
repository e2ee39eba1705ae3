// Package postgres is the store that several nodes share: PostgreSQL holds every message and
// everything else. DESIGN.md in this folder says how it works.
//
// A Store owns these goroutines from Open to Stop: the accept writer and the settle writers,
// which commit; the applier, which tells what was committed; one feeder for each connector that
// the node owns; the keeper, which makes and drops partitions and forgets what is old; the
// refresher, which keeps up with the counts of others; and the prober, which finds out that
// PostgreSQL takes changes again.
package postgres

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
	"protei-bulk/bulk/store/receiptindex"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is a store that several nodes share. All methods are safe for concurrent use.
type Store struct {
	opts Options
	log  *slog.Logger
	pool *pgxpool.Pool

	node atomic.Int32
	ids  atomic.Pointer[message.IDSource]
	book atomic.Pointer[string] // of this node's records

	live     live
	telling  atomic.Int64 // messages in live whose customers are being told
	owners   owners
	receipts receiptindex.Index
	parked   parked
	books    books
	purses   purses

	accepts acceptQueue
	settles settleQueue
	commits chan committed // → applier
	away    atomic.Pointer[trouble]

	stop    context.Context // done: give up what is not committed
	abandon context.CancelFunc
	writers sync.WaitGroup // accept and settle writers
	others  sync.WaitGroup // feeders and keeper
	end     context.CancelFunc
	working context.Context // done: feeders and keeper end
	applied chan struct{}   // closed by the applier at its end
	stopped sync.Once

	counters
}

// counters feed Stats.
type counters struct {
	groups, events, reloads atomic.Int64
	rows                    atomic.Int64
	dbTime                  atomic.Int64
}

// Open connects, brings the schema up to date and starts the store's goroutines. The node's
// number is given by SetNode, before the first message. ErrNewerSchema refuses a database of
// a newer version.
func Open(ctx context.Context, opts Options) (*Store, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("store options: %w", err)
	}
	opts = opts.withDefaults()
	pool, err := connect(ctx, &opts)
	if err != nil {
		return nil, err
	}
	s := &Store{opts: opts, log: opts.Logger, pool: pool, commits: make(chan committed, 16), applied: make(chan struct{})}
	if err := s.prepare(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	s.live.init()
	s.receipts.Init(0, opts.ReceiptCache)
	s.accepts.init()
	s.settles.init()
	s.stop, s.abandon = context.WithCancel(context.Background())
	s.working, s.end = context.WithCancel(context.Background())
	s.writers.Go(s.acceptor)
	for shard := range settleShards {
		s.writers.Go(func() { s.settler(shard) })
	}
	s.others.Go(s.keeper)
	s.others.Go(s.refresher)
	s.others.Go(s.prober)
	go s.applier()
	return s, nil
}

func connect(ctx context.Context, opts *Options) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(opts.URL)
	if err != nil {
		return nil, fmt.Errorf("address of PostgreSQL: %w", err)
	}
	cfg.MaxConns = int32(opts.MaxConns)
	cfg.MinConns = 2
	cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	params := cfg.ConnConfig.RuntimeParams
	params["application_name"] = "protei-bulk"
	params["statement_timeout"] = strconv.FormatInt(opts.StatementTimeout.Milliseconds(), 10)
	// A node that dies in a transaction must not hold its locks for long.
	params["idle_in_transaction_session_timeout"] = "3000"
	params["tcp_keepalives_idle"] = "5"
	params["jit"] = "off" // no query here is worth a compiler
	// Statements keep their plans: one that reads all of a table, as it was empty then, would do so
	// with millions of rows in it.
	params["enable_seqscan"] = "off"
	params["tcp_user_timeout"] = "10000"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return pool, nil
}

// prepare brings the schema up to date, one node at a time, and makes the partitions of today.
func (s *Store) prepare(ctx context.Context) error {
	db := stdlib.OpenDBFromPool(s.pool)
	defer db.Close()
	p, err := schema(db)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the version of the schema: %w", err)
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; have > newest {
		return fmt.Errorf("%w: schema %d, this program knows %d: use the program that wrote it, or a later one", store.ErrNewerSchema, have, newest)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	return s.makePartitions(ctx)
}

// schema returns what migrates a database, one process at a time.
func schema(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker), goose.WithTableName("schema_version"))
}

// SetNode gives the store its node's number, which is part of the ids that it issues: they are
// above every id in the database.
func (s *Store) SetNode(ctx context.Context, node uint16) error {
	var highest int64
	err := s.pool.QueryRow(ctx, "SELECT coalesce(max(id), 0) FROM messages").Scan(&highest)
	if err != nil {
		return fmt.Errorf("read the highest id: %w", err)
	}
	s.node.Store(int32(node))
	if err := s.openBooks(ctx); err != nil {
		return err
	}
	s.ids.Store(message.NewIDSource(node, message.ID(highest), s.opts.Now))
	return nil
}

// Name returns what tells this database from all others.
func (s *Store) Name(ctx context.Context) (string, error) {
	const kind, key = "store", "name"
	if err := s.CreateObject(ctx, kind, key, []byte(rand.Text())); err != nil && !errors.Is(err, store.ErrTaken) {
		return "", err
	}
	name, err := s.Object(ctx, kind, key)
	return string(name), err
}

// IDs implements store.Store. It is nil before SetNode.
func (s *Store) IDs() *message.IDSource { return s.ids.Load() }

// Stop takes nothing more, commits what was taken, and closes. When ctx ends first, what is
// not committed is given up: nobody was told of it. It is idempotent.
func (s *Store) Stop(ctx context.Context) error {
	s.stopped.Do(func() {
		s.end()
		s.others.Wait()
		s.accepts.close()
		s.settles.close()
		unbound := context.AfterFunc(ctx, s.abandon)
		s.writers.Wait()
		unbound()
		s.abandon()
		close(s.commits)
		<-s.applied
		s.pool.Close()
	})
	return nil
}

// Backlog is how many messages and events wait for a commit.
func (s *Store) Backlog() int { return int(s.accepts.size.Load() + s.settles.size.Load()) }

// Stats implements store.Store.
func (s *Store) Stats() store.Stats {
	return store.Stats{
		Live: int(s.live.size.Load()), Backlog: s.Backlog(), Queued: int(s.settles.size.Load()),
		Receipts: s.receipts.Len(), Parked: s.parked.len(), Groups: s.groups.Load(), Events: s.events.Load(),
		Redirected: s.reloads.Load(), DBTime: time.Duration(s.dbTime.Load()), DBRows: s.rows.Load(), Failed: s.Err(),
	}
}

// Unreachable reports whether an error of Open says that nobody answers at the address, or not
// yet: it may be tried again.
func Unreachable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return connectionFailed(err)
	}
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || connectionFailed(err)
}

// one runs a query that gives at most one row; store.ErrNotFound when it gives none.
func (s *Store) one(ctx context.Context, query string, args []any, to ...any) error {
	err := s.pool.QueryRow(ctx, query, args...).Scan(to...)
	if errors.Is(err, pgx.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}

// each calls f for every row of a query, after its columns were scanned into to.
func (s *Store) each(ctx context.Context, query string, args, to []any, f func() error) error {
	rows, err := s.pool.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, to, f)
	return err
}

// wrap names the action of an error; errors that callers branch on keep their identity, and a disk that
// is full becomes store.ErrDiskFull.
func wrap(err error, format string, args ...any) error {
	switch {
	case err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrTaken):
		return err
	case diskFull(err) && !errors.Is(err, store.ErrDiskFull):
		err = fmt.Errorf("%w: %w", store.ErrDiskFull, err)
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
