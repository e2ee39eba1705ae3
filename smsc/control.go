package smsc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// controlServer is the HTTP port.
type controlServer struct {
	listener net.Listener
	server   *http.Server
	wg       sync.WaitGroup
}

func startControl(s *Simulator, addr string) (*controlServer, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &controlServer{listener: ln, server: &http.Server{
		Handler: s.Control(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: time.Minute,
	}}
	c.wg.Go(func() {
		if err := c.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("smsc control: listener ended", "error", err)
		}
	})
	return c, nil
}

func (c *controlServer) stop(ctx context.Context) {
	if c.server.Shutdown(ctx) != nil {
		c.server.Close()
	}
	c.wg.Wait()
}

// Bounds of request bodies.
const (
	maxBehaviourBytes = 64 << 10
	maxSeenBytes      = 256 << 20
	maxListed         = 1000
)

// Control returns the HTTP handler of the control port:
//
//	GET   /health       {"status":"healthy"}
//	GET   /counters     Counters
//	GET   /metrics      the same for Prometheus
//	GET   /behaviour    Behaviour
//	PATCH /behaviour    {"latency":"5ms-50ms"}: changes what it names
//	GET   /seen?id=…    {"id","times"}: how often a message was accepted
//	POST  /seen         ["id",…] or {"ids":["id",…]}: which are missing, which came more than once
//	POST  /mo           {"from","to","text"}: a mobile-originated message
//	POST  /disconnect   ?system_id=…: cut binds without unbind
//	POST  /reset        forget messages, zero counters, drop waiting receipts
func (s *Simulator) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]any{"status": "healthy", "smpp": s.Addr()})
	})
	mux.HandleFunc("GET /counters", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.Counters()) })
	mux.HandleFunc("GET /metrics", s.serveMetrics)
	mux.HandleFunc("GET /behaviour", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.Behaviour()) })
	mux.HandleFunc("PATCH /behaviour", s.servePatch)
	mux.HandleFunc("GET /seen", s.serveSeen)
	mux.HandleFunc("POST /seen", s.serveSeenList)
	mux.HandleFunc("POST /mo", s.serveMO)
	mux.HandleFunc("POST /outbind", s.serveOutbind)
	mux.HandleFunc("POST /disconnect", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusOK, map[string]int{"disconnected": s.Disconnect(r.URL.Query().Get("system_id"))})
	})
	mux.HandleFunc("POST /reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		reply(w, http.StatusOK, s.Counters())
	})
	return mux
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	_ = out.Encode(v) // an error: the client is gone
}

// refusal is the body of an error answer.
type refusal struct {
	Detail string       `json:"detail"`
	Errors []FieldError `json:"errors,omitempty"`
}

func refuse(w http.ResponseWriter, status int, err error) {
	body := refusal{Detail: err.Error()}
	for _, e := range split(err) {
		var f *FieldError
		if errors.As(e, &f) {
			body.Errors = append(body.Errors, *f)
		}
	}
	reply(w, status, body)
}

// split returns the errors that a join holds.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// body reads a bounded request body; on error the answer has been sent.
func body(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, bool) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		return text, true
	}
	status := http.StatusBadRequest
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		status = http.StatusRequestEntityTooLarge
	}
	refuse(w, status, fmt.Errorf("read the body: %w", err))
	return nil, false
}

func (s *Simulator) servePatch(w http.ResponseWriter, r *http.Request) {
	text, ok := body(w, r, maxBehaviourBytes)
	if !ok {
		return
	}
	b, err := s.PatchBehaviour(text)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	s.log.Info("smsc: behaviour changed", "patch", string(text))
	reply(w, http.StatusOK, b)
}

// SeenCount says how often a message was accepted.
type SeenCount struct {
	ID    string `json:"id"`
	Times int    `json:"times"`
}

func (s *Simulator) serveSeen(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	if id == "" {
		refuse(w, http.StatusBadRequest, &FieldError{"id", "is missing: GET /seen?id=0123456789abcdef/1"})
		return
	}
	reply(w, http.StatusOK, SeenCount{id, s.Seen(id)})
}

// SeenReport is the answer to a list of ids. Missing and Duplicated name the first 1,000.
type SeenReport struct {
	Asked           int         `json:"asked"`
	Seen            int         `json:"seen"`
	MissingTotal    int         `json:"missing_total"`
	DuplicatedTotal int         `json:"duplicated_total"`
	Missing         []string    `json:"missing"`
	Duplicated      []SeenCount `json:"duplicated"`
}

// SeenAll looks a list of ids up: what is missing was lost on its way here.
func (s *Simulator) SeenAll(ids []string) SeenReport {
	r := SeenReport{Asked: len(ids), Missing: []string{}, Duplicated: []SeenCount{}}
	for _, id := range ids {
		n := s.Seen(id)
		if n > 0 {
			r.Seen++
		}
		switch {
		case n == 0:
			r.MissingTotal++
			if len(r.Missing) < maxListed {
				r.Missing = append(r.Missing, id)
			}
		case n > 1:
			r.DuplicatedTotal++
			if len(r.Duplicated) < maxListed {
				r.Duplicated = append(r.Duplicated, SeenCount{id, n})
			}
		}
	}
	return r
}

func (s *Simulator) serveSeenList(w http.ResponseWriter, r *http.Request) {
	text, ok := body(w, r, maxSeenBytes)
	if !ok {
		return
	}
	ids, err := parseIDs(text)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	reply(w, http.StatusOK, s.SeenAll(ids))
}

// parseIDs reads ["id",…] or {"ids":["id",…]}.
func parseIDs(text []byte) (ids []string, err error) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		var list struct {
			IDs *[]string `json:"ids"`
		}
		in := json.NewDecoder(bytes.NewReader(trimmed))
		in.DisallowUnknownFields()
		if err = in.Decode(&list); err == nil && list.IDs != nil {
			return *list.IDs, nil
		}
		if err == nil {
			err = errors.New("ids is missing")
		}
	} else {
		err = json.Unmarshal(text, &ids)
	}
	if err != nil {
		return nil, fmt.Errorf(`body is not a JSON array of ids such as ["0123456789abcdef"], nor {"ids":[…]}: %w`, err)
	}
	return ids, nil
}
