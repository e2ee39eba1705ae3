package campaign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

// Campaign is a campaign as its owner sees it.
type Campaign struct {
	Row
	Settings Settings
	Counts   Counts            // of its messages
	Import   *contact.Progress // of recipients that are being added; nil: none
}

// Accepted is the number of recipients that became a message.
func (c *Campaign) Accepted() int64 { return c.Counts.Sum() }

// Sent is the number of messages that an SMSC was given, or that ended there.
func (c *Campaign) Sent() int64 {
	k := &c.Counts
	return k[0] + k[message.Sent] + k[message.Delivered] + k[message.Failed] + k[message.Rejected] + k[message.Unknown]
}

// Processed is the number of recipients that became a message or were refused.
func (c *Campaign) Processed() int64 { return max(int64(c.Cursor), c.Accepted()+int64(c.Refused)) }

// view is the campaign with what is known of it besides its row.
func (m *Manager) view(row Row, set Settings) Campaign {
	return Campaign{Row: row, Settings: set, Counts: m.opts.Store.CampaignCounts(row.Account, row.ID), Import: m.importing(row.ID)}
}

// Create makes a DRAFT. by is the person who does.
func (m *Manager) Create(ctx context.Context, owner *account.Account, spec Spec, by string) (Campaign, error) {
	now := m.opts.Now()
	row := Row{ID: m.opts.IDs.Next(), Account: owner.ID, Status: Draft, CreatedAt: now.UnixMilli()}
	set := Settings{CreatedBy: by}
	if err := spec.apply(&row, &set, now); err != nil {
		return Campaign{}, err
	}
	if err := m.save(ctx, &row, &set); err != nil {
		return Campaign{}, err
	}
	return m.view(row, set), nil
}

// Get returns a campaign that who may see, or ErrNotFound.
func (m *Manager) Get(ctx context.Context, who *account.Account, id message.ID) (Campaign, error) {
	row, set, err := m.find(ctx, who, id)
	if err != nil {
		return Campaign{}, err
	}
	return m.view(row, set), nil
}

// maxSearched bounds the campaigns that one List looks at for a name.
const maxSearched = 10_000

// List returns the campaigns that who may see and q selects; q.Account is for admins.
// next is where to go on below, 0 at the end.
func (m *Manager) List(ctx context.Context, who *account.Account, q Query) (all []Campaign, next message.ID, err error) {
	if who.Role != account.Admin {
		q.Account = who.ID
	}
	name := strings.ToLower(q.Name)
	want := q.Limit
	if name != "" {
		q.Limit = max(q.Limit, 200)
	}
	for looked := 0; looked < maxSearched; looked += q.Limit {
		rows, err := m.opts.Store.Campaigns(ctx, q)
		if err != nil {
			return nil, 0, fmt.Errorf("list campaigns: %w", err)
		}
		for _, row := range rows {
			q.Below = row.ID
			if name != "" && !strings.Contains(strings.ToLower(row.Name), name) {
				continue
			}
			if all = append(all, m.view(row, settingsOf(row))); len(all) == want {
				return all, row.ID, nil
			}
		}
		if len(rows) < q.Limit {
			return all, 0, nil
		}
	}
	return all, q.Below, nil
}

// Update changes the Spec of a DRAFT (ErrNotDraft).
func (m *Manager) Update(ctx context.Context, who *account.Account, id message.ID, by string, change func(*Spec)) (Campaign, error) {
	defer m.lock(id)()
	row, set, err := m.find(ctx, who, id)
	if err != nil {
		return Campaign{}, err
	}
	if row.Status != Draft {
		return Campaign{}, ErrNotDraft
	}
	spec := specOf(row, set)
	change(&spec)
	if err := spec.apply(&row, &set, m.opts.Now()); err != nil {
		return Campaign{}, err
	}
	set.ChangedBy = by
	if set.Added > 0 {
		row.TotalRecipients = set.Added
	}
	return m.view(row, set), m.save(ctx, &row, &set)
}

