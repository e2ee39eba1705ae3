package bulk

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"protei-bulk/internal/servers"
	"protei-bulk/smsc"
)

// TestANodeWaitsForItsStore: HTTP says that the node lives and what it waits for; it takes nothing
// meanwhile, and goes on by itself.
func TestANodeWaitsForItsStore(t *testing.T) {
	pg := servers.TestPostgres(t)
	url, err := pg.NewDatabase()
	if err != nil {
		t.Fatal(err)
	}
	if err := pg.Kill(); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	sim := simulate(t, smsc.Behaviour{})
	c := DefaultConfig()
	c.Data, c.HTTP, c.SMPP, c.Store, c.Upstream = t.TempDir(), free.Addr().String(), "off", strings.Replace(url, "postgres@", "postgres:hunter2@", 1), "smpp://x:y@"+sim.Addr()
	p, err := New(Options{Config: c, Dev: true})
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan error, 1)
	go func() { started <- p.Start(t.Context()) }()
	eventually(t, "HTTP is open", func() bool {
		conn, err := net.Dial("tcp", c.HTTP)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get("http://" + c.HTTP + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	if code, _ := get("/api/v1/health"); code != http.StatusOK {
		t.Errorf("health: %d", code)
	}
	eventually(t, "the reason", func() bool {
		code, text := get("/api/v1/health/ready")
		var problem struct{ Detail string }
		return code == http.StatusServiceUnavailable && json.Unmarshal([]byte(text), &problem) == nil && strings.Contains(problem.Detail, "connect to PostgreSQL")
	})
	code, text := get("/api/v1/messages")
	if code != http.StatusServiceUnavailable || strings.Contains(text, "hunter2") {
		t.Errorf("messages: %d %s", code, text)
	}
	if err := pg.Start(); err != nil {
		t.Fatal(err)
	}
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	if code, text := get("/api/v1/health/ready"); code != http.StatusOK {
		t.Errorf("ready: %d %s", code, text)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
