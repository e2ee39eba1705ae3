package store

import (
	"strconv"
	"testing"

	"protei-bulk/bulk/message"
)

// TestParkedForgetsTheNamesOfWhatIsGone: where each receipt comes before its response, all
// of them pass through here, for years.
func TestParkedForgetsTheNamesOfWhatIsGone(t *testing.T) {
	var p parked
	p.init()
	stays := message.Receipt{Key: message.ReceiptKey{SMSCID: "stays"}, At: 1}
	p.put(stays, 100)
	for n := range 100_000 {
		r := message.Receipt{Key: message.ReceiptKey{SMSCID: strconv.Itoa(n)}, At: int64(n)}
		p.put(r, 100)
		p.settled(r.Key)
	}
	if len(p.order) > 2*parkedSlack || len(p.fresh) > 2*parkedSlack {
		t.Errorf("%d and %d names are kept for one receipt", len(p.order), len(p.fresh))
	}
	if list := p.strangers(10); len(list) != 1 || list[0] != stays {
		t.Errorf("not looked up yet: %v", list)
	}
	if list := p.strangers(10); len(list) != 0 {
		t.Errorf("looked up twice: %v", list)
	}
	if p.expire(2); p.orphans != 1 || !p.none() {
		t.Errorf("%d orphans, %d parked", p.orphans, p.size.Load())
	}
}
