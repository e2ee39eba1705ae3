package bulk

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"protei-bulk/bulk/api"
	"protei-bulk/bulk/store"
)

// A backup is a tar archive, compressed by gzip:
//
//	backup.json        what it is of: see BackupInfo
//	messages.db        the database as of one moment
//	journal/*.seg      what SQLite did not hold yet at that moment, and what came while it was copied
//	secret.key         the key that seals connector passwords and webhook keys
//	checksums.txt      SHA-256 of each file above, as sha256sum writes them; it comes last
const (
	backupInfoFile = "backup.json"
	checksumFile   = "checksums.txt"
	// copyFolder is the folder in the data folder where the copy is made before it is sent.
	copyFolder   = "backup.tmp"
	backupFormat = 1
	maxChecksums = 1 << 20
	maxInfo      = 64 << 10
	maxSegment   = 1 << 30 // of the journal, and its header says no more
	// restoreReserve is what a restore leaves free on the disk.
	restoreReserve = 64 << 20
)

// backupFiles are the names that an archive may hold.
var backupFiles = regexp.MustCompile(`^(backup\.json|messages\.db|secret\.key|journal/[0-9]{12}\.seg)$`)

// BackupInfo is what a backup says of itself.
type BackupInfo struct {
	Format  int       `json:"format"`
	Version string    `json:"version"` // of the program that made it
	Made    time.Time `json:"made"`
	Bytes   int64     `json:"bytes,omitempty"` // of all files but this one and the checksums; 0: made before it was noted
}

// Backup writes a copy of everything that the store holds to w while the platform works.
// What was acknowledged before the call is in it. api.ErrBackupRuns when one is under way,
// api.ErrNoRoom when the disk has no room for the copy.
func (p *Platform) Backup(ctx context.Context, w io.Writer) error {
	embedded, ok := p.store.(*store.Embedded)
	if !ok {
		return errors.New("the store is a PostgreSQL server: copy it with its own tools, such as pg_dump")
	}
	if !p.backingUp.TryLock() {
		return api.ErrBackupRuns
	}
	defer p.backingUp.Unlock()
	dir := filepath.Join(p.cfg.Data, copyFolder)
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove what an earlier backup left: %w", err)
	}
	defer os.RemoveAll(dir)
	info := BackupInfo{Format: backupFormat, Version: p.opts.Version, Made: time.Now().UTC().Truncate(time.Second)}
	if err := embedded.Backup(ctx, dir); err != nil {
		if errors.Is(err, store.ErrDiskFull) {
			return fmt.Errorf("%w: %w", api.ErrNoRoom, err)
		}
		return err
	}
	var err error
	if info.Bytes, err = bytesOf(dir, filepath.Join(p.cfg.Data, vaultFile)); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	a := newArchive(w)
	text, err := json.Marshal(info)
	if err == nil {
		err = a.content(backupInfoFile, append(text, '\n'))
	}
	if err == nil {
		err = a.folder(ctx, dir)
	}
	if err == nil {
		err = a.file(vaultFile, filepath.Join(p.cfg.Data, vaultFile))
	}
	if err == nil {
		err = a.close()
	}
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

// bytesOf adds up what a backup of a copied store and its key holds.
func bytesOf(dir, key string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if name, err := filepath.Rel(dir, path); err != nil || !backupFiles.MatchString(filepath.ToSlash(name)) {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(key)
	if err != nil {
		return 0, err
	}
	return sum + info.Size(), nil
}

// archive writes a backup and notes the checksum of each file.
type archive struct {
	zip  *gzip.Writer
	tar  *tar.Writer
	sums strings.Builder
	made time.Time
}

func newArchive(w io.Writer) *archive {
	zip, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is valid
	return &archive{zip: zip, tar: tar.NewWriter(zip), made: time.Now()}
}

func (a *archive) folder(ctx context.Context, dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if name = filepath.ToSlash(name); !backupFiles.MatchString(name) {
			return nil // SQLite's own companions, which an orderly copy does not need
		}
		return a.file(name, path)
	})
}

func (a *archive) file(name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return a.add(name, info.Size(), f)
}

func (a *archive) content(name string, text []byte) error {
	return a.add(name, int64(len(text)), strings.NewReader(string(text)))
}

func (a *archive) add(name string, size int64, from io.Reader) error {
	head := tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: a.made, Typeflag: tar.TypeReg}
	if err := a.tar.WriteHeader(&head); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(a.tar, sum), io.LimitReader(from, size)); err != nil {
		return err
	}
	a.sums.WriteString(sumLine(sum, name))
	return nil
}

func sumLine(sum hash.Hash, name string) string {
	return hex.EncodeToString(sum.Sum(nil)) + "  " + name + "\n"
}

func (a *archive) close() error {
	if err := a.content(checksumFile, []byte(a.sums.String())); err != nil {
		return err
	}
	return errors.Join(a.tar.Close(), a.zip.Close())
}

// Restored is what a backup held.
type Restored struct {
	Info  BackupInfo
	Store store.Copy
	Bytes int64
}

