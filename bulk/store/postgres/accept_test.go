package postgres

import (
	"errors"
	"testing"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// TestLateCommitIsCounted: a transaction whose commit was not answered has happened, which is learnt only
// after its request was refused. Its messages are sent, so they are counted; those that are not there are not.
func TestLateCommitIsCounted(t *testing.T) {
	n := open(t, database(t), 1)
	there, missing := n.make(3, 1), n.make(5, 1)
	n.accept(there)
	for _, msgs := range [][]*message.Message{missing, there} {
		a := &accepting{s: n.Store, w: &writer{s: n.Store}, list: []*request{{msgs: msgs}}, pages: make(pages)}
		for _, m := range msgs {
			a.pages.of(m).accepted++
		}
		if err := a.learn(errUnanswered, 0); !errors.Is(err, errUnanswered) {
			t.Errorf("the request ends with %v", err)
		}
	}
	n.until("the late ones are counted", func() bool { return n.Accepted()[7] == 6 })
	if err := (&accepting{s: n.Store, w: &writer{s: n.Store}, list: []*request{{msgs: there}}}).learn(errUnanswered, acceptPatience); err != nil {
		t.Errorf("a commit that is found at once: %v", err)
	}
	if err := (&accepting{s: n.Store, w: &writer{s: n.Store}, list: []*request{{msgs: missing}}}).learn(store.ErrBusy, acceptPatience); !errors.Is(err, store.ErrBusy) {
		t.Errorf("one that did not happen: %v", err)
	}
	if got := n.Accepted()[7]; got != 6 {
		t.Errorf("%d are counted, want 6", got)
	}
}
