package bulk

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"protei-bulk/bulk/audit"
	"protei-bulk/bulk/connector"
	"protei-bulk/bulk/store"
)

// connectorObjects is the kind under which the store keeps connectors.
const connectorObjects = "connector"

// connectorStore is the embedded store as package connector wants it.
type connectorStore struct {
	store store.Store
	vault *vault
}

// storedConnector is a row with its secrets encrypted.
type storedConnector struct {
	connector.Row
	Sealed string `json:"sealed,omitempty"`
}

func connectorPlace(id uint16) string { return fmt.Sprintf("connector %d", id) }

// LoadConnectors implements connector.Store.
func (s connectorStore) LoadConnectors(ctx context.Context) ([]connector.Row, error) {
	objects, err := s.store.Objects(ctx, connectorObjects)
	if err != nil {
		return nil, err
	}
	rows := make([]connector.Row, 0, len(objects))
	for key, text := range objects {
		r := storedConnector{Row: connector.Row{Spec: connector.Defaults()}}
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("connector %s: %w", key, err)
		}
		plain, err := s.vault.open(connectorPlace(r.ID), r.Sealed)
		if err != nil {
			return nil, fmt.Errorf("secrets of connector %s: %w", r.Spec.Name, err)
		}
		if plain != "" {
			if err := json.Unmarshal([]byte(plain), &r.Secrets); err != nil {
				return nil, fmt.Errorf("secrets of connector %s: %w", r.Spec.Name, err)
			}
		}
		rows = append(rows, r.Row)
	}
	return rows, nil
}

// SaveConnector implements connector.Store.
func (s connectorStore) SaveConnector(ctx context.Context, row connector.Row) error {
	secrets, err := json.Marshal(row.Secrets)
	if err != nil {
		return err
	}
	if r := audit.From(ctx); r != nil {
		before, err := s.connectorChange(ctx, row.ID)
		if err != nil {
			return err
		}
		r.Note("connector "+row.Spec.Name, before, connectorChange{row, row.Secrets})
	}
	text, err := json.Marshal(storedConnector{Row: row, Sealed: s.vault.seal(connectorPlace(row.ID), string(secrets))})
	if err != nil {
		return err
	}
	return s.store.PutObject(ctx, connectorObjects, strconv.Itoa(int(row.ID)), text)
}

// connectorChange is a connector as the log of changes has it: that hides what is under secrets.
type connectorChange struct {
	connector.Row
	Secrets connector.Secrets `json:"secrets"`
}

// connectorChange returns what the store has of a connector, nil when it has none.
func (s connectorStore) connectorChange(ctx context.Context, id uint16) (any, error) {
	rows, err := s.LoadConnectors(ctx)
	for i := range rows {
		if rows[i].ID == id {
			return connectorChange{rows[i], rows[i].Secrets}, nil
		}
	}
	return nil, err
}

// defaultConnector is the name of the connector that the setting upstream describes.
const defaultConnector = "default"

// openConnectors reads the connectors. Those of the setting connectors go into a store
// that has none.
func (p *Platform) openConnectors(ctx context.Context) error {
	o := connector.Options{Store: connectorStore{p.store, p.vault}, InUse: p.usedBy, Logger: p.log}
	if p.node != nil {
		o.Alone, o.Mode = p.node.alone, modeStore{p.store}
	}
	if p.cfg.Upstream != "" {
		spec, err := connector.FromURL(defaultConnector, p.cfg.Upstream)
		if err != nil {
			return err
		}
		o.Fixed = &spec
	}
	for _, lane := range p.store.Recovery() {
		o.Taken = max(o.Taken, lane.Lane.Connector)
	}
	d, err := connector.Open(ctx, o)
	if err != nil {
		return err
	}
	p.connector = d
	stored, err := p.store.Objects(ctx, connectorObjects)
	if err != nil || len(stored) > 0 {
		return err
	}
	return p.seedConnectors(ctx)
}
