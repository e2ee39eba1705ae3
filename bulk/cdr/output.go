package cdr

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// output is the current file and the checkpoint. One goroutine uses it.
type output struct {
	opts   *Options
	format Format // of the file
	file   *os.File
	points *checkpoints
	length int64     // of the file
	opened time.Time // when its first line was written
	pos    Position
	saved  checkpoint
	closed func() // called when a file awaits its end
	stamp  string // second of the last name given
	number int    // of that name in its second
}

func (o *output) path(name string) string { return filepath.Join(o.opts.Dir, name) }

// openOutput brings the folder to its last checkpoint.
func openOutput(opts *Options) (*output, error) {
	if err := os.MkdirAll(opts.Dir, 0o750); err != nil {
		return nil, err
	}
	o := &output{opts: opts, opened: opts.now(), closed: func() {}}
	points, last, err := openCheckpoints(o.path(checkpointName))
	if err != nil {
		return nil, err
	}
	o.points, o.pos, o.saved, o.format = points, last.pos, last, last.format
	if last.sealed != "" && o.renamed(last.sealed) {
		last.length, o.format = 0, opts.Format // the renamed file has it all, the current one is new
	}
	if last.length <= int64(len(o.format.header())) {
		last.length, o.format = 0, opts.Format
	}
	if err := o.restore(last); err != nil {
		return nil, errors.Join(err, o.close())
	}
	if o.format != opts.Format { // the setting was changed meanwhile
		if err := o.rotate(); err != nil {
			return nil, errors.Join(err, o.close())
		}
	}
	other := CSV
	if o.format == CSV {
		other = JSON
	}
	if err := os.Remove(o.path(other.current())); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(err, o.close())
	}
	return o, nil
}

// restore opens the current file, cut to the checkpoint.
func (o *output) restore(last checkpoint) error {
	f, err := os.OpenFile(o.path(o.format.current()), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	o.file = f
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.Size() < last.length {
		return fmt.Errorf("%s has %d bytes, %d were synced: records are missing", f.Name(), st.Size(), last.length)
	}
	if err := f.Truncate(last.length); err != nil {
		return err
	}
	if o.length = last.length; o.length == 0 {
		if err := o.begin(); err != nil {
			return err
		}
	} else if st.ModTime().Before(o.opened) {
		o.opened = st.ModTime()
	}
	if err := o.sync(); err != nil {
		return err
	}
	return syncDir(o.opts.Dir)
}

// begin writes the header of an empty file.
func (o *output) begin() error {
	if _, err := o.opts.writeAt(o.file, []byte(o.format.header()), 0); err != nil {
		return err
	}
	o.length = int64(len(o.format.header()))
	return nil
}

// write appends lines at a known place, so that it can be tried again.
func (o *output) write(lines []byte) error {
	if len(lines) == 0 {
		return nil
	}
	if o.length == int64(len(o.format.header())) {
		o.opened = o.opts.now()
	}
	if _, err := o.opts.writeAt(o.file, lines, o.length); err != nil {
		return fmt.Errorf("write CDR: %w", err)
	}
	o.length += int64(len(lines))
	return nil
}

// sync makes file and position durable, in this order.
func (o *output) sync() error {
	now := checkpoint{length: o.length, pos: o.pos, format: o.format}
	if now.length == o.saved.length && now.pos == o.saved.pos && o.saved.sealed == "" {
		return nil
	}
	if now.length != o.saved.length || o.saved.sealed != "" {
		if err := o.file.Sync(); err != nil {
			return fmt.Errorf("sync CDR: %w", err)
		}
	}
	if err := o.points.write(now); err != nil {
		return err
	}
	o.saved = now
	return nil
}

func (o *output) close() error {
	var errs []error
	if o.file != nil {
		errs = append(errs, o.file.Close())
	}
	return errors.Join(append(errs, o.points.file.Close())...)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
