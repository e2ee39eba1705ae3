package store

import (
	"testing"

	"protei-bulk/bulk/journal"
	"protei-bulk/bulk/message"
)

// TestTornRequestIsForgotten replays what a crash left of a group: a request whose answer
// and messages are not all there was never accepted, whatever comes after it.
func TestTornRequestIsForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		came  int  // messages of the request that the journal has
		after bool // another message follows
		want  bool
	}{
		"nothing of it":            {0, false, false},
		"a part":                   {2, false, false},
		"a part, and then another": {2, true, false},
		"all":                      {3, false, true},
		"all, and then another":    {3, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := OpenEmbedded(Options{Dir: t.TempDir(), MinFreeDisk: -1})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Stop(t.Context())
			r := replayer{e: e, applier: applier{e: e, page: page{books: &e.books}, meter: meter{usages: &e.usages}, replay: true}}
			feed := func(kind byte, add func(*journal.Group)) {
				if err := r.record(journal.Pos{}, kind, payloadOf(add)); err != nil {
					t.Fatal(err)
				}
			}
			accept := func(id, batch message.ID) {
				m := fullMessage()
				m.ID, m.Batch, m.Account, m.Status, m.Store = id, batch, 7, message.Sent, message.Bookkeeping{}
				feed(recordAccept, func(g *journal.Group) { addEvent(g, &message.Event{Kind: message.Accept, Msg: m}) })
			}
			st := stamp{n: 3, first: 100, batch: 90, answer: &message.Answer{Account: 7, Key: [32]byte{1}, Status: 201}}
			feed(recordIdempotency, func(g *journal.Group) { addAnswer(g, &st) })
			for i := range c.came {
				accept(message.ID(100+i), 90)
			}
			if c.after {
				accept(200, 190)
			}
			r.drop()
			if got := e.answers.find(answerKey{7, [32]byte{1}}) != nil; got != c.want {
				t.Errorf("the answer is there: %v", got)
			}
			for i := range c.came {
				if got := e.live.find(message.ID(100+i)) != nil; got != c.want {
					t.Errorf("message %d is there: %v", i, got)
				}
			}
			if got := e.live.find(200) != nil; got != c.after {
				t.Errorf("the other message is there: %v", got)
			}
			if !c.want && c.came > 0 && e.dropped != message.ID(99+c.came) {
				t.Errorf("the highest id forgotten is %d", e.dropped)
			}
		})
	}
}
