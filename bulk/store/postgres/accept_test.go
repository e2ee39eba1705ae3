package postgres

import (
	"errors"
	"slices"
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

// TestRefusedBesideARefusedOne: a request is refused since another one took the rest, which then does not fit
// either, for a third one was quicker: it gets another try. Two that are refused beside the same one do not
// bring each other back for ever.
func TestRefusedBesideARefusedOne(t *testing.T) {
	no := errors.New("does not fit")
	first, second, third := &request{}, &request{}, &request{}
	a := &accepting{list: []*request{first, second, third}}
	attempt := func(refused []*request, over *request) []*request {
		over.err = no
		return a.sift(refused)
	}
	is := func(what string, got []*request, want ...*request) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s are %p, want %p", what, got, want)
		}
	}
	refused := attempt(nil, third)
	is("left", a.list, first, second)
	is("refused", refused, third)
	refused = attempt(refused, second)
	is("left", a.list, first, third)
	is("refused", refused, second)
	refused = attempt(refused, third)
	is("left", a.list, first)
	is("refused", refused, third, second)
	refused = attempt(refused, first)
	is("left", a.list, third, second)
	is("refused", refused, first)
	third.err, second.err = no, no
	refused = a.sift(refused)
	is("left", a.list)
	is("refused", refused, third, second, first)
}
