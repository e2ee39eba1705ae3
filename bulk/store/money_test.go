package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/store"
)

// costs makes newMessage give the message a price and some parts.
func costs(payer uint32, price int64, parts int) func(*message.Message) {
	return func(m *message.Message) {
		m.Tariff = &message.Tariff{Price: price, Payer: payer, Refunds: message.DefaultRefunds}
		m.SetParts(parts)
		for i := range m.Parts {
			m.Parts[i].End = uint32(i + 1)
		}
		m.Parts[parts-1].End = uint32(len(m.Payload))
	}
}

// buy reserves and accepts a message, or reports that the money does not suffice.
func buy(t testing.TB, s *store.Embedded, payer uint32, price int64, parts int, floor money.Amount) *message.Message {
	t.Helper()
	if !s.PurseOf(payer).Reserve(money.Amount(price)*money.Amount(parts), floor) {
		return nil
	}
	m := newMessage(s, 1, costs(payer, price, parts))
	accept(t, s, m)
	return m
}

// moneyModel is what the store's balances must be equal to.
type moneyModel struct {
	t       *rapid.T
	m       *machine
	want    map[uint32]money.Balance
	moves   map[uint32]money.Amount // sum of listed movements
	msgs    []*message.Message      // the model's copies
	serials int
}

// TestMoneyAgainstModel buys, settles, moves money and crashes at random: after each step
// the balances are the sums of what happened, to the millionth.
func TestMoneyAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		md := &moneyModel{
			t: rt, m: newMachine(t, store.Options{
				Settle:    rapid.SampledFrom([]time.Duration{quick, 30 * time.Millisecond, time.Hour}).Draw(rt, "settle"),
				LaneCache: 3, OutboxCache: 2, ReceiptCache: 4096,
			}),
			want: make(map[uint32]money.Balance), moves: make(map[uint32]money.Amount),
		}
		defer func() { md.m.s.Stop(context.Background()) }()
		rt.Repeat(map[string]func(*rapid.T){
			"buy": md.buy, "buy 2": md.buy, "settle": md.settle, "settle 2": md.settle, "move": md.move, "crash": md.crash, "full disk": md.full, "": md.check,
		})
	})
}

func (md *moneyModel) add(account uint32, f func(*money.Balance)) {
	b := md.want[account]
	f(&b)
	md.want[account] = b
}

func (md *moneyModel) buy(rt *rapid.T) {
	payer := rapid.Uint32Range(1, 3).Draw(rt, "payer")
	price, parts := rapid.Int64Range(1, 100).Draw(rt, "price"), rapid.IntRange(1, 4).Draw(rt, "parts")
	floor := money.Amount(-rapid.IntRange(0, 200).Draw(rt, "overdraft"))
	cost := money.Amount(price) * money.Amount(parts)
	m := buy(md.m.t, md.m.s, payer, price, parts, floor)
	if enough := md.want[payer].Left-cost >= floor; enough != (m != nil) {
		rt.Fatalf("%d is left, floor %d, cost %d: bought %v", md.want[payer].Left, floor, cost, m != nil)
	}
	if m == nil {
		return
	}
	md.add(payer, func(b *money.Balance) { b.Charged += cost; b.Reserved += cost; b.Left -= cost })
	got, err := md.m.s.Message(context.Background(), m.ID)
	if err != nil {
		rt.Fatal(err)
	}
	md.msgs = append(md.msgs, got)
}

func (md *moneyModel) settle(rt *rapid.T) {
	if len(md.msgs) == 0 {
		rt.Skip("no messages")
	}
	want := rapid.SampledFrom(md.msgs).Draw(rt, "message")
	live, err := md.m.s.Load(context.Background(), want.ID)
	if err != nil {
		rt.Fatal(err)
	}
	part := uint16(rapid.IntRange(0, len(want.Parts)-1).Draw(rt, "part"))
	ev := message.Event{Kind: message.Submitted, Part: part, SMSCID: fmt.Sprintf("%x-%d", want.ID, part), At: want.SubmittedAt + 1}
	if status := rapid.SampledFrom([]message.Status{0, message.Delivered, message.Failed, message.Rejected, message.Expired, message.Cancelled, message.Unknown}).Draw(rt, "status"); status != 0 {
		ev = message.Event{Kind: message.Settle, Part: part, Status: status, At: want.SubmittedAt + 2}
		sent := want.Parts[part].SentAt != 0
		if !want.Parts[part].Status.Final() || want.Parts[part].Status == message.Unknown && status != message.Unknown && want.Parts[part].Status.CanBecome(status) {
			price := money.Amount(want.Tariff.Price)
			back := status == message.Rejected || status == message.Cancelled || !sent && (status == message.Failed || status == message.Expired)
			md.add(want.Tariff.Payer, func(b *money.Balance) {
				if !want.Parts[part].Status.Final() {
					b.Reserved -= price
				}
				if back {
					b.Refunded += price
					b.Left += price
				}
			})
		}
	}
	before := want.Parts[part].Status
	ev.Msg = live
	record(md.m.t, md.m.s, ev)
	ev.Msg = want
	ev.Apply()
	if before == message.Sent && ev.Kind == message.Settle && !ev.Changed {
		rt.Fatalf("the model booked what did not happen")
	}
}

