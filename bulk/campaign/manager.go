package campaign

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

// Options of a Manager. Store, Intake, Accounts and IDs are needed.
type Options struct {
	Store    Store
	Intake   *intake.Intake
	Accounts *account.Directory
	IDs      intake.IDs
	Nodes    Nodes            // nil: this node runs all campaigns
	Now      func() time.Time // nil: time.Now
	Logger   *slog.Logger     // nil: silent
}

// Nodes says which campaigns are this node's, when there are several: one node runs a campaign.
type Nodes interface {
	// Mine reports whether this node may run the campaign.
	Mine(id message.ID) bool
	// Halt makes another node that runs it stop, and returns when its progress is saved. No other
	// node begins to run it until release.
	Halt(ctx context.Context, id message.ID) (release func(), err error)
	// Wanted tells the nodes that the campaign is to be run by one of them.
	Wanted(id message.ID)
}

// Manager runs campaigns. It is safe for concurrent use.
type Manager struct {
	opts Options

	mu      sync.Mutex
	runs    map[message.ID]*run              // guarded by mu: campaigns with a goroutine
	imports map[message.ID]*contact.Progress // guarded by mu: campaigns that get recipients
	locks   [64]sync.Mutex                   // serialise the changes of one campaign
	ctx     context.Context                  // ends at Stop
	cancel  context.CancelFunc
	joined  sync.WaitGroup
	slots   chan struct{} // campaigns that expand at the same time
	stopped bool          // guarded by mu
}

// maxExpanding bounds the campaigns that make messages at the same time; the others wait.
const maxExpanding = 16

// New returns a Manager that runs nothing before Start.
func New(opts Options) (*Manager, error) {
	if opts.Store == nil || opts.Intake == nil || opts.Accounts == nil || opts.IDs == nil {
		return nil, errors.New("campaign: Store, Intake, Accounts and IDs are needed")
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Manager{opts: opts, runs: make(map[message.ID]*run), imports: make(map[message.ID]*contact.Progress), slots: make(chan struct{}, maxExpanding)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m, nil
}

// Start goes on with the campaigns that were running or waiting for their time.
func (m *Manager) Start(ctx context.Context) error { return m.resumeAll(ctx) }

// Run goes on with a campaign that has become this node's.
func (m *Manager) Run(ctx context.Context, id message.ID) error {
	defer m.lock(id)() // a decision about it may be on its way
	row, err := m.opts.Store.Campaign(ctx, id)
	if err == nil && (row.Status == Running || row.Status == Scheduled) {
		m.launch(row, settingsOf(row))
	}
	return err
}

// Halt ends a campaign's goroutine and returns when its progress is saved.
func (m *Manager) Halt(id message.ID) { m.halt(id) }

// Stop ends the goroutines and waits for them, until ctx ends. Campaigns keep their
// status and go on at the next Start.
func (m *Manager) Stop(ctx context.Context) error {
	m.mu.Lock()
	m.stopped = true
	m.mu.Unlock()
	m.cancel()
	done := make(chan struct{})
	go func() {
		m.joined.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
