// Package faultfs is a file layer for journal.Log that lives in memory and behaves
// like a disk on a bad day: a crash loses what was not synced, a write can be torn at
// any byte, and any call can fail.
//
// The main type is FS. It starts no goroutine and is safe for concurrent use.
package faultfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"

	"protei-bulk/bulk/journal"
)

// ErrCrashed is returned by every call after the simulated machine has stopped.
var ErrCrashed = errors.New("the machine has crashed")

// Op names a call for Hook.
type Op string

// The calls that a Hook sees.
const (
	OpCreate   Op = "create"
	OpOpen     Op = "open"
	OpRename   Op = "rename"
	OpRemove   Op = "remove"
	OpReadDir  Op = "readdir"
	OpSyncDir  Op = "syncdir"
	OpWrite    Op = "write"
	OpRead     Op = "read"
	OpSync     Op = "sync"
	OpDatasync Op = "datasync"
)

// Hook is asked before each call, without a lock held; an error makes the call fail
// with it and do nothing, but a Short writes something before.
type Hook func(op Op, name string) error

// Short is the error of a write that wrote its first Bytes only.
type Short struct {
	Bytes int
	Err   error
}

func (s *Short) Error() string { return s.Err.Error() }
func (s *Short) Unwrap() error { return s.Err }

// FS is the file layer. The zero value is not ready: use New.
type FS struct {
	mu      sync.Mutex // guards everything below, contents of inodes included
	hook    Hook
	crashed bool
	budget  int64             // bytes that may still be written, -1: no limit
	files   map[string]*inode // as a running process sees it
	durable map[string]*inode // as the last SyncDir of each folder left it
	locks   map[string]bool   // held locks
	counts  map[Op]int        // calls so far
	dirs    map[string]bool   // folders
}

// inode is a file's content: what is on the disk, and the writes since the last sync.
type inode struct {
	live    []byte
	durable []byte
	pending []write
}

type write struct {
	off  int64
	data []byte
}

// New returns an empty file layer without faults.
func New() *FS {
	return &FS{
		budget: -1, files: map[string]*inode{}, durable: map[string]*inode{},
		locks: map[string]bool{}, counts: map[Op]int{}, dirs: map[string]bool{},
	}
}

// SetHook replaces the hook; nil takes it away.
func (f *FS) SetHook(h Hook) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = h
}

// FailNth returns a hook that fails the nth call (from 1) of op with err, and every
// later one too when forever is set.
func FailNth(op Op, n int, err error, forever bool) Hook {
	var mu sync.Mutex
	calls := 0
	return func(o Op, _ string) error {
		if o != op {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		calls++
		if calls == n || forever && calls > n {
			return err
		}
		return nil
	}
}

// CrashAfter stops the machine when n more bytes have been written: the write that
// reaches the limit is cut there.
func (f *FS) CrashAfter(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.budget = n
}

// Count returns how many calls of op were made.
func (f *FS) Count(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[op]
}

// sector is what a disk writes or does not write as a whole.
const sector = 512

// Crash stops this machine and returns the file layer that the next one finds: synced
// data and synced names for sure. Of each write that was not synced, every 512-byte
// sector is kept where keep says so; a nil keep loses them all. Locks are free again.
func (f *FS) Crash(keep func() bool) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed = true
	next := New()
	for d := range f.dirs {
		next.dirs[d] = true
	}
	for name, ino := range f.durable {
		content := slices.Clone(ino.durable)
		for _, w := range ino.pending {
			content = w.survive(content, keep)
		}
		n := &inode{live: content, durable: slices.Clone(content)}
		next.files[name], next.durable[name] = n, n
	}
	return next
}

func (w write) survive(content []byte, keep func() bool) []byte {
	for off, end := w.off, w.off+int64(len(w.data)); off < end; {
		stop := min((off/sector+1)*sector, end)
		if keep != nil && keep() {
			content = put(content, w.data[off-w.off:stop-w.off], off)
		}
		off = stop
	}
	return content
}

// KeepAll is a keep function for Crash: only names can be lost.
func KeepAll() bool { return true }

// KeepSome returns a keep function for Crash that keeps about half, by seed.
func KeepSome(seed uint64) func() bool {
	r := rand.New(rand.NewPCG(seed, 1))
	return func() bool { return r.Uint64()&1 == 0 }
}

// Load returns the content of a file as a running process sees it.
func (f *FS) Load(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ino, ok := f.files[name]
	if !ok {
		return nil, notExist("load", name)
	}
	return slices.Clone(ino.live), nil
}

