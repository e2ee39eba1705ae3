package connector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"protei-bulk/bulk/alone"
)

// Secrets are what a connector presents to its SMSC. They are never shown.
type Secrets struct {
	Password        string `json:"password,omitempty"`
	CallbackSecret  string `json:"callback_secret,omitempty"`
	OutbindPassword string `json:"outbind_password,omitempty"`
}

// Row is a connector as the store keeps it. One that was deleted stays as a row, so that
// its number is not given again and its messages keep their SMSC's name.
type Row struct {
	ID        uint16  `json:"id"`
	Spec      Spec    `json:"spec"`
	Secrets   Secrets `json:"-"`
	Deleted   bool    `json:"deleted,omitempty"`
	CreatedAt int64   `json:"created_at"` // Unix ms
	UpdatedAt int64   `json:"updated_at"` // Unix ms
}

// Connector is one connector in the Directory: read-only.
type Connector struct {
	ID   uint16
	Spec // Password included
	// Fixed: it comes from the settings and not from the store; only its mode changes.
	Fixed     bool
	Deleted   bool
	CreatedAt int64
	UpdatedAt int64
}

// Store keeps connectors. A call returns when the change is durable.
type Store interface {
	LoadConnectors(ctx context.Context) ([]Row, error)
	SaveConnector(ctx context.Context, row Row) error
}

// Runner makes the links follow the directory.
type Runner interface {
	// Apply starts, changes or stops the links of c, which was old before (nil: it is new).
	// It returns when they follow, within bounds of its own.
	Apply(ctx context.Context, old, c *Connector) error
	// Move gives what waits for one connector to another, and returns how many messages.
	Move(ctx context.Context, from, to *Connector) (int64, error)
	// Idle returns nil when nothing waits for the connector, or why it cannot be deleted.
	Idle(ctx context.Context, c *Connector) error
}

// Errors that callers tell apart.
var (
	ErrUnknown = errors.New("no such connector")
	ErrTaken   = errors.New("the name is taken")
	ErrFixed   = errors.New("the connector comes from the setting upstream: change it there; here it can be started, stopped and paused")
	ErrInUse   = errors.New("the connector is in use")
	ErrFull    = errors.New("there are as many connectors as can be")
)

// Max is how many connectors there may be, and the highest number.
const Max = 1000

// Options of a Directory.
type Options struct {
	Store Store
	Fixed *Spec                // the connector of the settings, which gets FixedID; nil: none
	InUse func(*Connector) int // how many routes name the connector; nil: none do
	Taken uint16               // highest number that messages may carry already
	// When others use the Store too: Alone keeps them from creating connectors until release, and
	// Mode keeps the mode of Fixed, which then outlives a restart.
	Alone  alone.Lock
	Mode   ModeStore
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: silent
}

// ModeStore keeps the mode of the connector of the settings. LoadMode returns "" when none was set.
type ModeStore interface {
	LoadMode(ctx context.Context) (Mode, error)
	SaveMode(ctx context.Context, m Mode) error
}

// FixedID is the number of the connector of the settings.
const FixedID = 1

// Directory is the set of connectors. It is safe for concurrent use.
type Directory struct {
	o    Options
	all  atomic.Pointer[[]*Connector] // by ID, deleted ones included
	mu   sync.Mutex                   // one change at a time
	runs Runner                       // guarded by mu; nil until Run
}

// Open loads the directory. Nothing runs before Run.
func Open(ctx context.Context, opts Options) (*Directory, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Directory{o: opts}
	rows, err := opts.Store.LoadConnectors(ctx)
	if err != nil {
		return nil, fmt.Errorf("load connectors: %w", err)
	}
	var all []*Connector
	for i := range rows {
		c := fromRow(&rows[i])
		if opts.Fixed == nil || c.ID != FixedID {
			all = append(all, c)
		}
	}
	if opts.Fixed != nil {
		now := opts.Now().UnixMilli()
		if opts.Mode != nil {
			mode, err := opts.Mode.LoadMode(ctx)
			if err != nil {
				return nil, fmt.Errorf("load connectors: %w", err)
			}
			opts.Fixed.Mode = cmp.Or(mode, opts.Fixed.Mode)
		}
		all = append(all, &Connector{ID: FixedID, Spec: *opts.Fixed, Fixed: true, CreatedAt: now, UpdatedAt: now})
	}
	slices.SortFunc(all, func(a, b *Connector) int { return int(a.ID) - int(b.ID) })
	d.all.Store(&all)
	return d, nil
}

