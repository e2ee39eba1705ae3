package journal

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrFailed is returned for ever after a failed write or sync: what the disk holds
	// is unknown until the next Replay.
	ErrFailed = errors.New("journal failed")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("journal closed")
	// ErrTooLarge is returned for a group that does not fit in a segment.
	ErrTooLarge = errors.New("journal group too large")
	// ErrNoSegment is returned when the next segment could not be made, for example on
	// a full disk. Nothing was written; a later Append tries again.
	ErrNoSegment = errors.New("no journal segment")
	// ErrNoRoom is returned when the disk had no room for a group in a segment that is there,
	// which only a file system that never writes in place can say. A later Append tries again.
	ErrNoRoom = errors.New("no room for a journal group")
	// ErrInUse is returned when another process, or another Log, has the folder open.
	ErrInUse = errors.New("in use")
)

// NoRoom reports whether err says that the disk, or a quota, is full.
func NoRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// CorruptError says that the log is damaged before its last group, so that records
// which were durable once are gone. Nothing is repaired: the files stay as they are.
type CorruptError struct {
	Path    string // file of the segment
	Segment uint64
	Offset  int64 // first byte of the record or header that does not validate
	Reason  string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal segment %d (%s) is damaged at offset %d: %s", e.Segment, e.Path, e.Offset, e.Reason)
}

// VersionError says that a segment was written by a newer format.
type VersionError struct {
	Path    string
	Version uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("journal segment %s has format version %d, this program knows up to %d", e.Path, e.Version, formatVersion)
}

// StoreError says that a segment belongs to another store.
type StoreError struct {
	Path      string
	Got, Want [16]byte
}

func (e *StoreError) Error() string {
	return fmt.Sprintf("journal segment %s belongs to store %x, not to %x", e.Path, e.Got, e.Want)
}
