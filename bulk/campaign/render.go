package campaign

import (
	"context"
	"fmt"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
)

// MissingVariable is the code of a recipient without a value that the text needs.
const MissingVariable = "missing_variable"

// Sample is one message that a campaign would make.
type Sample struct {
	Ordinal        uint32
	To, Text       string
	Parts          int
	Encoding       gsm.Encoding
	Transliterated bool
	Err            *intake.Refusal
}

// Samples are the first limit messages that a campaign would make.
func (m *Manager) Samples(ctx context.Context, who *account.Account, id message.ID, limit int) ([]Sample, error) {
	row, set, err := m.find(ctx, who, id)
	if err != nil {
		return nil, err
	}
	return m.Preview(ctx, &row, &set, limit)
}

// Preview makes the first limit messages of a campaign and accepts none.
func (m *Manager) Preview(ctx context.Context, row *Row, set *Settings, limit int) ([]Sample, error) {
	base, text, err := m.request(row, set)
	if err != nil {
		return nil, err
	}
	members, err := contact.ReadMembers(ctx, m.opts.Store, contact.Span{Owner: row.ID, To: set.Added}, limit)
	if err != nil {
		return nil, fmt.Errorf("read recipients of campaign %s: %w", row.ID, err)
	}
	all := make([]Sample, len(members))
	for i := range members {
		s := &all[i]
		s.Ordinal, s.To = uint32(i+1), members[i].To
		rendered, missing := text.render(nil, &members[i])
		if missing != "" {
			s.Err = missingVariable(missing)
			continue
		}
		req := base
		req.To, req.Text = s.To, string(rendered)
		out := m.opts.Intake.Preview(&req)
		s.Text, s.Err, s.Transliterated = req.Text, out.Err, out.Transliterated
		if out.Msg != nil && out.Err == nil {
			s.Parts, s.Encoding = len(out.Msg.Parts), gsm.Encoding(out.Msg.Encoding)
		}
	}
	return all, nil
}

func missingVariable(name string) *intake.Refusal {
	return &intake.Refusal{Code: MissingVariable, Field: name, Detail: fmt.Sprintf("there is no value for {{%s}}", name)}
}

// request is what the messages of a campaign have in common, and their text.
func (m *Manager) request(row *Row, set *Settings) (intake.Request, *bound, error) {
	owner := m.opts.Accounts.ByID(row.Account)
	if owner == nil {
		return intake.Request{}, nil, errAccountGone
	}
	t, err := parseTemplate(row.MessageContent)
	if err != nil { // made before there were templates
		t = &template{pieces: []piece{{literal: row.MessageContent}}}
	}
	enc, _ := gsm.ParseEncoding(set.Encoding) // checked by Spec.apply
	req := intake.Request{
		Account: owner, From: row.SenderID, Encoding: enc, Flash: set.Flash, Priority: row.Priority,
		ValidityPeriod: set.ValidityPeriod, DLRURL: set.DLRURL, Tag: set.Tag,
	}
	if set.UDH != "" || set.DestPort != 0 || set.SourcePort != 0 || set.Transliterate {
		req.Content = &intake.Content{UDH: set.UDH, DestPort: set.DestPort, SourcePort: set.SourcePort, Transliterate: set.Transliterate}
	}
	return req, t.bind(set.Columns), nil
}

// Trial is a test message: to a number, with values of its own or the first recipient's.
type Trial struct {
	To          string
	Values      map[string]string
	TraceParent string // W3C traceparent of the caller; empty: none
}

// Test sends the campaign's text to one number now, whatever its status; it counts neither
// as a recipient nor in the progress.
func (m *Manager) Test(ctx context.Context, who *account.Account, id message.ID, trial Trial) (intake.Outcome, error) {
	row, set, err := m.find(ctx, who, id)
	if err != nil {
		return intake.Outcome{}, err
	}
	req, text, err := m.request(&row, &set)
	if err != nil {
		return intake.Outcome{}, account.ErrUnknown
	}
	like, err := contact.ReadMembers(ctx, m.opts.Store, contact.Span{Owner: id, To: set.Added}, 1)
	if err != nil {
		return intake.Outcome{}, fmt.Errorf("read recipients of campaign %s: %w", id, err)
	}
	var member contact.Member
	columns := set.Columns
	if len(like) > 0 {
		member = like[0]
	}
	for len(member.Values) < len(columns) {
		member.Values = append(member.Values, "")
	}
	for name, v := range trial.Values {
		columns, member.Values = append([]string{contact.ColumnName(name)}, columns...), append([]string{v}, member.Values...)
	}
	member.To = trial.To
	rendered, missing := text.bind(columns).render(nil, &member)
	if missing != "" {
		return intake.Outcome{}, missingVariable(missing)
	}
	req.To, req.Text, req.TraceParent = trial.To, string(rendered), trial.TraceParent
	out := make([]intake.Outcome, 1)
	err = m.opts.Intake.Submit(ctx, []intake.Request{req}, out)
	return out[0], asError(&out[0], err)
}
