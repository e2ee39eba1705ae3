package api

import (
	"context"
	"time"
)

// Node is one process of those that share the store.
type Node struct {
	Node    int       `json:"node"`
	Name    string    `json:"name"`
	State   string    `json:"state"` // up, draining, lost, left
	Ready   bool      `json:"ready"`
	Reason  string    `json:"reason,omitempty"` // why it is not ready
	This    bool      `json:"this,omitempty"`   // it answers
	Version string    `json:"version"`
	Roles   []string  `json:"roles"`
	HTTP    string    `json:"http"`
	SMPP    string    `json:"smpp,omitempty"`
	Started time.Time `json:"started_at,omitzero"`
	Seen    time.Time `json:"seen_at,omitzero"`
	Leases  []string  `json:"leases,omitempty"` // what it does and no other node
}

// Nodes lists the nodes.
type Nodes interface {
	Nodes(ctx context.Context) ([]Node, error)
}

func (c *call) nodes() error {
	all, err := c.api.opts.Nodes.Nodes(c.r.Context())
	if err != nil {
		return err
	}
	return c.document(200, map[string]any{"nodes": all})
}
