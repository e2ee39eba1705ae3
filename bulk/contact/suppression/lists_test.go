package suppression_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"protei-bulk/bulk/contact/suppression"
	"protei-bulk/bulk/contact/suppression/suppressiontest"
)

func number(t testing.TB, text string) suppression.Number {
	t.Helper()
	n, err := suppression.ParseNumber(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func entry(t testing.TB, account uint32, text, sender string, k suppression.Kinds) suppression.Entry {
	return suppression.Entry{Key: suppression.Key{Account: account, Number: number(t, text), Sender: sender}, Kinds: k}
}

func open(t testing.TB, store *suppressiontest.Store) *suppression.Lists {
	t.Helper()
	l, err := suppression.Open(context.Background(), store)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestListsOfEverybodyOfAnAccountAndOfASender(t *testing.T) {
	store := new(suppressiontest.Store)
	l := open(t, store)
	add := func(es ...suppression.Entry) {
		t.Helper()
		if n, err := l.Add(t.Context(), es); err != nil || n != len(es) {
			t.Fatal(n, err)
		}
	}
	add(entry(t, suppression.Everybody, "+49 151 1", "", suppression.Blacklisted), entry(t, 7, "491512", "", suppression.OptedOut),
		entry(t, 7, "491513", "SHOP", suppression.OptedOut), entry(t, 7, "491514", "+4917", suppression.Blacklisted))
	check := func(l *suppression.Lists) {
		t.Helper()
		for _, c := range []struct {
			account      uint32
			sender, dest string
			want         suppression.Kinds
		}{
			{7, "A", "491511", suppression.Blacklisted},
			{8, "A", "+491511", suppression.Blacklisted},
			{900, "A", "491511", suppression.Blacklisted},
			{7, "A", "491512", suppression.OptedOut},
			{8, "A", "491512", 0},
			{7, "SHOP", "491513", suppression.OptedOut},
			{7, "A", "491513", 0},
			{8, "SHOP", "491513", 0},
			{7, "4917", "491514", suppression.Blacklisted},
			{7, "+4917", "491514", suppression.Blacklisted},
			{7, "A", "0491512", 0},
			{7, "A", "49151", 0},
			{7, "A", "12", 0},
			{7, "A", "1234567890123456", 0},
			{7, "A", "49151x", 0},
			{7, "", "", 0},
		} {
			if got := l.Check(c.account, c.sender, c.dest); got != c.want {
				t.Errorf("account %d, %s to %s: %v, want %v", c.account, c.sender, c.dest, got, c.want)
			}
		}
	}
	check(l)
	check(open(t, store))
	if l.Len() != 4 {
		t.Errorf("%d entries", l.Len())
	}
}

// TestAnOperatorsEntryIsNotTheOwners: START takes back a STOP, and nothing else.
func TestAnOperatorsEntryIsNotTheOwners(t *testing.T) {
	l := open(t, new(suppressiontest.Store))
	black, out := entry(t, 7, "491511", "", suppression.Blacklisted), entry(t, 7, "491511", "", suppression.OptedOut)
	for _, step := range []struct {
		do   func(context.Context, []suppression.Entry) (int, error)
		e    suppression.Entry
		n    int
		then suppression.Kinds
	}{
		{l.Add, black, 1, suppression.Blacklisted},
		{l.Add, black, 0, suppression.Blacklisted},
		{l.Add, out, 1, suppression.Blacklisted | suppression.OptedOut},
		{l.Remove, out, 1, suppression.Blacklisted},
		{l.Remove, out, 0, suppression.Blacklisted},
		{l.Add, out, 1, suppression.Blacklisted | suppression.OptedOut},
		{l.Remove, black, 1, suppression.OptedOut},
		{l.Remove, out, 1, 0},
	} {
		n, err := step.do(t.Context(), []suppression.Entry{step.e})
		if got := l.Check(7, "", "491511"); err != nil || n != step.n || got != step.then {
			t.Fatalf("%+v: %d changed, then %v, %v", step, n, got, err)
		}
	}
	if l.Len() != 0 {
		t.Errorf("%d entries are left", l.Len())
	}
}

func TestAChangeThatIsNotStoredDoesNotShow(t *testing.T) {
	store := new(suppressiontest.Store)
	l := open(t, store)
	broken := errors.New("the disk is gone")
	store.Fail(broken)
	if _, err := l.Add(t.Context(), []suppression.Entry{entry(t, 7, "491511", "", suppression.OptedOut)}); !errors.Is(err, broken) {
		t.Error(err)
	}
	if l.Check(7, "", "491511") != 0 || l.Len() != 0 {
		t.Error("it shows")
	}
	if _, err := l.Add(t.Context(), []suppression.Entry{{Key: suppression.Key{Account: 7}, Kinds: suppression.OptedOut}}); !errors.Is(err, suppression.ErrInvalid) {
		t.Error(err)
	}
}

// TestAgainstAMap compares the lists with a map, through a reopening.
func TestAgainstAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := new(suppressiontest.Store)
		l, err := suppression.Open(context.Background(), store)
		if err != nil {
			t.Fatal(err)
		}
		model := map[suppression.Key]suppression.Kinds{}
		keys := rapid.Custom(func(t *rapid.T) suppression.Key {
			n, err := suppression.ParseNumber(fmt.Sprintf("49%03d", rapid.IntRange(0, 60).Draw(t, "number")))
			if err != nil {
				t.Fatal(err)
			}
			return suppression.Key{
				Account: uint32(rapid.IntRange(0, 3).Draw(t, "account")), Number: n,
				Sender: rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "sender"),
			}
		})
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				e := suppression.Entry{Key: keys.Draw(t, "key"), Kinds: suppression.Kinds(rapid.IntRange(1, 3).Draw(t, "kinds"))}
				if _, err := l.Add(context.Background(), []suppression.Entry{e, e}); err != nil {
					t.Fatal(err)
				}
				model[e.Key] |= e.Kinds
			},
			"remove": func(t *rapid.T) {
				e := suppression.Entry{Key: keys.Draw(t, "key"), Kinds: suppression.Kinds(rapid.IntRange(1, 3).Draw(t, "kinds"))}
				if _, err := l.Remove(context.Background(), []suppression.Entry{e}); err != nil {
					t.Fatal(err)
				}
				if model[e.Key] &^= e.Kinds; model[e.Key] == 0 {
					delete(model, e.Key)
				}
			},
			"reopen": func(t *rapid.T) {
				if l, err = suppression.Open(context.Background(), store); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				if l.Len() != len(model) {
					t.Fatalf("%d entries, want %d", l.Len(), len(model))
				}
				for key, want := range model {
					if !l.Has(&suppression.Entry{Key: key, Kinds: want}) {
						t.Fatalf("%+v lost %v", key, want)
					}
				}
				k := keys.Draw(t, "checked")
				var want suppression.Kinds
				for _, account := range []uint32{0, k.Account} {
					own := model[suppression.Key{Account: account, Number: k.Number}]
					if own == 0 && k.Sender != "" {
						own = model[suppression.Key{Account: account, Number: k.Number, Sender: k.Sender}]
					}
					want |= own
				}
				if got := l.Check(k.Account, k.Sender, k.Number.String()); got != want {
					t.Fatalf("%+v is %v, want %v", k, got, want)
				}
			},
		})
	})
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"+49 (151) 123-45/67.8": "4915112345678", "000": "000", "0012": "0012", "123456789012345": "123456789012345",
		"12": "", "": "", "1234567890123456": "", "12a4": "", "1+23": "", "٤٥٦": "",
	} {
		n, err := suppression.ParseNumber(text)
		if (err == nil) != (want != "") || err == nil && n.String() != want {
			t.Errorf("%q is %s, %v, want %q", text, n, err, want)
		}
	}
}

