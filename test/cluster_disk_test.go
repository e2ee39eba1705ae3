package test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"protei-bulk/internal/servers"
	"protei-bulk/smpp"
)

// smallDisk is a file system that a test fills.
type smallDisk struct {
	t       *testing.T
	ballast *os.File
}

// postgresDisk puts a folder of PostgreSQL's on a small disk.
func (r *rig) postgresDisk(folder, size string) *smallDisk {
	r.t.Helper()
	return newSmallDisk(r.t, filepath.Join(r.postgres.Dir, "data", folder), size, r.postgres.Crash, r.postgres.Start)
}

// newSmallDisk puts a folder of a server, as it is, on a disk of its own.
func newSmallDisk(t *testing.T, dir, size string, end, start func() error) *smallDisk {
	t.Helper()
	must := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v %s", name, args, err, out)
		}
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	was := dir + ".was"
	must("cp", "-a", dir, was)
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a small file system cannot be mounted here (it takes root): %v %s", err, out)
	}
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
		must("umount", dir)
	})
	must("cp", "-a", was+"/.", dir)
	must("rm", "-rf", was)
	if err := start(); err != nil {
		t.Fatal(err)
	}
	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	return &smallDisk{t, ballast}
}

// fill takes all room that is left.
func (d *smallDisk) fill() {
	buf := make([]byte, 64<<10)
	for len(buf) > 0 {
		if _, err := d.ballast.Write(buf); errors.Is(err, syscall.ENOSPC) {
			buf = buf[:len(buf)/2]
		} else if err != nil {
			d.t.Fatal(err)
		}
	}
}

// free makes room again.
func (d *smallDisk) free() {
	if err := errors.Join(d.ballast.Close(), os.Remove(d.ballast.Name())); err != nil {
		d.t.Fatal(err)
	}
}

// again makes it possible to fill the disk once more.
func (d *smallDisk) again() (err error) {
	d.ballast, err = os.Create(d.ballast.Name())
	return err
}

// refuses waits until no node is ready, and wants each of them to refuse messages at both doors and
// to be alive, while keep is called.
func (r *rig) refuses(keep func()) {
	r.t.Helper()
	for i, p := range r.nodes {
		code, said := 0, ""
		waitUntil(r.t, 30*time.Second, func() bool {
			keep()
			a, err := p.try("GET", "/api/v1/health/ready", nil)
			code, said = a.code, string(a.body)
			return err == nil && code == http.StatusServiceUnavailable
		})
		if code != http.StatusServiceUnavailable {
			r.t.Fatalf("node %d is ready on a full disk: %d %s", i, code, said)
		}
		r.t.Logf("node %d is not ready: %s", i, said)
	}
	refused := 0
	waitUntil(r.t, 3*clusterTTL, func() bool { // leases end, if they are not renewed
		keep()
		for i, p := range r.nodes {
			if code, err := call(r.t.Context(), "GET", "http://"+p.HTTP+"/api/v1/health", "", nil); err != nil || code != http.StatusOK {
				r.t.Fatalf("health of node %d on a full disk: %d %v", i, code, err)
			}
			a, err := p.try("POST", "/api/v1/messages", strings.NewReader(fmt.Sprintf(`{"from":"Full","to":"+1556%07d","text":"no room"}`, refused)))
			if err != nil || a.code != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
				r.t.Fatalf("a message on a full disk, node %d: %d %s %v", i, a.code, a.body, err)
			}
			refused++
		}
		return false
	})
	r.t.Logf("%d messages refused, none taken", refused)
	for i, p := range r.nodes {
		s, err := p.bind("dev", "devpass1", nil)
		if err != nil {
			r.t.Fatalf("bind to node %d on a full disk: %v", i, err)
		}
		st, _, err := s.Do(r.t.Context(), &smpp.SubmitSM{
			Source: smpp.Address{TON: 5, Addr: []byte("Full")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("15560001")}, ShortMessage: []byte("no room"),
		})
		if err != nil || st != smpp.RXTAPPN && st != smpp.RMSGQFUL {
			r.t.Errorf("submit_sm to node %d on a full disk: %v %v", i, st, err)
		}
		_ = s.Close()
	}
}

// TestClusterDiskFull: PostgreSQL's disk fills up under load: the one with the tables, where it
// refuses what needs room, and the one with its log, where it ends in a panic. No node takes a message
// then, all are alive, and go on when there is room. Redis' disk is nobody's concern but its own.
func TestClusterDiskFull(t *testing.T) {
	t.Run("tables", func(t *testing.T) {
		r := newRig(t)
		disk := r.postgresDisk("base", "700m")
		r.start(0)
		r.start(1)
		r.owner()
		r.send()
		r.flow()
		disk.fill()
		r.refuses(disk.fill)
		disk.free()
		r.goesOn()
	})
	t.Run("log", func(t *testing.T) {
		r := newRig(t, "max_wal_size = 64MB", "min_wal_size = 32MB")
		disk := r.postgresDisk("pg_wal", "400m")
		r.start(0)
		r.start(1)
		r.owner()
		r.send()
		r.flow()
		disk.fill()
		r.refuses(disk.fill)
		disk.free()
		r.revive()
		r.goesOn()
	})
	t.Run("redis", func(t *testing.T) {
		r := newRig(t)
		redis := servers.TestRedis(t, "--appendonly", "yes", "--appendfsync", "everysec")
		disk := newSmallDisk(t, redis.Dir, "100m", redis.Kill, redis.Start)
		r.args = []string{"--queue", redis.URL()}
		r.start(0)
		r.start(1)
		r.owner()
		r.send()
		r.flow()
		said := ""
		waitUntil(t, 20*time.Second, func() bool {
			disk.fill()
			out, _ := exec.CommandContext(t.Context(), "redis-cli", "-p", strconv.Itoa(redis.Port), "set", "probe", "1").CombinedOutput()
			said = string(out)
			return strings.Contains(said, "MISCONF")
		})
		if !strings.Contains(said, "MISCONF") {
			t.Fatalf("Redis takes changes on a full disk: %s", said)
		}
		r.recovered("Redis' disk full", time.Now())
		r.flow()
		for _, addr := range r.doors() {
			r.joined(addr)
		}
		disk.free()
		r.recovered("room on Redis' disk", time.Now())
		r.flow()
		r.close(0)
	})
}

// goesOn wants everything to work again: there is room on the disk.
func (r *rig) goesOn() {
	r.t.Helper()
	since := time.Now()
	r.recovered("room on the disk", since)
	for _, addr := range r.doors() {
		r.joined(addr)
	}
	r.t.Logf("all nodes ready %.1f s after", time.Since(since).Seconds())
	r.flow()
	r.close(2)
}

// revive starts PostgreSQL, as its administrator does, if it has given up.
func (r *rig) revive() {
	r.t.Helper()
	var last error
	waitUntil(r.t, 30*time.Second, func() bool {
		if syscall.Kill(r.postgres.PID(), 0) != nil {
			if err := r.postgres.Start(); err != nil {
				r.t.Fatal(err)
			}
			r.t.Log("PostgreSQL had given up")
		}
		last = r.postgres.Answers()
		return last == nil
	})
	if last != nil {
		r.t.Fatalf("PostgreSQL does not come back: %v", last)
	}
}
