package store

import (
	"context"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
)

// Store is what the platform keeps everything in. Embedded is one for a single node, the
// package postgres has one that several nodes share; package storetest says by tests what
// both do. The methods of Embedded have the comments. All are safe for concurrent use.
//
// One object stands for a message as long as anybody on this node holds it: what Load and its
// like return is current, stays the same object, and its state is read in View. Done callbacks
// run in the order of their events, on a goroutine of the store, and must not block.
type Store interface {
	Intake
	Changes
	Reads
	Receipts
	Lanes
	Inbox
	Books
	Admin
	Campaigning

	// IDs is the source of message ids: above every id that this node has ever issued.
	IDs() *message.IDSource
	// Backlog is how many changes wait to be stored.
	Backlog() int
	Stats() Stats
	// Err returns why nothing is accepted now, or nil.
	Err() error
	// Stop takes nothing more, stores what was taken, and closes. It is idempotent.
	Stop(ctx context.Context) error
}

// Intake takes new messages.
type Intake interface {
	Accept(ctx context.Context, msgs []*message.Message, extra AcceptExtra) error
	AcceptAsync(msgs []*message.Message, extra AcceptExtra, done func(error)) error
	Answer(ctx context.Context, account uint32, key [32]byte) (*message.Answer, error)
}

// Changes takes events.
type Changes interface {
	Record(ev message.Event, done func(error))
	RecordMany(evs []message.Event, done func(error))
}

// Reads finds messages.
type Reads interface {
	View(m *message.Message, f func(*message.Message))
	Message(ctx context.Context, id message.ID) (*message.Message, error)
	Load(ctx context.Context, id message.ID) (*message.Message, error)
	List(ctx context.Context, q Query) (msgs []*message.Message, next message.ID, asOf time.Time, err error)
	LoadOpen(ctx context.Context, status message.Status, from message.Place, limit int, want func(*message.Message) bool) ([]*message.Message, message.Place, error)
	LoadNotify(ctx context.Context, after message.ID, limit int) ([]*message.Message, error)
}

// Receipts matches delivery receipts with their messages.
type Receipts interface {
	NoteSubmitted(key message.ReceiptKey, m *message.Message, part int)
	FindReceipts(keys []message.ReceiptKey, dests []string, out []ReceiptMatch) int
	LookupReceipts(ctx context.Context, keys []message.ReceiptKey, dests []string, out []ReceiptMatch) error
	ParkReceipt(r message.Receipt, done func(error))
}

// Lanes is what the queue needs.
type Lanes interface {
	Recovery() []LaneState
	LoadLane(ctx context.Context, key message.Lane, after uint64, limit int) (msgs []*message.Message, complete uint64, err error)
	LoadDue(ctx context.Context, before int64, limit int) ([]*message.Message, error)
	EachWaiting(ctx context.Context, want func(*message.Message) bool, f func(*message.Message)) error
	RecordHorizon(key message.Lane, seq uint64, done func(granted uint64, err error))
}

// Inbox keeps messages from mobiles.
type Inbox interface {
	RecordInbound(m *message.Inbound, done func(error))
	ChangeInbound(changes []message.InboundChange, done func(error))
	Inbound(ctx context.Context, id message.ID) (*message.Inbound, error)
	InboundWaiting(ctx context.Context, status message.InboundStatus, account uint32, after message.ID, limit int) ([]*message.Inbound, error)
	Inbounds(ctx context.Context, q message.InboundQuery) ([]*message.Inbound, error)
}

// Purse is the money of one account, for those who accept messages.
type Purse interface {
	Reserve(amount, floor money.Amount) bool
	Release(amount money.Amount)
	Left() money.Amount
}

// Books counts messages, parts and money.
type Books interface {
	Ledgers() map[uint32]Ledger
	Accepted() map[uint32]int64
	Parts(account uint32, from, to int64) int64
	PurseOf(account uint32) Purse
	Balance(account uint32) money.Balance
	Balances() map[uint32]money.Balance
	Move(ctx context.Context, mv money.Movement, floor money.Amount) (done money.Movement, repeated bool, err error)
	Movements(ctx context.Context, account uint32, below message.ID, limit int) ([]money.Movement, error)
}

// Admin keeps what administrators set, and logs. The writes honour Alongside.
type Admin interface {
	Accounts(ctx context.Context) ([]AccountRow, error)
	PutAccount(ctx context.Context, row *AccountRow) error
	DeleteAccount(ctx context.Context, id uint32) error
	APIKeys(ctx context.Context) ([]APIKeyRow, error)
	PutAPIKey(ctx context.Context, row APIKeyRow) error
	DeleteAPIKey(ctx context.Context, hash [32]byte) error
	Object(ctx context.Context, kind, key string) ([]byte, error)
	Objects(ctx context.Context, kind string) (map[string][]byte, error)
	PutObject(ctx context.Context, kind, key string, value []byte) error
	CreateObject(ctx context.Context, kind, key string, value []byte) error
	SwapObject(ctx context.Context, kind, key string, old, value []byte) error
	ReplaceObjects(ctx context.Context, kind string, values map[string][]byte) error
	DeleteObject(ctx context.Context, kind, key string) error
	EachListed(ctx context.Context, f func(ListedRow)) error
	Listed(ctx context.Context, q ListedQuery) ([]ListedRow, error)
	SaveListed(ctx context.Context, rows []ListedRow) error
	AppendLog(ctx context.Context, kind string, entries []LogEntry) error
	Log(ctx context.Context, kind, below string, limit int) ([]LogEntry, error)
}

