package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
)

// Pin keeps every segment that is not released yet until unpin is called; what Release
// is told meanwhile counts from then on. It is for a copy of the log while it is written.
func (l *Log) Pin() (unpin func()) {
	l.mu.Lock()
	l.pins++
	l.mu.Unlock()
	return sync.OnceFunc(func() {
		l.mu.Lock()
		l.pins--
		upTo := l.held
		ready := l.pins == 0 && l.replayed && !l.closed
		l.mu.Unlock()
		if ready && upTo != 0 {
			l.prep.release(upTo)
		}
	})
}

// CopyTo copies the segments from the one of from up to the last durable group into dir,
// which must be empty, and returns where the copy ends. A Log opened there replays the
// same records. The caller has called Pin before it learned from. Appends go on.
func (l *Log) CopyTo(dir string, from Pos) (Pos, error) {
	l.mu.Lock()
	end := l.end
	ready := l.replayed && !l.closed && l.pins > 0
	l.mu.Unlock()
	if !ready {
		return end, errors.New("journal: CopyTo of a log that is not open and pinned")
	}
	if err := l.fs.MkdirAll(dir); err != nil {
		return end, fmt.Errorf("copy journal: %w", err)
	}
	l.prep.mu.Lock()
	kept := slices.Clone(l.prep.kept)
	l.prep.mu.Unlock()
	for _, number := range kept {
		if number < from.Segment || number > end.Segment {
			continue
		}
		limit := int64(-1)
		if number == end.Segment {
			limit = int64(end.Offset)
		}
		if err := l.copySegment(dir, number, limit); err != nil {
			return end, fmt.Errorf("copy journal segment %d: %w", number, err)
		}
	}
	return end, l.fs.SyncDir(dir)
}

// copySegment copies a segment, of the one being written the first limit bytes; what is
// behind them is zeros in the copy.
func (l *Log) copySegment(dir string, number uint64, limit int64) error {
	name := segmentName(number)
	from, err := l.fs.OpenRead(filepath.Join(l.opts.Dir, name))
	if err != nil {
		return err
	}
	defer from.Close()
	size, err := from.Size()
	if err != nil {
		return err
	}
	if limit < 0 {
		limit = size
	}
	to, err := l.fs.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	buf := make([]byte, zeroChunk)
	for at := int64(0); at < limit && err == nil; {
		n := min(limit-at, int64(len(buf)))
		if _, err = from.ReadAt(buf[:n], at); err == nil {
			_, err = to.WriteAt(buf[:n], at)
		}
		at += n
	}
	if err == nil && limit < size {
		_, err = to.WriteAt([]byte{0}, size-1)
	}
	if err == nil {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}
