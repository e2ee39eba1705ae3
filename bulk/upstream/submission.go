package upstream

import (
	"time"

	"protei-bulk/bulk/message"
)

// Submission is a message, or one part of it, for a way to an SMSC that is not SMPP.
type Submission struct {
	Msg          *message.Message // what is fixed at accept only
	Part         int              // which part; of a whole message 0
	Source, Dest message.Address  // as the connector's rules have them
	Dup          bool             // the SMSC may have it already
}

// Class is what became of a Submission.
type Class uint8

// The classes.
const (
	Accepted    Class = iota
	Slow              // the SMSC asks to slow down: the same goes again first
	Temporary         // try again later
	Failed            // the message is FAILED
	Rejected          // the message is REJECTED
	NoRoute           // the message goes to its rule's next connector
	Unavailable       // it was not taken, and nothing would be: it waits until the way is open
	Unknown           // nobody knows whether the SMSC has it
)

// Outcome is the end of a Submission.
type Outcome struct {
	Class  Class
	ID     string        // Accepted: what the SMSC calls it; may be empty
	Code   uint32        // of the refusal, such as the HTTP status
	Wait   time.Duration // how long the SMSC asks to wait, 0: it does not say
	Detail string        // for the log
	Done   time.Time
}
