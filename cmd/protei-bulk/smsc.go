package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"protei-bulk/smsc"
)

const (
	smscStateEvery = 10 * time.Second
	smscStop       = 5 * time.Second
)

type smscOptions struct {
	sim         smsc.Options
	readyFile   string
	readyFD     int
	parentDeath bool
	verbose     bool
	debug       bool
	cores       int
}

// smscReady is what smsc writes into --ready-file.
type smscReady struct {
	SMPP    string `json:"smpp"`
	Control string `json:"control"`
	PID     int    `json:"pid"`
}

func newSMSCCommand(env *environment) *cobra.Command {
	var opts smscOptions
	cmd := &cobra.Command{
		Use:   "smsc",
		Short: "Run the SMSC simulator",
		Long: `Simulates an SMSC: takes messages over SMPP 3.4, answers them, sends delivery receipts, and counts
what came once, twice or not at all. It accepts every system_id and password unless told
otherwise. Everything that it does to messages can also be changed while it runs:

  curl http://127.0.0.1:2777/counters
  curl http://127.0.0.1:2777/behaviour
  curl -X PATCH -d '{"latency":"5ms-50ms","errors":"RTHROTTLED=1%"}' http://127.0.0.1:2777/behaviour
  curl -d '["0123456789abcdef"]' http://127.0.0.1:2777/seen         which messages are missing
  curl -d '{"from":"79161234567","to":"1000","text":"hi"}' http://127.0.0.1:2777/mo
  curl -X POST http://127.0.0.1:2777/disconnect                     cut every bind
  curl -X POST http://127.0.0.1:2777/reset                          counters to zero`,
		Example: `  protei-bulk smsc
        SMPP on 127.0.0.1:2776, control on http://127.0.0.1:2777
  protei-bulk smsc --latency 20ms --receipt-delay 1s-5s --receipts UNDELIV=2%,EXPIRED=1%
        a network as it often is
  protei-bulk smsc --errors RTHROTTLED=1%,RSYSERR=0.5% --tps 500 --disconnect-after 10000
        an SMSC on a bad day
  protei-bulk smsc --id-format hex --receipt-id-format dec --receipts-before-response 10%
        an SMSC with its own idea of SMPP`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runSMSC(cmd.Context(), env, &opts)
		},
	}
	opts.register(cmd)
	return cmd
}

func (o *smscOptions) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.sim.Addr, "listen", "127.0.0.1:2776", "SMPP listen `address`")
	flags.StringVar(&o.sim.ControlAddr, "control", "127.0.0.1:2777", "listen `address` of control and counters (HTTP), or off")
	flags.StringVar(&o.sim.SystemID, "system-id", "", "`system_id` that a bind must present; empty: any")
	flags.StringVar(&o.sim.Password, "password", "", "`password` that a bind must present; empty: any")
	for _, field := range smsc.Fields() {
		name := strings.ReplaceAll(field.Name, "_", "-")
		flags.Var(&behaviourFlag{field: field, behaviour: &o.sim.Behaviour}, name, field.Doc)
		if field.Kind == "bool" {
			flags.Lookup(name).NoOptDefVal = "true"
		}
	}
	flags.IntVar(&o.sim.Window, "window", 0, "unanswered submits of a bind before it is not read any more (10000 by default; a small one is a slow SMSC)")
	flags.IntVar(&o.sim.ReceiptWindow, "receipt-window", 0, "unanswered receipts of a bind (500 by default)")
	flags.DurationVar(&o.sim.ReceiptTimeout, "receipt-timeout", 0, "wait for the answer to a receipt before it is sent again (10s by default)")
	flags.DurationVar(&o.sim.RetryDelay, "retry-delay", 0, "wait before a receipt that was put off is sent again, doubling to 30s (1s by default)")
	flags.DurationVar(&o.sim.ReceiptTTL, "receipt-ttl", 0, "how long receipts are kept while nobody takes them (1h by default)")
	flags.IntVar(&o.sim.MaxPending, "max-pending", 0, "messages that wait for answer or receipt before RMSGQFUL (1000000 by default, 120 bytes each)")
	flags.IntVar(&o.sim.MaxTracked, "max-tracked", 0, "messages remembered to find duplicates (50000000 by default, 10-19 bytes each)")
	flags.IntVar(&o.cores, "cores", 1, "`cores` to use at most; one takes several 100,000 messages/s and wastes less on hand-overs")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "print a state line every 10 s (always on a terminal)")
	flags.BoolVar(&o.debug, "debug", false, "log binds and faults")
	flags.StringVar(&o.readyFile, "ready-file", "", "write the real addresses as JSON into `file` once listening")
	flags.IntVar(&o.readyFD, "ready-fd", 0, "write the same line to the open file descriptor `n`")
	flags.BoolVar(&o.parentDeath, "parent-death", false, "end when the process that started this one ends")
}

