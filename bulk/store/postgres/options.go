package postgres

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"protei-bulk/bulk/message"
)

// Options configure Open. Only URL is needed.
type Options struct {
	URL string // postgres://user:password@host:port/database, with the parameters of libpq

	MaxConns         int           // connections of this node; 0: 16
	StatementTimeout time.Duration // of one statement; 0: 30 s

	Retention      time.Duration // age at which messages are dropped, to a day; 0: never
	AuditRetention time.Duration // age at which entries of the log of changes are deleted; 0: never
	MaxBacklog     int           // messages and events waiting for a commit before ErrBusy; 0: 100,000
	ReceiptCache   int           // parts findable by receipt in memory; 0: 1,000,000
	OutboxCache    int           // messages kept in memory while their customers are told; 0: 100,000

	// Applied is called with what has been committed, one call at a time, before the done
	// callbacks. It must be quick. The slice is valid only during the call; Event.Msg stays.
	// A message that has come into a lane of this node is a Requeue without an error.
	Applied func([]message.Event)
	// Hint, when set, is told of messages that were committed for lanes that they are not in:
	// another node has them, or they have no room. It must not block.
	Hint func(lane message.Lane, ids []message.ID)
	// Room says how many messages a lane of this node has room for; nil: 10,000.
	Room func(lane message.Lane) int
	// Records, when set, makes what is kept of events apart from the messages (CDRs): it is stored
	// in the same transaction, and read with LoadRecords.
	Records func([]message.Event) []byte
	// Committed, when set, is told how long each transaction with messages took.
	Committed func(time.Duration)
	// Quotas, when set, appends the quotas that an account has at a moment (Unix ms) to a list. A
	// request that does not fit in them is refused with a store.QuotaError. It must be quick.
	Quotas func(account uint32, at int64, list []Quota) []Quota
	// Used is told how many parts of a quota all nodes have used: at least so many, for ever. It may
	// wait for nothing but a query.
	Used func(q Quota, parts int64)
	// Failed is called when the store cannot go on: the database is not what it was.
	Failed func(error)

	Logger *slog.Logger     // nil: silent
	Now    func() time.Time // nil: time.Now
}

func (o Options) withDefaults() Options {
	setDefault(&o.MaxConns, 16)
	setDefault(&o.StatementTimeout, 30*time.Second)
	setDefault(&o.MaxBacklog, 100_000)
	setDefault(&o.ReceiptCache, 1_000_000)
	setDefault(&o.OutboxCache, 100_000)
	if o.Applied == nil {
		o.Applied = func([]message.Event) {}
	}
	if o.Hint == nil {
		o.Hint = func(message.Lane, []message.ID) {}
	}
	if o.Room == nil {
		o.Room = func(message.Lane) int { return 10_000 }
	}
	if o.Committed == nil {
		o.Committed = func(time.Duration) {}
	}
	if o.Used == nil {
		o.Used = func(Quota, int64) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// minConns are the connections that a node needs: two that write messages, one that listens,
// and some that read.
const minConns = 6

// Validate names every fault at once.
func (o Options) Validate() error {
	var errs []error
	if o.URL == "" {
		errs = append(errs, errors.New("no address of PostgreSQL"))
	}
	if o.MaxConns != 0 && o.MaxConns < minConns {
		errs = append(errs, fmt.Errorf("%d connections to PostgreSQL are too few: a node needs %d", o.MaxConns, minConns))
	}
	if o.StatementTimeout < 0 || o.Retention < 0 || o.AuditRetention < 0 {
		errs = append(errs, errors.New("a timeout or retention is negative"))
	}
	if o.MaxBacklog < 0 || o.ReceiptCache < 0 || o.OutboxCache < 0 {
		errs = append(errs, errors.New("a bound is negative"))
	}
	return errors.Join(errs...)
}
