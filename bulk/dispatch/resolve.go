package dispatch

import (
	"context"
	"errors"
	"time"

	"protei-bulk/bulk/message"
)

var (
	errResolverFull = errors.New("too many receipts wait for a lookup")
	errStopping     = errors.New("dispatcher stops")
)

// resolveBatch is how many receipts are looked up on disk at once.
const resolveBatch = 512

// resolver handles the receipts whose message is not in memory: it looks on disk, waits
// a moment for a response that is still on its way on another bind, and parks the rest.
type resolver struct {
	d     *Dispatcher
	batch []*receipt
	late  []*receipt // not on disk; oldest first
	keys  []message.ReceiptKey
	dests []string
	match []message.ReceiptMatch
}

func (d *Dispatcher) resolve(ctx context.Context) {
	v := &resolver{d: d}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if len(v.late) > 0 {
			timer.Reset(d.o.ReceiptWait - d.o.Now().Sub(v.late[0].arrived))
		}
		select {
		case r := <-d.missed:
			v.gather(r)
			v.lookup(ctx)
		case <-timer.C:
		case <-ctx.Done():
			v.close()
			return
		}
		v.park()
	}
}

func (v *resolver) gather(r *receipt) {
	v.batch = append(v.batch[:0], r)
	for len(v.batch) < resolveBatch {
		select {
		case r := <-v.d.missed:
			v.batch = append(v.batch, r)
		default:
			return
		}
	}
}

// lookup asks the disk for the batch: first as the ids are spelt, then, for those not
// found, in the other spellings.
func (v *resolver) lookup(ctx context.Context) {
	d := v.d
	var buf [numSpellings]spelling
	for _, sp := range d.spellings(buf[:0]) {
		if len(v.batch) == 0 {
			return
		}
		if err := v.lookupAs(ctx, sp); err != nil {
			d.log.Error("look up receipts", "n", len(v.batch), "err", err)
			for _, r := range v.batch {
				r.answer(err)
			}
			return
		}
	}
	v.late = append(v.late, v.batch...)
}

// lookupAs settles what is found and leaves the others in the batch.
func (v *resolver) lookupAs(ctx context.Context, sp spelling) error {
	d := v.d
	v.keys, v.dests, v.match = v.keys[:0], v.dests[:0], v.match[:0]
	var asked []*receipt
	rest := v.batch[:0:0]
	for _, r := range v.batch {
		if !r.spell(sp) {
			rest = append(rest, r)
			continue
		}
		asked = append(asked, r)
		v.keys = append(v.keys, message.ReceiptKey{Group: d.o.Connector, SMSCID: string(r.buf)})
		v.dests = append(v.dests, string(r.dest))
		v.match = append(v.match, message.ReceiptMatch{})
	}
	if len(asked) == 0 {
		return nil
	}
	if err := d.o.Store.LookupReceipts(ctx, v.keys, v.dests, v.match); err != nil {
		return err
	}
	for i, r := range asked {
		if !v.match[i].Found {
			rest = append(rest, r)
			continue
		}
		d.learn(sp)
		d.counters.resolved.Add(1)
		r.match[0] = v.match[i]
		d.settleReceipt(r)
	}
	v.batch = rest
	return nil
}

// park looks once more in memory for those that have waited long enough, and leaves the
// others to the store.
func (v *resolver) park() {
	d := v.d
	now := d.o.Now()
	n := 0
	for _, r := range v.late {
		if now.Sub(r.arrived) < d.o.ReceiptWait {
			break
		}
		n++
		if d.find(r) {
			d.settleReceipt(r)
			continue
		}
		d.counters.parked.Add(1)
		r.spellForParking()
		r.info.Dest = string(r.dest)
		d.o.Store.ParkReceipt(r.info, r.applied)
	}
	clear(v.late[:n])
	v.late = append(v.late[:0], v.late[n:]...)
}

// spellForParking sets the key in the spelling that is most likely the response's.
func (r *receipt) spellForParking() {
	var buf [numSpellings]spelling
	for _, sp := range r.d.spellings(buf[:0]) {
		if r.spell(sp) {
			break
		}
	}
	r.info.Key = message.ReceiptKey{Group: r.d.o.Connector, SMSCID: string(r.buf)}
}

// close asks the SMSC to bring again what was not looked up.
func (v *resolver) close() {
	for {
		select {
		case r := <-v.d.missed:
			r.answer(errStopping)
			continue
		default:
		}
		break
	}
	for _, r := range v.late {
		r.answer(errStopping)
	}
}
