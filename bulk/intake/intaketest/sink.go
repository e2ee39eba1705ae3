// Package intaketest has a sink in memory, for the tests of what enters through intake.
package intaketest

import (
	"context"
	"sync"

	"protei-bulk/bulk/message"
)

// Sink is an intake.Sink that keeps messages in memory. The zero value is empty.
type Sink struct {
	// Drop makes it forget the messages: for benchmarks.
	Drop bool

	mu      sync.Mutex
	msgs    []*message.Message
	answers []*message.Answer
	err     error
	// overtake, unless empty, is what another node answers first, and overtaken the error then.
	overtake  string
	overtaken error
}

// Fail makes every following call return err; nil ends that.
func (s *Sink) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Overtake makes the next request with an answer fail with err, because another node accepts one
// with the same key first, whose answer is the text.
func (s *Sink) Overtake(text string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.overtake, s.overtaken = text, err
}

// Accept implements intake.Sink.
func (s *Sink) Accept(_ context.Context, msgs []*message.Message, answer *message.Answer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if answer != nil && s.overtake != "" {
		first := *answer
		first.Location, first.Text = "", []byte(s.overtake)
		s.answers, s.overtake = append(s.answers, &first), ""
		return s.overtaken
	}
	if !s.Drop {
		s.msgs = append(s.msgs, msgs...)
		if answer != nil {
			s.answers = append(s.answers, answer)
		}
	}
	return nil
}

// AcceptAsync implements intake.Sink.
func (s *Sink) AcceptAsync(m *message.Message, done func(error)) {
	done(s.Accept(context.Background(), []*message.Message{m}, nil))
}

// Answer implements api.Answers.
func (s *Sink) Answer(_ context.Context, account uint32, key [32]byte) (*message.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.answers {
		if a.Account == account && a.Key == key {
			return a, nil
		}
	}
	return nil, nil
}

// Messages returns what was accepted, in order.
func (s *Sink) Messages() []*message.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*message.Message(nil), s.msgs...)
}

// Take returns what was accepted since it was called last, and forgets it.
func (s *Sink) Take() []*message.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.msgs
	s.msgs = nil
	return all
}