// Delete removes a campaign that makes no messages: a DRAFT or a finished one. Its
// messages stay.
func (m *Manager) Delete(ctx context.Context, who *account.Account, id message.ID) error {
	defer m.lock(id)()
	row, _, err := m.find(ctx, who, id)
	if err != nil {
		return err
	}
	if m.importing(id) != nil {
		return ErrImporting
	}
	if row.Status != Draft && row.Status != Completed && row.Status != Cancelled {
		return &TransitionError{Action: "delete", Status: row.Status, Allowed: row.Status.Allowed()}
	}
	return m.opts.Store.DeleteCampaign(ctx, id)
}

// Decision is an action, who takes it and, for Reject, why.
type Decision struct {
	Action Action
	By     string
	Reason string
}

// Do carries out an action: *TransitionError when the status does not permit it,
// ErrNoRecipients or *FieldError for the start of a campaign that could send nothing,
// ErrOwnApproval when the second person is the first.
func (m *Manager) Do(ctx context.Context, who *account.Account, id message.ID, d Decision) (Campaign, error) {
	defer m.lock(id)()
	row, set, err := m.find(ctx, who, id)
	if err == nil {
		err = m.possible(ctx, &row, &set, d)
	}
	if err != nil {
		return Campaign{}, err
	}
	m.halt(id)
	if n := m.opts.Nodes; n != nil && !n.Mine(id) {
		release, err := n.Halt(ctx, id)
		if err != nil {
			return Campaign{}, fmt.Errorf("stop campaign %s on its node: %w", id, err)
		}
		defer release()
	}
	if row, set, err = m.find(ctx, who, id); err != nil { // a run has saved its progress
		return Campaign{}, err
	}
	if !slices.Contains(row.Status.Allowed(), d.Action) {
		return Campaign{}, &TransitionError{Action: d.Action, Status: row.Status, Allowed: row.Status.Allowed()}
	}
	m.transition(&row, &set, d)
	if err := m.save(ctx, &row, &set); err != nil {
		m.relaunch(ctx, id)
		return Campaign{}, err
	}
	switch row.Status {
	case Running, Scheduled:
		m.launch(row, set)
	case Cancelled:
		// From here on the cancellation is durable, and a start goes on with it.
		if err := m.withdraw(context.WithoutCancel(ctx), &row, &set); err != nil {
			return Campaign{}, err
		}
	}
	return m.view(row, set), nil
}

// relaunch lets a campaign go on that was halted for a change which the store refused.
func (m *Manager) relaunch(ctx context.Context, id message.ID) {
	row, err := m.opts.Store.Campaign(ctx, id)
	if err == nil && (row.Status == Running || row.Status == Scheduled) {
		m.launch(row, settingsOf(row))
	}
}

// withdraw cancels the messages that were not sent.
func (m *Manager) withdraw(ctx context.Context, row *Row, set *Settings) error {
	if _, err := m.opts.Store.CancelWaiting(ctx, row.Account, row.ID); err != nil {
		return fmt.Errorf("cancel the messages of campaign %s: %w", row.ID, err)
	}
	set.Cancelling = false
	return m.save(ctx, row, set)
}

// possible checks an action before anything is stopped for it.
func (m *Manager) possible(ctx context.Context, row *Row, set *Settings, d Decision) error {
	switch {
	case !slices.Contains(row.Status.Allowed(), d.Action):
		return &TransitionError{Action: d.Action, Status: row.Status, Allowed: row.Status.Allowed()}
	case m.importing(row.ID) != nil && d.Action != Cancel:
		return ErrImporting
	case d.Action == Start && set.Added == 0:
		return ErrNoRecipients
	case d.Action == Start:
		return m.canSend(ctx, row, set)
	case d.Action == Approve && oneOf(d.By, set.CreatedBy, set.ChangedBy, set.StartedBy):
		return ErrOwnApproval
	}
	return nil
}

// canSend finds what every recipient would be refused for.
func (m *Manager) canSend(ctx context.Context, row *Row, set *Settings) error {
	t, err := parseTemplate(row.MessageContent)
	if err != nil {
		return &FieldError{"message_content", "invalid_template", err.Error()}
	}
	if names := t.unknown(set.Columns); len(names) > 0 {
		return &FieldError{"message_content", "unknown_variable", fmt.Sprintf("has {{%s}}, and the recipients have %s", names[0], columnList(set.Columns))}
	}
	first, err := m.Preview(ctx, row, set, 1)
	if err != nil || len(first) == 0 || first[0].Err == nil {
		return err
	}
	r := first[0].Err
	if r.Code == MissingVariable || !oneOf(r.Field, "from", "dlr_url", "validity_period", "encoding", "priority", "tag", "udh") {
		return nil // of this recipient, or of this moment
	}
	return r
}

