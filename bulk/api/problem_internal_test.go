package api

import (
	"fmt"
	"syscall"
	"testing"
)

// TestNoRoomIsSaid: whatever a full disk refused, the answer says so and when to come back, and not where.
func TestNoRoomIsSaid(t *testing.T) {
	p := asProblem(fmt.Errorf("save account 7: write /secret/place: %w", syscall.ENOSPC))
	if p.code != "disk_full" || p.retry == 0 || p.detail != "the platform is out of disk space; try again later" {
		t.Errorf("%+v", p)
	}
}