// Campaigning keeps campaigns, contact lists and their recipients.
type Campaigning interface {
	Campaign(ctx context.Context, id message.ID) (CampaignRow, error)
	Campaigns(ctx context.Context, q CampaignQuery) ([]CampaignRow, error)
	DeleteCampaign(ctx context.Context, id message.ID) error
	Write(ctx context.Context, c *Change) error
	Blocks(ctx context.Context, owner message.ID, kind uint8, from uint32, limit int) ([]BlockRow, error)
	DeleteBlocks(ctx context.Context, owner message.ID, kind, key string) error
	CampaignLedger(account uint32, campaign message.ID) Ledger
	CampaignTop(account uint32, campaign message.ID) uint32
	AcceptedOrdinals(ctx context.Context, account uint32, campaign, after message.ID, f func(ordinal uint32)) error
	WaitingMessages(ctx context.Context, account uint32, campaign message.ID) ([]message.ID, error)
}

// Shared is a store that several nodes use at the same time.
//
// The lanes of a connector belong to one node at a time, the holder of the connector's lease.
// Nobody else sends, settles or cancels the messages in them. The owner takes messages in as
// its lanes have room: it gives them a place (LaneSeq, rising within a lane and an epoch),
// notes their ids with its epoch in the database, and offers them by Options.Applied as events
// of kind Requeue without an error. Every transaction that changes a message of a connector
// checks that the epoch is still the lease's, and ErrFenced is the answer if it is not.
type Shared interface {
	Store
	Nodes

	// Own makes the lanes of a connector this node's under the epoch of its lease. It returns
	// their states: messages that an owner before may have sent are up to the Horizon. The rest of
	// what waits follows by Applied. The lanes must be ready for it when Own returns.
	Own(ctx context.Context, connector uint16, epoch int64) ([]LaneState, error)
	// Disown gives the lanes of a connector up, after nobody sends from them any more. What waits
	// is in the database. Events for messages that wait there are ErrFenced from then on. clean:
	// all that was sent has been recorded, so that the next owner need not suspect anything.
	Disown(ctx context.Context, connector uint16, clean bool) error
	// Hinted tells that messages of a lane were committed by another node. It may be wrong,
	// repeated or missing: what is not hinted is found by looking, a few seconds later. taken runs
	// when those that wait are claimed (nil: the hint has done its work), or cannot be now.
	Hinted(lane message.Lane, ids []message.ID, taken func(error))
}

// Lease is the right to do something that one node does at a time.
type Lease struct {
	Name    string // such as connector/7
	Node    uint16 // of the holder
	Epoch   int64  // rises each time that another holder takes it
	Expires time.Time
}

// NodeRow is one node as the others know it.
type NodeRow struct {
	Node    uint16
	Name    string // host name and pid, or as configured
	Session string // one start of one process: two processes never have the same
	Started time.Time
	Seen    time.Time // by the clock of the database
	Info    []byte    // JSON that the store does not read: addresses, roles, version, health
}

// Nodes keeps what the nodes know of each other. Times are the database's.
type Nodes interface {
	// Register makes session the owner of a node's number: of node, or of the lowest free one
	// when node is negative. ErrTaken names the session that has it; one not seen for ttl has none.
	Register(ctx context.Context, node int, row NodeRow, ttl time.Duration) (NodeRow, error)
	// Heartbeat renews the row and all its leases up to ttl from now, and returns the leases that
	// it still holds. ErrFenced: another session has the node's number.
	Heartbeat(ctx context.Context, row NodeRow, ttl time.Duration) ([]Lease, error)
	// Leave ends a session: its leases are free at once.
	Leave(ctx context.Context, node uint16, session string) error
	// ListNodes returns all nodes seen within a day, by number.
	ListNodes(ctx context.Context) ([]NodeRow, error)
	// Acquire takes a lease that nobody holds, or whose holder let it expire.
	// Holding it already renews it. ErrTaken: another node has it.
	Acquire(ctx context.Context, name string, node uint16, session string, ttl time.Duration) (Lease, error)
	// Release gives a lease back; the next holder gets a higher epoch.
	Release(ctx context.Context, name string, node uint16, epoch int64) error
	// ListLeases returns all leases that have not expired.
	ListLeases(ctx context.Context) ([]Lease, error)
	// Announce tells every node that listens, this one included, something short (up to 7,000
	// bytes). What is announced while a node is cut off, it does not get.
	Announce(ctx context.Context, topic string, payload string) error
	// Listen calls f with what is announced until ctx ends, and returns then; again is called each
	// time that it hears after announcements may have been missed: at the beginning, and after a
	// lost connection. Neither may block for long.
	Listen(ctx context.Context, f func(topic, payload string), again func())
}
