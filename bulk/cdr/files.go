package cdr

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// FileState says how far a file has come.
type FileState string

// The states of a file.
const (
	Writing  FileState = "writing"  // it gets lines
	Closing  FileState = "closing"  // it has all its lines, and gets its end
	Complete FileState = "complete" // it is never touched again
)

// File is one file of a folder.
type File struct {
	Name   string
	State  FileState
	Bytes  int64     // on the disk
	Closed time.Time // the moment in its name (UTC); zero while it is written
}

// List returns the files in a folder, the newest first. A folder that is missing has none. With
// before they are those older than the file of this name, which may be gone or renamed by now;
// [fs.ErrInvalid] for a name that no file has.
func List(dir, before string) ([]File, error) {
	last, ok := fileOf(before)
	if before != "" && !ok {
		return nil, fmt.Errorf("%q is no name of a CDR file: %w", before, fs.ErrInvalid)
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []File
	for _, entry := range entries {
		f, ok := fileOf(entry.Name())
		if !ok || before != "" && f.order() >= last.order() {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // it got its end, or was deleted, meanwhile
		}
		if err != nil {
			return nil, err
		}
		f.Bytes = info.Size()
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b File) int { return -cmp.Compare(a.order(), b.order()) })
	return all, nil
}

// Names of complete files are not longer, and have these letters only: no path, nothing that a file
// system refuses.
const (
	maxFileName = 64
	nameLetters = "abcdefghijklmnopqrstuvwxyz0123456789-."
)

// OpenFile opens a complete file of a folder; any other name is [fs.ErrNotExist]. The file of a
// name never changes, so what was read of it can be continued later.
func OpenFile(dir, name string) (*os.File, error) {
	if f, ok := fileOf(name); !ok || f.State != Complete || len(name) > maxFileName || strings.Trim(name, nameLetters) != "" {
		return nil, fmt.Errorf("%q: %w", name, fs.ErrNotExist)
	}
	return os.Open(filepath.Join(dir, name))
}

func fileOf(name string) (File, bool) {
	format, _, ok := kindOf(name)
	if !ok {
		return File{}, false
	}
	f := File{Name: name, State: Complete}
	rest, closed := strings.CutPrefix(name, closedPrefix)
	if !closed {
		f.State = Closing
		rest, closed = strings.CutPrefix(name, closingPrefix)
	}
	if !closed {
		f.State = Writing
		return f, name == format.current()
	}
	stamp, err := time.Parse("20060102-150405", rest[:min(len(rest), 15)])
	f.Closed = stamp
	return f, err == nil
}

// order sorts by the time of files; the one that is being written is the newest.
func (f *File) order() string {
	if f.State == Writing {
		return "~"
	}
	return strings.TrimPrefix(strings.TrimPrefix(f.Name, closedPrefix), closingPrefix)
}
