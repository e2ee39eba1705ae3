package store

import (
	"time"

	"protei-bulk/bulk/message"
)

// AccountRow is a customer's account as the store keeps it.
type AccountRow struct {
	ID           uint32 // 0 in PutAccount: the store gives the next one
	Name         string
	SystemID     string // SMPP system_id, unique unless empty
	PasswordHash string // of the SMPP password, never the password
	Settings     []byte // JSON that the store does not read
	CreatedAt    int64  // Unix ms
}

// APIKeyRow is an API key. The key itself is never stored.
type APIKeyRow struct {
	Hash      [32]byte // SHA-256 of the key
	Account   uint32
	Name      string
	Prefix    string // first characters, shown so that people can tell keys apart
	CreatedAt int64  // Unix ms
	ExpiresAt int64  // Unix ms, 0: never
	Settings  []byte // JSON that the store does not read
}

// CampaignRow is a campaign as the store keeps it.
type CampaignRow struct {
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
	MaxTPS          uint32

	Status     string // DRAFT, RUNNING, …: package campaign owns the words
	Cursor     uint32 // recipient ordinal up to which all became a message or were refused
	Refused    uint64 // recipients up to Cursor that were refused
	CreatedAt  int64  // Unix ms
	StartedAt  int64  // Unix ms, 0: not yet
	FinishedAt int64  // Unix ms, 0: not yet
	Settings   []byte // JSON that the store does not read
}

// Query selects messages, newest first. Zero fields do not filter.
type Query struct {
	Account  uint32
	Status   message.Status
	From, To string // exact address, as accepted
	Campaign message.ID
	Batch    message.ID
	Since    time.Time // inclusive
	Until    time.Time // exclusive

	Cursor message.ID // only ids below it: the next that the last List returned
	Page   int        // 1-based, best effort, when there is no Cursor
	Limit  int        // 0: 20; at most 1,000
}

const (
	defaultLimit = 20
	maxLimit     = 1000
	// maxSkip bounds how deep Query.Page reaches; a cursor has no such bound.
	maxSkip = 100_000
)

// Window returns how many messages an answer has at most, and how many are passed over before.
func (q *Query) Window() (limit, skip int) {
	limit = q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	limit = min(limit, maxLimit)
	if q.Cursor == 0 && q.Page > 1 {
		skip = min((q.Page-1)*limit, maxSkip)
	}
	return limit, skip
}

// ReceiptMatch is the answer to one receipt's lookup.
type ReceiptMatch = message.ReceiptMatch

// LaneState is what the store knows about a lane at start.
type LaneState struct {
	Lane    message.Lane
	Horizon uint64 // lane sequence up to which sending was permitted before the stop
	Next    uint64 // lane sequence that the next message gets
}

// AcceptExtra is what belongs to a whole Accept and is durable with it.
type AcceptExtra struct {
	// Answer, when set, is what the request that the messages came with is answered, now
	// and when it is repeated. The messages are of one account and one batch, with rising ids.
	Answer *message.Answer
}

// Ledger counts the messages of an account by status; the index is message.Status.
type Ledger [message.Unknown + 1]int64

// Stats is a moment's picture of the store.
type Stats struct {
	Live       int           // messages in the live table
	Backlog    int           // changed messages that SQLite does not hold yet
	Queued     int           // events that wait for the writer
	Receipts   int           // parts findable by receipt in memory
	Parked     int           // receipts without their message
	Orphans    int64         // receipts dropped after 24 h, or for want of room, without their message
	Tables     int           // tables of messages
	Groups     int64         // journal groups committed
	Events     int64         // events applied
	Redirected int64         // events for an object that had left the live table
	SyncTime   time.Duration // time spent in the journal's write and fdatasync
	DBTime     time.Duration // time spent in SQLite's write transactions and checkpoints
	DBRows     int64         // rows written to SQLite
	Record     uint64        // number of the last journal record applied
	Released   uint64        // number of the last journal record that SQLite covers
	Failed     error         // not nil: the store stopped working
}
