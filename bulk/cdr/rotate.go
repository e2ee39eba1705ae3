package cdr

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// retentionEvery is how often old files are looked for.
const retentionEvery = time.Minute

// rotationDue reports whether the current file is large or old enough. A file without
// lines is kept.
func (o *output) rotationDue() bool {
	now := o.opts.now()
	if now.Sub(o.sweep) >= retentionEvery {
		o.sweep = now
		o.deleteOld(now)
	}
	if o.length <= int64(len(Header)) {
		return false
	}
	return o.length >= o.opts.RotateBytes || now.Sub(o.opened) >= o.opts.RotateEvery
}

// rotate gives the synced current file its final name and begins a new one. Each step
// can be repeated, by a second call or by Open after a crash: the checkpoint names the
// final name before the rename, so its existence tells whether that has happened.
func (o *output) rotate() error {
	if o.saved.sealed == "" {
		sealed := checkpoint{length: o.saved.length, pos: o.saved.pos, sealed: o.freeName()}
		if err := o.points.write(sealed); err != nil {
			return fmt.Errorf("%w: %w", ErrFailed, err)
		}
		o.saved = sealed
	}
	final := o.path(o.saved.sealed)
	if _, err := os.Stat(final); err != nil {
		if err := os.Rename(o.path(currentName), final); err != nil {
			return fmt.Errorf("rotate CDR: %w", err)
		}
	}
	f, err := os.OpenFile(o.path(currentName), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return fmt.Errorf("rotate CDR: %w", err)
	}
	_ = o.file.Close() // it was synced
	o.file = f
	if err := o.begin(); err != nil {
		return fmt.Errorf("rotate CDR: %w", err)
	}
	if err := syncDir(o.opts.Dir); err != nil {
		return fmt.Errorf("%w: rotate CDR: %w", ErrFailed, err)
	}
	if err := o.sync(); err != nil {
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	return nil
}

// freeName returns a name that no file has.
func (o *output) freeName() string {
	stamp := o.opts.now().UTC().Format("20060102-150405")
	for n := 1; ; n++ {
		name := fmt.Sprintf("cdr-%s-%03d.csv", stamp, n)
		if _, err := os.Lstat(o.path(name)); os.IsNotExist(err) {
			return name
		}
	}
}

// deleteOld deletes closed files above the age of Options.Keep.
func (o *output) deleteOld(now time.Time) {
	if o.opts.Keep <= 0 {
		return
	}
	files, err := os.ReadDir(o.opts.Dir)
	if err != nil {
		o.opts.Logger.Warn("look for old CDR files", "error", err)
		return
	}
	for _, file := range files {
		if ok, _ := filepath.Match("cdr-*.csv", file.Name()); !ok {
			continue
		}
		name := o.path(file.Name())
		st, err := file.Info()
		if err != nil || now.Sub(st.ModTime()) < o.opts.Keep {
			continue
		}
		if err := os.Remove(name); err != nil {
			o.opts.Logger.Warn("delete old CDR file", "file", name, "error", err)
			continue
		}
		o.opts.Logger.Info("deleted old CDR file", "file", name)
	}
}
