package load

import (
	"time"

	"protei-bulk/load/stats"
)

// Listener is told what happens in a run; what is nil is not called.
type Listener struct {
	// TestStart is called before the first user starts.
	TestStart func(*Engine)
	// SpawningComplete is called when as many users run as the shape goes up to, and the
	// rate has reached its peak; again after each SetUsers. On Run's goroutine.
	SpawningComplete func(users int)
	// Request is called for every request that is recorded, on the goroutine that records
	// it, many at once: it must be quick and safe for concurrent use.
	Request func(Request)
	// TestStop is called when users and receipts have come to their end.
	TestStop func(*Result)
	// Quitting is called last, when reports are written, and returns the exit code.
	Quitting func(code int) int
}

// Request is one finished request, as listeners see it.
type Request struct {
	Method, Name string
	User         *User         // its class and index; its other methods belong to the user
	At           time.Duration // of its end, since the start of the run
	stats.Sample
}

// Quit tells the listeners that the program is about to exit with code and returns the
// code that they leave.
func (e *Engine) Quit(code int) int {
	e.tell(func(l *Listener) {
		if l.Quitting != nil {
			code = l.Quitting(code)
		}
	})
	return code
}

func (e *Engine) tell(fn func(*Listener)) {
	for i := range e.opts.Listeners {
		fn(&e.opts.Listeners[i])
	}
}

func call[T any](fn func(T), arg T) {
	if fn != nil {
		fn(arg)
	}
}
