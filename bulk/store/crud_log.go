package store

import (
	"context"

	"zombiezen.com/go/sqlite"
)

// LogEntry is one entry of a log that the platform keeps among its objects: keys rise, and
// entries older than the retention go.
type LogEntry struct {
	Key   string // a message id in hex digits
	Value []byte
}

// logKinds are the kinds of objects that are logs.
func logKinds() []string { return []string{FailedWebhooks} }

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
