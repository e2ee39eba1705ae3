package metrics

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// process tells what the standard process metrics leave out: how much CPU and memory
// the process may use, and how much of its resident memory is mapped files, which the
// kernel takes back when it needs them.
type process struct {
	root                 string
	cores, limit, mapped *prometheus.Desc
}

func newProcess(root string) *process {
	if root == "" {
		root = "/"
	}
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(Namespace, "", name), help, nil, nil)
	}
	return &process{
		root:   root,
		cores:  desc("cpu_cores", "CPU cores that the process may use (affinity and cgroup quota)."),
		limit:  desc("memory_limit_bytes", "Memory that the process may use: the cgroup's limit, or the machine's RAM."),
		mapped: desc("memory_mapped_bytes", "Resident memory that is mapped files or shared (RssFile and RssShmem)."),
	}
}

// Describe implements prometheus.Collector.
func (p *process) Describe(ch chan<- *prometheus.Desc) {
	ch <- p.cores
	ch <- p.limit
	ch <- p.mapped
}

// Collect implements prometheus.Collector. What this system does not tell is left out.
func (p *process) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(p.cores, prometheus.GaugeValue, cores())
	if n, ok := p.memoryLimit(); ok {
		ch <- prometheus.MustNewConstMetric(p.limit, prometheus.GaugeValue, float64(n))
	}
	if n, ok := p.mappedBytes(); ok {
		ch <- prometheus.MustNewConstMetric(p.mapped, prometheus.GaugeValue, float64(n))
	}
}

// cores relies on the runtime, which looks at affinity and cgroup quota, unless GOMAXPROCS is set.
func cores() float64 { return float64(runtime.GOMAXPROCS(0)) }

func (p *process) memoryLimit() (uint64, bool) {
	ram, known := p.field("proc/meminfo", "MemTotal:")
	for _, path := range p.cgroupLimits() {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64) // "max" is no limit
		if err == nil && n > 0 && (!known || n < ram) {
			ram, known = n, true
		}
	}
	return ram, known
}

// cgroupLimits lists the files that may limit us: of our cgroup and of all above it, in
// version 2 (one hierarchy) and 1 (one for memory).
func (p *process) cgroupLimits() []string {
	text, err := os.ReadFile(filepath.Join(p.root, "proc/self/cgroup"))
	if err != nil {
		return nil
	}
	var files []string
	for line := range strings.Lines(string(text)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, ok := strings.Cut(rest, ":")
		var mount, file string
		switch {
		case !ok:
			continue
		case controllers == "":
			mount, file = "sys/fs/cgroup", "memory.max"
		case strings.Contains(","+controllers+",", ",memory,"):
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for dir := filepath.Clean("/" + group); ; dir = filepath.Dir(dir) {
			files = append(files, filepath.Join(p.root, mount, dir, file))
			if dir == "/" {
				break
			}
		}
	}
	return files
}

func (p *process) mappedBytes() (uint64, bool) {
	file, ok := p.field("proc/self/status", "RssFile:")
	if !ok {
		return 0, false
	}
	shared, _ := p.field("proc/self/status", "RssShmem:")
	return file + shared, true
}

// field reads a line such as "RssFile:	 1856 kB" in bytes.
func (p *process) field(path, name string) (uint64, bool) {
	f, err := os.Open(filepath.Join(p.root, path))
	if err != nil {
		return 0, false
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != name {
			continue
		}
		n, err := strconv.ParseUint(words[1], 10, 54)
		return n << 10, err == nil
	}
	return 0, false
}
