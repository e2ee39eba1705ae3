package store

import (
	"context"
	"time"

	"protei-bulk/bulk/message"
)

type Embedded struct{}

func OpenEmbedded(opts Options) (*Embedded, error) { return nil, ErrStopped }
func (e *Embedded) Start() error                   { return ErrStopped }
func (e *Embedded) Stop(ctx context.Context) error { return ErrStopped }
func (e *Embedded) IDs() *message.IDSource         { return nil }
func (e *Embedded) Accept(ctx context.Context, msgs []*message.Message, extra AcceptExtra) error {
	return ErrStopped
}
func (e *Embedded) AcceptAsync(msgs []*message.Message, extra AcceptExtra, done func(error)) error {
	return ErrStopped
}
func (e *Embedded) Record(ev message.Event, done func(error))                          {}
func (e *Embedded) RecordMany(evs []message.Event, done func(error))                   {}
func (e *Embedded) NoteSubmitted(key message.ReceiptKey, m *message.Message, part int) {}
func (e *Embedded) FindReceipts(keys []message.ReceiptKey, dests []string, out []ReceiptMatch) int {
	return 0
}
func (e *Embedded) LookupReceipts(ctx context.Context, keys []message.ReceiptKey, dests []string, out []ReceiptMatch) error {
	return ErrStopped
}
func (e *Embedded) ParkReceipt(r message.Receipt, done func(error))               {}
func (e *Embedded) RecordHorizon(lane message.Lane, seq uint64, done func(error)) {}
func (e *Embedded) Recovery() []LaneState                                         { return nil }
func (e *Embedded) EachUnsettled(fn func(*message.Message) error) error           { return ErrStopped }
func (e *Embedded) LoadLane(ctx context.Context, lane message.Lane, after uint64, limit int) (msgs []*message.Message, last uint64, err error) {
	return nil, 0, ErrStopped
}
func (e *Embedded) LoadDue(ctx context.Context, before int64, limit int) ([]*message.Message, error) {
	return nil, ErrStopped
}
func (e *Embedded) LoadNotify(ctx context.Context, after message.ID, limit int) ([]*message.Message, error) {
	return nil, ErrStopped
}
func (e *Embedded) LoadOverdue(ctx context.Context, before int64, limit int) ([]*message.Message, error) {
	return nil, ErrStopped
}
func (e *Embedded) Message(ctx context.Context, id message.ID) (*message.Message, error) {
	return nil, ErrStopped
}
func (e *Embedded) Load(ctx context.Context, id message.ID) (*message.Message, error) {
	return nil, ErrStopped
}
func (e *Embedded) List(ctx context.Context, q Query) (msgs []*message.Message, next message.ID, asOf time.Time, err error) {
	return nil, 0, time.Time{}, ErrStopped
}
func (e *Embedded) Stats() Stats                              { return Stats{} }
func (e *Embedded) Ledgers() map[uint32]Ledger                { return nil }
func (e *Embedded) CampaignLedger(campaign message.ID) Ledger { return Ledger{} }
func (e *Embedded) CampaignCursor(campaign message.ID) uint32 { return 0 }

func (e *Embedded) PutAccount(ctx context.Context, row *AccountRow) error   { return ErrStopped }
func (e *Embedded) DeleteAccount(ctx context.Context, id uint32) error      { return ErrStopped }
func (e *Embedded) Accounts(ctx context.Context) ([]AccountRow, error)      { return nil, ErrStopped }
func (e *Embedded) PutAPIKey(ctx context.Context, row APIKeyRow) error      { return ErrStopped }
func (e *Embedded) DeleteAPIKey(ctx context.Context, hash [32]byte) error   { return ErrStopped }
func (e *Embedded) APIKeys(ctx context.Context) ([]APIKeyRow, error)        { return nil, ErrStopped }
func (e *Embedded) PutCampaign(ctx context.Context, row CampaignRow) error  { return ErrStopped }
func (e *Embedded) DeleteCampaign(ctx context.Context, id message.ID) error { return ErrStopped }
func (e *Embedded) Campaign(ctx context.Context, id message.ID) (CampaignRow, error) {
	return CampaignRow{}, ErrStopped
}
func (e *Embedded) Campaigns(ctx context.Context, account uint32, below message.ID, limit int) ([]CampaignRow, error) {
	return nil, ErrStopped
}
func (e *Embedded) AddRecipients(ctx context.Context, campaign message.ID, rows []RecipientRow) error {
	return ErrStopped
}
func (e *Embedded) Recipients(ctx context.Context, campaign message.ID, after uint32, limit int) ([]RecipientRow, error) {
	return nil, ErrStopped
}
func (e *Embedded) PutObject(ctx context.Context, kind, key string, value []byte) error {
	return ErrStopped
}
func (e *Embedded) DeleteObject(ctx context.Context, kind, key string) error { return ErrStopped }
func (e *Embedded) Objects(ctx context.Context, kind string) (map[string][]byte, error) {
	return nil, ErrStopped
}
