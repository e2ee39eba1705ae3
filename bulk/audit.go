package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/audit"
	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/store"
)

// AuditConfig says how long administrative changes are kept.
type AuditConfig struct {
	Keep Duration `yaml:"keep" doc:"how long the log of administrative changes goes back"`
}

// auditLog is the store's log of administrative changes as package api wants it.
type auditLog struct{ store store.Store }

// Begin returns a context whose writes carry the entry, and its record.
func (a auditLog) Begin(ctx context.Context, e audit.Entry) (context.Context, *audit.Record) {
	e.ID = a.store.IDs().Next().String()
	r := audit.NewRecord(e)
	ctx = store.Alongside(audit.With(ctx, r), store.AuditLog, func() store.LogEntry { return auditEntry(r.Written()) })
	return ctx, r
}

func auditEntry(e audit.Entry) store.LogEntry {
	text, err := json.Marshal(e)
	if err != nil { // maps of what JSON had
		text = fmt.Appendf(nil, `{"id":%q}`, e.ID)
	}
	return store.LogEntry{Key: e.ID, Value: text}
}

// End writes the entry, unless the changes did.
func (a auditLog) End(ctx context.Context, r *audit.Record) error {
	e, pending := r.Pending()
	if !pending {
		return nil
	}
	return a.store.AppendLog(context.WithoutCancel(ctx), store.AuditLog, []store.LogEntry{auditEntry(e)})
}

// Bounds of a listing: how many entries are read at once, and in all.
const (
	auditPage = 500
	auditScan = 50_000
)

// List returns entries, newest first, and where to go on; "" at the end.
func (a auditLog) List(ctx context.Context, q audit.Query) (found []audit.Entry, next string, err error) {
	below := q.Before
	if !q.Until.IsZero() {
		if until := message.FirstID(q.Until).String(); below == "" || until < below {
			below = until
		}
	}
	since := ""
	if !q.Since.IsZero() {
		since = message.FirstID(q.Since).String()
	}
	for scanned := 0; scanned < auditScan; scanned += auditPage {
		page, err := a.store.Log(ctx, store.AuditLog, below, auditPage)
		if err != nil {
			return nil, "", err
		}
		for i := range page {
			if page[i].Key < since {
				return found, "", nil
			}
			below = page[i].Key
			var e audit.Entry
			if err := json.Unmarshal(page[i].Value, &e); err != nil {
				return nil, "", fmt.Errorf("audit entry %s: %w", page[i].Key, err)
			}
			if !q.Matches(&e) {
				continue
			}
			if found = append(found, e); len(found) == q.Limit {
				return found, below, nil
			}
		}
		if len(page) < auditPage {
			return found, "", nil
		}
	}
	return found, below, nil // nothing more for now: the rest with the cursor
}

// accountChange is an account as the log has it: with the names of the API, and with secrets,
// which the log hides.
func accountChange(row *account.Row) map[string]any {
	text, err := json.Marshal(row.Spec)
	if err != nil {
		return nil
	}
	var fields map[string]any
	if json.Unmarshal(text, &fields) != nil {
		return nil
	}
	m := make(map[string]any, len(fields))
	for name, v := range fields {
		m[apiName(name)] = v
	}
	m["role"] = row.Role.String()
	m["default_encoding"] = row.DefaultEncoding.String()
	m["password_hash"] = row.PasswordHash
	return m
}

// apiName is the name that the API has for a field of account.Spec.
func apiName(field string) string {
	switch field {
	case "TPS":
		return "tps"
	case "RateBy":
		return "tps_counts"
	case "DLRURL":
		return "dlr_url"
	case "SMPPAllow":
		return "smpp_allow"
	case "SystemID":
		return "system_id"
	case "MessageIDs":
		return "message_ids"
	}
	var b strings.Builder
	for i, r := range field {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// keyChange is an API key as the log has it.
func keyChange(k *account.KeyRow) map[string]any {
	return map[string]any{
		"name": k.Name, "scopes": k.Scopes.String(), "allow": k.Allow, "expires_at": k.ExpiresAt, "account_id": k.Account,
	}
}

// noteAccount tells the log what an account was and becomes.
func (s accountStore) noteAccount(ctx context.Context, row *account.Row) error {
	r := audit.From(ctx)
	if r == nil {
		return nil
	}
	var before any
	rows, _, err := s.LoadAccounts(ctx)
	if err != nil {
		return err
	}
	for i := range rows {
		if rows[i].ID == row.ID {
			before = accountChange(&rows[i])
		}
	}
	r.Note(fmt.Sprintf("account %d", row.ID), before, accountChange(row))
	return nil
}

// noteKeyGone tells the log which key is deleted.
func (s accountStore) noteKeyGone(ctx context.Context, hash account.KeyHash) error {
	r := audit.From(ctx)
	if r == nil {
		return nil
	}
	_, keys, err := s.LoadAccounts(ctx)
	for i := range keys {
		if keys[i].Hash == hash {
			r.Note("API key "+keys[i].Prefix, keyChange(&keys[i]), nil)
		}
	}
	return err
}

// noteObject tells the log what one of the store's objects was and becomes; value nil: it is
// deleted.
func noteObject(ctx context.Context, s store.Store, kind, key, what string, value []byte) error {
	r := audit.From(ctx)
	if r == nil {
		return nil
	}
	var before, after any
	switch old, err := s.Object(ctx, kind, key); {
	case err == nil:
		before = json.RawMessage(old)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if value != nil {
		after = json.RawMessage(value)
	}
	r.Note(what, before, after)
	return nil
}

// campaignChange is a campaign as the log has it.
func campaignChange(row *campaign.Row) map[string]any {
	return map[string]any{
		"name": row.Name, "account_id": row.Account, "status": row.Status, "sender_id": row.SenderID, "message_content": row.MessageContent,
		"total_recipients": row.TotalRecipients, "schedule_type": row.ScheduleType, "schedule_at": row.ScheduleAt,
		"priority": row.Priority.String(), "max_tps": row.MaxTPS, "settings": json.RawMessage(orNull(row.Settings)),
	}
}

func orNull(text []byte) []byte {
	if len(text) == 0 {
		return []byte("null")
	}
	return text
}

// noteCampaign tells the log what a campaign was and becomes; row nil: it is deleted.
func (s campaignStore) noteCampaign(ctx context.Context, id message.ID, row *campaign.Row) {
	r := audit.From(ctx)
	if r == nil {
		return
	}
	var before, after any
	if old, err := s.Campaign(ctx, id); err == nil {
		before = campaignChange(&old)
	}
	if row != nil {
		after = campaignChange(row)
	}
	r.Note("campaign "+id.String(), before, after)
}

// notedBank is the embedded store as package billing wants it. A movement is a record of the
// journal, which says itself who made it; the log's entry follows it.
type notedBank struct{ store.Store }

// Move implements billing.Store.
func (b notedBank) Move(ctx context.Context, mv money.Movement, floor money.Amount) (money.Movement, bool, error) {
	done, repeated, err := b.Store.Move(store.Alone(ctx), mv, floor)
	if err == nil && !repeated {
		audit.From(ctx).Note("movement "+done.ID.String(), nil, map[string]any{
			"account_id": done.Account, "kind": done.Kind.String(), "amount": done.Amount, "other_account": done.Peer,
			"reference": done.Reference, "note": done.Note,
		})
	}
	return done, repeated, err
}
