package servers

import (
	"fmt"
	"os"
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
