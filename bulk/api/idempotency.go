package api

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

const maxIdempotencyKey = 255

// repeats knows the requests with an Idempotency-Key that are being carried out: at most as
// many as there are connections. What was answered is in the store. The zero value is empty.
type repeats struct {
	mu      sync.Mutex
	running map[repeatKey][sha256.Size]byte // to the hash of the body
}

type repeatKey struct {
	account uint32
	key     [sha256.Size]byte
}

// begin registers a request, or says why it cannot be carried out now.
func (r *repeats) begin(k repeatKey, body [sha256.Size]byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch other, ok := r.running[k]; {
	case ok && other != body:
		return keyReused()
	case ok:
		return keyInProgress()
	}
	if r.running == nil {
		r.running = make(map[repeatKey][sha256.Size]byte)
	}
	r.running[k] = body
	return nil
}

func keyInProgress() error {
	return wrong("idempotency_in_progress", "the first request with this Idempotency-Key is still being carried out")
}

func keyReused() error {
	return wrong("idempotency_key_reused", "the Idempotency-Key was used for another request")
}

func (r *repeats) end(k repeatKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, k)
}

// atMostOnce carries a request out unless one with the same Idempotency-Key and body was in
// the last 24 hours; then it sends that one's answer again. work hands c.once to intake with
// the answer of a success, which is stored in the commit of its messages; what was refused
// as a whole leaves the key free.
func (c *call) atMostOnce(text string, work func() error) error {
	key := c.r.Header.Get("Idempotency-Key")
	if key == "" {
		return work()
	}
	if len(key) > maxIdempotencyKey {
		return wrong("invalid_parameter", fmt.Sprintf("the Idempotency-Key has %d octets, at most %d are allowed", len(key), maxIdempotencyKey))
	}
	k := repeatKey{c.who.ID, sha256.Sum256([]byte(c.r.URL.Path + " " + key))}
	body := sha256.Sum256([]byte(text))
	if err := c.api.repeats.begin(k, body); err != nil {
		return err
	}
	defer c.api.repeats.end(k) // also when work panics
	if answered, err := c.answerAgain(k, body); answered || err != nil {
		return err
	}
	c.once = &message.Answer{Account: k.account, Key: k.key, Body: body, At: c.api.opts.Now().UnixMilli()}
	err := work()
	if !errors.Is(err, intake.ErrRepeated) {
		return err
	}
	// Another node has carried out the same request meanwhile, and its answer stands.
	if answered, err := c.answerAgain(k, body); answered || err != nil {
		return err
	}
	return keyInProgress()
}

// answerAgain sends the answer of an earlier request with this key, if there was one.
func (c *call) answerAgain(k repeatKey, body [sha256.Size]byte) (answered bool, err error) {
	a, err := c.api.opts.Answers.Answer(c.r.Context(), k.account, k.key)
	switch {
	case err != nil || a == nil:
		return false, err
	case a.Body != body:
		return false, keyReused()
	}
	c.w.Header().Del("Location") // of messages that were not accepted
	if a.Location != "" {
		c.w.Header().Set("Location", a.Location)
	}
	c.w.Header().Set("Idempotency-Replayed", "true")
	c.reply(a.Status, a.Text)
	return true, nil
}

// seal writes the answer and returns it as it is stored.
func (c *call) seal() *message.Answer {
	c.render()
	a := c.once
	a.Status, a.Location = http.StatusCreated, c.w.Header().Get("Location")
	a.Text = append([]byte(nil), c.answer...)
	return a
}
