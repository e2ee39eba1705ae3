package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/natefinch/lumberjack.v2"

	"protei-bulk/bulk"
	"protei-bulk/bulk/user"
	"protei-bulk/smsc"
)

// stopTimeout bounds an orderly end: what is not sent by then is in the store.
const stopTimeout = 30 * time.Second

// discardTimeout bounds the end of a platform whose parent has gone and whose folder is removed.
const discardTimeout = 5 * time.Second

type serveOptions struct {
	config       configFlags
	dev          bool
	readyFile    string
	parentDeath  bool
	removeOnExit string
	pprof        string
}

// serveReady is what serve writes into --ready-file.
type serveReady struct {
	HTTP string `json:"http"`
	SMPP string `json:"smpp"`
	// Pprof is the address of --pprof, empty without it.
	Pprof string `json:"pprof,omitempty"`
	PID   int    `json:"pid"`
}

func newServeCommand(env *environment) *cobra.Command {
	var opts serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the platform",
		Long: `Runs the messaging platform: REST on --http, SMPP for customers on --smpp, messages to the SMSC
of --upstream. Settings come from flags, then PROTEI_BULK_* variables, then the file of
--config, then defaults; "protei-bulk config print" shows them all.`,
		Example: `  protei-bulk serve --dev
        to try out: account dev, API key dev-api-key, an SMSC simulator behind it
  protei-bulk serve --data /var/lib/protei-bulk --http :8080 --smpp :2775 \
      --upstream smpp://me:secret@smsc.example.net:2775?binds=4
        a platform in front of an SMSC`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServe(cmd.Context(), env, cmd, &opts)
		},
	}
	opts.config.register(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&opts.dev, "dev", false, "for trying out, on loopback only: fixed credentials, simulator as SMSC")
	flags.StringVar(&opts.readyFile, "ready-file", "", "write the real addresses as JSON into `file` once listening")
	flags.BoolVar(&opts.parentDeath, "parent-death", false, "end when the process that started this one ends")
	flags.StringVar(&opts.removeOnExit, "remove-on-exit", "", "remove this `folder` at the end (used by demo)")
	flags.StringVar(&opts.pprof, "pprof", "", "serve Go's profiles on this loopback `address`")
	// For programs that start this one; docs/operations.md has the first two.
	for _, name := range []string{"ready-file", "parent-death", "remove-on-exit"} {
		_ = flags.MarkHidden(name)
	}
	return cmd
}

func runServe(ctx context.Context, env *environment, cmd *cobra.Command, opts *serveOptions) error {
	cfg, err := opts.config.load(env, cmd)
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	if opts.dev {
		if err := refuseBeyondLoopback(cfg); err != nil {
			return &exitError{code: 2, err: err}
		}
		cfg.Webhooks.Allow = append(cfg.Webhooks.Allow, "127.0.0.0/8", "::1/128")
	}
	if opts.parentDeath {
		var stop func()
		ctx, stop = dieWithParent(ctx)
		defer stop()
	}
	if opts.removeOnExit != "" {
		defer os.RemoveAll(opts.removeOnExit)
	}
	logger, level, closeLog, err := openLog(env.Stderr, cfg)
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	defer closeLog()
	return serve(ctx, env, cfg, opts, logger, level)
}

// serve runs the platform until ctx ends or its store fails.
func serve(ctx context.Context, env *environment, cfg bulk.Config, opts *serveOptions, logger *slog.Logger, level *slog.LevelVar) (err error) {
	if opts.dev && cfg.Upstream == "" {
		sim, err := startDevSimulator(logger)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, sim.Stop(context.WithoutCancel(ctx))) }()
		cfg.Upstream = "smpp://dev:dev@" + sim.Addr() + "?binds=2&window=500"
	}
	profiles := ""
	if opts.pprof != "" {
		at, stop, err := startPprof(opts.pprof)
		if err != nil {
			return &exitError{code: 2, err: err}
		}
		defer stop()
		profiles = at
	}
	platform, err := bulk.New(bulk.Options{Config: cfg, Dev: opts.dev, Version: version, Logger: logger, LogLevel: level})
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	if err := platform.Start(ctx); err != nil {
		if ctx.Err() != nil { // it was told to end while it waited for its store
			logger.Info("stopping", "reason", context.Cause(ctx))
			return nil
		}
		code := 2
		if errors.Is(err, syscall.ENOSPC) { // passes by itself: systemd tries again
			code = 1
		}
		return &exitError{code: code, err: err}
	}
	defer func() {
		timeout := stopTimeout + time.Duration(cfg.Drain)
		if opts.removeOnExit != "" && errors.Is(context.Cause(ctx), errParentGone) {
			timeout = discardTimeout
		}
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		err = errors.Join(err, platform.Stop(stopCtx))
	}()
	greet(env.Stdout, cfg, opts, platform)
	if opts.readyFile != "" {
		at := serveReady{HTTP: platform.HTTPAddr(), SMPP: platform.SMPPAddr(), Pprof: profiles, PID: os.Getpid()}
		if err := announceReady(opts.readyFile, at); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		logger.Info("stopping", "reason", context.Cause(ctx))
		return nil
	case err := <-platform.Failed():
		return &exitError{code: 1, err: fmt.Errorf("the store failed, nothing more is accepted: %w", err)}
	}
}

