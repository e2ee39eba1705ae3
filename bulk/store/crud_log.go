package store

import (
	"context"
	"time"

	"zombiezen.com/go/sqlite"
)

// LogEntry is one entry of a log that the platform keeps among its objects: keys rise, and
// entries older than the retention go.
type LogEntry struct {
	Key   string // a message id in hex digits
	Value []byte
}

// logKinds are the kinds of objects that are logs.
func (o *Options) logKinds() map[string]time.Duration {
	return map[string]time.Duration{FailedWebhooks: o.Retention, AuditLog: o.AuditRetention, AlertLog: o.Retention}
}

// AuditLog is the kind of administrative changes.
const AuditLog = "audit"

// AlertLog is the kind of alerts that fired and resolved.
const AlertLog = "alert"

type alongsideKey struct{}

// alongside is an entry of a log that goes with other writes.
type alongside struct {
	kind  string
	entry func() LogEntry
}

// Alongside returns a context whose writes of anything but messages carry an entry of a log in
// their transactions; entry is called at each write. An entry with the key of one that is there
// replaces it.
func Alongside(ctx context.Context, kind string, entry func() LogEntry) context.Context {
	return context.WithValue(ctx, alongsideKey{}, &alongside{kind, entry})
}

// Alone returns a context whose writes carry no entry.
func Alone(ctx context.Context) context.Context {
	return context.WithValue(ctx, alongsideKey{}, nil)
}

// EntryAlongside returns the entry that a context's writes carry, and the kind of its log.
func EntryAlongside(ctx context.Context) (kind string, entry LogEntry, ok bool) {
	a, ok := ctx.Value(alongsideKey{}).(*alongside)
	if !ok {
		return "", entry, false
	}
	return a.kind, a.entry(), true
}

func (a *alongside) with(do func(*database) error) func(*database) error {
	entry := a.entry()
	return func(conn *database) error {
		if err := do(conn); err != nil {
			return err
		}
		return exec(conn, "INSERT OR REPLACE INTO objects (kind, key, value) VALUES (?,?,?)", a.kind, entry.Key, entry.Value)
	}
}

// FailedWebhooks is the kind of webhooks that were given up.
const FailedWebhooks = "failed_webhook"

// AppendLog adds entries to a log, or replaces those with the same keys.
func (e *Embedded) AppendLog(ctx context.Context, kind string, entries []LogEntry) error {
	err := e.write1(ctx, func(conn *database) error {
		for i := range entries {
			if err := exec(conn, "INSERT OR REPLACE INTO objects (kind, key, value) VALUES (?,?,?)", kind, entries[i].Key, entries[i].Value); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap(err, "append to the log of %s", kind)
}

// Log returns up to limit entries below a key ("": from the newest), newest first.
func (e *Embedded) Log(ctx context.Context, kind, below string, limit int) (entries []LogEntry, err error) {
	if below == "" {
		below = "~" // above every hex digit
	}
	err = e.rows(ctx, "SELECT key, value FROM objects WHERE kind = ? AND key < ? ORDER BY key DESC LIMIT ?", func(stmt *sqlite.Stmt) error {
		entries = append(entries, LogEntry{stmt.ColumnText(0), columnBytes(stmt, 1)})
		return nil
	}, kind, below, int64(limit))
	return entries, wrap(err, "read the log of %s", kind)
}
