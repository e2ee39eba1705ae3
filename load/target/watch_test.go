package target_test

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"protei-bulk/load/stats"
	"protei-bulk/load/target"
	"protei-bulk/load/target/targettest"
)

// watch starts a watcher that is stopped with the test.
func watch(t *testing.T, o target.WatchOptions, texts ...string) *target.Watcher {
	t.Helper()
	for _, text := range texts {
		s, err := target.ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Specs = append(o.Specs, s)
	}
	if o.Every == 0 {
		o.Every = 20 * time.Millisecond
	}
	w, err := target.Watch(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Start(t.Context())
	t.Cleanup(w.Stop)
	return w
}

// values are the values by name now.
func values(w *target.Watcher) map[string]stats.SeriesValue {
	all := map[string]stats.SeriesValue{}
	sample := w.Sample()
	for i, info := range w.Series() {
		all[info.Name] = sample[i]
	}
	return all
}

// until waits for a value, or for a reason why there is none.
func until(t *testing.T, w *target.Watcher, name string, ok func(v stats.SeriesValue) bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		v, there := values(w)[name]
		if !there {
			t.Fatalf("no series %s in %v", name, values(w))
		}
		if ok(v) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s stays at %+v", name, v)
		}
		<-tick.C
	}
}

func at(want float64) func(stats.SeriesValue) bool {
	return func(v stats.SeriesValue) bool { return v.Value == want }
}

func above(low float64) func(stats.SeriesValue) bool {
	return func(v stats.SeriesValue) bool { return v.Value > low }
}

func off(part string) func(stats.SeriesValue) bool {
	return func(v stats.SeriesValue) bool { return math.IsNaN(v.Value) && strings.Contains(v.Off, part) }
}

func TestPostgres(t *testing.T) {
	pg := targettest.StartPostgres(t)
	w := watch(t, target.WatchOptions{}, "db="+pg.URL)
	if v := values(w); v["db.connections"].Value != 0 || !(v["db.size"].Value > 1e6) {
		t.Errorf("an idle server: %+v", v)
	}
	conn := connect(t, pg.URL)
	until(t, w, "db.connections", at(1))
	until(t, w, "db.idle", at(1))
	exec1(t, conn, "CREATE TABLE t (n int)")
	exec1(t, conn, "INSERT INTO t VALUES (1), (2)")
	exec1(t, conn, "BEGIN")
	exec1(t, conn, "UPDATE t SET n = 3 WHERE n = 1")
	until(t, w, "db.idle_in_transaction", at(1))

	other := connect(t, pg.URL)
	blocked := make(chan error, 1)
	go func() {
		_, err := other.Exec(t.Context(), "UPDATE t SET n = 4 WHERE n = 1")
		blocked <- err
	}()
	until(t, w, "db.waiting", at(1))
	until(t, w, "db.longest_query", above(0.05))
	exec1(t, conn, "COMMIT")
	if err := <-blocked; err != nil {
		t.Fatal(err)
	}
	until(t, w, "db.transactions", above(0))
	until(t, w, "db.cache_hits", func(v stats.SeriesValue) bool { return v.Value > 0.5 && v.Value <= 1 })
	deadlock(t, conn, other)
	until(t, w, "db.deadlocks", at(1))

	pg.Stop()
	until(t, w, "db.connections", func(v stats.SeriesValue) bool { return v.Off != "" })
	if f := fmt.Sprint(w.Faults(), w.Series()); strings.Contains(f, targettest.Password) || !strings.Contains(f, "HIDDEN") {
		t.Errorf("faults and series: %s", f)
	}
}

// deadlock makes one between two connections.
func deadlock(t *testing.T, a, b *pgx.Conn) {
	t.Helper()
	exec1(t, a, "DROP TABLE t")
	exec1(t, a, "CREATE TABLE t (n int PRIMARY KEY, v int)")
	exec1(t, a, "INSERT INTO t VALUES (1, 0), (2, 0)")
	for _, c := range []*pgx.Conn{a, b} {
		exec1(t, c, "SET deadlock_timeout = '50ms'")
		exec1(t, c, "BEGIN")
	}
	exec1(t, a, "UPDATE t SET v = 1 WHERE n = 1")
	exec1(t, b, "UPDATE t SET v = 1 WHERE n = 2")
	ended := make(chan error, 2)
	go func() { _, err := a.Exec(t.Context(), "UPDATE t SET v = 1 WHERE n = 2"); ended <- err }()
	go func() { _, err := b.Exec(t.Context(), "UPDATE t SET v = 1 WHERE n = 1"); ended <- err }()
	if one, two := <-ended, <-ended; (one == nil) == (two == nil) {
		t.Fatalf("no deadlock: %v, %v", one, two)
	}
	exec1(t, a, "ROLLBACK")
	exec1(t, b, "ROLLBACK")
}