func columnList(columns []string) string {
	if len(columns) == 0 {
		return "no values"
	}
	return strings.Join(columns, ", ")
}

func (m *Manager) transition(row *Row, set *Settings, d Decision) {
	now := m.opts.Now().UnixMilli()
	set.Waiting = ""
	switch d.Action {
	case Start:
		set.StartedBy, set.Reason, set.DecidedBy = d.By, "", ""
		if owner := m.opts.Accounts.ByID(row.Account); owner != nil && owner.CampaignApproval {
			row.Status = PendingApproval
			return
		}
		m.begin(row, now)
	case Approve:
		set.DecidedBy = d.By
		m.begin(row, now)
	case Reject:
		row.Status, set.DecidedBy, set.Reason, set.LastError = Draft, d.By, "rejected", d.Reason
	case Resume:
		set.Reason = ""
		m.begin(row, now)
	case Pause:
		row.Status = Paused
	case Cancel:
		set.Cancelling = true
		row.Status, row.FinishedAt = Cancelled, now
	}
}

func (m *Manager) begin(row *Row, now int64) {
	row.Status = Running
	if row.ScheduleAt > now {
		row.Status = Scheduled
	}
	if row.StartedAt == 0 {
		row.StartedAt = now
	}
}

// lock serialises the changes of one campaign; the result unlocks.
func (m *Manager) lock(id message.ID) (unlock func()) {
	l := &m.locks[uint64(id)%uint64(len(m.locks))]
	l.Lock()
	return l.Unlock
}

func (m *Manager) find(ctx context.Context, who *account.Account, id message.ID) (Row, Settings, error) {
	row, err := m.opts.Store.Campaign(ctx, id)
	if err != nil {
		return Row{}, Settings{}, err
	}
	if row.Account != who.ID && who.Role != account.Admin {
		return Row{}, Settings{}, ErrNotFound
	}
	return row, settingsOf(row), nil
}

func (m *Manager) save(ctx context.Context, row *Row, set *Settings) error {
	if err := seal(row, set); err != nil {
		return err
	}
	if err := m.opts.Store.Write(ctx, &Change{Row: row, Owner: row.ID}); err != nil {
		return fmt.Errorf("save campaign %s: %w", row.ID, err)
	}
	return nil
}

// seal puts the settings into the row.
func seal(row *Row, set *Settings) (err error) {
	if row.Settings, err = json.Marshal(set); err != nil {
		return fmt.Errorf("encode settings of campaign %s: %w", row.ID, err)
	}
	return nil
}

func settingsOf(row Row) (set Settings) {
	_ = json.Unmarshal(row.Settings, &set) // written by seal; an old row may have none
	return set
}

func specOf(row Row, set Settings) Spec {
	s := Spec{
		Name: row.Name, SenderID: row.SenderID, MessageContent: row.MessageContent, RecipientType: row.RecipientType,
		TotalRecipients: row.TotalRecipients, ScheduleType: row.ScheduleType, Priority: row.Priority, MaxTPS: row.MaxTPS,
		Encoding: set.Encoding, DLRURL: set.DLRURL, ValidityPeriod: set.ValidityPeriod, Tag: set.Tag, Flash: set.Flash,
		Transliterate: set.Transliterate, UDH: set.UDH, DestPort: set.DestPort, SourcePort: set.SourcePort,
		Timezone: set.Timezone, Windows: set.Windows, Duplicates: set.Duplicates, AutoResume: set.AutoResume,
	}
	if row.ScheduleAt != 0 {
		s.ScheduleAt = timeText(row.ScheduleAt)
	}
	return s
}

// asError joins nothing and a refusal.
func asError(out *intake.Outcome, err error) error {
	switch {
	case err != nil:
		return intake.AsRefusal(err)
	case out.Err != nil:
		return out.Err
	}
	return nil
}

var errAccountGone = errors.New("the account is gone")
