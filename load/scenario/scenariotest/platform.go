// Package scenariotest has a small working messaging platform for tests of the load
// tester: [Platform] takes messages over REST and SMPP, keeps their status, and returns
// receipts by webhook and deliver_sm, with the faults that a test asks for.
//
// Start starts its servers and one goroutine per receipt; Close ends and joins them.
package scenariotest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// Faults are what goes wrong. The zero value is a faultless platform.
type Faults struct {
	NoReceipts     bool   // accepts and delivers, but never says so
	KeepPending    bool   // accepts, and neither delivers nor says so
	LoseEvery      int    // every n-th message is delivered without a receipt
	DuplicateEvery int    // every n-th receipt comes twice
	FailEvery      int    // every n-th message is FAILED
	RejectEvery    int    // every n-th message is refused: 422, in a bulk by index
	ThrottleEvery  int    // every n-th message is throttled: 429, ESME_RTHROTTLED
	RefuseDLRURL   bool   // 422 to a dlr_url
	DropSMPPEvery  int    // every n-th submit_sm ends its session unanswered
	Status         int    // of every answer, when not 0
	WrongJSON      bool   // answers that are none
	UnknownRefs    bool   // receipts with a client_ref of somebody else
	APIKey         string // when not "", anything else is 401
}

// Platform is the platform.
type Platform struct {
	URL      string // of the REST API
	SMPPAddr string

	faults Faults
	web    *httptest.Server
	smpp   *smpp.Server
	served chan struct{}
	wg     sync.WaitGroup

	mu       sync.Mutex        // guards what follows
	statuses map[string]string // by message id
	next     int
	Calls    map[string]int // requests by "METHOD /path"
	Refs     map[string]int // messages taken by client_ref
}

// Start starts a platform that ends with the test.
func Start(t testing.TB, faults Faults) *Platform {
	t.Helper()
	p := &Platform{
		faults: faults, statuses: map[string]string{}, Calls: map[string]int{}, Refs: map[string]int{},
		served: make(chan struct{}),
	}
	p.web = httptest.NewServer(p)
	p.URL = p.web.URL
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.SMPPAddr = ln.Addr().String()
	p.smpp, err = smpp.NewServer(smpp.ServerOptions{
		SystemID: "platform", RefusalDelay: -1,
		Authenticate: func(_ context.Context, b smpp.BindInfo) (any, smpp.Status) {
			if b.SystemID != "dev" || b.Password != "devpass1" {
				return nil, smpp.RINVPASWD
			}
			return nil, smpp.ROK
		},
		Handler: smpp.HandlerFunc(p.submitSM),
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.served)
		_ = p.smpp.Serve(ln)
	}()
	t.Cleanup(p.Close)
	return p
}

// Close stops the platform.
func (p *Platform) Close() {
	p.web.CloseClientConnections()
	p.web.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = p.smpp.Shutdown(ctx)
	<-p.served
	p.wg.Wait()
	http.DefaultClient.CloseIdleConnections()
}

// Count is how often a call came, as "POST /api/v1/messages".
func (p *Platform) Count(call string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Calls[call]
}

// Messages is the number of messages taken, and of those that came more than once.
func (p *Platform) Messages() (taken, twice int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.Refs {
		taken++
		if n > 1 {
			twice++
		}
	}
	return taken, twice
}

type submission struct {
	From, To, Text string
	ClientRef      string       `json:"client_ref"`
	DLRURL         string       `json:"dlr_url"`
	Messages       []submission `json:"messages"`
}

func every(n, i int) bool { return n > 0 && i%n == 0 }

// ServeHTTP is the REST API.
func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if strings.HasPrefix(path, "/api/v1/messages/") && r.Method == http.MethodGet {
		path = "/api/v1/messages/[id]"
	}
	p.mu.Lock()
	p.Calls[r.Method+" "+path]++
	p.mu.Unlock()
	switch {
	case p.faults.APIKey != "" && r.Header.Get("X-API-Key") != p.faults.APIKey:
		problem(w, 401, "unauthorized", "no such API key")
	case p.faults.Status != 0:
		problem(w, p.faults.Status, "broken", "as asked")
	case p.faults.WrongJSON:
		w.WriteHeader(201)
		fmt.Fprint(w, "it works!")
	case r.Method+path == "POST/api/v1/messages":
		p.single(w, r)
	case r.Method+path == "POST/api/v1/messages/bulk":
		p.bulk(w, r)
	case r.Method+path == "GET/api/v1/messages/[id]":
		p.status(w, strings.TrimPrefix(r.URL.Path, "/api/v1/messages/"))
	case r.Method+path == "GET/api/v1/messages":
		fmt.Fprint(w, `{"messages":[],"page":1,"limit":20,"next_cursor":""}`)
	case r.Method+path == "POST/api/v1/campaigns":
		w.WriteHeader(201)
		fmt.Fprint(w, `{"campaign_id":"0000000000000001","status":"DRAFT"}`)
	default:
		problem(w, 404, "not_found", path)
	}
}

func problem(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "code": code, "detail": detail})
}

// errThrottled and errRejected say that a message was not taken.
var (
	errThrottled = errors.New("throttled")
	errRejected  = errors.New("rejected")
)

