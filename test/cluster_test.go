package test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"protei-bulk/internal/servers"
)

// TestClusterNodeKilled: two nodes under load, and the one that has the connector is killed:
// the other one takes it over, and nothing that was promised is lost.
func TestClusterNodeKilled(t *testing.T) {
	r := newRig(t)
	r.start(0)
	r.start(1)
	owner := r.owner()
	r.send()
	r.flow()
	r.nodes[owner].kill()
	killed := time.Now()
	r.down(owner)
	r.recovered("the owner of the connector killed", killed)
	r.flow()
	r.start(owner)
	r.flow()
	r.close(2)
}

// TestClusterNodeStopped: the owner hangs for longer than its lease, and comes back as if nothing
// had happened: what it still sends is within the bound, what it says of messages that are not
// its own any more is not believed.
func TestClusterNodeStopped(t *testing.T) {
	r := newRig(t)
	r.start(0)
	r.start(1)
	owner := r.owner()
	r.send()
	r.flow()
	hung := r.nodes[owner]
	if err := hung.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	r.down(owner)
	r.recovered("the owner of the connector stopped", stopped)
	if err := hung.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	r.joined(hung.HTTP)
	r.up(owner, hung)
	r.flow()
	r.close(2)
}

// TestClusterPostgresCrashes: PostgreSQL is killed under load and comes back: the nodes wait for
// it, say so, and go on.
func TestClusterPostgresCrashes(t *testing.T) {
	r := newRig(t)
	r.start(0)
	r.start(1)
	r.owner()
	r.send()
	r.flow()
	if err := r.postgres.Crash(); err != nil {
		t.Fatal(err)
	}
	addr := r.doors()[0]
	ready := func() bool {
		code, err := call(t.Context(), "GET", "http://"+addr+"/api/v1/health/ready", "", nil)
		return err == nil && code == http.StatusOK
	}
	waitUntil(t, 10*time.Second, func() bool { return !ready() })
	if ready() {
		t.Error("ready without PostgreSQL")
	}
	if code, err := call(t.Context(), "GET", "http://"+addr+"/api/v1/health", "", nil); err != nil || code != http.StatusOK {
		t.Errorf("health without PostgreSQL: %d %v", code, err)
	}
	if err := r.postgres.Start(); err != nil {
		t.Fatal(err)
	}
	r.recovered("PostgreSQL crashed and is back", time.Now())
	r.flow()
	r.close(2)
}

// link is a way to PostgreSQL that can be cut: what is sent then arrives nowhere, as with a cable.
type link struct {
	to  string
	ln  net.Listener
	cut atomic.Bool
	all sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // guarded by mu
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{to: to, ln: ln}
	l.all.Go(l.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		l.drop()
		l.all.Wait()
	})
	return l
}

func (l *link) accept() {
	for {
		c, err := l.ln.Accept()
		if err != nil {
			return
		}
		d, err := net.Dial("tcp", l.to)
		if err != nil {
			_ = c.Close()
			continue
		}
		l.mu.Lock()
		l.conns = append(l.conns, c, d)
		l.mu.Unlock()
		l.all.Go(func() { l.carry(c, d) })
		l.all.Go(func() { l.carry(d, c) })
	}
}

// carry brings octets from one end to the other; on a cut link they vanish.
func (l *link) carry(from, to net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !l.cut.Load() {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			_ = to.Close()
			return
		}
	}
}

// drop ends all connections.
func (l *link) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
}

// TestClusterLinkCut: the owner cannot reach PostgreSQL any more. It stops sending before the
// other node begins, and joins again when the link is mended.
func TestClusterLinkCut(t *testing.T) {
	r := newRig(t)
	direct := r.store
	l := newLink(t, r.postgres.Addr)
	r.store = fmt.Sprintf("postgres://postgres@%s/bulk1?sslmode=disable", l.ln.Addr())
	r.start(0)
	if r.owner() != 0 {
		t.Fatal("the only node has not the connector")
	}
	r.store = direct
	r.send()
	r.flow()
	l.cut.Store(true)
	cut := time.Now()
	cutOff := r.nodes[0]
	r.down(0)
	r.start(1)
	r.recovered("the owner cut off", cut)
	l.cut.Store(false)
	l.drop()
	r.joined(cutOff.HTTP)
	r.up(0, cutOff)
	r.flow()
	r.close(3)
}

