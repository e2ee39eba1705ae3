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

	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/message"
)

// Status is where a campaign stands. The words are stored.
type Status string

// The statuses.
const (
	Draft           Status = "DRAFT"            // recipients may be added, nothing is sent
	PendingApproval Status = "PENDING_APPROVAL" // started, a second person decides
	Scheduled       Status = "SCHEDULED"        // started, waits for its time
	Running         Status = "RUNNING"          // messages are being made
	Paused          Status = "PAUSED"           // no new messages are made; those made go their way
	Completed       Status = "COMPLETED"        // a message was made, or refused, for each recipient
	Cancelled       Status = "CANCELLED"        // ended by the customer; what was not sent is not sent
)

// ParseStatus reads a status in any case.
func ParseStatus(s string) (Status, bool) {
	st := Status(strings.ToUpper(strings.TrimSpace(s)))
	_, ok := actions[st]
	return st, ok
}

// Action is what a customer does to a campaign.
type Action string

// The actions.
const (
	Start   Action = "start"
	Approve Action = "approve"
	Reject  Action = "reject"
	Pause   Action = "pause"
	Resume  Action = "resume"
	Cancel  Action = "cancel"
)

// actions says what is possible in each status.
var actions = map[Status][]Action{
	Draft:           {Start, Cancel},
	PendingApproval: {Approve, Reject, Cancel},
	Scheduled:       {Pause, Cancel},
	Running:         {Pause, Cancel},
	Paused:          {Resume, Cancel},
	Completed:       {},
	Cancelled:       {},
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
	ErrImporting    = errors.New("recipients are being added; wait until that is done")
	ErrOwnApproval  = errors.New("whoever made, changed or started the campaign cannot approve it; a second person has to")
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
	Cursor     uint32 // recipient ordinal up to which all became a message or were refused
	Refused    uint64 // recipients up to Cursor that were refused
	CreatedAt  int64  // Unix ms
	StartedAt  int64  // Unix ms, 0: not yet
	FinishedAt int64  // Unix ms, 0: not yet
	Settings   []byte // JSON of Settings
}

// Settings are the fields that the store does not read.
type Settings struct {
	Encoding       string   `json:"encoding,omitempty"`
	DLRURL         string   `json:"dlr_url,omitempty"`
	ValidityPeriod string   `json:"validity_period,omitempty"`
	Tag            string   `json:"tag,omitempty"`
	Flash          bool     `json:"flash,omitempty"`
	Transliterate  bool     `json:"transliterate,omitempty"`
	UDH            string   `json:"udh,omitempty"`
	DestPort       uint16   `json:"dest_port,omitempty"`
	SourcePort     uint16   `json:"source_port,omitempty"`
	Timezone       string   `json:"timezone,omitempty"` // IANA name; "": UTC
	Windows        []Window `json:"windows,omitempty"`
	Duplicates     string   `json:"duplicates,omitempty"`  // keep or skip; "": keep
	AutoResume     bool     `json:"auto_resume,omitempty"` // waits for balance and quota instead of pausing

	Columns     []string `json:"columns,omitempty"`      // of the recipients' values
	Added       uint32   `json:"added,omitempty"`        // recipients given so far
	RefusedRows uint32   `json:"refused_rows,omitempty"` // rows that imports refused
	Repeated    uint32   `json:"repeated,omitempty"`     // rows with a number that was there already
	Imports     []Import `json:"imports,omitempty"`      // the last ones

	// Mark is the highest id of a message when all recipients up to Cursor were done and none
	// above: messages for recipients above Cursor have ids above it.
	Mark      message.ID        `json:"mark,omitempty"`
	RefusedBy map[string]uint64 `json:"refused_by,omitempty"` // Refused, by code
	Waiting   string            `json:"waiting,omitempty"`    // why a RUNNING one makes no messages now
	Reason    string            `json:"reason,omitempty"`     // code of why it is PAUSED, or was rejected
	LastError string            `json:"last_error,omitempty"`

	CreatedBy  string `json:"created_by,omitempty"` // who it was: an API key's prefix or a user
	ChangedBy  string `json:"changed_by,omitempty"`
	StartedBy  string `json:"started_by,omitempty"`
	DecidedBy  string `json:"decided_by,omitempty"`
	Cancelling bool   `json:"cancelling,omitempty"` // its messages are still being cancelled
}

// Counts are the campaign's messages by status; the index is message.Status, 0 stands for
// those SENT that want no receipt.
type Counts [message.Unknown + 1]int64

// Sum is the number of messages.
func (c *Counts) Sum() (n int64) {
	for _, v := range c {
		n += v
	}
	return n
}

// Query selects campaigns, newest first. Zero fields do not filter.
type Query struct {
	Account uint32
	Status  Status
	Name    string // a part of it, in any case
	Below   message.ID
	Since   message.ID
	Limit   int
}

// Change is what becomes durable together.
type Change struct {
	Row    *Row // nil: as it is
	Owner  message.ID
	Clear  []contact.Block // deleted before: those of the kind from First on
	Blocks []contact.Block
}

// Store keeps campaigns. A call returns when the change is durable; ErrNotFound for an
// unknown id.
type Store interface {
	contact.Store
	Write(ctx context.Context, c *Change) error
	Campaign(ctx context.Context, id message.ID) (Row, error)
	// Campaigns filters by all of q but Name.
	Campaigns(ctx context.Context, q Query) ([]Row, error)
	DeleteCampaign(ctx context.Context, id message.ID) error // with its recipients

	// TopOrdinal returns the highest ordinal of the campaign's accepted messages. It is quick.
	TopOrdinal(account uint32, id message.ID) uint32
	// AcceptedOrdinals calls f with the ordinals of its messages with ids above after.
	AcceptedOrdinals(ctx context.Context, account uint32, id, after message.ID, f func(uint32)) error
	// CampaignCounts returns the ledger of the campaign's messages. It is quick.
	CampaignCounts(account uint32, id message.ID) Counts
	// CancelWaiting withdraws the campaign's messages that the SMSC has not been given,
	// durably, and returns how many.
	CancelWaiting(ctx context.Context, account uint32, id message.ID) (int, error)
}