func TestPostgresRoleWithoutRights(t *testing.T) {
	pg := targettest.StartPostgres(t)
	conn := connect(t, pg.URL)
	exec1(t, conn, "CREATE ROLE guest LOGIN PASSWORD 'guest-word'")
	w := watch(t, target.WatchOptions{}, strings.Replace(pg.URL, "tester:"+targettest.Password, "guest:guest-word", 1))
	until(t, w, "postgres.connections", at(1))
	until(t, w, "postgres.active", off("pg_monitor"))
	exec1(t, conn, "GRANT pg_monitor TO guest")
	until(t, w, "postgres.idle", at(1))

	wrong := watch(t, target.WatchOptions{}, strings.Replace(pg.URL, targettest.Password, "not-the-password", 1))
	until(t, wrong, "postgres.size", off("password authentication failed"))
	if f := fmt.Sprint(wrong.Faults()); strings.Contains(f, "not-the-password") {
		t.Errorf("faults show the password: %s", f)
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	})
	return conn
}

func exec1(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestRedis(t *testing.T) {
	r := targettest.StartRedis(t)
	w := watch(t, target.WatchOptions{}, "queue=redis://:"+targettest.Password+"@"+r.Addr+"/3#stream:lane;depth=list:work to do;zset:delayed;stream:wrong")
	until(t, w, "queue.memory", above(1e5))
	until(t, w, "queue.clients", above(0))
	until(t, w, "queue.commands", above(0))
	until(t, w, "queue.depth", at(0))
	r.Do(t, "SELECT 3")
	for _, command := range []string{
		"XADD lane * k v", "XADD lane * k v", "XGROUP CREATE lane g 0", "XREADGROUP GROUP g me COUNT 1 STREAMS lane >",
		`RPUSH "work to do" a b c`, "ZADD delayed 1 a", "SET wrong text",
	} {
		in3(t, r, command)
	}
	until(t, w, "queue.stream.lane.length", at(2))
	until(t, w, "queue.stream.lane.pending", at(1))
	until(t, w, "queue.depth", at(3))
	until(t, w, "queue.zset.delayed.length", at(1))
	until(t, w, "queue.stream.wrong.length", off("WRONGTYPE"))
	if v := values(w)["queue.memory"]; v.Off != "" {
		t.Errorf("one key of the wrong type takes the rest with it: %+v", v)
	}

	byEnv := watch(t, target.WatchOptions{Getenv: func(string) string { return targettest.Password }}, "redis://"+r.Addr)
	until(t, byEnv, "redis.memory", above(1e5))
	wrong := watch(t, target.WatchOptions{}, "redis://:not-the-password@"+r.Addr)
	until(t, wrong, "redis.memory", off("sign in"))

	r.Stop()
	until(t, w, "queue.depth", func(v stats.SeriesValue) bool { return v.Off != "" })
	if f := fmt.Sprint(w.Faults(), byEnv.Faults(), wrong.Faults()); strings.Contains(f, targettest.Password) || strings.Contains(f, "not-the-password") {
		t.Errorf("faults show a password: %s", f)
	}
}

// in3 runs a command in database 3: inline commands have no database, so through a script.
func in3(t *testing.T, r *targettest.Redis, command string) {
	t.Helper()
	r.Do(t, "SWAPDB 0 3")
	r.Do(t, command)
	r.Do(t, "SWAPDB 0 3")
}

func TestProcessByPID(t *testing.T) {
	busy := exec.Command("sh", "-c", "while :; do :; done")
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() {
		if busy.ProcessState == nil {
			_ = busy.Process.Kill()
			_ = busy.Wait()
		}
	}
	t.Cleanup(stop)
	file := filepath.Join(t.TempDir(), "busy.pid")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%d\nmore\n", busy.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
	w := watch(t, target.WatchOptions{}, fmt.Sprintf("loop=pid:%d", busy.Process.Pid), "file=pidfile:"+file, fmt.Sprintf("me=pid:%d", os.Getpid()))
	for _, name := range []string{"loop", "file"} {
		until(t, w, name+".cpu", above(0.05))
		until(t, w, name+".memory", above(1e5))
		until(t, w, name+".threads", at(1))
		until(t, w, name+".open_files", above(0))
		until(t, w, name+".disk_written", at(0))
	}
	until(t, w, "me.threads", above(1))
	stop()
	until(t, w, "loop.cpu", off("no process"))
	until(t, w, "file.memory", off("no process"))
	if err := os.WriteFile(file, fmt.Append(nil, os.Getpid()), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, w, "file.threads", above(1))
}

func TestProcessesByName(t *testing.T) {
	dir := t.TempDir()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "watched-sleep")
	data, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o700); err != nil {
		t.Fatal(err)
	}
	w := watch(t, target.WatchOptions{}, "process:watched-sleep")
	until(t, w, "watched-sleep.threads", off("no process is called watched-sleep"))
	for range 2 {
		cmd := exec.Command(name, "600")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	}
	until(t, w, "watched-sleep.threads", at(2))
	until(t, w, "watched-sleep.cpu", at(0))
}

