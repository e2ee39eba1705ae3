package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

type topOptions struct {
	interval time.Duration
	once     bool
}

func newTopCommand(env *environment) *cobra.Command {
	var o topOptions
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch a running platform: rates, latency, queues, connectors",
		Long: `Watch a running platform. Each interval shows what happened in it: messages accepted,
refused, sent and settled a second, the latency of REST and of the journal, and for each
connector its binds, what waits by priority, what is in flight and what the SMSC answered.
It reads /metrics, which needs no credentials. Ctrl-C ends it. Into a pipe or with --once it
prints without clearing the screen.`,
		Example: `  protei-bulk top
  protei-bulk top --url http://10.0.0.5:8080 --interval 5s
  protei-bulk top --once -o json`,
		Args: cobra.NoArgs,
	}
	c := addRESTFlags(cmd, env)
	cmd.Flags().DurationVar(&o.interval, "interval", time.Second, "`time` between two looks, 100 ms at least")
	cmd.Flags().BoolVar(&o.once, "once", false, "show one interval and end")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.interval < 100*time.Millisecond {
			return usageError("--interval %v is too short: 100ms at least", o.interval)
		}
		return runTop(cmd.Context(), c, o)
	}
	return cmd
}

// runTop shows an interval after another until ctx ends. A platform that does not answer is
// waited for, unless it never has.
func runTop(ctx context.Context, c *restClient, o topOptions) error {
	screen := &topScreen{out: c.env.Stdout}
	if f, ok := c.env.Stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) && !o.once && c.output != "json" {
		screen.terminal = f
	}
	before, err := readTop(ctx, c)
	if err != nil {
		return err
	}
	screen.open()
	defer screen.close()
	tick := time.NewTicker(o.interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		after, err := readTop(ctx, c)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && o.once:
			return err
		case err != nil:
			screen.show("", fmt.Sprintf("%s %s: %v\n", time.Now().Format(time.TimeOnly), c.url, cause(err)))
			continue
		}
		v := compareTop(before, after)
		before = after
		if c.output == "json" {
			if err := json.NewEncoder(c.env.Stdout).Encode(v); err != nil {
				return err
			}
		} else {
			screen.show(v.heading(c.url), v.text())
		}
		if o.once {
			return nil
		}
	}
}

// cause is an error without the exit code around it.
func cause(err error) error {
	if exit := (*exitError)(nil); errors.As(err, &exit) && exit.err != nil {
		return exit.err
	}
	return err
}

// topScreen shows one picture after another: on a terminal in its place.
type topScreen struct {
	out      io.Writer
	terminal *os.File
}

// The other screen of a terminal, so that what stood there before comes back; no cursor.
const (
	otherScreen = "\x1b[?1049h\x1b[?25l"
	ownScreen   = "\x1b[?25h\x1b[?1049l"
)

func (s *topScreen) open() {
	if s.terminal != nil {
		fmt.Fprint(s.terminal, otherScreen)
	}
}

func (s *topScreen) close() {
	if s.terminal != nil {
		fmt.Fprint(s.terminal, ownScreen)
	}
}

func (s *topScreen) show(heading, body string) {
	if s.terminal == nil {
		fmt.Fprint(s.out, heading, body, "\n")
		return
	}
	width, height, err := term.GetSize(int(s.terminal.Fd()))
	if err != nil {
		width, height = 80, 24
	}
	lines := strings.Split(strings.TrimRight(heading+body, "\n"), "\n")
	if len(lines) > height {
		lines = append(lines[:height-1], fmt.Sprintf("… %d more lines", len(lines)-height+1))
	}
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, line := range lines {
		if runes := []rune(line); len(runes) > width {
			line = string(runes[:width])
		}
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	fmt.Fprint(s.terminal, b.String())
}

func (v *topView) heading(url string) string {
	return fmt.Sprintf("protei-bulk %s  %s  up %s  %s\n\n", v.Version, url, (time.Duration(v.UptimeSeconds) * time.Second).String(), v.At.Format(time.TimeOnly))
}

// text is the picture below the heading.
func (v *topView) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "in        %s accepted/s, %s refused/s%s\n", rate(v.Accepted), rate(v.Refused), reason(v.RefusedMost))
	fmt.Fprintf(&b, "out       %s sent/s, %s receipts/s, %s webhook events/s, %s from mobiles/s\n", rate(v.Sent), rate(v.Receipts), rate(v.WebhookEvents), rate(v.Inbound))
	fmt.Fprintf(&b, "latency   POST p50 %s p95 %s p99 %s   journal p99 %s\n", latency(v.PostP50), latency(v.PostP95), latency(v.PostP99), latency(v.SyncP99))
	fmt.Fprintf(&b, "waiting   %s to be sent, %s in flight, %s webhook events, %s changes not in the database\n", count(v.Waiting), count(v.InFlight), count(v.WebhooksPending), count(v.Backlog))
	fmt.Fprintf(&b, "process   %.0f %% of %.0f cores, %.0f MiB of %.0f\n\n", 100*v.CPUShare, v.Cores, v.MemoryMiB, v.MemoryLimitMiB)
	if v.StoreFailed {
		b.WriteString("THE STORE HAS FAILED: nothing is accepted; look at the disk and at logs/system.log\n\n")
	}
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "CONNECTOR\tBINDS\tLOW\tNORMAL\tHIGH\tCRITICAL\tIN FLIGHT\tSENT/S\tFAILED/S\tTHROTTLED/S\tRECEIPTS/S\t")
	for _, c := range v.Connectors {
		fmt.Fprintf(w, "%s\t%.0f/%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", c.Name, c.Binds, c.BindsConfigured,
			count(c.Waiting["LOW"]), count(c.Waiting["NORMAL"]), count(c.Waiting["HIGH"]), count(c.Waiting["CRITICAL"]),
			count(c.InFlight), rate(c.Sent), rate(c.Failed), rate(c.Throttled), rate(c.Receipts))
	}
	_ = w.Flush() // into memory
	return b.String()
}

func reason(code string) string {
	if code == "" {
		return ""
	}
	return " (most: " + code + ")"
}

// rate shows a number a second: whole above 10, with commas.
func rate(n float64) string {
	if n > 0 && n < 10 {
		return fmt.Sprintf("%.1f", n)
	}
	return count(n)
}

// count shows a whole number with commas.
func count(n float64) string {
	text := fmt.Sprintf("%.0f", n)
	digits := strings.TrimPrefix(text, "-")
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if text[0] == '-' {
		return "-" + digits
	}
	return digits
}

// latency shows seconds; – when there was none.
func latency(s *float64) string {
	if s == nil {
		return "–"
	}
	return time.Duration(*s * float64(time.Second)).Round(100 * time.Microsecond).String()
}