// Store puts a file there, content and name durable, for example a damaged copy.
func (f *FS) Store(name string, content []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := &inode{live: slices.Clone(content), durable: slices.Clone(content)}
	f.files[name], f.durable[name] = n, n
	f.dirs[filepath.Dir(name)] = true
}

// Clone returns a copy of everything, without hook, budget and locks: a snapshot that
// was taken at a sync point.
func (f *FS) Clone() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := New()
	for d := range f.dirs {
		next.dirs[d] = true
	}
	for name, ino := range f.files {
		n := &inode{live: slices.Clone(ino.live), durable: slices.Clone(ino.live)}
		next.files[name], next.durable[name] = n, n
	}
	return next
}

// Names returns all file names, sorted.
func (f *FS) Names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := make([]string, 0, len(f.files))
	for n := range f.files {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// enter counts a call, asks the hook and takes the lock when the call may go on.
func (f *FS) enter(op Op, name string) error {
	f.mu.Lock()
	f.counts[op]++
	hook := f.hook
	f.mu.Unlock()
	if hook != nil {
		if err := hook(op, name); err != nil {
			return &fs.PathError{Op: string(op), Path: name, Err: err}
		}
	}
	f.mu.Lock()
	if f.crashed {
		f.mu.Unlock()
		return &fs.PathError{Op: string(op), Path: name, Err: ErrCrashed}
	}
	return nil
}

func notExist(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist} }

// MkdirAll makes a folder.
func (f *FS) MkdirAll(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dirs[filepath.Clean(dir)] = true
	return nil
}

// ReadDir lists the files of a folder.
func (f *FS) ReadDir(dir string) ([]string, error) {
	if err := f.enter(OpReadDir, dir); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	if !f.dirs[filepath.Clean(dir)] {
		return nil, notExist("readdir", dir)
	}
	var names []string
	for n := range f.files {
		if filepath.Dir(n) == filepath.Clean(dir) {
			names = append(names, filepath.Base(n))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Open opens a file that exists.
func (f *FS) Open(name string) (journal.File, error) {
	if err := f.enter(OpOpen, name); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	ino, ok := f.files[name]
	if !ok {
		return nil, notExist("open", name)
	}
	return &file{fs: f, name: name, ino: ino}, nil
}

// OpenRead opens a file that exists.
func (f *FS) OpenRead(name string) (journal.File, error) { return f.Open(name) }

// Create makes a file; its name is durable after SyncDir.
func (f *FS) Create(name string) (journal.File, error) {
	if err := f.enter(OpCreate, name); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	if _, ok := f.files[name]; ok {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	ino := &inode{}
	f.files[name] = ino
	return &file{fs: f, name: name, ino: ino}, nil
}

// Rename moves a file; the move is durable after SyncDir.
func (f *FS) Rename(from, to string) error {
	if err := f.enter(OpRename, from); err != nil {
		return err
	}
	defer f.mu.Unlock()
	ino, ok := f.files[from]
	if !ok {
		return notExist("rename", from)
	}
	delete(f.files, from)
	f.files[to] = ino
	return nil
}

// Remove deletes a name; that is durable after SyncDir.
func (f *FS) Remove(name string) error {
	if err := f.enter(OpRemove, name); err != nil {
		return err
	}
	defer f.mu.Unlock()
	if _, ok := f.files[name]; !ok {
		return notExist("remove", name)
	}
	delete(f.files, name)
	return nil
}

// SyncDir makes the names in dir durable.
func (f *FS) SyncDir(dir string) error {
	if err := f.enter(OpSyncDir, dir); err != nil {
		return err
	}
	defer f.mu.Unlock()
	dir = filepath.Clean(dir)
	for n := range f.durable {
		if filepath.Dir(n) == dir {
			delete(f.durable, n)
		}
	}
	for n, ino := range f.files {
		if filepath.Dir(n) == dir {
			f.durable[n] = ino
		}
	}
	return nil
}

// Lock takes a lock that only Close and Crash give back.
func (f *FS) Lock(name string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.locks[name] {
		return nil, fmt.Errorf("%w: %s", journal.ErrInUse, name)
	}
	f.locks[name] = true
	return unlock{f, name}, nil
}

type unlock struct {
	fs   *FS
	name string
}

// Close gives the lock back.
func (u unlock) Close() error {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	delete(u.fs.locks, u.name)
	return nil
}
