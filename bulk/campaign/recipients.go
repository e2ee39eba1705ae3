package campaign

import (
	"context"
	"errors"
	"fmt"
	"io"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/contact/sheet"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

// Upload is recipients to be added.
type Upload struct {
	Reader     sheet.Reader
	Name       string // of the file or list, for people
	Header     contact.Header
	To         string // column of the number; "": found
	Map        map[string]string
	Duplicates string // keep or skip; "": as the campaign says
	By         string // who adds them
}

// Import says what became of an Upload.
type Import struct {
	At         int64  `json:"at"` // Unix ms
	Name       string `json:"name,omitempty"`
	Rows       int64  `json:"rows"`
	Added      int64  `json:"added"`
	Refused    int64  `json:"refused"`    // in the error file
	Duplicates int64  `json:"duplicates"` // kept or, then among the refused, skipped
}

const maxImports = 20 // kept in Settings

// AddRecipients adds the rows of an Upload to a DRAFT (ErrNotDraft), as they come and in
// bounded memory. Either all of it is added, with the rows that were refused in the error
// file, or nothing: after an error, or when the process ends before.
func (m *Manager) AddRecipients(ctx context.Context, who *account.Account, id message.ID, up *Upload) (Campaign, Import, error) {
	row, set, err := m.find(ctx, who, id)
	if err != nil {
		return Campaign{}, Import{}, err
	}
	if row.Status != Draft {
		return Campaign{}, Import{}, ErrNotDraft
	}
	progress := new(contact.Progress)
	if !m.claim(id, progress) {
		return Campaign{}, Import{}, ErrImporting
	}
	defer m.disclaim(id)
	// What was read before the claim may be old.
	if row, set, err = m.find(ctx, who, id); err != nil {
		return Campaign{}, Import{}, err
	}
	if row.Status != Draft {
		return Campaign{}, Import{}, ErrNotDraft
	}
	im, err := m.importer(ctx, id, &set, up, progress)
	if err == nil {
		err = im.Run(ctx)
	}
	if err != nil {
		_ = m.opts.Store.Write(context.WithoutCancel(ctx), &Change{Owner: id, Clear: beyond(&set)}) // nobody reads it
		return Campaign{}, Import{}, err
	}
	done := Import{
		At: m.opts.Now().UnixMilli(), Name: up.Name, Rows: progress.Rows.Load(), Added: progress.Added.Load(),
		Refused: progress.Refused.Load(), Duplicates: progress.Duplicates.Load(),
	}
	c, err := m.added(ctx, who, id, up, im.Columns, done)
	return c, done, err
}

// beyond are the blocks that nothing counts.
func beyond(set *Settings) []contact.Block {
	return []contact.Block{{Kind: contact.Recipients, First: set.Added + 1}, {Kind: contact.Refused, First: set.RefusedRows + 1}}
}

func (m *Manager) importer(ctx context.Context, id message.ID, set *Settings, up *Upload, progress *contact.Progress) (*contact.Importer, error) {
	policy := up.Duplicates
	if policy == "" {
		policy = set.Duplicates
	}
	im := &contact.Importer{
		Reader: up.Reader, Header: up.Header, To: up.To, Map: up.Map, Columns: set.Columns, Added: set.Added, Refused: set.RefusedRows,
		Check: intake.CheckRecipient, SkipDuplicates: policy == "skip", Progress: progress,
	}
	cleared := false
	im.Put = func(ctx context.Context, blocks []contact.Block) error {
		c := &Change{Owner: id, Blocks: blocks}
		if !cleared {
			c.Clear, cleared = beyond(set), true
		}
		return m.opts.Store.Write(ctx, c)
	}
	for before := contact.NewMemberReader(ctx, m.opts.Store, contact.Span{Owner: id, To: set.Added}); ; {
		switch member, err := before.Member(); {
		case errors.Is(err, io.EOF):
			return im, nil
		case err != nil:
			return nil, err
		default:
			im.Known(member.To)
		}
	}
}

// added counts what an import has put.
func (m *Manager) added(ctx context.Context, who *account.Account, id message.ID, up *Upload, columns []string, done Import) (Campaign, error) {
	defer m.lock(id)()
	row, set, err := m.find(ctx, who, id)
	if err != nil {
		return Campaign{}, err
	}
	if row.Status != Draft {
		return Campaign{}, ErrNotDraft
	}
	set.Columns = columns
	set.Added += uint32(done.Added)
	set.RefusedRows += uint32(done.Refused)
	set.Repeated += uint32(done.Duplicates)
	if set.Imports = append(set.Imports, done); len(set.Imports) > maxImports {
		set.Imports = set.Imports[1:]
	}
	set.ChangedBy = up.By
	row.TotalRecipients = set.Added
	return m.view(row, set), m.save(ctx, &row, &set)
}

// ClearRecipients removes all recipients of a DRAFT, and what its imports refused.
func (m *Manager) ClearRecipients(ctx context.Context, who *account.Account, id message.ID, by string) (Campaign, error) {
	defer m.lock(id)()
	row, set, err := m.find(ctx, who, id)
	switch {
	case err != nil:
		return Campaign{}, err
	case row.Status != Draft:
		return Campaign{}, ErrNotDraft
	case m.importing(id) != nil:
		return Campaign{}, ErrImporting
	}
	set.Added, set.RefusedRows, set.Repeated, set.Imports, set.Columns, set.ChangedBy = 0, 0, 0, nil, nil, by
	row.TotalRecipients = 0
	if err := seal(&row, &set); err != nil {
		return Campaign{}, err
	}
	return m.view(row, set), m.opts.Store.Write(ctx, &Change{Row: &row, Owner: id, Clear: beyond(&set)})
}

// Recipients returns up to limit recipients behind number after.
func (m *Manager) Recipients(ctx context.Context, who *account.Account, id message.ID, after uint32, limit int) ([]contact.Member, []string, error) {
	_, set, err := m.find(ctx, who, id)
	if err != nil {
		return nil, nil, err
	}
	members, err := contact.ReadMembers(ctx, m.opts.Store, contact.Span{Owner: id, After: after, To: set.Added}, limit)
	return members, set.Columns, err
}

// WriteErrors writes the error file: rows that imports refused, and recipients that were
// refused when their message was made.
func (m *Manager) WriteErrors(ctx context.Context, who *account.Account, id message.ID, w io.Writer) error {
	_, set, err := m.find(ctx, who, id)
	if err != nil {
		return err
	}
	return contact.WriteFaults(ctx, w, m.opts.Store, id, set.RefusedRows)
}

// claim marks that recipients of the campaign are being added; false when they are already.
func (m *Manager) claim(id message.ID, p *contact.Progress) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.imports[id] != nil || m.stopped {
		return false
	}
	m.imports[id] = p
	return true
}

func (m *Manager) disclaim(id message.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.imports, id)
}

// importing returns the progress of the import that is under way, or nil.
func (m *Manager) importing(id message.ID) *contact.Progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.imports[id]
}

// recipientFault is for the error file: a recipient that became no message.
func recipientFault(m *contact.Member, code, field, reason string) contact.Fault {
	row := m.To
	for _, v := range m.Values {
		row += "," + v
	}
	return contact.Fault{Line: m.Line, Field: field, Code: code, Reason: reason, Row: fmt.Sprintf("%.500s", row)}
}