func (md *moneyModel) move(rt *rapid.T) {
	md.serials++
	mv := money.Movement{Account: rapid.Uint32Range(1, 3).Draw(rt, "account"), Kind: money.TopUp, Amount: money.Amount(rapid.IntRange(1, 500).Draw(rt, "amount"))}
	mv.Reference = rapid.SampledFrom([]string{"", fmt.Sprint(md.serials)}).Draw(rt, "reference")
	loser, gainer := uint32(0), mv.Account
	switch rapid.IntRange(0, 2).Draw(rt, "kind") {
	case 1:
		mv.Kind, mv.Amount = money.Adjustment, -mv.Amount
		loser, gainer = mv.Account, 0
	case 2:
		mv.Kind, mv.Peer = money.Transfer, mv.Account%3+1
		loser = mv.Peer
		if rapid.Bool().Draw(rt, "back") {
			mv.Amount, loser, gainer = -mv.Amount, mv.Account, mv.Peer
		}
	}
	amount := max(mv.Amount, -mv.Amount)
	_, _, err := md.m.s.Move(context.Background(), mv, 0)
	if short := loser != 0 && md.want[loser].Left < amount; short != errors.Is(err, money.ErrInsufficient) || !short && err != nil {
		rt.Fatalf("%+v with %d left: %v", mv, md.want[loser].Left, err)
	}
	if err != nil {
		return
	}
	for account, n := range map[uint32]money.Amount{gainer: amount, loser: -amount} {
		if account != 0 {
			md.add(account, func(b *money.Balance) { b.Credits += n; b.Left += n })
			md.moves[account] += n
		}
	}
	if mv.Reference != "" && rapid.Bool().Draw(rt, "again") {
		if _, repeated, err := md.m.s.Move(context.Background(), mv, 0); err != nil || !repeated {
			rt.Fatalf("again: %v, %v", repeated, err)
		}
	}
}

func (md *moneyModel) crash(rt *rapid.T) {
	if err := md.m.crashAt(rapid.SampledFrom([]string{"begin", "copied", "committed", "released"}).Draw(rt, "point")); err != nil {
		rt.Fatal(err)
	}
	md.listed(rt)
}

// listed wants the movements to add up.
func (md *moneyModel) listed(rt *rapid.T) {
	for account := uint32(1); account <= 3; account++ {
		list, err := md.m.s.Movements(context.Background(), account, 0, 1000)
		sum := money.Amount(0)
		for _, mv := range list {
			sum += mv.Amount
		}
		if err != nil || sum != md.moves[account] {
			rt.Fatalf("the movements of account %d add up to %d, want %d, %v", account, sum, md.moves[account], err)
		}
	}
}

// full lets the disk be full while movements and messages wait to be written.
func (md *moneyModel) full(rt *rapid.T) {
	room := rapid.Int64Range(0, 8).Draw(rt, "room")
	if rapid.IntRange(0, 3).Draw(rt, "crash") == 0 {
		md.m.room.Store(room)
		if err := md.m.crashAt("no room"); err != nil {
			rt.Fatal(err)
		}
	} else {
		md.m.whileFull(room, func() {
			for range rapid.IntRange(0, 3).Draw(rt, "events") {
				md.settle(rt)
			}
		})
	}
	md.listed(rt)
}

func (md *moneyModel) check(rt *rapid.T) {
	for account, want := range md.want {
		got := md.m.s.Balance(account)
		if got != want || !got.Closes() {
			rt.Fatalf("account %d has %+v, want %+v", account, got, want)
		}
	}
}
