package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
)

func open(t *testing.T, store *accounttest.Store) *account.Directory {
	t.Helper()
	d, err := account.Open(context.Background(), account.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func create(t *testing.T, d *account.Directory, spec account.Spec, password string) (*account.Account, account.Secrets) {
	t.Helper()
	a, s, err := d.Create(context.Background(), spec, password)
	if err != nil {
		t.Fatal(err)
	}
	return a, s
}

func TestSecretsAreStoredAsHashesAndSurviveAReopening(t *testing.T) {
	store := new(accounttest.Store)
	a, s := create(t, open(t, store), account.Spec{Name: "acme", SystemID: "box", TPS: 5}, "geheim12")
	rows, keys, err := store.LoadAccounts(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(rows[0].PasswordHash, "geheim12") || !strings.HasPrefix(rows[0].PasswordHash, "$argon2id$") {
		t.Errorf("password hash %q", rows[0].PasswordHash)
	}
	if len(keys) != 1 || keys[0].Hash != account.HashKey(s.APIKey) || !strings.HasPrefix(s.APIKey, keys[0].Prefix) || len(keys[0].Prefix)*2 > len(s.APIKey) {
		t.Errorf("keys %+v", keys)
	}
	d := open(t, store)
	if got, err := d.ByKey(s.APIKey, ""); err != nil || got.Owner().ID != a.ID {
		t.Errorf("ByKey = %v, %v", got, err)
	}
	if got, err := d.Verify("box", "geheim12", "192.0.2.1"); err != nil || got.ID != a.ID {
		t.Errorf("Verify = %v, %v", got, err)
	}
}

func TestVerifyTellsWhatIsWrong(t *testing.T) {
	d := open(t, new(accounttest.Store))
	a, _ := create(t, d, account.Spec{Name: "acme", SystemID: "box"}, "geheim12")
	nopass, _ := create(t, d, account.Spec{Name: "web"}, "")
	if nopass.PasswordHash != "" {
		t.Error("an account without system_id got a password")
	}
	for name, c := range map[string]struct {
		user, password string
		want           error
	}{
		"unknown user":     {"nobody", "geheim12", account.ErrUnknown},
		"wrong password":   {"box", "geheim13", account.ErrBadPassword},
		"empty password":   {"box", "", account.ErrBadPassword},
		"huge password":    {"box", strings.Repeat("x", 100_000), account.ErrBadPassword},
		"empty user":       {"", "geheim12", account.ErrUnknown},
		"right":            {"box", "geheim12", nil},
		"right, from memo": {"box", "geheim12", nil},
	} {
		if _, err := d.Verify(c.user, c.password, "192.0.2.1"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := d.SetPassword(context.Background(), a.ID, "neues123"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Verify("box", "geheim12", "192.0.2.1"); !errors.Is(err, account.ErrBadPassword) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := d.Update(context.Background(), a.ID, func(s *account.Spec) { s.Disabled = true }); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Verify("box", "neues123", "192.0.2.1"); !errors.Is(err, account.ErrDisabled) {
		t.Errorf("a disabled account: %v", err)
	}
}

// TestVerifiedPasswordsAreRemembered would take half a minute of argon2id otherwise.
func TestVerifiedPasswordsAreRemembered(t *testing.T) {
	d := open(t, new(accounttest.Store))
	create(t, d, account.Spec{Name: "acme", SystemID: "box"}, "geheim12")
	begin := time.Now()
	for range 1000 {
		if _, err := d.Verify("box", "geheim12", "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("1000 sign-ins took %s", took)
	}
}

func TestUnknownUsersTakeAsLongAsWrongPasswords(t *testing.T) {
	d := open(t, new(accounttest.Store))
	create(t, d, account.Spec{Name: "acme", SystemID: "box"}, "geheim12")
	took := func(user string) time.Duration {
		begin := time.Now()
		_, _ = d.Verify(user, "nonsense", "192.0.2.1")
		return time.Since(begin)
	}
	var known, unknown time.Duration
	for range 10 { // another process may take the core from one of the two
		known, unknown = took("box"), took("nobody")
		if unknown < 2*known && known < 2*unknown {
			return
		}
	}
	t.Errorf("a wrong password takes %s, an unknown user %s", known, unknown)
}

func TestNamesAndSystemIDsAreUnique(t *testing.T) {
	d := open(t, new(accounttest.Store))
	create(t, d, account.Spec{Name: "acme", SystemID: "box"}, "")
	b, _ := create(t, d, account.Spec{Name: "other"}, "")
	for _, spec := range []account.Spec{{Name: "acme"}, {Name: "third", SystemID: "box"}} {
		if _, _, err := d.Create(context.Background(), spec, ""); !errors.Is(err, account.ErrTaken) {
			t.Errorf("%+v: %v", spec, err)
		}
	}
	if _, err := d.Update(context.Background(), b.ID, func(s *account.Spec) { s.SystemID = "box" }); !errors.Is(err, account.ErrTaken) {
		t.Errorf("update: %v", err)
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	spec := account.Spec{Name: strings.Repeat("n", 65), Role: 7, SystemID: "has space", TPS: -1, MaxBinds: -1, DefaultSender: "\x00", DLRURL: "ftp://x", WebhookSecret: "\n"}
	err := spec.Validate()
	if err := (&account.Spec{Name: "n", DLRURL: "https://user:password@example.com/"}).Validate(); err == nil || strings.Contains(err.Error(), "password@") {
		t.Errorf("a webhook with user and password: %v", err)
	}
	for _, field := range []string{"name", "role", "system_id", "tps", "max_binds", "default_sender", "dlr_url", "webhook_secret"} {
		if !strings.Contains(err.Error(), field+":") {
			t.Errorf("%s is not named in %v", field, err)
		}
	}
	var f *account.FieldError
	if !errors.As(err, &f) || !errors.Is(err, account.ErrInvalid) {
		t.Errorf("error %#v", err)
	}
}

func TestKeysComeAndGo(t *testing.T) {
	d := open(t, new(accounttest.Store))
	a, first := create(t, d, account.Spec{Name: "acme"}, "")
	row, second, err := d.NewKey(context.Background(), a.ID, account.KeySpec{Name: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(d.Snapshot().Keys(a.ID)); n != 2 {
		t.Errorf("%d keys", n)
	}
	if err := d.RevokeKey(context.Background(), a.ID, row.Prefix); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ByKey(second, ""); !errors.Is(err, account.ErrUnknownKey) {
		t.Errorf("a revoked key: %v", err)
	}
	if _, err := d.ByKey(first.APIKey, ""); err != nil {
		t.Errorf("the other key: %v", err)
	}
	if err := d.RevokeKey(context.Background(), a.ID, row.Prefix); !errors.Is(err, account.ErrUnknownKey) {
		t.Errorf("twice: %v", err)
	}
}

func TestAFailedWriteChangesNothing(t *testing.T) {
	store := new(accounttest.Store)
	d := open(t, store)
	a, _ := create(t, d, account.Spec{Name: "acme"}, "")
	broken := errors.New("disk")
	store.Fail(broken)
	if _, _, err := d.Create(context.Background(), account.Spec{Name: "b"}, ""); !errors.Is(err, broken) {
		t.Errorf("create: %v", err)
	}
	if _, err := d.Update(context.Background(), a.ID, func(s *account.Spec) { s.Disabled = true }); !errors.Is(err, broken) {
		t.Errorf("update: %v", err)
	}
	if d.ByName("b") != nil || d.ByID(a.ID).Disabled {
		t.Error("a change shows that the store does not have")
	}
}

func TestFirstStart(t *testing.T) {
	store := new(accounttest.Store)
	d := open(t, store)
	s, created, err := d.EnsureAdmin(context.Background())
	if err != nil || !created || len(s.APIKey) < 35 || len(s.Password) != 8 {
		t.Fatalf("EnsureAdmin = %+v, %v, %v", s, created, err)
	}
	if a, err := d.Verify("admin", s.Password, "192.0.2.1"); err != nil || a.Role != account.Admin {
		t.Errorf("admin: %+v, %v", a, err)
	}
	if _, again, err := open(t, store).EnsureAdmin(context.Background()); again || err != nil {
		t.Errorf("a second start: %v, %v", again, err)
	}
	if d.Anonymous() != nil {
		t.Error("requests without credentials are let in outside the dev mode")
	}
	reset, err := open(t, store).ResetAdmin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	d = open(t, store)
	if _, err := d.ByKey(s.APIKey, ""); !errors.Is(err, account.ErrUnknownKey) {
		t.Errorf("the key from before the reset: %v", err)
	}
	if a, err := d.ByKey(reset.APIKey, ""); err != nil || a.Owner().Name != "admin" {
		t.Errorf("the new key: %v", err)
	}
	if _, err := d.Verify("admin", reset.Password, "192.0.2.1"); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestDev(t *testing.T) {
	store := new(accounttest.Store)
	d := open(t, store)
	for range 2 {
		if _, err := d.EnsureDev(context.Background()); err != nil {
			t.Fatal(err)
		}
		if a, err := d.ByKey("dev-api-key", ""); err != nil || a.Owner() != d.Anonymous() {
			t.Errorf("ByKey = %v, %v", a, err)
		}
		if _, err := d.Verify("dev", "devpass1", "192.0.2.1"); err != nil {
			t.Error(err)
		}
		d = open(t, store)
	}
}

func TestRateIsSharedBySnapshots(t *testing.T) {
	d := open(t, new(accounttest.Store))
	a, _ := create(t, d, account.Spec{Name: "acme", TPS: 10}, "")
	now := time.Now()
	for i := range 10 {
		if wait := a.Take(now, 1); wait != 0 {
			t.Fatalf("message %d has to wait %s", i, wait)
		}
	}
	b, err := d.Update(context.Background(), a.ID, func(s *account.Spec) { s.DefaultSender = "X" })
	if err != nil {
		t.Fatal(err)
	}
	if wait := b.Take(now, 1); wait < 90*time.Millisecond || wait > 110*time.Millisecond {
		t.Errorf("the eleventh waits %s, want 100 ms", wait)
	}
	if wait := b.Take(now.Add(200*time.Millisecond), 1); wait != 0 {
		t.Errorf("after 200 ms it waits %s", wait)
	}
	b, err = d.Update(context.Background(), a.ID, func(s *account.Spec) { s.TPS = 0 })
	if err != nil {
		t.Fatal(err)
	}
	if wait := b.Take(now, 1_000_000); wait != 0 {
		t.Errorf("without a limit it waits %s", wait)
	}
}

func TestManyAtOnce(t *testing.T) {
	d := open(t, new(accounttest.Store))
	a, s := create(t, d, account.Spec{Name: "acme", SystemID: "box", TPS: 100}, "geheim12")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				if _, err := d.ByKey(s.APIKey, ""); err != nil {
					t.Error(err)
				}
				if _, err := d.Verify("box", "geheim12", "192.0.2.1"); err != nil && !errors.Is(err, account.ErrBusyVerifying) {
					t.Error(err)
				}
				d.BySystemID("box").Take(time.Now(), 1)
				if i == 0 {
					if _, err := d.Update(context.Background(), a.ID, func(s *account.Spec) { s.TPS++ }); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkByKey(b *testing.B) {
	d, err := account.Open(context.Background(), account.Options{Store: new(accounttest.Store)})
	if err != nil {
		b.Fatal(err)
	}
	_, s, err := d.Create(context.Background(), account.Spec{Name: "acme"}, "")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.ByKey(s.APIKey, ""); err != nil {
			b.Fatal(err)
		}
	}
}

// TestWrongPairsAreLimited: of an address ten wrong passwords of a system_id are looked at and a hundred in all, then as many as
// the time allows; what was right before, and who asks from elsewhere, is not concerned.
func TestWrongPairsAreLimited(t *testing.T) {
	now := time.Date(2030, 1, 31, 9, 0, 0, 0, time.UTC)
	d, err := account.Open(t.Context(), account.Options{Store: new(accounttest.Store), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	create(t, d, account.Spec{Name: "acme", SystemID: "box"}, "geheim12")
	create(t, d, account.Spec{Name: "other", SystemID: "other"}, "geheim12")
	verify := func(id, password, from string) error {
		_, err := d.Verify(id, password, from)
		return err
	}
	limited := func(what string, err error, want bool) {
		t.Helper()
		var l *account.LimitedError
		if errors.As(err, &l) != want || want && (l.Retry <= 0 || l.Retry > 10*time.Second) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := verify("other", "geheim12", "192.0.2.1:1000"); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		limited("a wrong one", verify("box", "wrong", "192.0.2.1:1001"), false)
	}
	limited("the eleventh", verify("box", "wrong", "192.0.2.1:1002"), true)
	limited("the right one from there", verify("box", "geheim12", "192.0.2.1:1003"), true)
	limited("a wrong one from elsewhere", verify("box", "wrong", "198.51.100.1:1"), false)
	if err := verify("box", "geheim12", "198.51.100.1:1"); err != nil {
		t.Errorf("the right one from elsewhere: %v", err)
	}
	if err := verify("box", "geheim12", "192.0.2.1:1003"); err != nil {
		t.Errorf("the right one from there, now that it is known: %v", err)
	}
	now = now.Add(10 * time.Second)
	limited("ten seconds later", verify("box", "wrong", "192.0.2.1"), false)
	limited("and again", verify("box", "wrong", "192.0.2.1"), true)

	looked := 0
	for i := range 130 { // a network of IPv6 is one address
		var l *account.LimitedError
		if err := verify(fmt.Sprintf("nobody%d", i), "wrong", fmt.Sprintf("[2001:db8:0:1::%x]:9", i)); !errors.As(err, &l) {
			looked++
		}
	}
	if looked != 100 {
		t.Errorf("%d wrong pairs of an address are looked at, want 100", looked)
	}
	if err := verify("other", "geheim12", "[2001:db8:0:1::1]:9"); err != nil {
		t.Errorf("one that was right before: %v", err)
	}
}