// behaviourFlag is one setting of the behaviour as a flag.
type behaviourFlag struct {
	field     smsc.Field
	behaviour *smsc.Behaviour
}

func (f *behaviourFlag) String() string { return "" } // the zero value needs no default in help

func (f *behaviourFlag) Set(text string) error { return f.field.Set(f.behaviour, text) }

func (f *behaviourFlag) Type() string { return f.field.Kind }

func runSMSC(ctx context.Context, env *environment, opts *smscOptions) (err error) {
	if opts.parentDeath {
		var stop func()
		ctx, stop = dieWithParent(ctx)
		defer stop()
	}
	if opts.sim.ControlAddr == "off" {
		opts.sim.ControlAddr = ""
	}
	if opts.cores < 1 {
		return usageError("--cores %d: at least 1", opts.cores)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(opts.cores))
	level := slog.LevelWarn
	if opts.debug {
		level = slog.LevelDebug
	}
	opts.sim.Logger = slog.New(slog.NewTextHandler(env.Stderr, &slog.HandlerOptions{Level: level}))
	sim, err := smsc.New(opts.sim)
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	if err := sim.Start(); err != nil {
		return &exitError{code: 2, err: err}
	}
	defer func() {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), smscStop)
		defer cancel()
		if stopErr := sim.Stop(stopCtx); err == nil {
			err = stopErr
		}
	}()
	fmt.Fprintf(env.Stdout, "protei-bulk %s SMSC simulator: SMPP %s, %s\n", version, sim.Addr(), controlText(sim))
	if err := opts.announce(sim); err != nil {
		return err
	}
	watchSMSC(ctx, env.Stdout, sim, opts.verbose || onTerminal(env.Stdout))
	c := sim.Counters()
	fmt.Fprintf(env.Stdout, "stopped: %d submits, %d messages, %d duplicates, %d receipts acknowledged, %d pending\n",
		c.Submits, c.Unique, c.Duplicates, c.Receipts.Acked, c.Receipts.Pending)
	return nil
}

func controlText(sim *smsc.Simulator) string {
	if sim.ControlAddr() == "" {
		return "no control port"
	}
	return "control http://" + sim.ControlAddr()
}

// announce tells whoever asked where the simulator listens.
func (o *smscOptions) announce(sim *smsc.Simulator) error {
	at := smscReady{SMPP: sim.Addr(), Control: sim.ControlAddr(), PID: os.Getpid()}
	if o.readyFD > 0 {
		if err := announceTo(o.readyFD, at); err != nil {
			return err
		}
	}
	if o.readyFile == "" {
		return nil
	}
	return announceReady(o.readyFile, at)
}

// watchSMSC waits for the end of ctx and prints a state line now and then.
func watchSMSC(ctx context.Context, out io.Writer, sim *smsc.Simulator, print bool) {
	tick := time.NewTicker(smscStateEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !print {
			continue
		}
		c := sim.Counters()
		fmt.Fprintf(out, "%s  binds %d  submits %d (%.0f/s)  messages %d  duplicates %d  receipts %d (%.0f/s)  pending %d\n",
			time.Now().Format(time.TimeOnly), c.Binds.Current, c.Submits, c.Rates.Submits10, c.Unique, c.Duplicates,
			c.Receipts.Acked, c.Rates.Receipts10, c.Receipts.Pending)
	}
}

func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