func TestPrometheus(t *testing.T) {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "u" || password != "scrape-word" {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		i := n.Add(1)
		fmt.Fprintf(rw, `# TYPE sent counter
sent{code="200",q="a\"b"} %d
sent{code="500",q=""} %d
# TYPE queue_depth gauge
queue_depth{lane="high"} 3
queue_depth{lane="low"} 4
things_count 9
# TYPE things_count gauge
late_seconds_bucket{le="0.1"} %d
late_seconds_bucket{le="0.2"} %d
late_seconds_bucket{le="+Inf"} %d
go_memstats_alloc_bytes 5e6
broken NaN
`, 100*i, 10*i, 50*i, 100*i, 100*i)
	}))
	defer srv.Close()
	address := strings.Replace(srv.URL, "http://", "http://u:scrape-word@", 1) + "/metrics"
	w := watch(t, target.WatchOptions{}, "app="+address+`#ok=sent{code="200"};all=sent;quoted=sent{q="a\"b"};queue_depth;queue_depth{lane=~"hi.*"};p50(late_seconds);p99=p99(late_seconds);things_count;value(sent);none=no_such;go_memstats_alloc_bytes;broken`)
	until(t, w, "app.queue_depth", at(7))
	until(t, w, "app.queue_depth.hi._", at(3))
	until(t, w, "app.things_count", at(9))
	until(t, w, "app.late_seconds.p50", func(v stats.SeriesValue) bool { return math.Abs(v.Value-0.1) < 1e-9 })
	until(t, w, "app.p99", func(v stats.SeriesValue) bool { return math.Abs(v.Value-0.198) < 1e-9 })
	until(t, w, "app.ok", above(0))
	until(t, w, "app.none", off("no no_such"))
	until(t, w, "app.broken", off("NaN"))
	v := values(w)
	if ok, all := v["app.ok"].Value, v["app.all"].Value; math.Abs(all/ok-1.1) > 1e-6 || v["app.quoted"].Value != ok {
		t.Errorf("rates %v", v)
	}
	if v["app.sent"].Value < 110 {
		t.Errorf("value(sent) is %+v", v["app.sent"])
	}
	units := map[string]string{}
	for _, s := range w.Series() {
		units[s.Name] = s.Unit
		if strings.Contains(s.Source+s.Label, "scrape-word") {
			t.Errorf("a password is shown: %+v", s)
		}
	}
	for name, want := range map[string]string{
		"app.all": "/s", "app.queue_depth": "", "app.things_count": "", "app.p99": "s", "app.go_memstats_alloc_bytes": "bytes", "app.sent": "",
	} {
		if units[name] != want {
			t.Errorf("%s has the unit %q, want %q", name, units[name], want)
		}
	}
}

