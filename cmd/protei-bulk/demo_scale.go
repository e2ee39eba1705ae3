package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// demoLoad is what the demo offers to the platform.
type demoLoad struct {
	httpUsers, smppUsers int
	scaled               []string // reasons why it is less than the full load
}

// fullLoad offers about 6,100 requests/s over HTTP and 5,000 submit_sm/s over SMPP.
var fullLoad = demoLoad{httpUsers: 1900, smppUsers: 25}

// machine is what the demo may use.
type machine struct {
	cores     int
	memory    uint64 // bytes available
	openFiles uint64 // hard limit, which the processes raise their soft limit to
	disk      uint64 // bytes free in the demo's folder
}

// What the full load needs.
const (
	needCores  = 2
	needMemory = 2 << 30
	needFiles  = 2*1900 + 500 // the platform holds one connection a user, beside its files
	needDisk   = 4 << 30
)

// scale returns the load that m can carry.
func scale(full demoLoad, m machine) demoLoad {
	share := 1.0
	var reasons []string
	limit := func(have, need float64, format string, args ...any) {
		if have >= need {
			return
		}
		share = min(share, have/need)
		reasons = append(reasons, fmt.Sprintf(format, args...))
	}
	limit(float64(m.cores), needCores, "%d core, %d needed", m.cores, needCores)
	limit(float64(m.memory), needMemory, "%d MiB of memory, %d needed", m.memory>>20, needMemory>>20)
	limit(float64(m.openFiles), needFiles, "%d open files allowed, %d needed (ulimit -Hn)", m.openFiles, needFiles)
	limit(float64(m.disk), needDisk, "%d MiB of disk free, %d needed", m.disk>>20, needDisk>>20)
	return demoLoad{
		httpUsers: max(10, int(float64(full.httpUsers)*share)),
		smppUsers: max(1, int(float64(full.smppUsers)*share)),
		scaled:    reasons,
	}
}

// thisMachine measures what is there, for a demo that writes into dir.
func thisMachine(dir string) (machine, error) {
	m := machine{cores: runtime.GOMAXPROCS(0), memory: availableMemory()}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return m, fmt.Errorf("read the limit of open files: %w", err)
	}
	m.openFiles = files.Max
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return m, fmt.Errorf("read the free space of %s: %w", dir, err)
	}
	m.disk = fs.Bavail * uint64(fs.Bsize)
	return m, nil
}

func availableMemory() uint64 {
	free := uint64(1) << 62
	if f, err := os.Open("/proc/meminfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if text, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
				kib, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
				free = kib << 10
			}
		}
	}
	if text, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if limit, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil {
			free = min(free, limit)
		}
	}
	return free
}

// demoFolder makes the demo's folder in the user's cache, or in /var/tmp where that
// lies in memory: an fsync must cost what it costs.
func demoFolder() (string, error) {
	var bases []string
	if cache, err := os.UserCacheDir(); err == nil {
		bases = append(bases, filepath.Join(cache, "protei-bulk"))
	}
	bases = append(bases, "/var/tmp")
	var last error
	for _, base := range bases {
		if last = os.MkdirAll(base, 0o700); last != nil {
			continue
		}
		if inMemory(base) {
			last = fmt.Errorf("%s lies in memory (tmpfs), where an fsync costs nothing", base)
			continue
		}
		dir, err := os.MkdirTemp(base, fmt.Sprintf("demo-%d-", os.Getpid()))
		if err == nil {
			return dir, nil
		}
		last = err
	}
	return "", fmt.Errorf("find a folder on a disk: %w (set XDG_CACHE_HOME to one)", last)
}

func inMemory(dir string) bool {
	const tmpfs, ramfs = 0x01021994, 0x858458f6
	var fs syscall.Statfs_t
	return syscall.Statfs(dir, &fs) == nil && (fs.Type == tmpfs || fs.Type == ramfs)
}
