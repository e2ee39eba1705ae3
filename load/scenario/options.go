// Package scenario holds what virtual users do: [File] is a compiled scenario file, [Run]
// lets it run. The built-in scenario is such a file, see [New].
//
// A Run owns its webhook listener and its SMPP binds, which outlive their users so that
// receipts still come while the run drains; Close ends both.
package scenario

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/url"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/stats"
)

// Options configure a run. Host, APIKey, Recorder, Ledger and Clock are required.
type Options struct {
	Host     string // base URL of the target
	APIKey   string
	SMPP     *SMPPAddress // nil: no SMPPUser can run
	Classes  []string     // user classes to run; none: all
	Settings Settings     // of the built-in scenario
	// PeakUsers is the highest number of users that the shape asks for.
	PeakUsers int
	// RunTime is the length of the shape Soak in the rate of a file's class; 0: its own.
	RunTime time.Duration

	// NoReceipts leaves delivery receipts out: none are asked for.
	NoReceipts bool
	// DLRListen is the address of the webhook listener: by default one of this host that
	// the target can reach, on a free port. DLRURL is what the target is told.
	DLRListen, DLRURL string
	// Forwarded says that somebody else listens at DLRURL and hands receipts over by Take.
	Forwarded bool

	CanaryTimeout time.Duration // how long a canary's receipt may take, 10 s by default

	Timeout  time.Duration // of one HTTP exchange or SMPP answer
	Header   []string      // added to every HTTP request
	TLS      *tls.Config   // for https and smpps
	Recorder *stats.Recorder
	Ledger   *stats.Ledger
	Clock    *load.Clock
	Logger   *slog.Logger
}

// reachableAddr is a free port on the address of this host that faces the target.
func reachableAddr(target string) string {
	conn, err := net.Dial("udp", target) // sends nothing: it only picks the route
	if err != nil {
		return ":0"
	}
	defer conn.Close()
	host, _, _ := net.SplitHostPort(conn.LocalAddr().String())
	return net.JoinHostPort(host, "0")
}

// MetricsURL is the target's Prometheus page.
func MetricsURL(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	u.Path, u.RawQuery, u.User = "/metrics", "", nil
	return u.String()
}
