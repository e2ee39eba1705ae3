package message

// Answer is what a request with an Idempotency-Key was answered. It is stored in the same
// commit as the request's messages, so that there is never one without the other.
type Answer struct {
	Account uint32
	Key     [32]byte // SHA-256 of the call and the customer's key
	Body    [32]byte // SHA-256 of the request's body: another one is another request
	At      int64    // Unix ms

	Status   int    // HTTP status
	Location string // header of that name, or empty
	Text     []byte // the body that was answered
}
