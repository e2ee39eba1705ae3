package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store/receiptindex"
)

// Embedded is the store of one node: everything is in one folder that one process owns.
// All methods are safe for concurrent use.
type Embedded struct {
	opts Options
	lock *os.File
	log  *journal.Log
	ids  *message.IDSource
	hash hasher

	live     live
	lanes    lanes
	books    books
	usages   usages
	receipts receiptindex.Index
	parked   parked
	inbox    inbox
	answers  answers
	purses   purses
	moves    moves
	dirty    dirtyList
	open     atomic.Int64 // messages with an open outbox entry in the live table

	queue   queue
	spares  chan *pending
	groups  chan *group   // writer → applier, closed by the writer
	applied chan struct{} // closed by the applier at its end
	ops     chan op       // → materialiser
	readers *readers
	record  uint64     // number of the last record at start
	dropped message.ID // highest id that the replay did not accept, 0: none

	catalog atomic.Pointer[catalog]
	commits atomic.Int64 // transactions committed: see adopting rows in reader.go

	stop    context.Context // done: stop flushing and go
	abandon context.CancelFunc
	joined  sync.WaitGroup
	stopped chan struct{} // closed when everything is joined and closed

	failure atomic.Pointer[error]
	room    room

	counters
}

// counters feed Stats.
type counters struct {
	groupCount, eventCount, redirected atomic.Int64
	syncTime, dbTime, dbRows           atomic.Int64
	released                           atomic.Uint64
	asOf                               atomic.Int64 // Unix ms that lists show at least
}

// DatabaseName is the file of the database in the data folder.
const DatabaseName = "messages.db"

// OpenEmbedded locks the data folder, opens the database, replays the journal and
// starts the store's goroutines. ErrLocked names the pid of the owner, ErrNewerSchema
// refuses a folder of a newer version, ErrDiskFull is for a disk that has no room for a start.
func OpenEmbedded(opts Options) (*Embedded, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("store options: %w", err)
	}
	e := newEmbedded(opts.withDefaults())
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create data folder: %w", err)
	}
	lock, err := lockFolder(opts.Dir)
	if err != nil {
		return nil, err
	}
	e.lock = lock
	m, err := e.load()
	if err != nil {
		return nil, errors.Join(e.sayFull(err), e.closeFiles(nil))
	}
	e.joined.Add(3)
	go e.write()
	go e.apply()
	go e.materialise(m)
	go e.end(m.conn)
	return e, nil
}

func newEmbedded(opts Options) *Embedded {
	e := &Embedded{
		opts:    opts,
		spares:  make(chan *pending, groupsAhead+2),
		groups:  make(chan *group, groupsAhead),
		applied: make(chan struct{}),
		ops:     make(chan op, 64),
		stopped: make(chan struct{}),
	}
	e.stop, e.abandon = context.WithCancel(context.Background())
	e.live.init()
	e.parked.init()
	e.inbox.init()
	e.answers.init()
	e.queue.init()
	e.dirty.now = opts.Now
	return e
}

// load opens database and journal and brings the live table to where the last process
// left it.
func (e *Embedded) load() (*materialiser, error) {
	path := filepath.Join(e.opts.Dir, DatabaseName)
	conn, err := openWriter(path)
	if err != nil {
		return nil, err
	}
	m, err := e.restore(conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if e.readers, err = openReaders(path); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	e.log, err = journal.Open(journal.Options{
		Dir: filepath.Join(e.opts.Dir, journalFolder), StoreUUID: m.st.uuid, SegmentBytes: e.opts.SegmentBytes,
		Sync: e.opts.Durability == DurabilityFsync, FS: e.opts.FS, Logger: e.opts.Logger,
	})
	if err == nil {
		err = e.replay(m.st.at)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), conn.Close())
	}
	e.ids = message.NewIDSource(e.opts.Node, max(m.maxID, e.highestLive(), e.inbox.highest, e.dropped), e.opts.Now)
	e.asOf.Store(e.opts.Now().UnixMilli())
	e.checkDisk()
	return m, nil
}

// highestLive returns the highest id that the replay brought.
func (e *Embedded) highestLive() (highest message.ID) {
	for i := range e.live.shards {
		for id := range e.live.shards[i].m {
			highest = max(highest, id)
		}
	}
	return highest
}

// IDs returns the source of message ids: above every id the store has ever held.
func (e *Embedded) IDs() *message.IDSource { return e.ids }

// Stop takes nothing more, applies and writes what was taken, and closes. When ctx ends
// first the rest stays in the journal, which the next start replays. It is idempotent.
func (e *Embedded) Stop(ctx context.Context) error {
	e.queue.close(ErrStopped)
	select {
	case <-e.stopped:
	case <-ctx.Done():
		e.abandon()
		<-e.stopped
	}
	return e.failed()
}

// end joins the goroutines and closes the files.
func (e *Embedded) end(conn *database) {
	e.joined.Wait()
	if err := e.closeFiles(conn); err != nil {
		e.opts.Logger.Error("close store", "error", err)
	}
	e.abandon()
	close(e.stopped)
}

func (e *Embedded) closeFiles(conn *database) error {
	var errs []error
	if e.readers != nil {
		errs = append(errs, e.readers.close())
	}
	if conn != nil {
		errs = append(errs, conn.Close())
	}
	if e.log != nil {
		errs = append(errs, e.log.Close())
	}
	return errors.Join(append(errs, e.lock.Close())...)
}

func (e *Embedded) abandoned() bool { return e.stop.Err() != nil }

// fail ends the store: nothing more is taken, Options.Failed is told once.
func (e *Embedded) fail(err error) {
	if !e.failure.CompareAndSwap(nil, &err) {
		return
	}
	e.opts.Logger.Error("the store stopped working", "error", err)
	e.queue.close(err)
	if e.opts.Failed != nil {
		go e.opts.Failed(err)
	}
}

// Err returns why nothing is accepted now, or nil: the store failed, or the disk has no room.
func (e *Embedded) Err() error {
	if err := e.failed(); err != nil {
		return err
	}
	return e.full()
}

// failed returns why the store stopped working, or nil.
func (e *Embedded) failed() error {
	if err := e.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Backlog returns the changed messages that SQLite does not hold yet.
func (e *Embedded) Backlog() int { return e.dirty.len() }

// Stats returns a picture of this moment.
func (e *Embedded) Stats() Stats {
	e.dirty.mu.Lock()
	record := e.dirty.applied.record
	e.dirty.mu.Unlock()
	return Stats{
		Live: int(e.live.size.Load()), Backlog: e.dirty.len(), Queued: int(e.queue.size.Load()),
		Receipts: e.receipts.Len(), Parked: int(e.parked.size.Load()), Orphans: e.parked.orphanCount(),
		Tables: len(e.catalog.Load().tables), Groups: e.groupCount.Load(), Events: e.eventCount.Load(),
		Redirected: e.redirected.Load(), SyncTime: duration(&e.syncTime), DBTime: duration(&e.dbTime),
		DBRows: e.dbRows.Load(), Record: record, Released: e.released.Load(), Failed: e.failed(),
	}
}

var _ Store = (*Embedded)(nil)
