package cdr

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// rotationDue reports whether the current file is large or old enough. A file without
// lines is kept.
func (o *output) rotationDue() bool {
	if o.length <= int64(len(o.format.header())) {
		return false
	}
	return o.length >= o.opts.RotateBytes || o.opts.now().Sub(o.opened) >= o.opts.RotateEvery
}

// rotate gives the synced current file its closing name and begins a new one. Each step
// can be repeated, by a second call or by Open after a crash: the checkpoint names the
// closing name before the rename, so its existence tells whether that has happened.
func (o *output) rotate() error {
	if o.saved.sealed == "" {
		sealed := checkpoint{length: o.saved.length, pos: o.saved.pos, format: o.format, sealed: o.freeName()}
		if err := o.points.write(sealed); err != nil {
			return fmt.Errorf("%w: %w", ErrFailed, err)
		}
		o.saved = sealed
	}
	if err := o.opts.between("rename"); err != nil {
		return err
	}
	if !o.renamed(o.saved.sealed) {
		if err := os.Rename(o.path(o.saved.format.current()), o.path(o.saved.sealed)); err != nil {
			return fmt.Errorf("rotate CDR: %w", err)
		}
	}
	if err := o.opts.between("new file"); err != nil {
		return err
	}
	o.format = o.opts.Format
	f, err := os.OpenFile(o.path(o.format.current()), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return fmt.Errorf("rotate CDR: %w", err)
	}
	_ = o.file.Close() // it was synced
	o.file = f
	if err := o.begin(); err != nil {
		return fmt.Errorf("rotate CDR: %w", err)
	}
	if err := o.opts.between("new position"); err != nil {
		return err
	}
	if err := syncDir(o.opts.Dir); err != nil {
		return fmt.Errorf("%w: rotate CDR: %w", ErrFailed, err)
	}
	if err := o.sync(); err != nil {
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	o.closed()
	return nil
}

// freeName returns a closing name of which no file has come yet.
func (o *output) freeName() string {
	if stamp := o.opts.now().UTC().Format("20060102-150405"); stamp != o.stamp {
		o.stamp, o.number = stamp, 0
	}
	for { // a number is not used again in its second, though retention may have freed it
		o.number++
		name := fmt.Sprintf("%s-%03d", o.stamp, o.number)
		if !o.taken(name) {
			return closingPrefix + name + o.format.extension()
		}
	}
}

// taken reports whether a file has the name, closing or closed. A file goes from the one to
// the other at any time, never back: so it is looked for in this order.
func (o *output) taken(name string) bool {
	for _, prefix := range []string{closingPrefix, closedPrefix} {
		if found, _ := filepath.Glob(o.path(prefix + name + ".*")); len(found) > 0 {
			return true
		}
	}
	return false
}

// renamed reports whether the current file got the closing name, under which it may be no
// more: the finisher can have given it its last one.
func (o *output) renamed(sealed string) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(sealed, closingPrefix), ".")
	return o.taken(name)
}
