package esme

import "testing"

// The sweeper can be woken twice for one request, and for another mailbox. That must not
// take from a mailbox that is full what brings it back when there is room.
func TestAWakeForOthersChangesNothing(t *testing.T) {
	b := &mailbox{receivers: []*receiver{{}}, full: true, refused: true}
	if b.beginSweep(false) {
		t.Error("swept without a wish")
	}
	if !b.full || !b.refused {
		t.Errorf("full %v, refused %v: nobody would sweep it again", b.full, b.refused)
	}
	b.wantSweep = true
	if !b.beginSweep(false) || b.full || b.refused {
		t.Errorf("a wish is not carried out: full %v, refused %v", b.full, b.refused)
	}
}
