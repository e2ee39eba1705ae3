package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"protei-bulk/load/stats"
)

// processSeries are what the system says about processes, in the order of processSource.read.
func processSeries() []stats.SeriesInfo {
	return []stats.SeriesInfo{
		{Name: "cpu", Unit: "cores", Label: "CPU"},
		{Name: "memory", Unit: stats.UnitBytes, Label: "resident memory", Level: true},
		{Name: "threads", Unit: stats.UnitCount, Label: "threads", Level: true},
		{Name: "open_files", Unit: stats.UnitCount, Label: "open files", Level: true},
		{Name: "disk_read", Unit: stats.UnitBytesPS, Label: "read from disk"},
		{Name: "disk_written", Unit: stats.UnitBytesPS, Label: "written to disk"},
	}
}

const (
	searchEvery  = 5   // samples between two searches for processes by name
	maxProcesses = 500 // of one name
)

// processSource watches the processes of one machine: one, or all of a name.
type processSource struct {
	spec    *Spec
	samples int
	watched map[int32]*watchedProcess
}

// watchedProcess is one of them. A number that another process was given since is told apart by its start.
type watchedProcess struct {
	*process.Process
	started     int64
	cpu         counter
	read, wrote counter
}

func newProcesses(s *Spec) *processSource {
	return &processSource{spec: s, watched: map[int32]*watchedProcess{}}
}

func (p *processSource) settle([]stats.SeriesInfo) {}
func (p *processSource) close()                    {}

func (p *processSource) read(ctx context.Context) ([]stats.SeriesValue, error) {
	if err := p.find(ctx); err != nil {
		return nil, err
	}
	sums := make([]processSum, len(processSeries()))
	alive := 0
	for pid, one := range p.watched {
		values, err := one.sample(ctx, time.Now())
		if err != nil {
			delete(p.watched, pid)
			continue
		}
		alive++
		addUp(sums, values)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if alive == 0 {
		p.samples = 0
		return nil, fmt.Errorf("%s has ended", p.spec.masked)
	}
	out := make([]stats.SeriesValue, len(sums))
	for i := range sums {
		out[i] = sums[i].value()
	}
	return out, nil
}

// processSum is a series over all processes. What can not be measured of one is not measured of all, but a process that
// has just been met has no rates yet and holds up nobody's.
type processSum struct {
	sum   float64
	of    int
	off   string
	young bool
}

func addUp(sums []processSum, values []stats.SeriesValue) {
	for i, v := range values {
		switch s := &sums[i]; v.Off {
		case "":
			s.sum += v.Value
			s.of++
		case needsTwo:
			s.young = true
		default:
			s.off = v.Off
		}
	}
}

func (s *processSum) value() stats.SeriesValue {
	switch {
	case s.off != "":
		return stats.NotMeasured(s.off)
	case s.of == 0 && s.young:
		return stats.NotMeasured(needsTwo)
	}
	return stats.SeriesValue{Value: s.sum}
}

// find fills watched.
func (p *processSource) find(ctx context.Context) error {
	switch p.spec.kind {
	case kindPID:
		return p.keep(ctx, p.spec.pid)
	case kindPIDFile:
		pid, err := readPID(p.spec.process)
		if err != nil {
			return err
		}
		for old := range p.watched {
			if old != pid {
				delete(p.watched, old)
			}
		}
		return p.keep(ctx, pid)
	}
	p.samples++
	if p.samples%searchEvery != 1 && len(p.watched) > 0 {
		return nil
	}
	return p.search(ctx)
}

func (p *processSource) search(ctx context.Context) error {
	pids, err := process.PidsWithContext(ctx)
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	for _, pid := range pids {
		if p.watched[pid] != nil || int(pid) == os.Getpid() { // the load tester is not what is tested
			continue
		}
		proc := &process.Process{Pid: pid}
		if name, err := proc.NameWithContext(ctx); err != nil || name != p.spec.process {
			continue
		}
		if len(p.watched) >= maxProcesses {
			return fmt.Errorf("more than %d processes are called %s", maxProcesses, p.spec.process)
		}
		_ = p.keep(ctx, pid) // it may just have ended
	}
	if len(p.watched) == 0 {
		return fmt.Errorf("no process is called %s", p.spec.process)
	}
	return nil
}

// keep watches a process from now on, or goes on when it is the same.
func (p *processSource) keep(ctx context.Context, pid int32) error {
	proc := &process.Process{Pid: pid}
	started, err := proc.CreateTimeWithContext(ctx)
	if err != nil {
		delete(p.watched, pid)
		return fmt.Errorf("there is no process %d", pid)
	}
	old := p.watched[pid]
	switch {
	case old == nil:
		p.watched[pid] = &watchedProcess{Process: proc, started: started}
	case old.started != started && p.spec.kind == kindPID:
		return fmt.Errorf("process %d has ended; another one has its number", pid)
	case old.started != started:
		p.watched[pid] = &watchedProcess{Process: proc, started: started}
	}
	return nil
}

// maxPIDFile bounds a pid file.
const maxPIDFile = 64

func readPID(path string) (int32, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() { // a pipe would hold us up
		return 0, fmt.Errorf("%s is no file with a process id", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPIDFile))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n") // PostgreSQL's has more lines
	n, err := strconv.ParseInt(strings.TrimSpace(first), 10, 32)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%s does not begin with a process id", path)
	}
	return int32(n), nil
}

// sample reads one process; an error says that it has ended.
func (w *watchedProcess) sample(ctx context.Context, now time.Time) ([]stats.SeriesValue, error) {
	times, err := w.TimesWithContext(ctx)
	if err != nil {
		return nil, err
	}
	memory, err := w.MemoryInfoWithContext(ctx)
	if err != nil {
		return nil, err
	}
	values := []stats.SeriesValue{w.cpu.rate(times.User+times.System, now), {Value: float64(memory.RSS)}}
	threads, err := w.NumThreadsWithContext(ctx)
	values = append(values, processValue(float64(threads), err))
	files, err := w.NumFDsWithContext(ctx)
	values = append(values, processValue(float64(files), err))
	disk, err := w.IOCountersWithContext(ctx)
	if err != nil {
		off := processValue(0, err)
		return append(values, off, off), nil
	}
	return append(values, w.read.rate(float64(disk.DiskReadBytes), now), w.wrote.rate(float64(disk.DiskWriteBytes), now)), nil
}

func processValue(v float64, err error) stats.SeriesValue {
	switch {
	case errors.Is(err, os.ErrPermission):
		return stats.NotMeasured("only its owner and root may see it")
	case err != nil:
		return stats.NotMeasured("the system does not say it")
	}
	return stats.SeriesValue{Value: v}
}
