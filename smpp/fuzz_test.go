package smpp_test

import (
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"protei-bulk/smpp"
	"protei-bulk/smpp/smpptest"
)

// FuzzPDU: what decodes encodes again, and comes back the same.
func FuzzPDU(f *testing.F) {
	for _, p := range samples() {
		f.Add(uint32(p.CommandID()), encodeBody(f, p))
	}
	f.Fuzz(func(t *testing.T, id uint32, body []byte) {
		if smpp.NewPDU(smpp.CommandID(id)) == nil || len(body) > smpp.DefaultMaxPDU {
			return
		}
		decodeAnything(t, smpp.CommandID(id), body)
	})
}

// FuzzStream: any octets on the port cost a connection at most, and answers no longer than
// the questions allow.
func FuzzStream(f *testing.F) {
	bind := smpptest.Encode(f, smpp.Header{Seq: 1}, &smpp.BindReq{SystemID: []byte("esme"), InterfaceVersion: 0x34})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(bind)
	for _, p := range samples() {
		f.Add(append(append([]byte(nil), bind...), encode(f, p)...))
	}
	srv := newStreamServer(f)
	f.Fuzz(func(t *testing.T, stream []byte) { srv.feed(t, stream) })
}

// TestRandomStreams is item 63's random streams, a number of them that a test run can
// afford; the fuzz target takes it further.
func TestRandomStreams(t *testing.T) {
	t.Run("item 63: random streams", func(t *testing.T) {
		srv := newStreamServer(t)
		rnd := rand.New(rand.NewPCG(1, 2))
		var pdus [][]byte
		for _, p := range samples() {
			pdus = append(pdus, encode(t, p))
		}
		n := 3000
		if testing.Short() {
			n = 300
		}
		for range n {
			var stream []byte
			for range 1 + rnd.IntN(6) {
				stream = append(stream, pdus[rnd.IntN(len(pdus))]...)
			}
			for range rnd.IntN(8) {
				stream[rnd.IntN(len(stream))] = byte(rnd.Uint32())
			}
			srv.feed(t, stream[:rnd.IntN(len(stream)+1)])
		}
	})
}

// streamServer is a server that takes raw streams.
type streamServer struct{ ln *smpptest.Listener }

func newStreamServer(t testing.TB) streamServer {
	ln := smpptest.Listen()
	serveOn(t, smpp.ServerOptions{Handler: accepting, Session: smpp.SessionOptions{EnquireLink: -1}}, ln)
	return streamServer{ln}
}

// feed sends stream, hangs up, and requires that the server lets go of the connection.
func (s streamServer) feed(t *testing.T, stream []byte) {
	t.Helper()
	conn, err := s.ln.Dial()
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(io.Discard, conn)
		answers <- n
	}()
	conn.SetWriteDeadline(time.Now().Add(smpptest.Patience))
	conn.Write(stream) // fails when the server has hung up, as it may
	conn.Close()
	select {
	case n := <-answers:
		if most := int64(len(stream))*3 + 256; n > most {
			t.Fatalf("%d octets were answered to %d", n, len(stream))
		}
	case <-time.After(smpptest.Patience):
		t.Fatal("the connection is still open")
	}
}
