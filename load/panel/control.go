package panel

import (
	"errors"
	"slices"
	"strings"
	"time"

	"protei-bulk/load/report"
	"protei-bulk/load/stats"
)

// Control is what the page may do. Its methods are called from many goroutines.
type Control interface {
	// Defaults are what the start form is filled with.
	Defaults() Form
	// Check says what is wrong with a form, as a [FormError], and which command would do the same.
	Check(Form) (command string, err error)
	// Start begins a run. A form that can not be run is a [FormError]; [ErrBusy] while another runs.
	Start(Form) error
	// Edit changes the run under way; [ErrIdle] when none is.
	Edit(Edit) error
	// Stop ends the users of the run under way and lets receipts drain; a second Stop ends the drain.
	Stop() error
	// Reset forgets the figures so far.
	Reset() error
	// Report is the last run as it stands, judged; nil before the first. whole asks for everything that a report
	// shows, instead of what a judgement needs.
	Report(whole bool) *report.Run
	// Classes are the user classes of the run, or of the command line before the first one.
	Classes() []Class
	// ClassNames are all that the scenario has.
	ClassNames() []string
	// Workers of the run; none when one process does it alone.
	Workers() []Worker
}

// What a Control answers when the state of the runs does not allow it.
var (
	ErrBusy = errors.New("a test is running: stop it first")
	ErrIdle = errors.New("no test is running")
)

// Form is the start form as it was filled in. Empty fields take what the command line says, or the default.
type Form struct {
	Users     string   `json:"user_count"`
	SpawnRate string   `json:"spawn_rate"`
	Host      string   `json:"host"`
	RunTime   string   `json:"run_time"`
	Rate      string   `json:"rate"`
	Shape     string   `json:"shape_class"`
	Profile   string   `json:"profile"`
	Classes   []string `json:"user_classes"` // none: all
	Set       []string `json:"set"`          // KEY=VALUE
	Targets   []string `json:"target"`       // NAME=LIMIT[:ACCEPTABLE]
}

// Edit changes a run under way; what is nil stays as it is.
type Edit struct {
	Users     *int
	SpawnRate *float64 // with Users: how many start or stop a second
	Rate      *string  // of the open model
}

// FormError says what is wrong, by the JSON name of the field; "" is about the form as a whole.
type FormError struct{ Fields map[string]string }

// Add notes a mistake; the first of a field stays.
func (e *FormError) Add(field string, err error) {
	if err == nil {
		return
	}
	if e.Fields == nil {
		e.Fields = map[string]string{}
	}
	if _, ok := e.Fields[field]; !ok {
		e.Fields[field] = err.Error()
	}
}

// Or is e when it has a mistake, otherwise nil.
func (e *FormError) Or() error {
	if len(e.Fields) == 0 {
		return nil
	}
	return e
}

func (e *FormError) Error() string {
	names := make([]string, 0, len(e.Fields))
	for name := range e.Fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		text := e.Fields[name]
		if name != "" {
			text = name + ": " + text
		}
		names[i] = text
	}
	return strings.Join(names, "; ")
}

// Class is a user class of the scenario.
type Class struct {
	Name       string  `json:"name"`
	Weight     int     `json:"weight"`
	FixedCount int     `json:"fixed_count"`
	Every      int     `json:"every"` // one user in so many
	Rate       string  `json:"rate"`  // of its own, "" = none
	Share      float64 `json:"share"` // of the users, 0..1
	Wait       string  `json:"wait"`
	Tasks      []Task  `json:"tasks"`
}

// Task of a class.
type Task struct {
	Name   string   `json:"name"`
	Weight int      `json:"weight"`
	Tags   []string `json:"tags"`
	Share  float64  `json:"share"` // of the class's iterations, 0..1
}

// Worker is one process of a run on many machines. Shares are 0..1; NaN is not measured.
type Worker struct {
	ID, Host    string
	State       string
	Users       int
	CPU         float64
	Memory      float64 // bytes
	RPS         float64
	ClockOffset time.Duration // its clock less the master's
	Note        string        // what is wrong with it, "" = nothing
}

// Figures are what a run has measured so far; [stats.Collector] is one.
type Figures interface {
	Points() []stats.Point
	Series(method, name string) ([]stats.EntryPoint, bool)
}

// Run is what the page is told when a run begins.
type Run struct {
	Started  time.Time
	Host     string
	Scenario string
	Shape    string
	Rate     string // of the open model
	Profile  string
	Command  string // that would do the same
	Users    int    // wanted
	Targets  []report.Target
	Figures  Figures
}
