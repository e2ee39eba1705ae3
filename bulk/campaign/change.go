package campaign

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
)

// Campaign is a campaign as its owner sees it.
type Campaign struct {
	Row
	Settings Settings
	Counts   Counts
}

// Create makes a DRAFT with the recipients, if any.
func (m *Manager) Create(ctx context.Context, owner *account.Account, spec Spec, recipients []string) (Campaign, error) {
	now := m.opts.Now()
	row := Row{ID: m.opts.IDs.Next(), Account: owner.ID, Status: Draft, CreatedAt: now.UnixMilli()}
	var set Settings
	if err := spec.apply(&row, &set, now); err != nil {
		return Campaign{}, err
	}
	if err := checkRecipients(recipients); err != nil {
		return Campaign{}, err
	}
	if err := m.save(ctx, &row, &set); err != nil {
		return Campaign{}, err
	}
	if len(recipients) > 0 {
		if err := m.append(ctx, &row, &set, recipients); err != nil {
			return Campaign{}, err
		}
	}
	return Campaign{Row: row, Settings: set}, nil
}

// Get returns a campaign that who may see, or ErrNotFound.
func (m *Manager) Get(ctx context.Context, who *account.Account, id message.ID) (Campaign, error) {
	row, set, err := m.find(ctx, who, id)
	return Campaign{Row: row, Settings: set, Counts: m.opts.Store.CampaignCounts(id)}, err
}

// List returns the newest campaigns that who may see, with ids below below (0: all).
func (m *Manager) List(ctx context.Context, who *account.Account, below message.ID, limit int) ([]Campaign, error) {
	owner := who.ID
	if who.Role == account.Admin {
		owner = 0
	}
	rows, err := m.opts.Store.Campaigns(ctx, owner, below, limit)
	if err != nil {
		return nil, fmt.Errorf("list campaigns: %w", err)
	}
	all := make([]Campaign, len(rows))
	for i, row := range rows {
		all[i] = Campaign{Row: row, Settings: settingsOf(row), Counts: m.opts.Store.CampaignCounts(row.ID)}
	}
	return all, nil
}

// Update changes the Spec of a DRAFT (ErrNotDraft).
func (m *Manager) Update(ctx context.Context, who *account.Account, id message.ID, change func(*Spec)) (Campaign, error) {
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
	if set.Added > 0 {
		row.TotalRecipients = set.Added
	}
	return Campaign{Row: row, Settings: set}, m.save(ctx, &row, &set)
}

// Delete removes a campaign that makes no messages: a DRAFT or a finished one. Its
// messages stay.
func (m *Manager) Delete(ctx context.Context, who *account.Account, id message.ID) error {
	defer m.lock(id)()
	row, _, err := m.find(ctx, who, id)
	if err != nil {
		return err
	}
	if row.Status != Draft && row.Status != Completed && row.Status != Cancelled {
		return &TransitionError{Action: "delete", Status: row.Status, Allowed: row.Status.Allowed()}
	}
	return m.opts.Store.DeleteCampaign(ctx, id)
}

// AddRecipients adds recipients to a DRAFT (ErrNotDraft) and returns it.
func (m *Manager) AddRecipients(ctx context.Context, who *account.Account, id message.ID, to []string) (Campaign, error) {
	if err := checkRecipients(to); err != nil {
		return Campaign{}, err
	}
	defer m.lock(id)()
	row, set, err := m.find(ctx, who, id)
	if err != nil {
		return Campaign{}, err
	}
	if row.Status != Draft {
		return Campaign{}, ErrNotDraft
	}
	return Campaign{Row: row, Settings: set}, m.append(ctx, &row, &set, to)
}

// Do carries out an action: *TransitionError when the status does not permit it,
// ErrNoRecipients for the start of an empty campaign.
func (m *Manager) Do(ctx context.Context, who *account.Account, id message.ID, action Action) (Campaign, error) {
	defer m.lock(id)()
	row, set, err := m.find(ctx, who, id)
	if err != nil {
		return Campaign{}, err
	}
	if !slices.Contains(row.Status.Allowed(), action) {
		return Campaign{}, &TransitionError{Action: action, Status: row.Status, Allowed: row.Status.Allowed()}
	}
	if action == Start && set.Added == 0 {
		return Campaign{}, ErrNoRecipients
	}
	m.halt(id)
	if row, set, err = m.find(ctx, who, id); err != nil { // a run has saved its progress
		return Campaign{}, err
	}
	if !slices.Contains(row.Status.Allowed(), action) {
		return Campaign{}, &TransitionError{Action: action, Status: row.Status, Allowed: row.Status.Allowed()}
	}
	m.transition(&row, action)
	if err := m.save(ctx, &row, &set); err != nil {
		return Campaign{}, err
	}
	if row.Status == Running || row.Status == Scheduled {
		m.launch(row, set)
	}
	return Campaign{Row: row, Settings: set, Counts: m.opts.Store.CampaignCounts(id)}, nil
}