func fromRow(r *Row) *Connector {
	c := &Connector{ID: r.ID, Spec: r.Spec, Deleted: r.Deleted, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt}
	c.Password, c.CallbackSecret, c.OutbindPassword = r.Secrets.Password, r.Secrets.CallbackSecret, r.Secrets.OutbindPassword
	return c
}

func (c *Connector) row() Row {
	return Row{
		ID: c.ID, Spec: c.Spec, Secrets: Secrets{c.Password, c.CallbackSecret, c.OutbindPassword}, Deleted: c.Deleted,
		CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
}

// Run makes all connectors run; from then on runner follows each change.
func (d *Directory) Run(ctx context.Context, runner Runner) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.runs = runner
	for _, c := range d.All() {
		if err := runner.Apply(ctx, nil, c); err != nil {
			return fmt.Errorf("connector %s: %w", c.Name, err)
		}
	}
	return nil
}

// All returns the connectors by ID, without deleted ones.
func (d *Directory) All() []*Connector {
	var all []*Connector
	for _, c := range *d.all.Load() {
		if !c.Deleted {
			all = append(all, c)
		}
	}
	return all
}

// Name returns the name of a connector, also of a deleted one, or "".
func (d *Directory) Name(id uint16) string {
	for _, c := range *d.all.Load() {
		if c.ID == id {
			return c.Name
		}
	}
	return ""
}

// Named returns the connector with the name, or nil.
func (d *Directory) Named(name string) *Connector {
	for _, c := range *d.all.Load() {
		if !c.Deleted && c.Name == name {
			return c
		}
	}
	return nil
}

// Find returns the connector with the name or the number, or ErrUnknown.
func (d *Directory) Find(key string) (*Connector, error) {
	id, err := strconv.ParseUint(key, 10, 16)
	for _, c := range *d.all.Load() {
		if !c.Deleted && (c.Name == key || err == nil && uint64(c.ID) == id) {
			return c, nil
		}
	}
	return nil, ErrUnknown
}

// Create adds a connector and starts it.
func (d *Directory) Create(ctx context.Context, spec Spec) (*Connector, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	end, err := d.o.Alone.Begin(ctx, d.Reload, &d.mu)
	if err != nil {
		return nil, err
	}
	defer end()
	if err := d.free(spec.Name, 0); err != nil {
		return nil, err
	}
	id := d.nextID()
	if id > Max {
		return nil, ErrFull
	}
	now := d.o.Now().UnixMilli()
	c := &Connector{ID: id, Spec: spec, CreatedAt: now, UpdatedAt: now}
	return c, d.replace(ctx, nil, c)
}

// Update replaces what change makes of the Spec. change is called with the lock held.
func (d *Directory) Update(ctx context.Context, key string, change func(*Spec)) (*Connector, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old, err := d.Find(key)
	if err != nil {
		return nil, err
	}
	next := *old
	change(&next.Spec)
	if err := next.Validate(); err != nil {
		return nil, err
	}
	if old.Fixed {
		want := old.Spec
		want.Mode = next.Mode
		if !same(&want, &next.Spec) {
			return nil, ErrFixed
		}
	}
	if next.Name != old.Name {
		if err := errors.Join(d.unused(old), d.free(next.Name, next.ID)); err != nil {
			return nil, err
		}
	}
	next.UpdatedAt = d.o.Now().UnixMilli()
	return &next, d.replace(ctx, old, &next)
}

// Delete ends a connector for which nothing waits and that no route names.
func (d *Directory) Delete(ctx context.Context, key string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	old, err := d.Find(key)
	switch {
	case err != nil:
		return err
	case old.Fixed:
		return ErrFixed
	}
	if err := d.unused(old); err != nil {
		return err
	}
	gone := *old
	gone.Mode, gone.Deleted, gone.UpdatedAt = Stopped, true, d.o.Now().UnixMilli()
	if d.runs != nil {
		// Stopped and out of the routes first, so that nothing new comes while it is looked at.
		if err := d.runs.Apply(ctx, old, &gone); err != nil {
			return err
		}
		if err := d.runs.Idle(ctx, &gone); err != nil {
			return errors.Join(fmt.Errorf("%w: %w", ErrInUse, err), d.runs.Apply(context.WithoutCancel(ctx), &gone, old))
		}
	}
	forgotten := gone
	forgotten.Password, forgotten.CallbackSecret, forgotten.OutbindPassword = "", "", ""
	return d.replace(ctx, &gone, &forgotten)
}

