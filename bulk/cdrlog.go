package bulk

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/cdr"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// The CDR files follow the store's journal: each group of events gives its records
// together with the number of its last journal record, at replay too, and SQLite never
// gets ahead of what the files hold. So each part has one record for each final state,
// also after a crash.

func (p *Platform) openCDR(context.Context) error {
	if p.cfg.Shared() {
		return nil // see openSharedCDR
	}
	dir := filepath.Join(p.cfg.Data, "cdr")
	_, err := os.Stat(filepath.Join(p.cfg.Data, store.DatabaseName))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// A new store counts its records from one, and the files would take them for known ones.
	if err != nil && cdr.Used(dir) {
		if err := setAside(dir, p.log); err != nil {
			return err
		}
	}
	return p.openCDRFiles(dir)
}

func (p *Platform) openCDRFiles(dir string) error {
	w, err := cdr.Open(cdr.Options{
		Dir: dir, Format: cdr.Format(p.cfg.CDR.Format), Compression: cdr.Compression(p.cfg.CDR.Compress),
		RotateBytes: int64(p.cfg.CDR.RotateBytes), RotateEvery: time.Duration(p.cfg.CDR.RotateEvery),
		Keep: time.Duration(p.cfg.CDR.Keep), KeepBytes: int64(p.cfg.CDR.KeepBytes),
		Trouble: p.cdrTrouble, Logger: p.log,
	})
	if err != nil {
		return err
	}
	p.cdr = w
	p.onStop("CDR files", func(context.Context) error { return w.Close() })
	return nil
}

// setAside renames the CDR folder of a store that is no more.
func setAside(dir string, log *slog.Logger) error {
	base := dir + "-before-" + time.Now().UTC().Format("20060102-150405")
	aside := base
	for n := 2; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, os.ErrNotExist) {
			break
		}
		aside = base + "-" + strconv.Itoa(n) // the second one within a second
	}
	log.Warn("the database is new, the CDR files are older: set aside", "folder", aside)
	return os.Rename(dir, aside)
}

// cdrTrouble stops acceptance while the CDR files cannot be written.
func (p *Platform) cdrTrouble(err error) {
	switch {
	case err == nil:
		p.cdrFault.Store(nil)
	case errors.Is(err, cdr.ErrFailed):
		p.cdrFault.Store(&err)
		p.fail(err)
	default:
		p.cdrFault.Store(&err)
	}
}

// admit refuses new messages while CDRs cannot be written.
func (p *Platform) admit(message.Lane) error {
	if p.cdrFault.Load() != nil {
		return intake.ErrDiskFull
	}
	return nil
}

// cdrFollower is the CDR files as the store's follower.
type cdrFollower struct {
	files   *cdr.Writer
	records []cdr.Record // of one call
}

func (f *cdrFollower) Follow(evs []message.Event, record uint64) {
	f.records = f.records[:0]
	for i := range evs {
		f.records = cdr.FromEvent(f.records, &evs[i])
	}
	// Append fails only when the files have failed for good, which Trouble has reported.
	_ = f.files.Append(f.records, cdrPosition(record))
	clear(f.records)
}

func (f *cdrFollower) Keep(ctx context.Context, record uint64) error {
	return f.files.SyncTo(ctx, cdrPosition(record))
}

func cdrPosition(record uint64) (pos cdr.Position) {
	binary.BigEndian.PutUint64(pos[8:], record)
	return pos
}

// cdrFolder is the folder of CDR files as package api wants it.
type cdrFolder struct{ dir string }

func (d cdrFolder) List(before string) ([]api.CDRFile, error) {
	files, err := cdr.List(d.dir, before)
	all := make([]api.CDRFile, len(files))
	for i, f := range files {
		all[i] = api.CDRFile{Name: f.Name, State: string(f.State), Bytes: f.Bytes}
		if !f.Closed.IsZero() {
			all[i].Closed = &f.Closed
		}
	}
	return all, err
}

func (d cdrFolder) Open(name string) (io.ReadSeekCloser, error) { return cdr.OpenFile(d.dir, name) }
