package panel

import (
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"protei-bulk/internal/web"
	"protei-bulk/load/report"
	"protei-bulk/load/stats"
)

//go:embed assets
var assets embed.FS

// Options configure a [Page]. Control is required.
type Options struct {
	Control Control
	// BasePath stands before every path, as "/load"; "" is none.
	BasePath string
	// Token is asked from everybody; "" asks nobody, and takes only requests that name this host.
	Token string
	// Hosts are further names under which the page may be asked without a token.
	Hosts []string
	// Secure says that the page is served over TLS.
	Secure bool
	// Picker shows the choice of user classes.
	Picker bool
	// Distributed says that workers do the work.
	Distributed bool
	Version     string
	Scenario    string
	Logger      *slog.Logger
	// Now is the time; nil: time.Now.
	Now func() time.Time
}

// Page is the live web page; make it with [New].
type Page struct {
	opts    Options
	boot    string // tells one process from the next
	handler http.Handler
	files   http.Handler
	guard   *guard
	logs    logRing
	stream  stream

	mu       sync.Mutex
	state    State
	saying   string          // about the state, "" = nothing
	run      *run            // the current or last one
	past     []*pastRun      // guarded by mu: before it, the newest last
	live     stats.Live      // guarded by mu: after the last tick
	requests cached          // of /stats/requests
	verdict  *report.Verdict // guarded by mu: of the last run when it has ended
	judged   judgement       // guarded by mu
	workers  []Worker        // guarded by mu: after the last tick
}

// State of the page's test, in the words that the header uses.
type State string

// The states.
const (
	Ready    State = "ready"    // before the first test
	Starting State = "starting" // plan, connections, canary
	Spawning State = "spawning" // the load is changing
	Running  State = "running"
	Stopping State = "stopping" // users finish
	Draining State = "draining" // receipts still come
	Stopped  State = "stopped"
	Failed   State = "failed" // it could not be started
)

// busy says that a test is under way.
func (s State) busy() bool {
	switch s {
	case Starting, Spawning, Running, Stopping, Draining:
		return true
	}
	return false
}

// run is the current or last run with what the page adds.
type run struct {
	Run
	number  int
	markers []marker
	ended   time.Time
	seq     int // of the last tick
}

type marker struct {
	at   time.Time
	text string
}

// maxMarkers bounds the markers of a run.
const maxMarkers = 200

// New makes the page.
func New(opts Options) (*Page, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	opts.BasePath = strings.TrimRight(opts.BasePath, "/")
	if opts.BasePath != "" && !strings.HasPrefix(opts.BasePath, "/") {
		return nil, fmt.Errorf("base path %q: it must begin with /", opts.BasePath)
	}
	p := &Page{opts: opts, state: Ready, boot: strconv.FormatUint(rand.Uint64(), 36)}
	p.guard = newGuard(&p.opts)
	own, err := fs.Sub(assets, "assets")
	if err != nil {
		return nil, err
	}
	p.files, err = web.Handler(web.Assets(), own)
	if err != nil {
		return nil, err
	}
	p.handler = p.guard.wrap(p.routes())
	return p, nil
}

// ServeHTTP answers a request.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

func (p *Page) routes() http.Handler {
	files := p.files
	mux := http.NewServeMux()
	mux.Handle("GET /{file...}", files)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.URL.Path = "/index.html"
		files.ServeHTTP(w, r)
	})
	p.locustRoutes(mux)
	p.apiRoutes(mux)
	base := p.opts.BasePath
	if base == "" {
		return mux
	}
	outer := http.NewServeMux()
	outer.Handle(base+"/", http.StripPrefix(base, mux))
	outer.Handle("GET "+base, http.RedirectHandler(base+"/", http.StatusPermanentRedirect))
	outer.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "The page is at "+base+"/ (--web-base-path).", http.StatusNotFound)
	})
	return outer
}

// Say sets the state, with a sentence about it.
func (p *Page) Say(s State, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state, p.saying = s, text
	p.publish()
}

// Begin tells the page about a run that begins. What the run before it measured makes room; its charts are kept.
func (p *Page) Begin(r Run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	number := 1
	if p.run != nil {
		number = p.run.number + 1
		p.retire()
	}
	p.run = &run{Run: r, number: number}
	p.live, p.verdict = stats.Live{}, nil
	p.judged.forget()
	p.state, p.saying = Spawning, ""
	p.mark("Run #" + strconv.Itoa(number))
	p.publish()
}

// Tick takes the state of the run after a second.
func (p *Page) Tick(live stats.Live) {
	p.judge()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run == nil {
		return
	}
	p.live = live
	p.run.seq++
	if p.state == Spawning || p.state == Running {
		p.state = phaseState(live.Phase)
	}
	p.publish()
}

// phaseState is the state while users run; the drain is announced by Say.
func phaseState(ph stats.Phase) State {
	if ph == stats.PhaseSteady {
		return Running
	}
	return Spawning
}

// Mark puts an event on the time axis.
func (p *Page) Mark(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mark(text)
}

func (p *Page) mark(text string) {
	if p.run == nil || len(p.run.markers) >= maxMarkers {
		return
	}
	at := p.opts.Now()
	if len(p.run.markers) == 0 {
		at = p.run.Started
	}
	p.run.markers = append(p.run.markers, marker{at, text})
}

// End tells that the run is over and how it was judged; text says why it ended early, "" = as planned.
func (p *Page) End(v *report.Verdict, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state, p.saying, p.verdict = Stopped, text, v
	if p.run != nil {
		p.run.ended = p.opts.Now()
		p.mark("end")
	}
	p.judged.forget()
	p.publish()
}

// Log keeps a line for the Logs tab.
func (p *Page) Log(l LogLine) { p.logs.add(l) }