// Test sends the campaign's text to one number now, whatever its status; it counts neither
// as a recipient nor in the progress.
func (m *Manager) Test(ctx context.Context, who *account.Account, id message.ID, to string) (*message.Message, error) {
	row, set, err := m.find(ctx, who, id)
	if err != nil {
		return nil, err
	}
	owner := m.opts.Accounts.ByID(row.Account)
	if owner == nil {
		return nil, account.ErrUnknown
	}
	enc, _ := gsm.ParseEncoding(set.Encoding) // checked by Spec.apply
	out := make([]intake.Outcome, 1)
	err = m.opts.Intake.Submit(ctx, []intake.Request{{
		Account: owner, From: row.SenderID, To: to, Text: row.MessageContent, Encoding: enc, Priority: row.Priority, DLRURL: set.DLRURL,
	}}, out)
	switch {
	case err != nil:
		return nil, intake.AsRefusal(err)
	case out[0].Err != nil:
		return nil, out[0].Err
	}
	return out[0].Msg, nil
}

func (m *Manager) transition(row *Row, action Action) {
	now := m.opts.Now().UnixMilli()
	switch action {
	case Start, Resume:
		row.Status = Running
		if row.ScheduleAt > now {
			row.Status = Scheduled
		}
		if row.StartedAt == 0 {
			row.StartedAt = now
		}
	case Pause:
		row.Status = Paused
	case Cancel:
		row.Status, row.FinishedAt = Cancelled, now
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
	settings, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("encode settings of campaign %s: %w", row.ID, err)
	}
	row.Settings = settings
	if err := m.opts.Store.SaveCampaign(ctx, *row); err != nil {
		return fmt.Errorf("save campaign %s: %w", row.ID, err)
	}
	return nil
}

// append stores recipients first, then the row that counts them: what a crash leaves
// uncounted between the two is written over by the next call.
func (m *Manager) append(ctx context.Context, row *Row, set *Settings, to []string) error {
	rows := make([]Recipient, len(to))
	for i, number := range to {
		rows[i] = Recipient{Ordinal: set.Added + uint32(i) + 1, To: number}
	}
	if err := m.opts.Store.AddRecipients(ctx, row.ID, rows); err != nil {
		return fmt.Errorf("add recipients to campaign %s: %w", row.ID, err)
	}
	set.Added += uint32(len(rows))
	row.TotalRecipients = set.Added
	return m.save(ctx, row, set)
}

func settingsOf(row Row) (set Settings) {
	_ = json.Unmarshal(row.Settings, &set) // written by save; an old row may have none
	return set
}

func specOf(row Row, set Settings) Spec {
	s := Spec{
		Name: row.Name, SenderID: row.SenderID, MessageContent: row.MessageContent, RecipientType: row.RecipientType,
		TotalRecipients: row.TotalRecipients, ScheduleType: row.ScheduleType, Priority: row.Priority, MaxTPS: row.MaxTPS,
		Encoding: set.Encoding, DLRURL: set.DLRURL,
	}
	if row.ScheduleAt != 0 {
		s.ScheduleAt = timeText(row.ScheduleAt)
	}
	return s
}

// checkRecipients checks what can be known before messages are made.
func checkRecipients(to []string) error {
	if len(to) > MaxRecipients {
		return &FieldError{"recipients", "too_many_recipients", fmt.Sprintf("has more than the %d entries allowed in one call", MaxRecipients)}
	}
	for i, number := range to {
		if len(number) == 0 || len(number) > maxRecipient {
			return &FieldError{fmt.Sprintf("recipients/%d", i), "invalid_recipient", fmt.Sprintf("has 1 to %d characters", maxRecipient)}
		}
	}
	return nil
}
