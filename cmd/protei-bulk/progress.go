package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress shows on a terminal how much has passed, at most five times a second; elsewhere it
// is silent. It is an io.Writer for io.TeeReader.
type progress struct {
	out   *os.File // nil: silent
	what  string
	bytes int64
	began time.Time
	shown time.Time
	once  sync.Once
}

func newProgress(env *environment, what string) *progress {
	p := &progress{what: what, began: time.Now()}
	if f, ok := env.Stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.out = f
	}
	return p
}

func (p *progress) Write(b []byte) (int, error) {
	p.bytes += int64(len(b))
	if now := time.Now(); p.out != nil && now.Sub(p.shown) > 200*time.Millisecond {
		p.shown = now
		fmt.Fprintf(p.out, "\r%s: %s, %.0f s \x1b[K", p.what, megabytes(p.bytes), now.Sub(p.began).Seconds())
	}
	return len(b), nil
}

// end takes the line away.
func (p *progress) end() {
	p.once.Do(func() {
		if p.out != nil && !p.shown.IsZero() {
			fmt.Fprint(p.out, "\r\x1b[K")
		}
	})
}
