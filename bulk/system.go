package bulk

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"protei-bulk/bulk/api"
)

// systemDesk tells those who run the platform what runs.
type systemDesk struct{ p *Platform }

func (d systemDesk) System() (api.System, error) {
	p := d.p
	s := api.System{
		Version: p.opts.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		PID: os.Getpid(), Node: p.Node(), Dev: p.opts.Dev, LogLevel: p.cfg.Log.Level,
	}
	if p.opts.LogLevel != nil {
		s.LogLevel = strings.ToLower(p.opts.LogLevel.Level().String())
	}
	redacted := p.cfg.Redacted()
	for _, setting := range redacted.Settings() {
		s.Settings = append(s.Settings, api.Setting{Key: setting.Key, Value: setting.Value, Meaning: setting.Doc})
	}
	var err error
	s.Disk, err = p.disk()
	return s, err
}

// disk is that of the data folder.
func (p *Platform) disk() (api.Disk, error) {
	folder, err := filepath.Abs(p.cfg.Data)
	if err != nil {
		return api.Disk{}, err
	}
	free, total, err := diskOf(folder)
	if err != nil {
		return api.Disk{}, err
	}
	return api.Disk{Folder: folder, Free: free, Total: total, Least: int64(p.cfg.MinFreeDisk)}, nil
}

// diskOf returns the bytes of a folder's disk that an unprivileged process may still write, and all of them.
func diskOf(folder string) (free, total int64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(folder, &st); err != nil {
		return 0, 0, fmt.Errorf("free space of %s: %w", folder, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), nil //nolint:unconvert // Bsize has other types on other systems
}

func (d systemDesk) SetLogLevel(level string) error {
	if d.p.opts.LogLevel == nil {
		return errors.New("the log level of this process is fixed")
	}
	var to slog.Level
	switch level {
	case "debug", "info", "warn", "error":
		if err := to.UnmarshalText([]byte(level)); err != nil {
			return err
		}
	default:
		return fmt.Errorf("level %q is none of debug, info, warn, error", level)
	}
	d.p.opts.LogLevel.Set(to)
	return nil
}
