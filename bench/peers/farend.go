package main

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/smpp"
)

// numbers counts how often each message has been seen.
type numbers struct {
	mu   sync.Mutex
	seen map[uint64]int // guarded by mu
	all  int            // guarded by mu
}

func (n *numbers) add(message uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen[message]++
	n.all++
}

func (n *numbers) total() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all
}

// missingIn counts the messages that there did not see, and those it saw more than once.
func (n *numbers) missingIn(there *numbers) (missing, twice int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	there.mu.Lock()
	defer there.mu.Unlock()
	for message := range n.seen {
		switch there.seen[message] {
		case 0:
			missing++
		case 1:
		default:
			twice++
		}
	}
	return missing, twice
}

// farEnd is an SMSC that knows each message by the number in its recipient, which Kannel's
// messages have nowhere else.
type farEnd struct {
	addr   string
	server *smpp.Server
	seen   *numbers
	ids    atomic.Uint64
}

func newFarEnd() (*farEnd, error) {
	f := &farEnd{seen: &numbers{seen: map[uint64]int{}}}
	var err error
	f.server, err = smpp.NewServer(smpp.ServerOptions{
		SystemID: "far", RefusalDelay: -1, Handler: smpp.HandlerFunc(f.take), Session: smpp.SessionOptions{Window: 100},
	})
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f.addr = ln.Addr().String()
	go func() { _ = f.server.Serve(ln) }()
	return f, nil
}

func (f *farEnd) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = f.server.Shutdown(ctx)
}

func (f *farEnd) take(s *smpp.Session, r *smpp.Request) {
	p, ok := r.PDU.(*smpp.SubmitSM)
	if !ok {
		_ = s.Respond(r.Seq, r.ID, smpp.RINVCMDID, nil)
		return
	}
	digits := strings.TrimPrefix(string(p.Dest.Addr), "+")
	if n, err := strconv.ParseUint(strings.TrimPrefix(digits, "15"), 10, 64); err == nil {
		f.seen.add(n - 1_000_000_000)
	}
	id := strconv.AppendUint(nil, f.ids.Add(1), 16)
	_ = s.Respond(r.Seq, r.ID, smpp.ROK, &smpp.SubmitSMResp{MessageID: id})
}
