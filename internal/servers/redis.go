package servers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Redis is a private Redis.
type Redis struct{ Server }

// NewRedis starts one with its files in a new folder under dir; settings are arguments such as
// --maxmemory-policy allkeys-lru. It keeps nothing on disk, and evicts nothing.
func NewRedis(dir string, settings ...string) (*Redis, error) {
	path, err := program("redis-server", "redis-server")
	if err != nil {
		return nil, err
	}
	r := &Redis{}
	if r.Port, err = freePort(); err != nil {
		return nil, err
	}
	if r.Dir, err = os.MkdirTemp(dir, "redis-"); err != nil {
		return nil, err
	}
	r.Addr = fmt.Sprintf("127.0.0.1:%d", r.Port)
	r.program = path
	r.args = append([]string{
		"--port", fmt.Sprint(r.Port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", r.Dir,
		"--maxmemory-policy", "noeviction",
	}, settings...)
	r.answers = func() error { return dial(r.Addr) }
	return r, r.Start()
}

// URL returns the address of database 0.
func (r *Redis) URL() string { return "redis://" + r.Addr + "/0" }

// Stop ends the server; its folder is removed.
func (r *Redis) Stop() error {
	if err := r.end(syscall.SIGTERM); err != nil {
		return err
	}
	return os.RemoveAll(r.Dir)
}

// NewSentinel starts a Sentinel that watches a Redis under the name main, alone: its word is
// enough for a failover to a replica. settings are lines of its configuration.
func NewSentinel(dir string, watched *Redis, settings ...string) (*Redis, error) {
	path, err := program("redis-server", "redis-server")
	if err != nil {
		return nil, err
	}
	s := &Redis{}
	if s.Port, err = freePort(); err != nil {
		return nil, err
	}
	if s.Dir, err = os.MkdirTemp(dir, "sentinel-"); err != nil {
		return nil, err
	}
	s.Addr = fmt.Sprintf("127.0.0.1:%d", s.Port)
	conf := append([]string{
		fmt.Sprintf("port %d", s.Port), "bind 127.0.0.1", "dir " + s.Dir,
		fmt.Sprintf("sentinel monitor main 127.0.0.1 %d 1", watched.Port),
		"sentinel down-after-milliseconds main 500", "sentinel failover-timeout main 2000",
	}, settings...)
	file := filepath.Join(s.Dir, "sentinel.conf")
	if err := os.WriteFile(file, []byte(strings.Join(conf, "\n")+"\n"), 0o644); err != nil {
		return nil, err
	}
	s.program, s.args = path, []string{file, "--sentinel"}
	s.answers = func() error { return dial(s.Addr) }
	return s, s.Start()
}