// balancer sends requests to nodes that are ready, and looks at that as balancers do: now and then.
type balancer struct {
	r     *rig
	mu    sync.Mutex
	ready []string // guarded by mu
	next  atomic.Int64
}

const balancerLook = 100 * time.Millisecond

func (b *balancer) watch(ctx context.Context) {
	tick := time.NewTicker(balancerLook)
	defer tick.Stop()
	for {
		var ready []string
		for _, addr := range b.r.doors() {
			if code, err := call(ctx, "GET", "http://"+addr+"/api/v1/health/ready", "", nil); err == nil && code == http.StatusOK {
				ready = append(ready, addr)
			}
		}
		b.mu.Lock()
		b.ready = ready
		b.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (b *balancer) pick() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ready) == 0 {
		return ""
	}
	return b.ready[int(b.next.Add(1))%len(b.ready)]
}

// TestClusterRollingRestart: each node is stopped and started again behind a balancer: no request
// is refused, none is lost, and nothing is sent twice.
func TestClusterRollingRestart(t *testing.T) {
	t.Setenv("PROTEI_BULK_DRAIN", "500ms")
	r := newRig(t)
	r.start(0)
	r.start(1)
	r.owner()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := &balancer{r: r}
	var work sync.WaitGroup
	work.Go(func() { b.watch(ctx) })
	waitUntil(t, 10*time.Second, func() bool { return b.pick() != "" })
	sending, rest := context.WithCancel(ctx)
	var refused atomic.Int64
	var load sync.WaitGroup
	for w := range 4 {
		load.Go(func() {
			for n := w; sending.Err() == nil; n++ {
				if err := r.sendOne(ctx, b.pick(), n); err != nil {
					refused.Add(1)
					t.Logf("refused: %v", err)
				}
			}
		})
	}
	for i := range 2 {
		r.flow()
		p := r.nodes[i]
		if code := p.stop(); code != 0 {
			t.Errorf("exit code %d\n%s", code, p.out)
		}
		r.down(i)
		r.start(i)
		waitUntil(t, 10*time.Second, func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.ready) == 2 })
	}
	r.flow()
	rest()
	load.Wait()
	r.stopLoad = func() {}
	if n := refused.Load(); n != 0 {
		t.Errorf("%d requests were refused or lost", n)
	}
	r.close(0)
	cancel()
	work.Wait()
}

// sendOne sends one message, which must be accepted.
func (r *rig) sendOne(ctx context.Context, addr string, n int) error {
	if addr == "" {
		return io.ErrUnexpectedEOF // the balancer has nobody
	}
	var one struct {
		MessageID string `json:"message_id"`
	}
	body := fmt.Sprintf(`{"from":"Kill","to":"+1555%07d","text":"one %d","dlr_url":%q}`, n, n, r.hook)
	code, err := call(ctx, "POST", "http://"+addr+"/api/v1/messages", body, &one)
	if err != nil {
		return err
	}
	if code != http.StatusCreated {
		return fmt.Errorf("%s answers %d", addr, code)
	}
	r.led.promise(false, one.MessageID)
	return nil
}

// TestClusterRedisFails: Redis loses everything, is killed, and comes back empty. It only carries
// hints: what nobody hints at is found by looking.
func TestClusterRedisFails(t *testing.T) {
	r := newRig(t)
	redis := servers.TestRedis(t)
	r.args = []string{"--queue", redis.URL()}
	r.start(0)
	r.start(1)
	r.owner()
	r.send()
	r.flow()
	for range 5 { // in the middle of whatever is under way
		if out, err := exec.CommandContext(t.Context(), "redis-cli", "-p", strconv.Itoa(redis.Port), "flushall").CombinedOutput(); err != nil {
			t.Fatalf("flushall: %v\n%s", err, out)
		}
		r.flow()
	}
	if err := redis.Kill(); err != nil {
		t.Fatal(err)
	}
	r.recovered("Redis killed", time.Now())
	r.flow()
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	r.recovered("Redis back, and empty", time.Now())
	r.flow()
	r.close(0)
}
