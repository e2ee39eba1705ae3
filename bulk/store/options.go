package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/message"
)

// The values of Options.Durability.
const (
	DurabilityFsync = "fsync" // a change is answered after its fdatasync (the default)
	DurabilityNone  = "none"  // a change is answered after its write: a power cut loses the last ones
)

// Errors that callers branch on.
var (
	// ErrNotFound: no such row.
	ErrNotFound = errors.New("not found")
	// ErrBusy: too many changes wait for SQLite; try again in a moment.
	ErrBusy = errors.New("store: backlog is full")
	// ErrDiskFull: less than Options.MinFreeDisk is free, or what was taken already waits for room.
	// It is syscall.ENOSPC for errors.Is.
	ErrDiskFull error = noRoomError{}
	// ErrFailed: a write to the journal or to SQLite went wrong, not for want of room. Nothing
	// more is accepted until the process starts again.
	ErrFailed = errors.New("store: failed")
	// ErrStopped: Stop was called.
	ErrStopped = errors.New("store: stopped")
	// ErrLocked: another process owns the data folder; the text names its pid.
	ErrLocked = errors.New("store: data folder is in use")
	// ErrFenced: another node owns what was to be changed.
	ErrFenced = errors.New("store: another node has taken over")
	// ErrNewerSchema: the data folder was written by a newer version.
	ErrNewerSchema = errors.New("store: database is of a newer version")
)

// Options configure OpenEmbedded. The zero value of every field but Dir is useful.
type Options struct {
	Dir        string // data folder; made when missing, owned by one process at a time
	Durability string // DurabilityFsync or DurabilityNone
	Node       uint16 // number of this node in the ids that IDs issues

	// AuditRetention is the age at which entries of AuditLog are deleted; 0: never.
	AuditRetention time.Duration
	Retention      time.Duration // age at which tables of messages are dropped; 0: never
	TableRows      int           // rows after which a new table of messages begins; 0: 1,000,000
	MinFreeDisk    int64         // bytes that must stay free for Accept to work; 0: 256 MiB, negative: no check
	MaxBacklog     int           // messages changed and not yet in SQLite before ErrBusy; 0: 600,000

	ReceiptCache int // parts findable by receipt without SQLite; 0: 1,000,000
	LaneCache    int // waiting messages kept in memory per lane; 0: 300,000
	OutboxCache  int // final messages with an open outbox entry kept in memory; 0: 200,000
	ParkedMax    int // receipts kept without their message; 0: 1,000,000

	Settle time.Duration // age at which a changed message is written to SQLite; 0: 1 s

	// Applied is called once per committed group, on the applier goroutine, after the
	// events changed their messages and before their done callbacks. It must be quick.
	// The slice is valid only during the call; Event.Msg stays.
	Applied func([]message.Event)
	// Synced, when set, is told how long each write and sync of the journal took, on the
	// writer goroutine.
	Synced func(time.Duration)
	// Follower, when set, keeps a book of its own of every event, exactly once (CDR files).
	Follower Follower
	// Failed is called once, on its own goroutine, when the store stops working.
	Failed func(error)

	SegmentBytes int64 // size of a journal segment; 0: 64 MiB

	// roomPause is how long what the disk has no room for waits until it is tried again; 0: 250 ms.
	roomPause time.Duration
	// probe, when set by a test, is called on the materialiser's goroutine at the named
	// points of a transaction, with its connection. Its error at "written" is the transaction's.
	probe func(point string, conn *database) error

	Logger *slog.Logger
	FS     journal.FS       // file layer of the journal; nil: the operating system's
	Now    func() time.Time // nil: time.Now
}

// Follower is told every event in the order of the journal, by the numbers of their
// records, and decides with Keep when the store may let go of them.
type Follower interface {
	// Follow takes the events of the records up to number record, on the applier goroutine
	// after Applied, also when there are none. At the start, before OpenEmbedded returns,
	// it takes those that are not in SQLite yet, one by one: what it has kept already comes
	// again. The slice is valid only during the call.
	Follow(evs []message.Event, record uint64)
	// Keep returns when everything up to the record is durable with the follower; SQLite
	// never gets ahead of it. An error ends the store.
	Keep(ctx context.Context, record uint64) error
}

func (o Options) withDefaults() Options {
	setDefault(&o.Durability, DurabilityFsync)
	setDefault(&o.TableRows, 1_000_000)
	setDefault(&o.MinFreeDisk, 256<<20)
	setDefault(&o.MaxBacklog, 600_000)
	setDefault(&o.ReceiptCache, 1_000_000)
	setDefault(&o.LaneCache, 300_000)
	setDefault(&o.OutboxCache, 200_000)
	setDefault(&o.ParkedMax, 1_000_000)
	setDefault(&o.Settle, time.Second)
	setDefault(&o.roomPause, 250*time.Millisecond)
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

// Validate names every fault at once.
func (o Options) Validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("no data folder"))
	}
	if o.Durability != "" && o.Durability != DurabilityFsync && o.Durability != DurabilityNone {
		errs = append(errs, fmt.Errorf("durability %q: one of fsync, none", o.Durability))
	}
	if o.Node > message.MaxNode {
		errs = append(errs, fmt.Errorf("node %d is above %d", o.Node, message.MaxNode))
	}
	if o.Retention < 0 || o.AuditRetention < 0 {
		errs = append(errs, fmt.Errorf("retention %v or %v is negative", o.Retention, o.AuditRetention))
	}
	for name, n := range map[string]int{
		"table rows": o.TableRows, "backlog": o.MaxBacklog, "receipt cache": o.ReceiptCache,
		"lane cache": o.LaneCache, "outbox cache": o.OutboxCache, "parked receipts": o.ParkedMax,
	} {
		if n < 0 {
			errs = append(errs, fmt.Errorf("%s %d is negative", name, n))
		}
	}
	return errors.Join(errs...)
}
