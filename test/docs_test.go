package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"protei-bulk/load/target/targettest"

	"protei-bulk/internal/servers"
)

// docsRoot is the folder of the README, seen from this package.
const docsRoot = ".."

// docFiles are the pages whose examples and claims are checked.
func docFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(docsRoot, "docs", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages in docs: %v", err)
	}
	tutorials, err := filepath.Glob(filepath.Join(docsRoot, "docs", "tutorials", "*.md"))
	if err != nil || len(tutorials) == 0 {
		t.Fatalf("no pages in docs/tutorials: %v", err)
	}
	return slices.Concat([]string{filepath.Join(docsRoot, "README.md")}, files, tutorials)
}

// block is one fenced block of a page.
type block struct {
	file string
	line int
	lang string
	text string
	// mark is what the comment above the fence says: run, run-go, run-python or nothing.
	mark    string
	stopped bool  // run it when the platform is stopped
	again   bool  // give it three tries, a second apart
	exits   []int // exit codes that are right
	within  time.Duration
	want    string // the ```text block that follows

	shortened bool // with fewer users and less time than it says
	cut       bool // it does not end by itself
	page      bool // it serves the load tester's page
	databases bool // it needs PostgreSQL and Redis
	master    bool // it waits for workers
	worker    bool // it is run by the master above it
	workers   *block
}

func (b *block) name() string { return fmt.Sprintf("%s:%d", filepath.Base(b.file), b.line) }

var markPattern = regexp.MustCompile(`^<!-- (run(?:-go|-python)?)(?:: (.*))? -->$`)

// blocks reads the fenced blocks of a page. The comment above a fence decides whether
// it is run:
//
//	<!-- run -->                     bash, against the platform and the simulator
//	<!-- run: stopped -->            … after the platform was stopped
//	<!-- run: again -->              … up to three times, until it prints what it should
//	<!-- run: exit 2, 30s -->        … wants this exit code (or one of: exit 3 or 4), may take this long (10 s)
//	<!-- run: shortened, 60s -->     … a load test: with flags appended that make it short and small
//	<!-- run: page, 60s -->          … serves the load tester's page, where a test is started and stopped
//	<!-- run: cut, 3s -->            … goes on until its time is up
//	<!-- run: databases -->          … with a PostgreSQL and a Redis of its own
//	<!-- run: master, 60s -->        … a master, beside which as many workers as it expects are started, each with
//	<!-- run: worker -->             … this command, which is the next one of its kind
//	<!-- run-go --> <!-- run-python -->
func blocks(t *testing.T, file string) (all []*block) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var open *block
	mark, last := "", (*block)(nil)
	for i, line := range strings.Split(string(text), "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			open = &block{file: file, line: i + 1, lang: fence, within: 10 * time.Second, exits: []int{0}}
			open.read(t, mark)
		case isFence:
			if open.lang == "text" && last != nil {
				last.want = open.text
			}
			all, last, open, mark = append(all, open), open, nil, ""
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(line, "<!-- run"):
			mark = line
		case strings.TrimSpace(line) != "":
			last, mark = nil, ""
		}
	}
	if open != nil {
		t.Errorf("%s is not closed", open.name())
	}
	for i, b := range all {
		if next := slices.IndexFunc(all[i:], func(o *block) bool { return o.worker }); b.master && next >= 0 {
			b.workers = all[i+next]
		} else if b.master {
			t.Errorf("%s has no worker", b.name())
		}
	}
	return all
}

// read takes the comment above the fence.
func (b *block) read(t *testing.T, mark string) {
	t.Helper()
	if mark == "" {
		return
	}
	m := markPattern.FindStringSubmatch(mark)
	if m == nil {
		t.Fatalf("%s: %s is not understood", b.name(), mark)
	}
	b.mark = m[1]
	for option := range strings.SplitSeq(m[2], ", ") {
		codes, isExit := strings.CutPrefix(option, "exit ")
		var err error
		switch {
		case option == "":
		case option == "stopped":
			b.stopped = true
		case option == "again":
			b.again = true
		case option == "shortened":
			b.shortened = true
		case option == "cut":
			b.cut = true
		case option == "page":
			b.page = true
		case option == "databases":
			b.databases = true
		case option == "master":
			b.master = true
		case option == "worker":
			b.worker = true
		case isExit:
			b.exits, err = exitCodes(codes)
		default:
			b.within, err = time.ParseDuration(option)
		}
		if err != nil {
			t.Fatalf("%s: %s: %v", b.name(), option, err)
		}
	}
}

var comments = regexp.MustCompile(`(?m)^#.*\n?`)

// exitCodes reads "3 or 4".
func exitCodes(text string) (codes []int, err error) {
	for word := range strings.SplitSeq(text, " or ") {
		code, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		codes = append(codes, code)
	}
	return codes, nil
}

