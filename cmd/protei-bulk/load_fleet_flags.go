package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"protei-bulk/load/fleet"
)

// fleetFlags are the flags of a test on many machines.
type fleetFlags struct {
	master, worker, rebalance      bool
	bindHost, masterHost           string
	bindPort, masterPort           int
	expect, processes              int
	maxWait                        time.Duration
	token, cert, key, ca, fingered string
	tls, forked                    bool

	boss   *fleet.Master // of --master and --processes; nil: this process does it alone
	events *fleetEvents
}

// defaultMasterPort is Locust's.
const defaultMasterPort = 5557

func (x *fleetFlags) register(f *pflag.FlagSet) {
	f.BoolVar(&x.master, "master", false, "have no users, but workers that have them; they come to --master-bind-port")
	f.BoolVar(&x.worker, "worker", false, "have users for the master at --master-host, and nothing else to say")
	f.IntVar(&x.processes, "processes", 0, "fork so many workers on this machine; -1 is one for each core")
	f.StringVar(&x.bindHost, "master-bind-host", "*", "`address` on which the master listens for workers")
	f.IntVar(&x.bindPort, "master-bind-port", defaultMasterPort, "`port` on which it does; 0 takes a free one")
	f.StringVar(&x.masterHost, "master-host", "127.0.0.1", "`host` of the master, for --worker")
	f.IntVar(&x.masterPort, "master-port", defaultMasterPort, "`port` of the master, for --worker")
	f.IntVar(&x.expect, "expect-workers", 1, "with --headless or --autostart: start when so many workers are there")
	f.Var((*seconds)(&x.maxWait), "expect-workers-max-wait", "`seconds` to wait for them; 0 waits for ever")
	f.StringVar(&x.token, "master-token", "", "`secret` that workers must give; without one the master takes workers of loopback and private networks only")
	f.BoolVar(&x.tls, "master-tls", false, "encrypt between master and workers; without --master-cert the master makes a certificate and prints its fingerprint")
	f.StringVar(&x.cert, "master-cert", "", "certificate `file` (PEM) of the master")
	f.StringVar(&x.key, "master-key", "", "`file` of its key")
	f.StringVar(&x.ca, "master-ca", "", "`file` (PEM) of the authority that the worker trusts")
	f.StringVar(&x.fingered, "master-fingerprint", "", "the `SHA-256` of the master's certificate, as it prints it")
	f.BoolVar(&x.rebalance, "enable-rebalancing", false, "always on: a lost worker's users go to the others at once")
	_ = f.MarkHidden("enable-rebalancing")
	f.BoolVar(&x.forked, "forked", false, "started by --processes")
	_ = f.MarkHidden("forked")
	_ = f.SetAnnotation("forked", private, []string{"true"})
}

func (x *fleetFlags) check() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	fault(x.master && x.worker, "--master and --worker: a process is one of them; --processes makes both")
	fault(x.processes < -1 || x.processes > 1000, "--processes %d: want 1 to 1000, or -1 for one a core", x.processes)
	fault(x.bindPort < 0 || x.bindPort > 65535, "--master-bind-port %d: want 0 to 65535", x.bindPort)
	fault(x.masterPort < 1 || x.masterPort > 65535, "--master-port %d: want 1 to 65535", x.masterPort)
	fault(x.expect < 1, "--expect-workers %d: want 1 at least", x.expect)
	fault((x.cert == "") != (x.key == ""), "--master-cert and --master-key belong together")
	fault(x.cert != "" && !x.master, "--master-cert is for --master; a worker has --master-ca or --master-fingerprint")
	fault((x.ca != "" || x.fingered != "") && !x.worker, "--master-ca and --master-fingerprint are for --worker")
	fault(x.ca != "" && x.fingered != "", "--master-ca or --master-fingerprint, not both")
	fault(x.token != "" && len(x.token) < shortestToken, "--master-token: want %d characters at least", shortestToken)
	return errors.Join(errs...)
}

// many says that this process has workers instead of users.
func (x *fleetFlags) many() bool { return x.master || x.processes != 0 && !x.worker }

// forks is the number of processes that --processes asks for.
func (x *fleetFlags) forks() int {
	if x.processes < 0 {
		return runtime.NumCPU()
	}
	return x.processes
}

// listenAddr is where the master listens.
func (x *fleetFlags) listenAddr() string {
	if !x.master {
		return "127.0.0.1:0" // its own children only
	}
	host := x.bindHost
	if host == "*" {
		host = ""
	}
	return net.JoinHostPort(host, strconv.Itoa(x.bindPort))
}

// serverTLS is the master's; its fingerprint is for workers, "" without a certificate of
// its own making.
func (x *fleetFlags) serverTLS() (cfg *tls.Config, fingerprint string, err error) {
	switch {
	case x.cert != "":
		pair, err := tls.LoadX509KeyPair(x.cert, x.key)
		if err != nil {
			return nil, "", fmt.Errorf("--master-cert: %w", err)
		}
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}, fleet.Fingerprint(pair.Certificate[0]), nil
	case x.tls && x.master:
		return fleet.SelfMade()
	}
	return nil, "", nil
}

// clientTLS is a worker's; nil does not encrypt.
func (x *fleetFlags) clientTLS() (*tls.Config, error) {
	switch {
	case x.fingered != "":
		return fleet.Pinned(x.fingered)
	case x.ca != "":
		pem, err := os.ReadFile(x.ca)
		if err != nil {
			return nil, fmt.Errorf("--master-ca: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--master-ca: %s has no certificate", x.ca)
		}
		return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: x.masterHost}, nil
	case x.tls:
		return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: x.masterHost}, nil
	}
	return nil, nil
}
