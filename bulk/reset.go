package bulk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/audit"
	"protei-bulk/bulk/store"
)

// ResetAdmin gives the account admin of a stopped platform a new API key and password
// and returns them: they are stored as hashes only. It fails when a process owns dir.
func ResetAdmin(dir string) (apiKey, password string, err error) {
	if _, err := os.Stat(filepath.Join(dir, store.DatabaseName)); err != nil {
		return "", "", fmt.Errorf("%s is not the data folder of a platform: %w", dir, err)
	}
	s, err := store.OpenEmbedded(store.Options{Dir: dir})
	if err != nil {
		return "", "", err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		err = errors.Join(err, s.Stop(ctx))
	}()
	rows, err := (&Platform{store: s, cfg: Config{Data: dir}}).openAccountStore(context.Background())
	if err != nil {
		return "", "", err
	}
	accounts, err := account.Open(context.Background(), account.Options{Store: rows})
	if err != nil {
		return "", "", err
	}
	ctx, record := auditLog{s}.Begin(context.Background(), audit.Entry{At: time.Now().UTC(), Name: "reset-admin", Method: "offline", Address: "local"})
	secrets, err := accounts.ResetAdmin(ctx)
	if err == nil {
		err = auditLog{s}.End(ctx, record)
	}
	return secrets.APIKey, secrets.Password, err
}