// command is what is run of a block: that of the page, and behind it, where flags that come later count, those that make
// a load test short.
func (b *block) command(t *testing.T, r *docsRig) string {
	t.Helper()
	text := strings.TrimRight(r.private(b.text), "\n")
	if b.shortened || b.page || b.worker {
		text = strings.TrimSpace(comments.ReplaceAllString(text, "")) // one behind the command would take the flags
		if n := strings.Count("\n"+text, "\nprotei-bulk load"); n != 1 {
			t.Fatalf("%s: %d commands begin with protei-bulk load, want one", b.name(), n)
		}
	}
	if b.shortened {
		text += " -u 12 -r 100 -t 3s --warmup 0 --drain-timeout 20s"
	}
	if b.page {
		text += " --web-port 0"
	}
	if b.master {
		text += " --master-bind-port 0"
	}
	return text
}

// docsRig is what the examples run against: a simulator, a platform in front of it and
// a folder with bin/protei-bulk and the platform's data.
type docsRig struct {
	folder   string
	platform *child
	at       serveAt
	far      smscAt
	postgres *targettest.Postgres // nil until a block needs it
	redis    *targettest.Redis
}

func newDocsRig(t *testing.T) *docsRig {
	t.Helper()
	r := &docsRig{folder: t.TempDir()}
	if err := os.Mkdir(filepath.Join(r.folder, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(r.folder, "bin", "protei-bulk")); err != nil {
		t.Fatal(err)
	}
	launch(t, "smsc", &r.far, "smsc", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0")
	r.platform = launch(t, "serve", &r.at, "serve", "--dev", "--http", "127.0.0.1:0", "--smpp", "127.0.0.1:0",
		"--data", filepath.Join(r.folder, "data"), "--upstream", "smpp://x:y@"+r.far.SMPP+"?trace_tlv=1")
	return r
}

// private exchanges the ports of the pages for the real ones.
func (r *docsRig) private(text string) string {
	port := func(addr string) string { return "localhost" + addr[strings.LastIndexByte(addr, ':'):] }
	pairs := []string{
		"127.0.0.1:8080", r.at.HTTP, "127.0.0.1:2775", r.at.SMPP, "127.0.0.1:2776", r.far.SMPP, "127.0.0.1:2777", r.far.Control,
		"localhost:8080", port(r.at.HTTP), "localhost:2775", port(r.at.SMPP),
	}
	if r.postgres != nil {
		pairs = append(pairs, "postgres://bulk:secret@localhost:5432/bulk", r.postgres.URL,
			"redis://localhost:6379", "redis://:"+targettest.Password+"@"+r.redis.Addr)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// run executes one block and compares what it prints. An example that sleeps before it
// looks may be too early on a busy machine: it gets three tries, too. A load test that says
// that it could not measure on this machine (exit code 4) is run again, as a reader would.
func (r *docsRig) run(t *testing.T, b *block) {
	t.Helper()
	if b.databases && r.postgres == nil {
		r.postgres, r.redis = targettest.StartPostgres(t), targettest.StartRedis(t)
		defer func() { r.postgres, r.redis = nil, nil }()
	}
	const tries, measured = 3, 6
	for try := 1; ; try++ {
		out, ran, code := r.execute(t, b)
		if ran && !slices.Contains(b.exits, code) {
			if b.shortened && code == 4 && try < measured && r.pause(t) {
				continue
			}
			t.Errorf("exit code %d, want %v\n%s", code, b.exits, out)
		}
		missing := ""
		for want := range strings.Lines(b.want) {
			if want = strings.TrimSpace(want); ran && want != "" && !shown(want, out) {
				missing += want + "\n"
			}
		}
		switch {
		case t.Failed() || missing == "":
			return
		case try >= tries || !b.again && !strings.Contains(b.text, "sleep ") || !r.pause(t):
			t.Errorf("the page shows\n%sthe command printed\n%s", missing, out)
			return
		}
	}
}

// pause is that of a reader who looks again; false: the test ends.
func (r *docsRig) pause(t *testing.T) bool {
	select {
	case <-time.After(time.Second):
		return true
	case <-t.Context().Done():
		return false
	}
}

// execute runs a block and returns its exit code, one that is right when it was cut. It reports
// false when this machine cannot run it.
func (r *docsRig) execute(t *testing.T, b *block) (output string, ran bool, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), b.within)
	defer cancel()
	var cmd *exec.Cmd
	switch b.mark {
	case "run-go":
		name := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(name, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd = exec.CommandContext(ctx, "go", "run", name)
	case "run-python":
		if _, err := exec.LookPath("python3"); err != nil {
			t.Log("there is no python3 on this machine: not run")
			return "", false, 0
		}
		cmd = exec.CommandContext(ctx, "python3", "-c", b.text)
	default:
		cmd = exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", b.command(t, r))
		cmd.Dir = r.folder
	}
	cmd.Env = append(os.Environ(), "PROTEI_BULK_URL=http://"+r.at.HTTP, "TERM=xterm",
		"PATH="+filepath.Join(r.folder, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	out := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	switch {
	case b.page:
		usePage(ctx, t, out)
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
	case b.master:
		defer r.startWorkers(ctx, t, b, out)()
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && ctx.Err() == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if b.cut {
		if ctx.Err() == nil {
			t.Errorf("it ended by itself: %v\n%s", err, out)
		}
		return out.String(), true, b.exits[0]
	}
	if ctx.Err() != nil {
		t.Errorf("%v\n%s", context.Cause(ctx), out)
	}
	return out.String(), true, cmd.ProcessState.ExitCode()
}

var (
	idPattern    = regexp.MustCompile(`[0-9a-f]{16}`)
	blankPattern = regexp.MustCompile(`\s+`)
)

// shown reports whether a line of out is want, in which … stands for anything, an id
// for any id, and blanks for any number of them.
func shown(want, out string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".*")
	pattern = idPattern.ReplaceAllString(pattern, "[0-9a-f]{16}")
	pattern = blankPattern.ReplaceAllString(pattern, `\s*`)
	return regexp.MustCompile(`(?m)^\s*` + pattern + `\s*$`).MatchString(out)
}

// waits reports whether a block spends its time waiting, for its users or its end, beside which others can run.
func (b *block) waits() bool { return b.shortened && !b.databases || b.page || b.cut }

// atOnce is how many blocks that wait run at the same time: each load test takes a tenth of a core.
const atOnce = 4

// runPage runs the blocks of a page in their order. Those that wait run at the same time when nothing else stands
// between them, and the next one waits for all of them.
func (r *docsRig) runPage(t *testing.T, page []*block) {
	var going sync.WaitGroup
	room := make(chan struct{}, atOnce)
	for _, b := range page {
		if !b.waits() {
			going.Wait()
			t.Run(b.name(), func(t *testing.T) { r.run(t, b) })
			continue
		}
		room <- struct{}{}
		going.Go(func() {
			t.Run(b.name(), func(t *testing.T) { r.run(t, b) })
			<-room
		})
	}
	going.Wait()
}

// TestDocsCommands runs the marked examples of the README and the docs.
func TestDocsCommands(t *testing.T) {
	rig := newDocsRig(t)
	var later []*block
	count := 0
	for _, file := range docFiles(t) {
		var now []*block
		for _, b := range blocks(t, file) {
			switch {
			case b.mark == "" || b.worker:
			case b.stopped:
				later = append(later, b)
			default:
				now = append(now, b)
			}
		}
		count += len(now)
		rig.runPage(t, now)
	}
	t.Run("metrics", func(t *testing.T) {
		node := newRig(t) // some metrics are of one of several nodes
		redis := servers.TestRedis(t)
		node.args = []string{"--queue", redis.URL()}
		node.start(0)
		node.owner()
		compareMetrics(t, "docs/metrics.md", "metrics", "protei_bulk_", "http://"+rig.at.HTTP+"/metrics", "http://"+node.doors()[0]+"/metrics")
		compareMetrics(t, "docs/smsc.md", "smsc metrics", "smsc_", "http://"+rig.far.Control+"/metrics")
	})
	if code := rig.platform.stop(); code != 0 {
		t.Errorf("the platform ended with %d\n%s", code, rig.platform.out)
	}
	for _, b := range later {
		t.Run(b.name(), func(t *testing.T) { rig.run(t, b) })
	}
	if count < 10 || len(later) == 0 {
		t.Errorf("%d examples and %d of a stopped platform were found: the marks are not read", count, len(later))
	}
}

// compareMetrics holds a page's table of metrics to what addresses serve together.
func compareMetrics(t *testing.T, page, table, prefix string, urls ...string) {
	t.Helper()
	served := map[string]string{}
	for _, url := range urls {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(served, servedMetrics(string(text), prefix))
	}
	documented := map[string]string{}
	for _, row := range tableRows(t, page, table) {
		documented[strings.Trim(row[0], "`")] = row[1] + " {" + row[2] + "}"
	}
	for name, what := range served {
		if documented[name] != what {
			t.Errorf("%s says %q of %s, it is %q", page, documented[name], name, what)
		}
	}
	for name := range documented {
		if _, ok := served[name]; !ok {
			t.Errorf("%s has %s, which is not served", page, name)
		}
	}
}

var (
	typeLine   = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)
	labelNames = regexp.MustCompile(`(\w+)="`)
)

// servedMetrics returns type and labels of each metric, "counter {connector, status}".
func servedMetrics(text, prefix string) map[string]string {
	all := map[string]string{}
	for _, m := range typeLine.FindAllStringSubmatch(text, -1) {
		name, kind := m[1], m[2]
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		sample := name
		if kind == "histogram" {
			sample += "_count"
		}
		line := regexp.MustCompile(`(?m)^` + sample + `(\{.*\})? `).FindString(text)
		var labels []string
		for _, l := range labelNames.FindAllStringSubmatch(line, -1) {
			labels = append(labels, l[1])
		}
		all[name] = kind + " {" + strings.Join(labels, ", ") + "}"
	}
	return all
}