func TestReadersSeeEveryDurableEntryWhileOthersCome(t *testing.T) {
	l := open(t, new(suppressiontest.Store))
	const numbers = 20_000
	var durable atomic.Int64
	var readers sync.WaitGroup
	for r := range 2 {
		readers.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(r)))
			for {
				upTo := durable.Load()
				if upTo == numbers {
					return
				}
				if upTo == 0 {
					runtime.Gosched()
					continue
				}
				if dest := fmt.Sprintf("49%08d", random.Int64N(upTo)); l.Check(7, "", dest) == 0 {
					t.Errorf("%s is not seen", dest)
					return
				}
			}
		})
	}
	for i := range int64(numbers) {
		if _, err := l.Add(t.Context(), []suppression.Entry{entry(t, 7, fmt.Sprintf("49%08d", i), "", suppression.OptedOut)}); err != nil {
			t.Fatal(err)
		}
		durable.Store(i + 1)
	}
	readers.Wait()
}

// million is a store of a million numbers.
type million struct{ suppressiontest.Store }

func (m *million) EachListed(_ context.Context, f func(suppression.Entry)) error {
	for i := range 1_000_000 {
		n, err := suppression.ParseNumber(fmt.Sprintf("49151%08d", i))
		if err != nil {
			return err
		}
		f(suppression.Entry{Key: suppression.Key{Account: uint32(i % 2), Number: n}, Kinds: suppression.Blacklisted})
	}
	return nil
}

// TestAMillionEntriesAreSmall: below 100 MB, and no allocation to look one up.
func TestAMillionEntriesAreSmall(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	l, err := suppression.Open(context.Background(), new(million))
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if used := int64(after.HeapAlloc) - int64(before.HeapAlloc); used > 40<<20 {
		t.Errorf("a million entries take %d MB", used>>20)
	}
	if l.Len() != 1_000_000 || l.Check(1, "SHOP", "4915100000001") == 0 || l.Check(1, "SHOP", "4915101000001") != 0 {
		t.Error("the lists are wrong")
	}
	if n := testing.AllocsPerRun(100, func() { l.Check(1, "SHOP", "4915100000002") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	runtime.KeepAlive(l)
}

func BenchmarkCheck(b *testing.B) {
	l, err := suppression.Open(context.Background(), new(million))
	if err != nil {
		b.Fatal(err)
	}
	dests := make([]string, 1<<16)
	for i := range dests {
		dests[i] = fmt.Sprintf("49151%08d", rand.IntN(2_000_000))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Check(1, "SHOP", dests[i&(1<<16-1)])
	}
}
