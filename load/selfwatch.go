package load

import (
	"math"
	"os"
	"runtime"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/process"

	"protei-bulk/load/stats"
)

// SelfWatch measures the generator itself: its CPU and memory, and what the hypervisor
// steals from the machine. It belongs to one goroutine.
type SelfWatch struct {
	proc       *process.Process
	at         time.Time
	busy       float64 // seconds of CPU of this process
	steal, all float64 // of the machine
}

// NewSelfWatch starts at now; what can not be measured here stays unmeasured.
func NewSelfWatch() *SelfWatch {
	w := &SelfWatch{}
	w.proc, _ = process.NewProcess(int32(os.Getpid()))
	var g stats.Gauges
	w.Fill(&g)
	return w
}

// Fill fills in the generator's gauges for the time since the last call.
func (w *SelfWatch) Fill(g *stats.Gauges) {
	g.GeneratorCPU, g.GeneratorRSS, g.Steal = math.NaN(), math.NaN(), math.NaN()
	now := time.Now()
	wall := now.Sub(w.at).Seconds()
	w.at = now
	if w.proc != nil {
		w.fillProcess(g, wall)
	}
	if times, err := cpu.Times(false); err == nil && len(times) == 1 {
		t := times[0]
		all := t.User + t.System + t.Nice + t.Idle + t.Iowait + t.Irq + t.Softirq + t.Steal
		if d := all - w.all; d > 0 && w.all > 0 {
			g.Steal = (t.Steal - w.steal) / d
		}
		w.steal, w.all = t.Steal, all
	}
}

func (w *SelfWatch) fillProcess(g *stats.Gauges, wall float64) {
	if t, err := w.proc.Times(); err == nil {
		busy := t.User + t.System
		if wall > 0 && w.busy > 0 {
			g.GeneratorCPU = (busy - w.busy) / wall / float64(runtime.NumCPU())
		}
		w.busy = busy
	}
	if m, err := w.proc.MemoryInfo(); err == nil {
		g.GeneratorRSS = float64(m.RSS)
	}
}
