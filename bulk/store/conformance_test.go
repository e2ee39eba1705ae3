package store_test

import (
	"testing"
	"time"

	"protei-bulk/bulk/store"
	"protei-bulk/bulk/store/storetest"
)

// TestConformance: what every store does, with tables so small that there are several.
func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place {
		dir := t.TempDir()
		return storetest.Place{
			Open: func(t *testing.T) store.Store {
				return open(t, store.Options{Dir: dir, TableRows: 500, Settle: 50 * time.Millisecond})
			},
			Flush: func(t *testing.T, s store.Store) { flush(t, s.(*store.Embedded)) },
		}
	})
}
