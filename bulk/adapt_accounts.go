package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/audit"
	"protei-bulk/bulk/store"
)

// accountStore is the embedded store as package account wants it. What the store does
// not read travels as JSON in Settings.
type accountStore struct {
	store store.Store
	vault *vault
}

// openAccountStore opens the vault beside the store's accounts.
func (p *Platform) openAccountStore(ctx context.Context) (accountStore, error) {
	rows, err := p.store.Accounts(ctx)
	if err != nil {
		return accountStore{}, err
	}
	v, err := p.openVault(ctx, len(rows) == 0)
	return accountStore{p.store, v}, err
}

// accountSettings is everything of an account that no query looks at.
type accountSettings struct {
	Spec      account.Spec `json:"spec"`
	UpdatedAt int64        `json:"updated_at"`
}

// keySettings is everything of an API key that no query looks at.
type keySettings struct {
	Scopes   account.Scopes `json:"scopes,omitempty"`
	Allow    []string       `json:"allow,omitempty"`
	LastUsed int64          `json:"last_used,omitempty"`
}

func (s accountStore) LoadAccounts(ctx context.Context) ([]account.Row, []account.KeyRow, error) {
	stored, err := s.store.Accounts(ctx)
	if err != nil {
		return nil, nil, err
	}
	rows := make([]account.Row, 0, len(stored))
	for _, r := range stored {
		var settings accountSettings
		if err := json.Unmarshal(r.Settings, &settings); err != nil {
			return nil, nil, fmt.Errorf("settings of account %s: %w", r.Name, err)
		}
		spec := settings.Spec
		spec.Name, spec.SystemID = r.Name, r.SystemID
		if spec.WebhookSecret, err = s.vault.open(secretPlace(r.ID), settings.Spec.WebhookSecret); err != nil {
			return nil, nil, fmt.Errorf("webhook secret of account %s: %w", r.Name, err)
		}
		if spec.OutbindPassword, err = s.vault.open(outbindPlace(r.ID), settings.Spec.OutbindPassword); err != nil {
			return nil, nil, fmt.Errorf("outbind password of account %s: %w", r.Name, err)
		}
		rows = append(rows, account.Row{
			ID: r.ID, Spec: spec, PasswordHash: r.PasswordHash, CreatedAt: r.CreatedAt, UpdatedAt: settings.UpdatedAt,
		})
	}
	storedKeys, err := s.store.APIKeys(ctx)
	if err != nil {
		return nil, nil, err
	}
	keys := make([]account.KeyRow, 0, len(storedKeys))
	for _, k := range storedKeys {
		var settings keySettings
		if len(k.Settings) > 0 { // keys of the first version have none
			if err := json.Unmarshal(k.Settings, &settings); err != nil {
				return nil, nil, fmt.Errorf("settings of API key %s: %w", k.Prefix, err)
			}
		}
		keys = append(keys, account.KeyRow{
			KeySpec: account.KeySpec{Name: k.Name, Scopes: settings.Scopes, Allow: settings.Allow, ExpiresAt: k.ExpiresAt},
			Hash:    k.Hash, Account: k.Account, Prefix: k.Prefix, CreatedAt: k.CreatedAt, LastUsed: settings.LastUsed,
		})
	}
	return rows, keys, nil
}

func (s accountStore) SaveAccount(ctx context.Context, row account.Row) error {
	if err := s.noteAccount(ctx, &row); err != nil {
		return err
	}
	spec := row.Spec
	spec.WebhookSecret = s.vault.seal(secretPlace(row.ID), spec.WebhookSecret)
	spec.OutbindPassword = s.vault.seal(outbindPlace(row.ID), spec.OutbindPassword)
	settings, err := json.Marshal(accountSettings{Spec: spec, UpdatedAt: row.UpdatedAt})
	if err != nil {
		return err
	}
	return s.store.PutAccount(ctx, &store.AccountRow{
		ID: row.ID, Name: row.Name, SystemID: row.SystemID, PasswordHash: row.PasswordHash,
		Settings: settings, CreatedAt: row.CreatedAt,
	})
}

func outbindPlace(id uint32) string { return fmt.Sprintf("outbind of account %d", id) }

// secretPlace binds a sealed secret to its account.
func secretPlace(id uint32) string { return fmt.Sprintf("account %d", id) }

func (s accountStore) SaveKey(ctx context.Context, k account.KeyRow) error {
	audit.From(ctx).Note("API key "+k.Prefix, nil, keyChange(&k))
	settings, err := json.Marshal(keySettings{Scopes: k.Scopes, Allow: k.Allow, LastUsed: k.LastUsed})
	if err != nil {
		return err
	}
	return s.store.PutAPIKey(ctx, store.APIKeyRow{
		Hash: k.Hash, Account: k.Account, Name: k.Name, Prefix: k.Prefix, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, Settings: settings,
	})
}

func (s accountStore) DeleteKey(ctx context.Context, hash account.KeyHash) error {
	if err := s.noteKeyGone(ctx, hash); err != nil {
		return err
	}
	err := s.store.DeleteAPIKey(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