// Move gives what waits for one connector to another, and returns how many messages.
func (d *Directory) Move(ctx context.Context, from, to string) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	source, err := d.Find(from)
	if err != nil {
		return 0, err
	}
	target, err := d.Find(to)
	if err != nil || target.ID == source.ID || d.runs == nil {
		return 0, &FieldError{"to", fmt.Sprintf("%.40q is not another connector", to)}
	}
	n, err := d.runs.Move(ctx, source, target)
	d.o.Logger.Info("messages moved", "from", source.Name, "to", target.Name, "messages", n, "error", err)
	return n, err
}

// same compares all of two Specs.
func same(a, b *Spec) bool { return reflect.DeepEqual(a, b) }

// The functions below need d.mu.

func (d *Directory) replace(ctx context.Context, old, c *Connector) error {
	var err error
	switch {
	case !c.Fixed:
		err = d.o.Store.SaveConnector(ctx, c.row())
	case d.o.Mode != nil:
		err = d.o.Mode.SaveMode(ctx, c.Mode)
	}
	if err != nil {
		return fmt.Errorf("save connector %s: %w", c.Name, err)
	}
	d.put(c)
	d.o.Logger.Info("connector changed", "connector", c.Name, "id", c.ID, "mode", c.Mode, "deleted", c.Deleted)
	if d.runs == nil {
		return nil
	}
	// The change is durable: it is carried out although whoever asked may be gone.
	return d.runs.Apply(context.WithoutCancel(ctx), old, c)
}

func (d *Directory) unused(c *Connector) error {
	if d.o.InUse != nil {
		if n := d.o.InUse(c); n > 0 {
			return fmt.Errorf("%w: %d routes name %s; change or delete them first", ErrInUse, n, c.Name)
		}
	}
	return nil
}

func (d *Directory) free(name string, except uint16) error {
	if other, err := d.Find(name); err == nil && other.ID != except {
		return fmt.Errorf("%w: a connector named %q exists", ErrTaken, name)
	}
	return nil
}

// nextID is above every number that was given, also the one kept for the settings.
func (d *Directory) nextID() uint16 {
	highest := max(d.o.Taken, FixedID)
	for _, c := range *d.all.Load() {
		highest = max(highest, c.ID)
	}
	return highest + 1
}

// Reload reads the connectors anew, after another process has changed them, and makes the links
// follow.
func (d *Directory) Reload(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	rows, err := d.o.Store.LoadConnectors(ctx)
	if err != nil {
		return fmt.Errorf("load connectors: %w", err)
	}
	var errs []error
	for i := range rows {
		c := fromRow(&rows[i])
		var old *Connector
		for _, known := range *d.all.Load() {
			if known.ID == c.ID {
				old = known
			}
		}
		if old != nil && (old.Fixed || old.UpdatedAt == c.UpdatedAt && same(&old.Spec, &c.Spec) && old.Deleted == c.Deleted) {
			continue
		}
		d.put(c)
		if d.runs != nil {
			errs = append(errs, d.runs.Apply(ctx, old, c))
		}
	}
	return errors.Join(append(errs, d.reloadMode(ctx))...)
}

// reloadMode reads the mode of the connector of the settings anew. It needs d.mu.
func (d *Directory) reloadMode(ctx context.Context) error {
	if d.o.Fixed == nil || d.o.Mode == nil {
		return nil
	}
	mode, err := d.o.Mode.LoadMode(ctx)
	if err != nil {
		return fmt.Errorf("load connectors: %w", err)
	}
	i := slices.IndexFunc(*d.all.Load(), func(c *Connector) bool { return c.Fixed })
	old := (*d.all.Load())[i]
	if mode == "" || mode == old.Mode {
		return nil
	}
	next := *old
	next.Mode = mode
	d.put(&next)
	if d.runs == nil {
		return nil
	}
	return d.runs.Apply(ctx, old, &next)
}

// put makes c the connector of its number. It needs d.mu.
func (d *Directory) put(c *Connector) {
	all := slices.DeleteFunc(slices.Clone(*d.all.Load()), func(other *Connector) bool { return other.ID == c.ID })
	all = append(all, c)
	slices.SortFunc(all, func(a, b *Connector) int { return int(a.ID) - int(b.ID) })
	d.all.Store(&all)
}
