// Package campaign sends one text to many recipients. Manager keeps campaigns through a
// Store, moves them through their states and, while one runs, feeds its recipients to
// intake in batches at the campaign's rate. Each running campaign has one goroutine,
// owned by the Manager and joined by Stop; a restart goes on after the highest ordinal
// that the store has accepted.
package campaign

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"protei-bulk/bulk/message"
)

// Status is where a campaign stands. The words are stored.
type Status string

// The statuses.
const (
	Draft     Status = "DRAFT"     // recipients may be added, nothing is sent
	Scheduled Status = "SCHEDULED" // started, waits for its time
	Running   Status = "RUNNING"   // messages are being made
	Paused    Status = "PAUSED"    // no new messages are made; those made go their way
	Completed Status = "COMPLETED" // a message was made, or refused, for each recipient
	Cancelled Status = "CANCELLED" // ended by the customer
)

// Action is what a customer does to a campaign.
type Action string

// The actions.
const (
	Start  Action = "start"
	Pause  Action = "pause"
	Resume Action = "resume"
	Cancel Action = "cancel"
)

// actions says what is possible in each status.
var actions = map[Status][]Action{
	Draft:     {Start, Cancel},
	Scheduled: {Pause, Cancel},
	Running:   {Pause, Cancel},
	Paused:    {Resume, Cancel},
	Completed: {},
	Cancelled: {},
}

// Allowed returns the actions that are possible in the status.
func (s Status) Allowed() []Action { return actions[s] }

// TransitionError says that an action is not possible now.
type TransitionError struct {
	Action  Action
	Status  Status
	Allowed []Action
}

// Error implements error.
func (e *TransitionError) Error() string {
	if len(e.Allowed) == 0 {
		return fmt.Sprintf("cannot %s a campaign that is %s", e.Action, e.Status)
	}
	names := make([]string, len(e.Allowed))
	for i, a := range e.Allowed {
		names[i] = string(a)
	}
	return fmt.Sprintf("cannot %s a campaign that is %s; possible now: %s", e.Action, e.Status, strings.Join(names, ", "))
}

// Errors that callers tell apart.
var (
	ErrNotFound     = errors.New("no such campaign")
	ErrNoRecipients = errors.New("the campaign has no recipients")
	ErrNotDraft     = errors.New("only a DRAFT can be changed")
)

// Row is a campaign as the store keeps it.
type Row struct {
	ID      message.ID
	Account uint32

	Name            string
	SenderID        string
	MessageContent  string
	RecipientType   string // MANUAL, LIST, UPLOAD
	TotalRecipients uint32 // expected, or counted once recipients were added
	ScheduleType    string // IMMEDIATE, SCHEDULED
	ScheduleAt      int64  // Unix ms, 0: none
	Priority        message.Priority
	MaxTPS          uint32 // messages a second, 0: no limit

	Status     Status
	Cursor     uint32 // recipient ordinal up to which messages were made or refused
	Accepted   uint64
	Refused    uint64
	CreatedAt  int64  // Unix ms
	StartedAt  int64  // Unix ms, 0: not yet
	FinishedAt int64  // Unix ms, 0: not yet
	Settings   []byte // JSON of Settings
}

// Settings are the fields that the store does not read.
type Settings struct {
	Encoding  string `json:"encoding,omitempty"`
	DLRURL    string `json:"dlr_url,omitempty"`
	Added     uint32 `json:"added,omitempty"`      // recipients given so far
	LastError string `json:"last_error,omitempty"` // of the last recipient refused
}

// Recipient is one recipient of a campaign.
type Recipient struct {
	Ordinal uint32 // 1-based
	To      string
	Fields  []byte // JSON of values of its own; nil: none
}

// Counts are the campaign's messages by status; the index is message.Status.
type Counts [message.Unknown + 1]int64

// Store keeps campaigns. A call returns when the change is durable; ErrNotFound for an
// unknown id.
type Store interface {
	SaveCampaign(ctx context.Context, row Row) error // insert or replace
	Campaign(ctx context.Context, id message.ID) (Row, error)
	// Campaigns returns the newest first, with ids below below (0: from the newest), of
	// one account or of all for 0.
	Campaigns(ctx context.Context, account uint32, below message.ID, limit int) ([]Row, error)
	DeleteCampaign(ctx context.Context, id message.ID) error // with its recipients
	AddRecipients(ctx context.Context, id message.ID, rows []Recipient) error
	// Recipients returns those above the ordinal, in order.
	Recipients(ctx context.Context, id message.ID, after uint32, limit int) ([]Recipient, error)
	// MaxOrdinal returns the highest ordinal of the campaign's accepted messages.
	MaxOrdinal(ctx context.Context, id message.ID) (uint32, error)
	// CampaignCounts returns the ledger of the campaign's messages.
	CampaignCounts(id message.ID) Counts
}