// take takes one message and sends its receipt in the background.
func (p *Platform) take(ref string, deliver func(id, status string)) (id string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	n := p.next
	switch {
	case every(p.faults.ThrottleEvery, n):
		return "", errThrottled
	case every(p.faults.RejectEvery, n):
		return "", errRejected
	}
	id = fmt.Sprintf("%016x", n)
	p.Refs[ref]++
	if p.faults.KeepPending {
		p.statuses[id] = "PENDING"
		return id, nil
	}
	status := "DELIVERED"
	if every(p.faults.FailEvery, n) {
		status = "FAILED"
	}
	p.statuses[id] = status
	if p.faults.NoReceipts || every(p.faults.LoseEvery, n) || deliver == nil {
		return id, nil
	}
	p.wg.Go(func() {
		deliver(id, status)
		if every(p.faults.DuplicateEvery, n) {
			deliver(id, status)
		}
	})
	return id, nil
}

// posting returns a delivery by webhook.
func (p *Platform) posting(url, ref string) func(id, status string) {
	if url == "" {
		return nil
	}
	if p.faults.UnknownRefs {
		ref = "somebody-else"
	}
	return func(id, status string) {
		body := fmt.Sprintf(`{"events":[{"message_id":%q,"client_ref":%q,"to":"1","status":"SENT","parts":1},
			{"message_id":%q,"client_ref":%q,"from":"a \"quoted\" one","status":%q,"nested":{"a":[1,2,{}]},"parts":1}]}`, id, ref, id, ref, status)
		resp, err := http.Post(url, "application/json", strings.NewReader(body))
		if err == nil {
			resp.Body.Close()
		}
	}
}

func (p *Platform) single(w http.ResponseWriter, r *http.Request) {
	var s submission
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil || s.To == "" || s.Text == "" || s.ClientRef == "" {
		problem(w, 400, "bad_json", fmt.Sprint(err))
		return
	}
	if p.faults.RefuseDLRURL && s.DLRURL != "" {
		problem(w, 422, "dlr_url_refused", "dlr_url is not allowed")
		return
	}
	id, err := p.take(s.ClientRef, p.posting(s.DLRURL, s.ClientRef))
	switch {
	case errors.Is(err, errThrottled):
		problem(w, 429, "throttled", "too fast")
	case errors.Is(err, errRejected):
		problem(w, 422, "invalid_number", "no such number")
	default:
		w.WriteHeader(201)
		fmt.Fprintf(w, `{"message_id":%q,"status":"PENDING","parts":1,"encoding":"GSM7","client_ref":%q}`, id, s.ClientRef)
	}
}

func (p *Platform) bulk(w http.ResponseWriter, r *http.Request) {
	var s submission
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil || len(s.Messages) == 0 {
		problem(w, 400, "bad_json", fmt.Sprint(err))
		return
	}
	ids, faults := []string{}, []map[string]any{}
	for i, m := range s.Messages {
		id, err := p.take(m.ClientRef, p.posting(s.DLRURL, m.ClientRef))
		if err != nil {
			faults = append(faults, map[string]any{"index": i, "code": err.Error(), "detail": "as asked"})
			continue
		}
		ids = append(ids, id)
	}
	w.WriteHeader(201)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"batch_id": "0000000000000001", "total": len(s.Messages), "accepted": len(ids), "rejected": len(faults),
		"message_ids": ids, "errors": faults,
	})
}

func (p *Platform) status(w http.ResponseWriter, id string) {
	p.mu.Lock()
	status := p.statuses[id]
	p.mu.Unlock()
	if status == "" {
		problem(w, 404, "not_found", "no such message")
		return
	}
	fmt.Fprintf(w, `{"message_id":%q,"status":%q}`, id, status)
}

// submitSM is the SMPP side.
func (p *Platform) submitSM(s *smpp.Session, r *smpp.Request) {
	sm, ok := r.PDU.(*smpp.SubmitSM)
	if !ok {
		_ = s.Respond(r.Seq, r.ID, smpp.RINVCMDID, nil)
		return
	}
	text := string(sm.ShortMessage)
	source, dest := bytes.Clone(sm.Source.Addr), bytes.Clone(sm.Dest.Addr)
	var deliver func(id, status string)
	if sm.RegisteredDelivery != 0 {
		deliver = func(id, status string) { p.receipt(s, source, dest, id, status) }
	}
	p.mu.Lock()
	p.Calls["SMPP submit_sm"]++
	drop := every(p.faults.DropSMPPEvery, p.Calls["SMPP submit_sm"])
	p.mu.Unlock()
	if drop {
		_ = s.Close()
		return
	}
	id, err := p.take(text, deliver)
	switch {
	case errors.Is(err, errThrottled):
		_ = s.Respond(r.Seq, r.ID, smpp.RTHROTTLED, nil)
	case errors.Is(err, errRejected):
		_ = s.Respond(r.Seq, r.ID, smpp.RINVDSTADR, nil)
	default:
		_ = s.Respond(r.Seq, r.ID, smpp.ROK, &smpp.SubmitSMResp{MessageID: []byte(id)})
	}
}

func (p *Platform) receipt(s *smpp.Session, source, dest []byte, id, status string) {
	stat := map[string]string{"DELIVERED": "DELIVRD", "FAILED": "UNDELIV"}[status]
	text := "id:" + id + " sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:" + stat + " err:000 text:" + strconv.Itoa(len(id))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, _, _ = s.Do(ctx, &smpp.DeliverSM{
		Source: smpp.Address{TON: 1, NPI: 1, Addr: dest}, Dest: smpp.Address{Addr: source},
		ESMClass: 0x04, ShortMessage: []byte(text),
	})
}
