package cdr

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// tidyEvery is how often old files are looked for, and an end that went wrong is tried again.
const tidyEvery = time.Minute

// finisher gives closing files their end: the trailer, the compression and the name under
// which they are collected. It deletes old ones. It owns a goroutine, so that the writer
// does not wait while a large file is read.
//
// A crash at any step leaves the closing file, which has every record, or the complete
// file under its last name, or both: then the closing one goes.
type finisher struct {
	opts *Options
	wake chan struct{}
	quit chan struct{}
	done chan struct{}
	once sync.Once  // closes quit
	mu   sync.Mutex // held by tidy
	bad  bool       // the last tidy went wrong
}

func newFinisher(opts *Options) *finisher {
	f := &finisher{opts: opts, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	f.nudge() // for what a crash has left
	go f.run()
	return f
}

func (f *finisher) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *finisher) run() {
	defer close(f.done)
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-f.quit:
			return
		case <-f.wake:
		case <-tick.C:
		}
		_ = f.tidy()
	}
}

// stop joins the goroutine. A file that is being compressed stays as it was.
func (f *finisher) stop() {
	f.once.Do(func() { close(f.quit) })
	<-f.done
}

var errStopped = errors.New("the end of the CDR files was asked for")

// tidy ends every closing file and deletes what is too old. It logs what goes wrong.
func (f *finisher) tidy() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.finishAll()
	f.deleteOld()
	switch {
	case errors.Is(err, errStopped):
	case err != nil && !f.bad:
		f.opts.Logger.Error("a closed CDR file could not be completed; it is kept and tried again", "error", err)
		f.bad = true
	case err == nil && f.bad:
		f.opts.Logger.Info("closed CDR files are complete again")
		f.bad = false
	}
	return err
}

func (f *finisher) finishAll() error {
	files, err := os.ReadDir(f.opts.Dir)
	if err != nil {
		return err
	}
	for _, file := range files { // in order of their names, so of time
		name, closing := strings.CutPrefix(file.Name(), closingPrefix)
		if !closing {
			continue
		}
		if strings.HasSuffix(name, temporary) {
			err = os.Remove(f.path(file.Name()))
		} else {
			err = f.finish(file.Name(), name)
		}
		if err != nil {
			return err
		}
		select {
		case <-f.quit:
			return errStopped
		default:
		}
	}
	return nil
}

func (f *finisher) path(name string) string { return filepath.Join(f.opts.Dir, name) }

// finish ends one file: closing is its name, rest the part of it that stays.
func (f *finisher) finish(closing, rest string) error {
	stamp, _, _ := strings.Cut(rest, ".")
	if ended, _ := filepath.Glob(f.path(closedPrefix + stamp + ".*")); len(ended) > 0 {
		return os.Remove(f.path(closing)) // the crash came behind the rename
	}
	format, _, ok := kindOf(rest)
	if !ok {
		return nil // not ours
	}
	src, err := os.OpenFile(f.path(closing), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	length, err := lengthOfLines(src, format)
	if err != nil {
		return fmt.Errorf("%s: %w", closing, err)
	}
	lines := io.NewSectionReader(src, 0, length)
	if f.opts.Compression == NoCompression {
		err = f.seal(src, lines, format)
	} else {
		err = f.compress(f.path(closing+temporary), lines, format)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", closing, err)
	}
	return f.publish(closing, closedPrefix+rest+f.opts.Compression.extension())
}

// publish gives a file that is durable its last name.
func (f *finisher) publish(closing, last string) error {
	if err := f.opts.between("publish"); err != nil {
		return err
	}
	from := f.path(closing)
	if f.opts.Compression != NoCompression {
		from += temporary
	}
	if err := os.Rename(from, f.path(last)); err != nil {
		return err
	}
	if err := syncDir(f.opts.Dir); err != nil {
		return err
	}
	if f.opts.Compression == NoCompression {
		return nil
	}
	if err := f.opts.between("remove"); err != nil {
		return err
	}
	return os.Remove(f.path(closing))
}

// seal writes the trailer behind the lines of src.
func (f *finisher) seal(src *os.File, lines *io.SectionReader, format Format) error {
	sum, count := sha256.New(), new(lineCounter)
	if err := f.copy(io.MultiWriter(sum, count), lines); err != nil {
		return err
	}
	if err := f.opts.between("trailer"); err != nil {
		return err
	}
	trailer := format.trailer(count.records(format), sum.Sum(nil))
	if _, err := f.opts.writeAt(src, []byte(trailer), lines.Size()); err != nil {
		return err
	}
	if err := src.Truncate(lines.Size() + int64(len(trailer))); err != nil {
		return err
	}
	return src.Sync()
}

// compress writes lines and trailer into a file of its own.
func (f *finisher) compress(name string, lines io.Reader, format Format) (err error) {
	dst, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, dst.Close()); err != nil && !errors.Is(err, errCrash) {
			_ = os.Remove(name)
		}
	}()
	z, err := f.compressor(dst)
	if err != nil {
		return err
	}
	sum, count := sha256.New(), new(lineCounter)
	if err := f.copy(io.MultiWriter(sum, count, z), lines); err != nil {
		return err
	}
	if err := f.opts.between("trailer"); err != nil {
		return err
	}
	if _, err := io.WriteString(z, format.trailer(count.records(format), sum.Sum(nil))); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := f.opts.between("sync"); err != nil {
		return err
	}
	return dst.Sync()
}

