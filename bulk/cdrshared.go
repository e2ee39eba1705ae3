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

// startCDR begins to bring records from the store into the files.
func (p *Platform) startCDR(s *postgres.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			more, err := p.bringCDR(ctx, s)
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
			if more, err := p.bringCDR(ctx, s); err != nil || !more {
				return err
			}
		}
	})
}

// bringCDR moves one page of records, and reports whether there may be more.
func (p *Platform) bringCDR(ctx context.Context, s *postgres.Store) (more bool, err error) {
	list, err := s.LoadRecords(ctx, cdrSeq(p.cdr.Position()), cdrPage)
	if err != nil || len(list) == 0 {
		return false, err
	}
	for _, r := range list {
		if err := p.cdr.AppendEncoded(r.Text, cdrPosition(uint64(r.Seq))); err != nil {
			return false, err
		}
	}
	last := list[len(list)-1].Seq
	if err := p.cdr.SyncTo(ctx, cdrPosition(uint64(last))); err != nil {
		return false, err
	}
	return len(list) == cdrPage, s.DropRecords(ctx, last)
}
