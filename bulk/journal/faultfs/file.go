package faultfs

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"syscall"
)

// file is an open file; it stays usable when its name goes, as on Unix.
type file struct {
	fs   *FS
	name string
	ino  *inode
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	if err := f.fs.enter(OpRead, f.name); err != nil {
		return 0, err
	}
	defer f.fs.mu.Unlock()
	if off >= int64(len(f.ino.live)) {
		return 0, io.EOF
	}
	n := copy(b, f.ino.live[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, syscall.EINVAL
	}
	err := f.fs.enter(OpWrite, f.name)
	var short *Short
	switch {
	case errors.As(err, &short):
		b = b[:min(short.Bytes, len(b))]
		f.fs.mu.Lock()
	case err != nil:
		return 0, err
	}
	defer f.fs.mu.Unlock()
	if f.fs.budget >= 0 && int64(len(b)) >= f.fs.budget {
		b = b[:f.fs.budget]
		f.fs.crashed = true
		err = &fs.PathError{Op: "write", Path: f.name, Err: ErrCrashed}
	}
	if f.fs.budget >= 0 {
		f.fs.budget -= int64(len(b))
	}
	f.ino.live = put(f.ino.live, b, off)
	f.ino.pending = append(f.ino.pending, write{off, slices.Clone(b)})
	return len(b), err
}

// put writes b at off into content, which grows with zeros when it must.
func put(content, b []byte, off int64) []byte {
	if end := off + int64(len(b)); end > int64(len(content)) {
		content = append(content, make([]byte, end-int64(len(content)))...)
	}
	copy(content[off:], b)
	return content
}

func (f *file) Sync() error     { return f.sync(OpSync) }
func (f *file) Datasync() error { return f.sync(OpDatasync) }

func (f *file) sync(op Op) error {
	if err := f.fs.enter(op, f.name); err != nil {
		return err
	}
	defer f.fs.mu.Unlock()
	for _, w := range f.ino.pending {
		f.ino.durable = put(f.ino.durable, w.data, w.off)
	}
	f.ino.pending = nil
	return nil
}

func (f *file) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.ino.live)), nil
}

func (f *file) Close() error { return nil }
