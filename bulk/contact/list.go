package contact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"protei-bulk/bulk/alone"
	"protei-bulk/bulk/contact/sheet"
	"protei-bulk/bulk/message"
)

// List is a contact list: members under a name, to which campaigns are sent.
type List struct {
	ID        message.ID `json:"id"`
	Account   uint32     `json:"account"`
	Name      string     `json:"name"` // not taken, in any case, in the account
	Columns   []string   `json:"columns,omitempty"`
	Added     uint32     `json:"added"`
	Refused   uint32     `json:"refused"`  // rows in the error file
	Repeated  uint32     `json:"repeated"` // rows with a number that was there already
	CreatedAt int64      `json:"created_at"`
	UpdatedAt int64      `json:"updated_at"`
}

// Bounds of lists.
const (
	MaxListName = 128 // characters
	MaxLists    = 10_000
)

// Errors that callers tell apart.
var (
	ErrNoList     = errors.New("no such contact list")
	ErrListExists = errors.New("a contact list of this name exists")
	ErrImporting  = errors.New("members are being added; wait until that is done")
	ErrListsFull  = fmt.Errorf("there are %d contact lists already", MaxLists)
)

// ListChange is what becomes durable together.
type ListChange struct {
	List   List
	Clear  []Block // deleted before: those of the kind from First on
	Blocks []Block
}

// ListStore keeps lists. A call returns when the change is durable.
type ListStore interface {
	Store
	LoadLists(ctx context.Context) ([]List, error)
	WriteList(ctx context.Context, c *ListChange) error
	DeleteList(ctx context.Context, id message.ID) error // with its members
}

// ListOptions are what Lists needs.
type ListOptions struct {
	Store ListStore
	IDs   interface{ Next() message.ID }
	Check func(to string) (number, detail string) // see Importer
	Now   func() time.Time                        // nil: time.Now
	// Alone, when others use the Store too, keeps them from creating lists until release; nil: nobody does.
	Alone alone.Lock
}

// Lists are the contact lists of all accounts. It is safe for concurrent use.
type Lists struct {
	opts ListOptions

	mu   sync.Mutex
	all  map[message.ID]List // guarded by mu
	busy map[message.ID]bool // guarded by mu: members are being added
}

// OpenLists loads the lists.
func OpenLists(ctx context.Context, opts ListOptions) (*Lists, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	rows, err := opts.Store.LoadLists(ctx)
	if err != nil {
		return nil, fmt.Errorf("load contact lists: %w", err)
	}
	l := &Lists{opts: opts, all: make(map[message.ID]List), busy: make(map[message.ID]bool)}
	for _, row := range rows {
		l.all[row.ID] = row
	}
	return l, nil
}

// Create makes an empty list.
func (l *Lists) Create(ctx context.Context, account uint32, name string) (List, error) {
	name = strings.TrimSpace(name)
	if n := utf8.RuneCountInString(name); n == 0 || n > MaxListName {
		return List{}, &ImportError{"invalid_name", fmt.Sprintf("name: has 1 to %d characters", MaxListName)}
	}
	if c, ok := message.Steering(name); ok {
		return List{}, &ImportError{"invalid_name", fmt.Sprintf("name: has the character %U, which cannot be shown", c)}
	}
	end, err := l.opts.Alone.Begin(ctx, l.Reload, &l.mu)
	if err != nil {
		return List{}, err
	}
	defer end()
	now := l.opts.Now().UnixMilli()
	row := List{ID: l.opts.IDs.Next(), Account: account, Name: name, CreatedAt: now, UpdatedAt: now}
	for _, have := range l.all {
		if have.Account == account && strings.EqualFold(have.Name, name) {
			return List{}, ErrListExists
		}
	}
	if len(l.all) >= MaxLists {
		return List{}, ErrListsFull
	}
	if err := l.opts.Store.WriteList(ctx, &ListChange{List: row}); err != nil {
		return List{}, fmt.Errorf("save contact list %s: %w", name, err)
	}
	l.all[row.ID] = row
	return row, nil
}

