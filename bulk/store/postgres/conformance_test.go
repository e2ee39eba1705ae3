package postgres

import (
	"testing"

	"protei-bulk/bulk/store"
	"protei-bulk/bulk/store/storetest"
)

// TestConformance: what every store does, with one node that owns the connectors.
func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place {
		url := database(t)
		return storetest.Place{Open: func(t *testing.T) store.Store {
			n := open(t, url, 1)
			n.own(storetest.First)
			n.own(storetest.Second)
			return n
		}}
	})
}
