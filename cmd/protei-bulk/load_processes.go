package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// forkedMark is in the environment of forked workers, which fork none.
const forkedMark = "PROTEI_BULK_FORKED"

// forkedWorkers are the processes of --processes.
type forkedWorkers struct{ list []*exec.Cmd }

// forkWorkers starts workers of a master in this process. They end with it.
func forkWorkers(env *environment, x *fleetFlags, fingerprint string) (*forkedWorkers, error) {
	args := []string{"--master-host", loopbackFor(x.boss.Addr()), "--master-port", portOf(x.boss.Addr())}
	if fingerprint != "" {
		args = append(args, "--master-fingerprint", fingerprint)
	}
	return fork(env, x, args)
}

// loopbackFor is the address by which this machine reaches a listener of its own.
func loopbackFor(listen string) string {
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || ip.IsUnspecified() {
		return "127.0.0.1"
	}
	return host
}

// fork starts this program as worker, once for each process asked for. The token and own,
// further variables, are in their environment: a command line can be seen by everybody.
func fork(env *environment, x *fleetFlags, args []string, own ...string) (*forkedWorkers, error) {
	if os.Getenv(forkedMark) != "" {
		return nil, errors.New("--processes: this process is a forked worker itself")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("--processes: %w", err)
	}
	n := x.forks()
	f := &forkedWorkers{}
	for range n {
		cmd := exec.Command(self, append([]string{"load", "--worker", "--forked", "--parent-death"}, args...)...)
		cmd.Env = append(childEnvironment(x.token, max(runtime.NumCPU()/n, 1)), own...)
		cmd.Stderr = env.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the master, which tells them
		if err := cmd.Start(); err != nil {
			f.signal(os.Kill)
			f.wait()
			return nil, fmt.Errorf("--processes: start a worker: %w", err)
		}
		f.list = append(f.list, cmd)
	}
	return f, nil
}

// childEnvironment is ours without what sets flags of load.
func childEnvironment(token string, cores int) []string {
	var out []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "LOCUST_") && !strings.HasPrefix(kv, "PROTEI_BULK_LOAD_") && !strings.HasPrefix(kv, "GOMAXPROCS=") {
			out = append(out, kv)
		}
	}
	out = append(out, forkedMark+"=1", "GOMAXPROCS="+strconv.Itoa(cores))
	if token != "" {
		out = append(out, "PROTEI_BULK_LOAD_MASTER_TOKEN="+token)
	}
	return out
}

func (f *forkedWorkers) signal(s os.Signal) {
	for _, cmd := range f.list {
		_ = cmd.Process.Signal(s) // one that has ended needs none
	}
}

// wait returns the highest exit code.
func (f *forkedWorkers) wait() (code int) {
	for _, cmd := range f.list {
		_ = cmd.Wait()
		code = max(code, cmd.ProcessState.ExitCode())
	}
	return code
}

// runWorkers is --worker with --processes: several workers of a master elsewhere.
func runWorkers(ctx context.Context, env *environment, o *loadOptions) error {
	x := &o.fleet
	args := []string{"--master-host", x.masterHost, "--master-port", strconv.Itoa(x.masterPort)}
	for flag, value := range map[string]string{"--master-ca": x.ca, "--master-fingerprint": x.fingered} {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	if x.tls {
		args = append(args, "--master-tls")
	}
	var own []string // what a worker keeps for itself; some of it is secret
	for _, name := range []string{"host", "smpp", "api-key", "insecure"} {
		if flag := o.flags.Lookup(name); flag.Changed {
			own = append(own, envNames(name)[0]+"="+flag.Value.String())
		}
	}
	f, err := fork(env, x, args, own...)
	if err != nil {
		return &exitError{code: 1, err: err}
	}
	stop := context.AfterFunc(ctx, func() { f.signal(syscall.SIGTERM) })
	defer stop()
	switch code := f.wait(); {
	case ctx.Err() != nil:
		return &exitError{code: 130, err: errors.New("workers stopped")}
	case code != 0:
		return &exitError{code: code, err: errors.New("a worker failed")}
	}
	return nil
}