func startDevSimulator(logger *slog.Logger) (*smsc.Simulator, error) {
	sim, err := smsc.New(smsc.Options{Addr: "127.0.0.1:0", Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	if err := sim.Start(); err != nil {
		return nil, fmt.Errorf("start the simulator: %w", err)
	}
	return sim, nil
}

// greet tells the person at the terminal where the platform is and, on the first
// start of a store, the secrets that are shown this once.
func greet(w io.Writer, cfg bulk.Config, opts *serveOptions, p *bulk.Platform) {
	fmt.Fprintf(w, "protei-bulk %s serving\n  REST  http://%s and the console, http://%s/\n  SMPP  %s\n", version, p.HTTPAddr(), p.HTTPAddr(), cmp.Or(p.SMPPAddr(), "off"))
	if cfg.Shared() {
		fmt.Fprintf(w, "  node  %d of %s\n  data  %s (CDRs and logs)\n", p.Node(), cfg.Redacted().Store, cfg.Data)
	} else {
		fmt.Fprintf(w, "  data  %s (durability %s)\n", cfg.Data, cfg.Durability)
	}
	switch first := p.FirstSecrets(); {
	case opts.dev:
		fmt.Fprintf(w, "  development mode: account dev, API key dev-api-key, SMPP password devpass1\n")
		fmt.Fprintf(w, "  console: user dev, password %s\n", user.DevPassword)
	case first != nil:
		fmt.Fprintf(w, "\nFirst start: account %s was created. These secrets are shown this once:\n  API key        %s\n  SMPP password  %s\n\n",
			first.Account.Name, first.APIKey, first.Password)
	}
	if password := p.FirstPassword(); password != "" {
		fmt.Fprintf(w, "Console user %s was created. Its password is shown this once and has to be changed at the first sign-in:\n  password       %s\n\n",
			user.AdminName, password)
	}
	if cfg.Upstream == "" && !opts.dev {
		fmt.Fprintln(w, "  no --upstream: messages are refused until there is a connector (protei-bulk connector add)")
	}
}

// refuseBeyondLoopback keeps --dev, whose credentials everybody knows, on this machine.
func refuseBeyondLoopback(cfg bulk.Config) error {
	const why = "the credentials of --dev are public"
	err := loopbackOnly("--http", cfg.HTTP, why)
	if cfg.SMPP != "off" {
		err = errors.Join(err, loopbackOnly("--smpp", cfg.SMPP, why))
	}
	return err
}

// loopbackOnly refuses an address that other machines can reach.
func loopbackOnly(flag, addr, why string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s %q: %w", flag, addr, err)
	}
	ip, err := netip.ParseAddr(host)
	if host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s %s: %s, so it listens on loopback only, such as 127.0.0.1", flag, addr, why)
	}
	return nil
}

// openLog returns a logger that writes to stderr and to the rotated log file, and its level,
// which can be changed.
func openLog(stderr io.Writer, cfg bulk.Config) (*slog.Logger, *slog.LevelVar, func(), error) {
	level := new(slog.LevelVar)
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		return nil, nil, nil, fmt.Errorf("log.level: %w", err)
	}
	path := cfg.Log.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(cfg.Data, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, nil, nil, fmt.Errorf("make the log folder: %w", err)
	}
	file := &lumberjack.Logger{
		Filename: path, MaxSize: max(1, int(cfg.Log.MaxBytes>>20)), MaxBackups: cfg.Log.Keep, Compress: true,
	}
	logger := slog.New(slog.NewTextHandler(io.MultiWriter(file, stderr), &slog.HandlerOptions{Level: level}))
	return logger, level, func() { file.Close() }, nil
}
