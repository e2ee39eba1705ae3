package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/store"
	"protei-bulk/internal/linear"
)

// Histories is how many histories a test plays: as many as STORE_HISTORIES says, or else n.
func Histories(t testing.TB, n int) int {
	t.Helper()
	if text := os.Getenv("STORE_HISTORIES"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatalf("STORE_HISTORIES=%q: %v", text, err)
		}
	}
	return n
}

// purseKind is what is done to one balance. A transfer is a take and a give, each at a moment of
// its own.
type purseKind uint8

const (
	give    purseKind = iota // always works
	take                     // not below the floor
	invoice                  // give under a reference, once
	look                     // at the balance
	undo                     // of a take whose message or movement a crash may have taken away
)

type purseCall struct {
	kind          purseKind
	amount, floor money.Amount
	reference     int // of invoice; of take and undo that a crash cut off: which bit of purseState.lost
}

type purseAnswer struct {
	refused  bool         // take, and invoice under a reference of another amount
	repeated bool         // invoice
	left     money.Amount // look
	lost     bool         // there was no answer
}

type purseState struct {
	left     money.Amount
	invoices [3]money.Amount // by reference, 0: not paid in yet
	lost     uint32          // takes without an answer that may be undone
}

// purseModel is a balance with one caller.
func purseModel(s purseState, in purseCall, out purseAnswer) (bool, purseState) {
	switch in.kind {
	case give:
		s.left += in.amount
	case take:
		enough := s.left-in.amount >= in.floor
		if !out.lost && enough == out.refused {
			return false, s
		}
		if enough {
			s.left -= in.amount
			if out.lost {
				s.lost |= 1 << in.reference
			}
		}
	case invoice:
		paid := s.invoices[in.reference]
		if !out.lost && (out.refused != (paid != 0 && paid != in.amount) || out.repeated != (paid == in.amount)) {
			return false, s
		}
		if paid == 0 {
			s.invoices[in.reference] = in.amount
			s.left += in.amount
		}
	case look:
		return out.left == s.left, s
	case undo:
		if s.lost&(1<<in.reference) != 0 {
			s.lost &^= 1 << in.reference
			s.left += in.amount
		}
	}
	return true, s
}

func (in purseCall) with(out purseAnswer) string {
	name := [...]string{give: "give", take: "take", invoice: "invoice", look: "look", undo: "undo"}[in.kind]
	return fmt.Sprintf("%s %+v: %+v", name, in, out)
}

// PurseHistory is what callers saw of two balances. Its first account has number Account.
type PurseHistory struct {
	Account uint32
	// Lost tells the errors of a store that crashed: whether what they answered is durable is
	// not known then.
	Lost func(error) bool
	// Behind says that what the store tells of balances is of some moments ago, and that it may refuse
	// a message for that. What it accepts and moves is held to the model all the same.
	Behind bool
	// Settles, when set, is the store that has the connector and settles messages.
	Settles store.Store

	t      testing.TB
	purses [2]linear.History[purseCall, purseAnswer]

	mu    sync.Mutex
	lost  int // guarded by mu
	calls int // guarded by mu
}

// NewPurseHistory begins a history.
func NewPurseHistory(t testing.TB, account uint32) *PurseHistory {
	return &PurseHistory{t: t, Account: account, Lost: func(error) bool { return false }}
}

// Check wants the calls on each balance to have an order that explains them.
func (h *PurseHistory) Check() {
	h.t.Helper()
	for i := range h.purses {
		linear.Check(h.t, linear.Model[purseState, purseCall, purseAnswer]{Step: purseModel}, &h.purses[i], purseCall.with)
	}
}

// Look notes what is left on both accounts, which is of this moment.
func (h *PurseHistory) Look(caller int, s store.Store) {
	for i := range h.purses {
		begin := h.purses[i].Now()
		b := s.Balance(h.Account + uint32(i))
		h.purses[i].Add(caller, begin, h.purses[i].Now(), purseCall{kind: look}, purseAnswer{left: b.Left})
		if !b.Closes() {
			h.t.Errorf("the balance does not close: %+v", b)
		}
	}
}

// Size is how many calls were answered, and how many money takers were not.
func (h *PurseHistory) Size() (answered, lost int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls, h.lost
}

// caller is one who uses the balances.
type caller struct {
	*PurseHistory
	number int
	s      store.Store
	random *rand.Rand
	paid   []*message.Message // that may be refunded
}

// Play makes n random calls on the two accounts, one after the other, and ends early when the
// store is lost.
func (h *PurseHistory) Play(number int, s store.Store, random *rand.Rand, n int) {
	c := caller{PurseHistory: h, number: number, s: s, random: random}
	for range n {
		if !c.call() {
			return
		}
		h.mu.Lock()
		h.calls++
		h.mu.Unlock()
	}
}

