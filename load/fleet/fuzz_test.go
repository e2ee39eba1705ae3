package fleet

import (
	"encoding/json"
	"testing"
)

// FuzzMessages reads what a master and a worker tell each other: no panic, not even when it is
// shown, and what can be read is the same when it is written and read again.
func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"worker":1,"run":2,"stage":7,"fault":"x","load":{},"cpu":1.5,"offset":-3,"resolved":{"a":1}}`))
	f.Add([]byte(`{"stage":99}`))
	f.Add([]byte(`{"version":1,"run":1,"stage":-1,"users":-5,"members":[1,1],"rate":{"stages":[{"At":1,"PerSecond":2}]},"quotas":{"1":2},"saved":["eA=="]}`))
	f.Add([]byte(`{"protocol":1,"version":"x","name":"w","cores":-1,"nonce":"n"}`))
	f.Add([]byte(`{"spec":{"a":1},"files":[{"name":"../x","size":-1,"hash":"zz"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var b beat
		if again(t, text, &b, new(beat)) {
			_ = b.Stage.String()
		}
		var p plan
		if again(t, text, &p, new(plan)) {
			_ = p.Stage.String()
			if at := p.member(1); at >= len(p.Members) {
				t.Fatalf("worker 1 is member %d of %v", at, p.Members)
			}
		}
		again(t, text, new(hello), new(hello))
		again(t, text, new(pong), new(pong))
		again(t, text, new(welcome), new(welcome))
		again(t, text, new(wireJob), new(wireJob))
		again(t, text, new([]stray), new([]stray))
		again(t, text, new(canaryAnswer), new(canaryAnswer))
	})
}

// again reads text into v, and what that is written as into w.
func again(t *testing.T, text []byte, v, w any) bool {
	t.Helper()
	if json.Unmarshal(text, v) != nil {
		return false
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%s as %T cannot be written again: %v", text, v, err)
	}
	if err := json.Unmarshal(out, w); err != nil {
		t.Fatalf("%s does not come back as %T: %v", out, v, err)
	}
	if second, err := json.Marshal(w); err != nil || string(second) != string(out) {
		t.Fatalf("%s as %T is %s, then %s, %v", text, v, out, second, err)
	}
	return true
}

// FuzzFiles asks for pieces of a job's files: never more than one piece, and nothing outside.
func FuzzFiles(f *testing.F) {
	f.Add("hash", 0)
	f.Add("hash", fileChunk)
	f.Add("hash", -1)
	f.Add("hash", int(^uint(0)>>1))
	f.Add("", 1)
	p := &parcel{bytes: map[string][]byte{"hash": make([]byte, fileChunk+10)}}
	f.Fuzz(func(t *testing.T, hash string, offset int) {
		b := p.chunk(fileAsk{Hash: hash, Offset: offset})
		if len(b) > fileChunk || hash != "hash" && len(b) > 0 {
			t.Fatalf("%d octets of %q from %d", len(b), hash, offset)
		}
	})
}

// FuzzFrame: worker and run stand in front of a report as they were put there.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("report"), uint32(1), uint32(2))
	f.Add([]byte(nil), ^uint32(0), uint32(0))
	f.Fuzz(func(t *testing.T, body []byte, worker, run uint32) {
		w, r, got, err := unframe(append(frame(nil, int(worker), run), body...))
		if err != nil || w != int(worker) || r != run || string(got) != string(body) {
			t.Fatalf("worker %d, run %d, %x became %d, %d, %x, %v", worker, run, body, w, r, got, err)
		}
		if _, _, _, err := unframe(body); (err == nil) != (len(body) >= 8) {
			t.Fatalf("%x: %v", body, err)
		}
	})
}
