package journal

import "io"

// FS is the file layer under a Log. Names are paths as given in Options.Dir joined
// with a file name. Package faultfs has one that loses what was not synced.
type FS interface {
	MkdirAll(dir string) error
	// ReadDir returns the names of the files in dir, without the path, sorted.
	ReadDir(dir string) ([]string, error)
	// Open opens a file for reading and writing; it must exist (fs.ErrNotExist).
	Open(name string) (File, error)
	// OpenRead opens a file for reading only.
	OpenRead(name string) (File, error)
	// Create makes a new file; it must not exist.
	Create(name string) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes creations, renames and removals in dir durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock, released by Close and by the end of the process;
	// ErrInUse when somebody else has it.
	Lock(name string) (io.Closer, error)
}

// File is an open file of an FS.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes content and size durable (fsync).
	Sync() error
	// Datasync makes content durable (fdatasync); the size too when it changed.
	Datasync() error
	Size() (int64, error)
}