func (c *caller) call() bool {
	i := c.random.IntN(2)
	amount := money.Amount(1 + c.random.IntN(40))
	switch c.random.IntN(8) {
	case 0:
		return c.move(i, money.Movement{Kind: money.TopUp, Amount: amount})
	case 1:
		n := c.random.IntN(3)
		return c.move(i, money.Movement{Kind: money.TopUp, Amount: money.Amount(10 + c.random.IntN(2)), Reference: fmt.Sprint(n)})
	case 2:
		return c.move(i, money.Movement{Kind: money.Adjustment, Amount: -amount})
	case 3:
		return c.move(i, money.Movement{Kind: money.Transfer, Amount: amount, Peer: c.Account + uint32(1-i)})
	case 4:
		return c.refund()
	case 5:
		if !c.Behind {
			c.Look(c.number, c.s)
		}
		return true
	default:
		return c.buy(i, int64(amount))
	}
}

// span is one call on the balances while it goes on.
type span struct {
	*caller
	begin [2]int64
}

func (c *caller) begin() span {
	return span{c, [2]int64{c.purses[0].Now(), c.purses[1].Now()}}
}

// took notes that money was, or was not, taken from a balance.
func (s span) took(i int, in purseCall, err error) {
	h := &s.purses[i]
	in.kind = take
	if err != nil && s.Lost(err) {
		s.mu.Lock()
		in.reference = s.lost
		s.lost++
		s.mu.Unlock()
		h.Add(s.number, s.begin[i], linear.Forever, in, purseAnswer{lost: true})
		in.kind = undo
		h.Add(s.number, s.begin[i], linear.Forever, in, purseAnswer{lost: true})
		return
	}
	h.Add(s.number, s.begin[i], h.Now(), in, purseAnswer{refused: err != nil})
}

// gave notes that money was put on a balance.
func (s span) gave(i int, in purseCall, out purseAnswer, err error) {
	h := &s.purses[i]
	end := h.Now()
	if err != nil && s.Lost(err) {
		out.lost, end = true, linear.Forever
	}
	h.Add(s.number, s.begin[i], end, in, out)
}

// move makes a movement of account i, which the model knows as a give, a take or both.
func (c *caller) move(i int, mv money.Movement) bool {
	mv.Account = c.Account + uint32(i)
	at := c.begin()
	_, repeated, err := c.s.Move(context.Background(), mv, 0)
	lost := err != nil && c.Lost(err)
	if err != nil && !lost && !errors.Is(err, money.ErrInsufficient) && !errors.Is(err, money.ErrReferenceUsed) {
		c.t.Errorf("move %+v: %v", mv, err)
		return false
	}
	amount := max(mv.Amount, -mv.Amount)
	switch {
	case mv.Reference != "":
		n, _ := strconv.Atoi(mv.Reference)
		at.gave(i, purseCall{kind: invoice, amount: amount, reference: n}, purseAnswer{repeated: repeated, refused: errors.Is(err, money.ErrReferenceUsed)}, err)
	case mv.Kind == money.Transfer:
		at.took(1-i, purseCall{amount: amount}, err)
		if err == nil || lost {
			at.gave(i, purseCall{kind: give, amount: amount}, purseAnswer{}, err)
		}
	case mv.Amount < 0:
		at.took(i, purseCall{amount: amount}, err)
	default:
		at.gave(i, purseCall{kind: give, amount: amount}, purseAnswer{}, err)
	}
	return !lost
}

// buy accepts a message that account i pays for, down to a small credit.
func (c *caller) buy(i int, price int64) bool {
	const floor = -15
	payer, amount := c.Account+uint32(i), money.Amount(price)
	in := purseCall{amount: amount, floor: floor}
	at := c.begin()
	purse := c.s.PurseOf(payer)
	if !purse.Reserve(amount, floor) {
		if !c.Behind {
			at.took(i, in, money.ErrInsufficient)
		}
		return true
	}
	m := newMessage(c.s, c.number, func(m *message.Message) {
		m.Tariff = &message.Tariff{Price: price, Payer: payer, Refunds: message.DefaultRefunds}
	})
	err := c.s.Accept(context.Background(), []*message.Message{m}, store.AcceptExtra{})
	switch {
	case err == nil:
		c.paid = append(c.paid, m)
		at.took(i, in, nil)
	case c.Lost(err):
		at.took(i, in, err)
		return false
	case errors.Is(err, money.ErrInsufficient): // another node was quicker
		purse.Release(amount)
		at.took(i, in, err)
	default:
		c.t.Errorf("accept: %v", err)
		return false
	}
	return true
}

// refund has the SMSC refuse a message that this caller has paid for.
func (c *caller) refund() bool {
	if len(c.paid) == 0 {
		return true
	}
	n := c.random.IntN(len(c.paid))
	m := c.paid[n]
	c.paid = append(c.paid[:n], c.paid[n+1:]...)
	at := c.begin()
	done := make(chan error, 1)
	s := c.s
	if c.Settles != nil {
		s = c.Settles
	}
	current, err := s.Load(context.Background(), m.ID)
	if err == nil {
		s.Record(message.Event{Kind: message.Settle, Msg: current, Status: message.Rejected, At: m.SubmittedAt + 9}, func(err error) { done <- err })
		err = <-done
	}
	lost := err != nil && c.Lost(err)
	if err != nil && !lost {
		c.t.Errorf("settle: %v", err)
		return false
	}
	at.gave(int(m.Tariff.Payer-c.Account), purseCall{kind: give, amount: money.Amount(m.Tariff.Price)}, purseAnswer{}, err)
	return !lost
}
