package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
)

// Postgres is a private PostgreSQL. Its superuser is postgres, without a password.
type Postgres struct {
	Server
	bin      string
	database atomic.Int32
}

// NewPostgres makes a cluster in a new folder under dir and starts it; settings are lines of
// postgresql.conf. fsync is on, unless a setting turns it off.
func NewPostgres(dir string, settings ...string) (*Postgres, error) {
	path, err := program("postgres", "postgresql", "/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return nil, err
	}
	// What belongs to it lies beside the program itself. (Redis looks at the name it is called by.)
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, err
	}
	p := &Postgres{bin: filepath.Dir(path)}
	if p.as, err = unprivileged("postgres"); err != nil {
		return nil, err
	}
	if p.Port, err = freePort(); err != nil {
		return nil, err
	}
	if p.Dir, err = os.MkdirTemp(dir, "postgres-"); err != nil {
		return nil, err
	}
	if err := p.own(); err != nil {
		return nil, err
	}
	data := filepath.Join(p.Dir, "data")
	if out, err := p.run("initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", "--locale=C.UTF-8"); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	conf := append([]string{
		fmt.Sprintf("port = %d", p.Port), "listen_addresses = '127.0.0.1'", "unix_socket_directories = ''",
		"max_connections = 200", "shared_buffers = 256MB", "max_wal_size = 4GB", "log_min_messages = warning",
	}, settings...)
	if err := os.WriteFile(filepath.Join(data, "postgresql.auto.conf"), []byte(strings.Join(conf, "\n")+"\n"), 0o644); err != nil {
		return nil, err
	}
	p.Addr = fmt.Sprintf("127.0.0.1:%d", p.Port)
	p.program, p.args = path, []string{"-D", data}
	// The backends of one that was killed have not all noticed yet.
	p.passes = "pre-existing shared memory block"
	p.answers = func() error {
		_, err := p.run("pg_isready", "-q", "-h", "127.0.0.1", "-p", fmt.Sprint(p.Port), "-U", "postgres")
		return err
	}
	return p, p.Start()
}

// own gives the folder to who runs the server, and lets him reach it.
func (p *Postgres) own() error {
	if p.as == nil {
		return nil
	}
	for dir := filepath.Dir(p.Dir); dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 {
			if err := os.Chmod(dir, info.Mode().Perm()|0o001); err != nil {
				return fmt.Errorf("let the server reach its folder: %w", err)
			}
		}
	}
	return os.Chown(p.Dir, int(p.as.Uid), int(p.as.Gid))
}

func (p *Postgres) run(name string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(p.bin, name), args...)
	cmd.Dir = p.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// URL returns the address of a database.
func (p *Postgres) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", p.Addr, database)
}

// NewDatabase makes an empty database and returns its address.
func (p *Postgres) NewDatabase() (string, error) {
	name := fmt.Sprintf("bulk%d", p.database.Add(1))
	out, err := p.run("createdb", "-h", "127.0.0.1", "-p", fmt.Sprint(p.Port), "-U", "postgres", name)
	if err != nil {
		return "", fmt.Errorf("createdb: %w\n%s", err, out)
	}
	return p.URL(name), nil
}

// Query asks a database that NewDatabase made and returns what psql prints: a line for each row.
func (p *Postgres) Query(url, sql string) (string, error) {
	out, err := p.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql, url)
	if err != nil {
		return "", fmt.Errorf("psql: %w\n%s", err, out)
	}
	return strings.TrimSpace(out), nil
}

// Stop ends the server at once, as nothing of it is needed any more: its folder is removed. What an
// end in order writes to disk for nothing takes long on a busy one.
func (p *Postgres) Stop() error {
	if err := p.end(syscall.SIGQUIT); err != nil {
		return err
	}
	return os.RemoveAll(p.Dir)
}

// Crash kills the server and all that belongs to it, as a power cut does.
func (p *Postgres) Crash() error { return p.end(syscall.SIGQUIT) }
