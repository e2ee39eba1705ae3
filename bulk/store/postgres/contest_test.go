package postgres

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/store"
)

// contest lets both nodes accept at the same time and returns how many got through, and with
// which errors the others did not.
func contest(nodes [2]*node, rounds int, accept func(n *node) error) (through int, errs []error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, n := range nodes {
		wg.Go(func() {
			for range rounds {
				err := accept(n)
				mu.Lock()
				if err == nil {
					through++
				} else {
					errs = append(errs, err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return through, errs
}

func TestOneIdempotencyKeyOnTwoNodes(t *testing.T) {
	url := database(t)
	nodes := [2]*node{open(t, url, 1), open(t, url, 2)}
	const rounds = 10
	through, errs := contest(nodes, rounds, func(n *node) error {
		msgs := n.make(2, 1)
		return n.Accept(context.Background(), msgs, store.AcceptExtra{Answer: &message.Answer{
			Account: 7, Key: [32]byte{1}, At: n.opts.Now().UnixMilli(), Status: 201, Text: []byte(msgs[0].ID.String()),
		}})
	})
	if through != 1 {
		t.Errorf("%d requests with one key were accepted, want 1", through)
	}
	for _, err := range errs {
		if !errors.Is(err, store.ErrTaken) {
			t.Errorf("a repeat is refused with %v, want %v", err, store.ErrTaken)
		}
	}
	if n := nodes[0].count("SELECT count(*) FROM messages"); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
	a, err := nodes[1].Answer(context.Background(), 7, [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	if n := nodes[0].count("SELECT count(*) FROM messages WHERE id = $1", parseID(t, string(a.Text))); n != 1 {
		t.Errorf("the stored answer names message %s, which is not accepted", a.Text)
	}
	if _, err := nodes[0].Answer(context.Background(), 7, [32]byte{2}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a key that was not used: %v, want %v", err, store.ErrNotFound)
	}
}

func parseID(t *testing.T, text string) int64 {
	t.Helper()
	id, err := message.ParseID(text)
	if err != nil {
		t.Fatal(err)
	}
	return int64(id)
}

// TestCreditOfAnotherNode: what one node credits pays for what another one accepts at once.
func TestCreditOfAnotherNode(t *testing.T) {
	url := database(t)
	a, b := open(t, url, 1), open(t, url, 2)
	purse := b.purse(7)
	if purse.Reserve(3, 0) {
		t.Fatal("an account without money pays")
	}
	for range 2 {
		if _, _, err := a.Move(t.Context(), money.Movement{Account: 7, Kind: money.TopUp, Amount: 3, At: 1}, 0); err != nil {
			t.Fatal(err)
		}
		purse.mu.Lock()
		purse.seen = time.Now().Add(-2 * lookAgain)
		purse.mu.Unlock()
		if !purse.Reserve(3, 0) || purse.Reserve(1, 0) {
			t.Fatal("of a credit that another node gave, not just as much is reserved")
		}
	}
}

// Both nodes see the whole balance; the rows decide who gets it.
func TestOneBalanceOnTwoNodes(t *testing.T) {
	url := database(t)
	nodes := [2]*node{open(t, url, 1), open(t, url, 2)}
	const price, room, rounds = 3, 10, 10
	if _, _, err := nodes[0].Move(context.Background(), money.Movement{Account: 7, Kind: money.TopUp, Amount: price*room + 1, At: 1}, 0); err != nil {
		t.Fatal(err)
	}
	through, errs := contest(nodes, rounds, func(n *node) error {
		purse := n.PurseOf(7)
		if !purse.Reserve(price, 0) {
			return money.ErrInsufficient
		}
		err := n.Accept(context.Background(), n.make(1, 1, func(m *message.Message) {
			m.Tariff = &message.Tariff{Payer: 7, Price: price}
		}), store.AcceptExtra{})
		if err != nil {
			purse.Release(price)
		}
		return err
	})
	if through != room {
		t.Errorf("%d messages were paid for, want %d", through, room)
	}
	for _, err := range errs {
		if !errors.Is(err, money.ErrInsufficient) {
			t.Errorf("a message without money is refused with %v", err)
		}
	}
	for _, n := range nodes {
		if err := n.refreshPurses(context.Background()); err != nil {
			t.Fatal(err)
		}
		if b := n.Balance(7); b.Left != 1 || b.Charged != price*room || b.Held != 0 {
			t.Errorf("balance %+v, want %d left and nothing held", b, 1)
		}
	}
	if n := nodes[0].count("SELECT count(*) FROM messages"); n != room {
		t.Errorf("%d messages, want %d", n, room)
	}
}