// Of returns the lists of an account, by name.
func (l *Lists) Of(account uint32) []List {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := []List{}
	for _, row := range l.all {
		if row.Account == account {
			found = append(found, row)
		}
	}
	slices.SortFunc(found, func(a, b List) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// Find returns an account's list by its name or id, or ErrNoList.
func (l *Lists) Find(_ context.Context, account uint32, name string) (List, error) {
	id, err := message.ParseID(name)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, row := range l.all {
		if row.Account == account && (strings.EqualFold(row.Name, name) || err == nil && row.ID == id) {
			return row, nil
		}
	}
	return List{}, ErrNoList
}

// Delete removes a list. Campaigns that were given its members keep them.
func (l *Lists) Delete(ctx context.Context, account uint32, name string) error {
	row, err := l.claim(ctx, account, name)
	if err != nil {
		return err
	}
	defer l.disclaim(row.ID)
	if err := l.opts.Store.DeleteList(ctx, row.ID); err != nil {
		return fmt.Errorf("delete contact list %s: %w", row.Name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.all, row.ID)
	return nil
}

// claim finds a list and keeps others from changing it.
func (l *Lists) claim(ctx context.Context, account uint32, name string) (List, error) {
	row, err := l.Find(ctx, account, name)
	if err != nil {
		return List{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	row, ok := l.all[row.ID]
	switch {
	case !ok:
		return List{}, ErrNoList
	case l.busy[row.ID]:
		return List{}, ErrImporting
	}
	l.busy[row.ID] = true
	return row, nil
}

func (l *Lists) disclaim(id message.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, id)
}

// Reader reads the members of a list.
func (l *Lists) Reader(ctx context.Context, row *List) *MemberReader {
	return NewMemberReader(ctx, l.opts.Store, Span{Owner: row.ID, Columns: row.Columns, To: row.Added})
}

// Members returns up to limit members behind number after.
func (l *Lists) Members(ctx context.Context, row *List, after uint32, limit int) ([]Member, error) {
	return ReadMembers(ctx, l.opts.Store, Span{Owner: row.ID, After: after, To: row.Added}, limit)
}

// WriteErrors writes the list's error file.
func (l *Lists) WriteErrors(ctx context.Context, row *List, w io.Writer) error {
	return WriteFaults(ctx, w, l.opts.Store, row.ID, row.Refused)
}

// Source is rows to be added to a list.
type Source struct {
	Reader         sheet.Reader
	Header         Header
	To             string
	Map            map[string]string
	KeepDuplicates bool
}

// Add adds rows to a list: all of them, with what was refused in the error file, or none.
// Numbers that the list has already are skipped, unless told otherwise.
func (l *Lists) Add(ctx context.Context, account uint32, name string, src *Source, p *Progress) (List, error) {
	row, err := l.claim(ctx, account, name)
	if err != nil {
		return List{}, err
	}
	defer l.disclaim(row.ID)
	unread := []Block{{Kind: Recipients, First: row.Added + 1}, {Kind: Refused, First: row.Refused + 1}}
	drop := unread
	im := &Importer{
		Reader: src.Reader, Header: src.Header, To: src.To, Map: src.Map, Columns: slices.Clone(row.Columns),
		Added: row.Added, Refused: row.Refused, Check: l.opts.Check, SkipDuplicates: !src.KeepDuplicates, Progress: p,
		Put: func(ctx context.Context, blocks []Block) error {
			c := &ListChange{List: row, Clear: drop, Blocks: blocks}
			drop = nil
			return l.opts.Store.WriteList(ctx, c)
		},
	}
	if err = l.known(ctx, im, &row); err == nil {
		err = im.Run(ctx)
	}
	if err != nil {
		_ = l.opts.Store.WriteList(context.WithoutCancel(ctx), &ListChange{List: row, Clear: unread}) // nobody reads it
		return List{}, err
	}
	row.Columns = im.Columns
	row.Added += uint32(p.Added.Load())
	row.Refused += uint32(p.Refused.Load())
	row.Repeated += uint32(p.Duplicates.Load())
	row.UpdatedAt = l.opts.Now().UnixMilli()
	if err := l.opts.Store.WriteList(ctx, &ListChange{List: row}); err != nil {
		return List{}, fmt.Errorf("save contact list %s: %w", row.Name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all[row.ID] = row
	return row, nil
}

func (l *Lists) known(ctx context.Context, im *Importer, row *List) error {
	for before := l.Reader(ctx, row); ; {
		switch m, err := before.Member(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		default:
			im.Known(m.To)
		}
	}
}

// Reload reads the lists anew, after another process has changed them.
func (l *Lists) Reload(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	rows, err := l.opts.Store.LoadLists(ctx)
	if err != nil {
		return fmt.Errorf("load contact lists: %w", err)
	}
	all := make(map[message.ID]List, len(rows))
	for _, row := range rows {
		all[row.ID] = row
	}
	for id := range l.busy { // what is being added here, only this process knows
		if row, ok := l.all[id]; ok {
			all[id] = row
		}
	}
	l.all = all
	return nil
}
