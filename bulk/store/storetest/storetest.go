// Package storetest says by tests what a store.Store does, whichever it is: Run plays them
// against one. What only one store can do, such as surviving a crash at a named point, is
// tested beside that store.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// The connectors whose lanes belong to the store under test.
const (
	First  = 1
	Second = 2
)

// Place is where one store keeps what it is given.
type Place struct {
	// Open opens the store: empty at first, and with all that was kept when it is opened again
	// after Stop. The lanes of First and Second are its own. It ends with the test.
	Open func(t *testing.T) store.Store
	// Flush, when set, moves all that is in memory only to where it stays, so that the next
	// reader finds it there.
	Flush func(t *testing.T, s store.Store)
}

// suite is one test's store.
type suite struct {
	*testing.T
	store.Store
	place Place
}

// Run plays all tests, each in a place of its own.
func Run(t *testing.T, place func(t *testing.T) Place) {
	for name, test := range map[string]func(*suite){
		"message survives reopening":                 messageSurvivesReopening,
		"events come in any order":                   eventsInAnyOrder,
		"list sees filters":                          listSeesFilters,
		"what waits is found":                        whatWaitsIsFound,
		"moved message waits in one lane only":       movedMessage,
		"held message waits for its release":         heldMessage,
		"scheduled message comes when it is due":     scheduledMessage,
		"outbox has what is to be told":              outbox,
		"receipt after its response":                 receiptAfterResponse,
		"receipt before its response":                receiptBeforeResponse,
		"receipt again":                              receiptAgain,
		"receipt of another receiver":                receiptOfAnother,
		"accounts and keys survive reopening":        accountsAndKeys,
		"objects":                                    objects,
		"one of many creates an object":              createObject,
		"one of many swaps an object":                swapObject,
		"log entry goes with its change":             logWithChange,
		"log is read in pages":                       logInPages,
		"listed numbers":                             listedNumbers,
		"campaigns survive reopening":                campaigns,
		"messages of a campaign":                     messagesOfCampaign,
		"inbound messages":                           inbound,
		"answers":                                    answers,
		"parts are counted by quarter":               partsByQuarter,
		"ledger closes":                              ledgerCloses,
		"messages are charged and paid back":         chargedAndPaidBack,
		"movements with one reference move once":     oneReference,
		"transfers":                                  transfers,
		"balance is never negative":                  neverNegative,
		"money that was reserved is released":        released,
		"nothing is taken after stop":                nothingAfterStop,
		"one object stands for a message that waits": oneObject,
	} {
		t.Run(name, func(t *testing.T) {
			s := &suite{T: t, place: place(t)}
			s.Store = s.place.Open(t)
			test(s)
		})
	}
}

// reopen stops the store and opens it again.
func (s *suite) reopen() {
	s.Helper()
	s.must(s.Stop(context.Background()))
	s.Store = s.place.Open(s.T)
}

// flush moves what is in memory to where it stays.
func (s *suite) flush() {
	if s.place.Flush != nil {
		s.place.Flush(s.T, s.Store)
	}
}

func (s *suite) must(errs ...error) {
	s.Helper()
	if err := errors.Join(errs...); err != nil {
		s.Fatal(err)
	}
}

// wait waits for the outcome of what is stored.
func (s *suite) wait(do func(done func(error))) error {
	s.Helper()
	done := make(chan error, 1)
	do(func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-time.After(time.Minute):
		s.Fatal("not stored within a minute")
		return nil
	}
}

// until waits until ok; what says afterwards what it waited for.
func (s *suite) until(what func() string, ok func() bool) {
	s.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatal("not within 30 s: " + what())
		}
	}
}

// message makes a message as intake would.
func (s *suite) message(n int, change ...func(*message.Message)) *message.Message {
	return newMessage(s.Store, n, change...)
}

func newMessage(s store.Store, n int, change ...func(*message.Message)) *message.Message {
	m := &message.Message{
		ID: s.IDs().Next(), Account: 7,
		Source: message.Address{TON: 5, Addr: "Shop"}, Dest: message.Address{TON: 1, NPI: 1, Addr: fmt.Sprintf("4917%08d", n)},
		Priority: message.Normal, Flags: message.WantReceipt, Connector: First,
		SubmittedAt: time.Now().UnixMilli(), ValidUntil: time.Now().Add(time.Hour).UnixMilli(),
		Payload: []byte("Your order is on its way."), Status: message.Pending,
	}
	parts(1)(m)
	for _, f := range change {
		f(m)
	}
	return m
}

// parts gives a message n parts.
func parts(n int) func(*message.Message) {
	return func(m *message.Message) {
		m.SetParts(n)
		for i := range m.Parts {
			m.Parts[i].End = uint32(i + 1)
		}
		m.Parts[n-1].End = uint32(len(m.Payload))
	}
}

func (s *suite) accept(msgs ...*message.Message) {
	s.Helper()
	s.must(s.Accept(context.Background(), msgs, store.AcceptExtra{}))
}

// record stores events of the messages as the store has them now.
func (s *suite) record(evs ...message.Event) {
	s.Helper()
	for i := range evs {
		m, err := s.Load(context.Background(), evs[i].Msg.ID)
		s.must(err)
		evs[i].Msg = m
	}
	s.must(s.wait(func(done func(error)) { s.RecordMany(evs, done) }))
}

// stored returns a message as it is stored.
func (s *suite) stored(id message.ID) *message.Message {
	s.Helper()
	m, err := s.Message(context.Background(), id)
	s.must(err)
	return m
}

// waiting returns the ids that wait in a connector's lane.
func (s *suite) waiting(connector uint16) []message.ID {
	s.Helper()
	msgs, _, err := s.LoadLane(context.Background(), message.Lane{Connector: connector, Priority: message.Normal}, 0, 1000)
	s.must(err)
	return idsOf(msgs)
}

// wantLane waits until exactly these messages wait in a connector's lane.
func (s *suite) wantLane(connector uint16, want ...*message.Message) {
	s.Helper()
	var got []message.ID
	equal := func() bool {
		got = s.waiting(connector)
		return slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(idsOf(want))))
	}
	s.until(func() string {
		return fmt.Sprintf("in the lane of connector %d wait %v, and there are %v", connector, idsOf(want), got)
	}, equal)
}

func submitted(m *message.Message, smscID string) message.Event {
	return message.Event{Kind: message.Submitted, Msg: m, SMSCID: smscID, At: m.SubmittedAt + 5}
}

func settled(m *message.Message, status message.Status) message.Event {
	return message.Event{Kind: message.Settle, Msg: m, Status: status, At: m.SubmittedAt + 9}
}

// ofPart makes an event one of another part than the first.
func ofPart(part uint16, ev message.Event) message.Event {
	ev.Part = part
	return ev
}

func idsOf(msgs []*message.Message) []message.ID {
	ids := make([]message.ID, len(msgs))
	for i, m := range msgs {
		ids[i] = m.ID
	}
	return ids
}