// Restore unpacks a backup into dir, which must be missing or empty, and checks all of it:
// checksums, the database, the journal, and that both are of one store. When it fails dir is
// as it was. What is larger than a backup's file can be, than the backup says of itself, or than the free
// disk is refused before it is written.
func Restore(r io.Reader, dir string) (done Restored, err error) {
	if err := emptyFolder(dir); err != nil {
		return done, err
	}
	_, statErr := os.Stat(dir)
	if err := os.MkdirAll(filepath.Join(dir, "journal"), 0o700); err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, clearFolder(dir, errors.Is(statErr, fs.ErrNotExist)))
		}
	}()
	if done.Bytes, err = unpack(r, dir); err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	if done.Info, err = readInfo(dir); err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	if done.Info.Format > backupFormat {
		return done, fmt.Errorf("restore: the backup was made by %s in format %d, this program knows up to %d", done.Info.Version, done.Info.Format, backupFormat)
	}
	if done.Store, err = store.CheckFolder(dir); err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	return done, os.Remove(filepath.Join(dir, backupInfoFile))
}

// emptyFolder refuses a folder that holds anything.
func emptyFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("restore: %w", err)
	case len(entries) > 0:
		return fmt.Errorf("restore: %s is not empty (it holds %s): name a new folder", dir, entries[0].Name())
	}
	return nil
}

// clearFolder takes away what a failed restore has written.
func clearFolder(dir string, whole bool) error {
	if whole {
		return os.RemoveAll(dir)
	}
	entries, err := os.ReadDir(dir)
	errs := []error{err}
	for _, e := range entries {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return errors.Join(errs...)
}

// unpack writes the files of a backup and compares their checksums.
func unpack(r io.Reader, dir string) (size int64, err error) {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return 0, fmt.Errorf("this is not a backup: %w", err)
	}
	var sums strings.Builder
	most := int64(math.MaxInt64) // the files have, by backup.json
	for in := tar.NewReader(zip); ; {
		head, err := in.Next()
		if errors.Is(err, io.EOF) {
			return size, errors.New("the backup is cut short: it does not end with " + checksumFile)
		}
		if err != nil {
			return size, fmt.Errorf("the backup is cut short or damaged: %w", err)
		}
		if head.Name == checksumFile {
			text, err := io.ReadAll(io.LimitReader(in, maxChecksums))
			if err != nil {
				return size, fmt.Errorf("%s: %w", checksumFile, err)
			}
			return size, compareSums(string(text), sums.String())
		}
		if head.Typeflag != tar.TypeReg || !backupFiles.MatchString(head.Name) {
			return size, fmt.Errorf("%q does not belong into a backup", head.Name)
		}
		if err := fits(head, dir, most); err != nil {
			return size, err
		}
		sum := sha256.New()
		n, err := writeDurable(filepath.Join(dir, filepath.FromSlash(head.Name)), io.TeeReader(in, sum))
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return size, fmt.Errorf("the backup is cut short in %s", head.Name)
		}
		if err != nil {
			return size, err
		}
		size += n
		if head.Name != backupInfoFile {
			most -= n
		} else if info, err := readInfo(dir); err != nil {
			return size, err
		} else if info.Bytes > 0 {
			most = info.Bytes - (size - n)
		}
		if most < 0 {
			return size, fmt.Errorf("the backup holds more than the size in its %s", backupInfoFile)
		}
		sums.WriteString(sumLine(sum, head.Name))
	}
}

// fits refuses a file that is larger than one of its kind can be, than what is left of the size that
// the backup says of itself, or than the free disk.
func fits(head *tar.Header, dir string, left int64) error {
	most := left
	switch {
	case head.Name == backupInfoFile:
		most = maxInfo
	case head.Name == vaultFile:
		most = min(left, maxInfo)
	case head.Name != store.DatabaseName:
		most = min(left, maxSegment)
	}
	if head.Size > most {
		return fmt.Errorf("%q of %d bytes is larger than it can be (%d) in this backup: it is damaged, or no backup", head.Name, head.Size, most)
	}
	free, _, err := diskOf(dir)
	if err == nil && head.Size > free-restoreReserve {
		err = fmt.Errorf("%q needs %d MiB on the disk of %s, and %d MiB shall stay free: there are %d MiB", head.Name, head.Size>>20, dir, restoreReserve>>20, free>>20)
	}
	return err
}

// readInfo reads what an unpacked backup says of itself.
func readInfo(dir string) (info BackupInfo, err error) {
	text, err := os.ReadFile(filepath.Join(dir, backupInfoFile))
	if err == nil {
		err = json.Unmarshal(text, &info)
	}
	if err != nil {
		return info, fmt.Errorf("%s: %w", backupInfoFile, err)
	}
	return info, nil
}

func compareSums(want, got string) error {
	wanted, found := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i, line := range found {
		if i >= len(wanted) || wanted[i] != line {
			_, name, _ := strings.Cut(line, "  ")
			return fmt.Errorf("the backup is damaged: the checksum of %q is not the one in %s", name, checksumFile)
		}
	}
	if len(wanted) != len(found) {
		return errors.New("the backup is damaged: " + checksumFile + " names more files than there are")
	}
	return nil
}

func writeDurable(path string, from io.Reader) (int64, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(f, from)
	return n, errors.Join(err, f.Sync(), f.Close())
}