// TestBadSourcesHarmNothing watches sources that refuse, hang, talk nonsense or too much beside one that works.
func TestBadSourcesHarmNothing(t *testing.T) {
	good := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprintln(rw, "depth 5") }))
	defer good.Close()
	closed := listen(t, func(net.Conn) {})
	closed.Close()
	hanging := listen(t, func(c net.Conn) { <-t.Context().Done(); c.Close() })
	garbage := listen(t, func(c net.Conn) {
		_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\nthis is no metric\n"))
		c.Close()
	})
	huge := listen(t, func(c net.Conn) {
		_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		for line := []byte(strings.Repeat("a_metric 1\n", 1000)); ; {
			if _, err := c.Write(line); err != nil {
				return
			}
		}
	})
	claims := listen(t, func(c net.Conn) {
		_, _ = c.Write([]byte("$99999999999\r\n"))
		<-t.Context().Done()
		c.Close()
	})
	flood := listen(t, func(c net.Conn) {
		for chunk := make([]byte, 1<<16); ; {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	})
	w := watch(t, target.WatchOptions{Deadline: 500 * time.Millisecond}, "good="+good.URL+"#depth",
		"closed=http://"+closed.Addr().String(), "hanging=http://"+hanging.Addr().String(), "garbage=http://"+garbage.Addr().String(), "huge=http://"+huge.Addr().String(),
		"rclosed=redis://"+closed.Addr().String(), "rhanging=redis://"+hanging.Addr().String(), "rgarbage=redis://"+garbage.Addr().String(),
		"rclaims=redis://"+claims.Addr().String(), "rflood=redis://"+flood.Addr().String(),
		"pid=pidfile:"+t.TempDir())
	databases := watch(t, target.WatchOptions{Deadline: 500 * time.Millisecond},
		"pclosed=postgres://u:p@"+closed.Addr().String(), "phanging=postgres://u:p@"+hanging.Addr().String(), "pgarbage=postgres://u:p@"+garbage.Addr().String(),
		"pclaims=postgres://u:p@"+claims.Addr().String(), "pflood=postgres://u:p@"+flood.Addr().String())
	for name, why := range map[string]string{
		"closed.cpu": "refused", "hanging.cpu": "no answer", "garbage.cpu": "no page of metrics", "huge.cpu": "",
		"rclosed.memory": "refused", "rhanging.memory": "no answer", "rgarbage.memory": "not Redis", "rclaims.memory": "not Redis", "rflood.memory": "not Redis",
		"pclosed.size": "refused", "phanging.size": "no answer", "pgarbage.size": "", "pclaims.size": "", "pflood.size": "", "pid.cpu": "no file",
	} {
		from := w
		if name[0] == 'p' && name != "pid.cpu" {
			from = databases
		}
		t.Run(name, func(t *testing.T) { until(t, from, name, off(why)) })
	}
	until(t, w, "good.depth", at(5))
	if n := len(w.Faults()) + len(databases.Faults()); n != 15 {
		t.Errorf("%d faults: %v %v", n, w.Faults(), databases.Faults())
	}
	began := time.Now()
	w.Stop()
	databases.Stop()
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("Stop took %v", d)
	}
}

// TestNothingIsDialedToCancel: a first host that talks nonsense is dialed once for each sample. The driver would dial it
// again in the background, to cancel, while it connects to the second host, and that connection would pass for the second's.
func TestNothingIsDialedToCancel(t *testing.T) {
	var first, second atomic.Int64
	garbage := listen(t, func(c net.Conn) {
		first.Add(1)
		_, _ = c.Write([]byte("this is no PostgreSQL"))
		c.Close()
	})
	hanging := listen(t, func(c net.Conn) { second.Add(1); <-t.Context().Done(); c.Close() })
	w := watch(t, target.WatchOptions{Deadline: 100 * time.Millisecond},
		"db=postgres://u:p@"+garbage.Addr().String()+","+hanging.Addr().String()+"/db?sslmode=disable")
	until(t, w, "db.size", func(stats.SeriesValue) bool { return second.Load() >= 3 })
	w.Stop()
	if a, b := first.Load(), second.Load(); a > b+1 { // Stop may have come between the two
		t.Errorf("the first host was dialed %d times, the second %d times", a, b)
	}
}

// listen serves each connection with serve until the test ends.
func listen(t *testing.T, serve func(net.Conn)) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return ln
}

// TestSourceThatBeginsToHang is measured no more, though it has been.
func TestSourceThatBeginsToHang(t *testing.T) {
	var hang atomic.Bool
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if hang.Load() {
			select {
			case <-release:
			case <-r.Context().Done():
			}
			return
		}
		fmt.Fprintln(rw, "depth 5")
	}))
	defer srv.Close()
	defer close(release)
	w := watch(t, target.WatchOptions{Deadline: time.Minute}, "q="+srv.URL+"#depth")
	until(t, w, "q.depth", at(5))
	hang.Store(true)
	until(t, w, "q.depth", off("no answer for"))
	if s := w.Series(); s[0].Off == "" {
		t.Error("the reason is not kept")
	}
}
