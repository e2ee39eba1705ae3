package smpp

import (
	"net"
	"testing"
)

// TestIdleSessionIsSmall: ten thousand peers that connect and say nothing cost tens of megabytes, not
// hundreds. The buffers for the traffic of a bind come with it.
func TestIdleSessionIsSmall(t *testing.T) {
	const most = 4 << 10
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	r := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			newSession(near, SessionOptions{Window: 100}, true, hooks{})
		}
	})
	if got := r.AllocedBytesPerOp(); got == 0 || got > most {
		t.Errorf("a session without a bind has %d octets, want at most %d", got, most)
	}
}
