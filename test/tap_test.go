package test

import (
	be "encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"protei-bulk/bulk/dispatch"
	"protei-bulk/smpp"
)

// tap stands between the platform and an SMSC. It remembers what the SMSC was given, however
// often that is killed, and does to the link what an SMSC of good manners would not.
type tap struct {
	t    *testing.T
	addr string // where the platform binds
	far  string // of the SMSC
	hold sync.RWMutex
	seqs atomic.Uint32 // of deliver_sm that the tap makes

	mu    sync.Mutex
	links map[*tapLink]bool // guarded by mu
	given map[string]*given // by the platform's id and part; guarded by mu
}

// given counts the copies of one part that the SMSC has taken, or may have: it never answered.
type given struct{ plain, marked int }

// tapLink is one connection of the platform, and its continuation to the SMSC.
type tapLink struct {
	near, far net.Conn

	write sync.Mutex // of whole PDUs to near
	mute  bool       // nothing more is written; guarded by write

	mu   sync.Mutex
	open map[uint32]copyOf // submit_sm without an answer, by sequence number; guarded by mu
	last []byte            // receipt, as it came; guarded by mu
}

type copyOf struct {
	trace  string
	marked bool
}

// madeHere is set in the sequence numbers of what the tap makes: the SMSC does not hear the answers.
const madeHere = 1 << 30

func newTap(t *testing.T, far string) *tap {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{t: t, addr: ln.Addr().String(), far: far, links: map[*tapLink]bool{}, given: map[string]*given{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.carry(conn) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		p.cut()
		all.Wait()
	})
	return p
}

// carry lives as long as the platform's connection.
func (p *tap) carry(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", p.far)
	if err != nil {
		return
	}
	l := &tapLink{near: near, far: far, open: map[uint32]copyOf{}}
	p.mu.Lock()
	p.links[l] = true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pump(near, l.up); l.end() })
	both.Go(func() { p.pump(far, func(b []byte) error { return p.down(l, b) }); l.end() })
	both.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.open {
		p.take(c)
	}
}

func (l *tapLink) end() {
	l.near.Close()
	l.far.Close()
}

// pump reads PDU by PDU.
func (p *tap) pump(from net.Conn, f func([]byte) error) {
	for {
		var head [4]byte
		if _, err := io.ReadFull(from, head[:]); err != nil {
			return
		}
		size := be.BigEndian.Uint32(head[:])
		if size < 16 || size > 1<<20 {
			p.t.Errorf("a PDU of %d octets came to the tap", size)
			return
		}
		b := append(head[:], make([]byte, size-4)...)
		if _, err := io.ReadFull(from, b[4:]); err != nil {
			return
		}
		p.hold.RLock()
		err := f(b)
		p.hold.RUnlock()
		if err != nil {
			return
		}
	}
}

// up carries a PDU to the SMSC.
func (l *tapLink) up(b []byte) error {
	h := smpp.ParseHeader(b)
	if h.ID == smpp.CmdDeliverSMResp && h.Seq&madeHere != 0 {
		return nil
	}
	if h.ID == smpp.CmdSubmitSM {
		_, p, err := smpp.Decode(b)
		if err != nil {
			return fmt.Errorf("the platform sends a submit_sm that cannot be read: %w", err)
		}
		tlvs := p.(*smpp.SubmitSM).TLVs
		trace, _ := tlvs.Find(dispatch.TagTrace)
		_, marked := tlvs.Find(dispatch.TagDuplicate)
		l.mu.Lock()
		l.open[h.Seq] = copyOf{string(trace), marked}
		l.mu.Unlock()
	}
	_, err := l.far.Write(b)
	return err
}

// down carries a PDU to the platform.
func (p *tap) down(l *tapLink, b []byte) error {
	switch h := smpp.ParseHeader(b); h.ID {
	case smpp.CmdSubmitSMResp:
		l.mu.Lock()
		c, ok := l.open[h.Seq]
		delete(l.open, h.Seq)
		l.mu.Unlock()
		if ok && h.Status == smpp.ROK {
			p.take(c)
		}
	case smpp.CmdDeliverSM:
		l.mu.Lock()
		l.last = b
		l.mu.Unlock()
	}
	return l.say(b)
}

func (l *tapLink) say(b []byte) error {
	l.write.Lock()
	defer l.write.Unlock()
	if l.mute {
		return nil
	}
	_, err := l.near.Write(b)
	return err
}

func (p *tap) take(c copyOf) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.given[c.trace]
	if g == nil {
		g = &given{}
		p.given[c.trace] = g
	}
	if c.marked {
		g.marked++
	} else {
		g.plain++
	}
}

func (p *tap) each(f func(*tapLink)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		f(l)
	}
}

// cut ends all connections.
func (p *tap) cut() { p.each((*tapLink).end) }

// garbage writes random octets to the platform, whose length field is far too long.
func (p *tap) garbage(random *rand.Rand) {
	b := make([]byte, 64+random.IntN(2000))
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	b[0] = 0x7f
	p.each(func(l *tapLink) { _ = l.say(b) }) // whether the platform listens is its affair
}

// half writes the first part of a PDU, and nothing after it.
func (p *tap) half(random *rand.Rand) {
	whole := pdu(uint32(smpp.CmdDeliverSM), 0, madeHere|p.seqs.Add(1), make([]byte, 120))
	p.each(func(l *tapLink) {
		l.write.Lock()
		defer l.write.Unlock()
		l.mute = true
		_, _ = l.near.Write(whole[:1+random.IntN(len(whole)-1)])
	})
}

// again repeats the last receipt of each link, with sequence numbers of its own.
func (p *tap) again() {
	p.each(func(l *tapLink) {
		l.mu.Lock()
		b := append([]byte(nil), l.last...)
		l.mu.Unlock()
		if len(b) > 0 {
			be.BigEndian.PutUint32(b[12:], madeHere|p.seqs.Add(1))
			_ = l.say(b)
		}
	})
}

// seen returns the parts that the SMSC was given, how many copies there were beyond one of each, and
// how many of these were not marked as a possible duplicate.
func (p *tap) seen() (ids map[string]bool, again, unmarked int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids = make(map[string]bool, len(p.given))
	for trace, g := range p.given {
		id, _, _ := strings.Cut(trace, "/")
		ids[id] = true
		again += g.plain + g.marked - 1
		unmarked += max(0, g.plain-1)
	}
	return ids, again, unmarked
}
