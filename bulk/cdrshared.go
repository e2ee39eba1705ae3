package bulk

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"time"

	"protei-bulk/bulk/cdr"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store/postgres"
	"protei-bulk/internal/pause"
)

// With a store that nodes share, CDR records are written into it by the transaction that makes
// them true, and from there into the files of the node whose transaction it was: once each,
// as the files know the number of the last one that they have. When that node dies, another one
// takes over what its files cannot have.

const (
	cdrLook  = 200 * time.Millisecond
	cdrPage  = 100 // transactions read at once
	cdrRetry = 2 * time.Second
	// storeNameFile says in the CDR folder which store its records are of.
	storeNameFile = "store"
	bookFile      = "book"
)

// cdrRecords makes the records of a transaction's events.
func (p *Platform) cdrRecords(evs []message.Event) []byte {
	var records []cdr.Record
	for i := range evs {
		p.store.View(evs[i].Msg, func(*message.Message) { records = cdr.FromEvent(records, &evs[i]) })
	}
	return p.cdr.Encode(nil, records)
}

// openSharedCDR opens the files of this node. Those of another store are set aside: its records
// have other numbers.
func (p *Platform) openSharedCDR(ctx context.Context, s *postgres.Store) error {
	name, err := s.Name(ctx)
	if err != nil {
		return err
	}
	dir := filepath.Join(p.cfg.Data, "cdr")
	file := filepath.Join(p.cfg.Data, "cdr."+storeNameFile)
	before, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if string(before) != name && cdr.Used(dir) {
		if err := setAside(dir, p.log); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(p.cfg.Data, 0o700); err != nil {
		return err
	}
	book, err := p.cdrBook(string(before) == name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
		return err
	}
	if err := p.openCDRFiles(dir); err != nil {
		return err
	}
	return s.SetBook(ctx, book)
}

// cdrBook returns what tells the files in this data folder from those of all others, whatever
// number the node has.
func (p *Platform) cdrBook(known bool) (string, error) {
	file := filepath.Join(p.cfg.Data, "cdr."+bookFile)
	if text, err := os.ReadFile(file); err == nil && known && len(text) > 0 {
		return string(text), nil
	}
	book := rand.Text()
	return book, os.WriteFile(file, []byte(book), 0o600)
}

// cdrSeq is the number of the last transaction whose records the files have.
func cdrSeq(pos cdr.Position) int64 { return int64(binary.BigEndian.Uint64(pos[8:])) }

// cdrOutbox brings records from the store into the files. What the files have durably is forgotten in
// the store with the page after it, at the latest, and before the node ends: what stays there longer
// looks as if nobody had written it, and is written again by another node one day.
type cdrOutbox struct {
	store *postgres.Store
	files *cdr.Writer
	// forgotten is what the store does not have any more.
	forgotten cdr.Position
}

// startCDR begins to bring records from the store into the files.
func (p *Platform) startCDR(s *postgres.Store) {
	o := cdrOutbox{store: s, files: p.cdr}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			more, err := o.bring(ctx)
			wait := cdrLook
			switch {
			case err != nil && ctx.Err() == nil:
				p.log.Error("bring CDRs from the store into files", "error", err)
				wait = cdrRetry
			case more:
				wait = 0
			}
			_ = pause.For(ctx, wait)
		}
	}()
	p.onStop("CDR records", func(ctx context.Context) error {
		cancel()
		<-done
		for { // what came since; the rest is in the store
			if more, err := o.bring(ctx); err != nil || !more {
				return err
			}
		}
	})
}

// bring moves one page of records, and reports whether there may be more.
func (o *cdrOutbox) bring(ctx context.Context) (more bool, err error) {
	list, err := o.store.LoadRecords(ctx, cdrSeq(o.files.Position()), cdrPage)
	if err != nil {
		return false, err
	}
	for _, r := range list {
		if err := o.files.AppendEncoded(r.Text, cdrPosition(uint64(r.Seq))); err != nil {
			return false, err
		}
	}
	return len(list) == cdrPage, o.forget(ctx)
}

// forget drops from the store what the files have, those of a step before included that was cut off
// in between.
func (o *cdrOutbox) forget(ctx context.Context) error {
	pos := o.files.Position()
	if pos == o.forgotten {
		return nil
	}
	if err := o.files.SyncTo(ctx, pos); err != nil {
		return err
	}
	if err := o.store.DropRecords(ctx, cdrSeq(pos)); err != nil {
		return err
	}
	o.forgotten = pos
	return nil
}