// errCrash is what Options.between returns to leave everything as a crash would.
var errCrash = errors.New("crash")

func (f *finisher) compressor(dst io.Writer) (io.WriteCloser, error) {
	if f.opts.Compression == Gzip {
		return gzip.NewWriter(dst), nil
	}
	return zstd.NewWriter(dst, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
}

// copy copies in pieces and ends when the writer is closed.
func (f *finisher) copy(dst io.Writer, src io.Reader) error {
	buf := make([]byte, 256<<10)
	for {
		select {
		case <-f.quit:
			if f.opts.Compression != NoCompression {
				return errStopped
			}
		default:
		}
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// lineCounter counts the lines written to it.
type lineCounter int64

func (c *lineCounter) Write(b []byte) (int, error) {
	*c += lineCounter(bytes.Count(b, []byte{'\n'}))
	return len(b), nil
}

func (c *lineCounter) records(f Format) int64 {
	n := int64(*c)
	if f.header() != "" {
		n--
	}
	return max(n, 0)
}

// maxTail is longer than any line.
const maxTail = 16 << 10

// lengthOfLines returns the octets of header and records: without a trailer, or a part of
// one, that a crash has left. The records were synced, so none is torn.
func lengthOfLines(f *os.File, format Format) (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	start := max(0, st.Size()-maxTail)
	tail := make([]byte, st.Size()-start)
	if _, err := f.ReadAt(tail, start); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if len(tail) == 0 {
		return 0, nil
	}
	last := bytes.LastIndexByte(tail[:len(tail)-1], '\n') + 1 // begin of the last line
	torn := tail[len(tail)-1] != '\n'
	if torn || isTrailer(format, tail[last:]) {
		return start + int64(last), nil
	}
	return st.Size(), nil
}

func isTrailer(format Format, line []byte) bool {
	if format == JSON {
		return bytes.HasPrefix(line, []byte(jsonTrailer))
	}
	return bytes.HasPrefix(line, []byte(csvTrailer))
}

// deleteOld deletes closed files above the age of Options.Keep, and the oldest ones while
// all together are larger than Options.KeepBytes.
func (f *finisher) deleteOld() {
	if f.opts.Keep <= 0 && f.opts.KeepBytes <= 0 {
		return
	}
	files, err := os.ReadDir(f.opts.Dir)
	if err != nil {
		f.opts.Logger.Warn("look for old CDR files", "error", err)
		return
	}
	now, total := f.opts.now(), int64(0)
	for _, file := range slices.Backward(files) { // the newest first
		if !isClosed(file.Name()) {
			continue
		}
		st, err := file.Info()
		if err != nil {
			continue
		}
		total += st.Size()
		aged := f.opts.Keep > 0 && now.Sub(st.ModTime()) >= f.opts.Keep
		if !aged && (f.opts.KeepBytes <= 0 || total <= f.opts.KeepBytes) {
			continue
		}
		name := f.path(file.Name())
		if err := os.Remove(name); err != nil {
			f.opts.Logger.Warn("delete old CDR file", "file", name, "error", err)
			continue
		}
		f.opts.Logger.Info("deleted old CDR file", "file", name)
	}
}
