package user_test

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
	"protei-bulk/bulk/user"
	"protei-bulk/bulk/user/usertest"
)

type unmetered struct{}

func (unmetered) Parts(uint32, int64, int64) int64 { return 0 }

// rig is a directory with a clock that is moved by hand.
type rig struct {
	*user.Directory
	t        *testing.T
	store    *usertest.Store
	accounts *account.Directory
	admin    *account.Account
	acme     *account.Account
	now      time.Time
}

const right = "correct horse battery"

func start(t *testing.T) *rig {
	t.Helper()
	ctx := t.Context()
	r := &rig{t: t, store: new(usertest.Store), now: time.Date(2030, 1, 31, 9, 0, 0, 0, time.UTC)}
	accounts, err := account.Open(ctx, account.Options{Store: new(accounttest.Store), Meter: unmetered{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := accounts.EnsureAdmin(ctx); err != nil {
		t.Fatal(err)
	}
	r.accounts, r.admin = accounts, accounts.ByName(account.AdminName)
	if r.acme, _, err = accounts.Create(ctx, account.Spec{Name: "acme"}, ""); err != nil {
		t.Fatal(err)
	}
	r.Directory = r.another()
	return r
}

// another is a directory over the same store, as another node or a later process has it.
func (r *rig) another() *user.Directory {
	r.t.Helper()
	d, _ := r.watch()
	return d
}

// watched is a store whose calls are counted, and waited in.
type watched struct {
	*usertest.Store
	loads, looks    atomic.Int64 // how often sessions were read, and the clock
	loading, saving func()       // nil: nothing
}

func (w *watched) LoadSessions(ctx context.Context) ([]user.Stored, error) {
	w.loads.Add(1)
	if w.loading != nil {
		w.loading()
	}
	return w.Store.LoadSessions(ctx)
}

func (w *watched) SaveSession(ctx context.Context, s user.Stored) error {
	if w.saving != nil {
		w.saving()
	}
	return w.Store.SaveSession(ctx, s)
}

// watch is another directory over the store, whose calls are seen.
func (r *rig) watch() (*user.Directory, *watched) {
	r.t.Helper()
	w := &watched{Store: r.store}
	d, err := user.Open(r.t.Context(), user.Options{Store: w, Accounts: r.accounts, Now: func() time.Time { w.looks.Add(1); return r.now }})
	if err != nil {
		r.t.Fatal(err)
	}
	return d, w
}

func (r *rig) add(name string, role user.Role) {
	r.t.Helper()
	a := r.admin
	if role == user.Customer {
		a = r.acme
	}
	if _, err := r.Create(r.t.Context(), user.User{Name: name, Role: role, Account: a.ID}, right); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) signIn(c user.Credentials) *user.Session {
	r.t.Helper()
	if c.Address == "" {
		c.Address = "192.0.2.1"
	}
	s, err := r.SignIn(r.t.Context(), c)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// TestCodesOfTheStandard has the vectors of RFC 6238, Appendix B (SHA-1), in six digits.
func TestCodesOfTheStandard(t *testing.T) {
	secret := base32.StdEncoding.EncodeToString([]byte("12345678901234567890"))
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got, err := user.TOTPCode(secret, time.Unix(at, 0)); err != nil || got != want {
			t.Errorf("at %d: %s, %v, want %s", at, got, err, want)
		}
	}
	if _, err := user.TOTPCode("MFRGG", time.Unix(59, 0)); err == nil {
		t.Error("a secret of three octets was taken")
	}
}

func TestSessionLivesOverARestart(t *testing.T) {
	r := start(t)
	r.add("ann", user.Admin)
	s := r.signIn(user.Credentials{Name: " Ann ", Password: right})
	again, err := r.another().Session(t.Context(), s.Token)
	if err != nil || again.User.Name != "ann" || again.CSRF != s.CSRF || s.CSRF == "" {
		t.Fatalf("after a restart: %+v, %v", again, err)
	}
	stored, _ := r.store.Sessions()
	users, _ := r.store.LoadUsers(t.Context())
	text, _ := json.Marshal([]any{stored, users})
	for what, secret := range map[string]string{"token": s.Token, "CSRF token": s.CSRF, "password": right} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the store has the %s", what)
		}
	}
}

func TestAnotherNodeFindsTheSession(t *testing.T) {
	r := start(t)
	r.add("ann", user.Admin)
	other := r.another()
	s := r.signIn(user.Credentials{Name: "ann", Password: right})
	r.now = r.now.Add(2 * time.Second)
	if _, err := other.Session(t.Context(), s.Token); err != nil {
		t.Errorf("a session of another node: %v", err)
	}
}

func TestSessionEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		do   func(*rig, *user.Session)
		want error
	}{
		"by nothing":           {func(*rig, *user.Session) {}, nil},
		"without requests":     {func(r *rig, _ *user.Session) { r.now = r.now.Add(user.IdleSession) }, user.ErrSession},
		"at its longest":       {func(r *rig, s *user.Session) { r.useUntil(s, user.MaxSession) }, user.ErrSession},
		"not while it is used": {func(r *rig, s *user.Session) { r.useUntil(s, user.MaxSession-time.Minute) }, nil},
		"by signing out":       {func(r *rig, s *user.Session) { r.check(r.SignOut(r.t.Context(), s.Token)) }, user.ErrSession},
		"by a new password": {func(r *rig, _ *user.Session) {
			_, err := r.SetPassword(r.t.Context(), "ann", "another long password", false)
			r.check(err)
		}, user.ErrSession},
		"when the user is disabled": {func(r *rig, _ *user.Session) {
			_, err := r.Update(r.t.Context(), "ann", func(u *user.User) { u.Disabled = true })
			r.check(err)
		}, user.ErrSession},
		"when the user is deleted": {func(r *rig, _ *user.Session) { r.check(r.Delete(r.t.Context(), "ann")) }, user.ErrSession},
		"by a forged token":        {func(_ *rig, s *user.Session) { s.Token = s.Token[:len(s.Token)-1] + "_" }, user.ErrSession},
		"by an endless token":      {func(_ *rig, s *user.Session) { s.Token = strings.Repeat("a", 1<<20) }, user.ErrSession},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			r.add("boss", user.Admin)
			r.add("ann", user.Admin)
			s := r.signIn(user.Credentials{Name: "ann", Password: right})
			if s.Token[len(s.Token)-1] == '_' {
				s = r.signIn(user.Credentials{Name: "ann", Password: right})
			}
			tc.do(r, s)
			if _, err := r.Session(t.Context(), s.Token); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

// code is that of the second factor at this moment.
func (r *rig) code(secret string) string {
	r.t.Helper()
	code, err := user.TOTPCode(secret, r.now)
	r.check(err)
	return code
}

func (r *rig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// useUntil makes a request every half hour until so long after now, and moves the clock there.
func (r *rig) useUntil(s *user.Session, after time.Duration) {
	r.t.Helper()
	end := r.now.Add(after)
	for r.now.Add(30 * time.Minute).Before(end) {
		r.now = r.now.Add(30 * time.Minute)
		if _, err := r.Session(r.t.Context(), s.Token); err != nil {
			r.t.Fatalf("at %s: %v", r.now, err)
		}
	}
	r.now = end
}

func TestRequestsAreNotedNowAndThen(t *testing.T) {
	r := start(t)
	r.add("ann", user.Admin)
	s := r.signIn(user.Credentials{Name: "ann", Password: right})
	_, before := r.store.Sessions()
	for range 600 { // ten minutes of requests
		r.now = r.now.Add(time.Second)
		if _, err := r.Session(t.Context(), s.Token); err != nil {
			t.Fatal(err)
		}
	}
	if _, after := r.store.Sessions(); after-before != 2 {
		t.Errorf("ten minutes of requests were saved %d times, want 2", after-before)
	}
}

// TestUnknownTokensReadOnce: anybody can send them, and the store is asked once a second for all.
func TestUnknownTokensReadOnce(t *testing.T) {
	r := start(t)
	d, store := r.watch()
	r.now = r.now.Add(2 * time.Second)
	before, looks := store.loads.Load(), store.looks.Load()
	store.loading = func() {
		for store.looks.Load() < looks+50 { // until each has seen that the last reading is old
			runtime.Gosched()
		}
	}
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if _, err := d.Session(t.Context(), fmt.Sprint("unknown ", i)); !errors.Is(err, user.ErrSession) {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	if n := store.loads.Load() - before; n != 1 {
		t.Errorf("50 unknown tokens read the sessions %d times, want once", n)
	}
}

// TestSignOutWhileARequestIsNoted: the request that is still being noted does not bring the session back.
func TestSignOutWhileARequestIsNoted(t *testing.T) {
	r := start(t)
	r.add("ann", user.Admin)
	s := r.signIn(user.Credentials{Name: "ann", Password: right})
	d, store := r.watch()
	r.now = r.now.Add(10 * time.Minute)
	out := make(chan error, 1)
	store.saving = func() {
		go func() { out <- d.SignOut(context.Background(), s.Token) }()
		select {
		case err := <-out: // too early
			out <- err
		case <-time.After(50 * time.Millisecond):
		}
	}
	if _, err := d.Session(t.Context(), s.Token); err != nil {
		t.Fatal(err)
	}
	r.check(<-out)
	if _, err := r.another().Session(t.Context(), s.Token); !errors.Is(err, user.ErrSession) {
		t.Errorf("after signing out: %v", err)
	}
}

func TestOldestSessionsMakeRoom(t *testing.T) {
	r := start(t)
	r.add("ann", user.Admin)
	first := r.signIn(user.Credentials{Name: "ann", Password: right})
	for range 20 {
		r.now = r.now.Add(time.Second)
		r.signIn(user.Credentials{Name: "ann", Password: right})
	}
	if stored, _ := r.store.Sessions(); len(stored) != 20 {
		t.Errorf("%d sessions, want 20", len(stored))
	}
	if _, err := r.Session(t.Context(), first.Token); !errors.Is(err, user.ErrSession) {
		t.Errorf("the first of 21: %v", err)
	}
}

func TestWrongSignInsAreAlike(t *testing.T) {
	r := start(t)
	r.add("ann", user.Admin)
	r.add("gone", user.Operator)
	if _, err := r.Update(t.Context(), "gone", func(u *user.User) { u.Disabled = true }); err != nil {
		t.Fatal(err)
	}
	took := map[string]time.Duration{}
	for name, c := range map[string]user.Credentials{
		"wrong password": {Name: "ann", Password: "wrong horse battery"},
		"unknown user":   {Name: "nobody", Password: right},
		"disabled user":  {Name: "gone", Password: right},
		"no password":    {Name: "ann"},
		"no name":        {Password: right},
		"endless":        {Name: strings.Repeat("n", 10_000), Password: strings.Repeat("p", 10_000)},
	} {
		c.Address = "192.0.2." + fmt.Sprint(10+len(took))
		best := time.Hour
		for range 3 {
			began := time.Now()
			if _, err := r.SignIn(t.Context(), c); !errors.Is(err, user.ErrRefused) {
				t.Errorf("%s: %v, want %v", name, err, user.ErrRefused)
			}
			best = min(best, time.Since(began))
		}
		took[name] = best
	}
	// An argon2id costs tens of milliseconds; without one the answer would come at once.
	for name, d := range took {
		if d < took["wrong password"]/4 {
			t.Errorf("%s took %s, a wrong password %s", name, d, took["wrong password"])
		}
	}
}

func TestTriesAreLimited(t *testing.T) {
	r := start(t)
	r.add("ann", user.Admin)
	var limited *user.LimitedError
	try := func(name, password, address string) error {
		_, err := r.SignIn(t.Context(), user.Credentials{Name: name, Password: password, Address: address})
		return err
	}
	for range 10 {
		if err := try("ann", "wrong horse battery", "192.0.2.1"); !errors.Is(err, user.ErrRefused) {
			t.Fatal(err)
		}
	}
	if err := try("ann", right, "192.0.2.1"); !errors.As(err, &limited) || limited.Retry <= 0 || limited.Retry > 10*time.Second {
		t.Errorf("after ten wrong tries: %v", err)
	}
	if err := try("ann", right, "198.51.100.1"); !errors.As(err, &limited) {
		t.Errorf("the same user from elsewhere: %v", err)
	}
	if err := try("bob", right, "192.0.2.1"); !errors.As(err, &limited) {
		t.Errorf("another user from there: %v", err)
	}
	r.now = r.now.Add(10 * time.Second)
	for range 15 { // what is right costs nothing
		if err := try("ann", right, "192.0.2.1"); err != nil {
			t.Fatalf("ten seconds later: %v", err)
		}
	}
	for i := range 10 { // an IPv6 network is one address
		_ = try("carl", "wrong horse battery", fmt.Sprintf("2001:db8:0:1::%d", i))
	}
	if err := try("dora", "x", "2001:db8:0:1:ffff::1"); !errors.As(err, &limited) {
		t.Errorf("from another address of the network: %v", err)
	}
	if err := try("dora", "x", "2001:db8:0:2::1"); !errors.Is(err, user.ErrRefused) {
		t.Errorf("from another network: %v", err)
	}
}

func TestSecondFactor(t *testing.T) {
	r := start(t)
	r.add("ann", user.Admin)
	secret := user.NewTOTPSecret()
	code := func() string { return r.code(secret) }
	var field *user.FieldError
	if _, err := r.SetTOTP(t.Context(), "ann", secret, "000000"); !errors.As(err, &field) || field.Field != "code" {
		t.Errorf("a wrong code: %v", err)
	}
	if _, err := r.SetTOTP(t.Context(), "ann", secret, code()); err != nil {
		t.Fatal(err)
	}
	try := func(code string) error {
		_, err := r.SignIn(t.Context(), user.Credentials{Name: "ann", Password: right, Code: code, Address: "192.0.2.1"})
		return err
	}
	if err := try(""); !errors.Is(err, user.ErrCode) {
		t.Errorf("without a code: %v", err)
	}
	if err := try(code()); !errors.Is(err, user.ErrRefused) {
		t.Errorf("a code that was used: %v", err)
	}
	r.now = r.now.Add(30 * time.Second)
	early := code()
	r.now = r.now.Add(30 * time.Second) // the authenticator's clock is late
	if err := try(early); err != nil {
		t.Errorf("a code of the step before: %v", err)
	}
	if err := try(early); !errors.Is(err, user.ErrRefused) {
		t.Errorf("the same again: %v", err)
	}
	r.now = r.now.Add(2 * time.Minute)
	late := code()
	r.now = r.now.Add(time.Minute)
	if err := try(late); !errors.Is(err, user.ErrRefused) {
		t.Errorf("a code of two steps before: %v", err)
	}
	if _, err := r.SignIn(t.Context(), user.Credentials{Name: "ann", Password: "wrong horse battery", Address: "192.0.2.1"}); !errors.Is(err, user.ErrRefused) {
		t.Errorf("a wrong password tells that there is a second factor: %v", err)
	}
	if _, err := r.DropTOTP(t.Context(), "ann"); err != nil {
		t.Fatal(err)
	}
	if err := try(""); err != nil {
		t.Errorf("after it was taken away: %v", err)
	}
}

// TestACodeIsTakenOnce: whoever saw a code cannot use it, neither at the same moment nor at
// another node that has not been told of its use yet.
func TestACodeIsTakenOnce(t *testing.T) {
	r := start(t)
	r.add("ann", user.Admin)
	secret := user.NewTOTPSecret()
	code := func() string { return r.code(secret) }
	if _, err := r.SetTOTP(t.Context(), "ann", secret, code()); err != nil {
		t.Fatal(err)
	}
	other := r.another()
	r.now = r.now.Add(30 * time.Second)
	used := code()
	results := make(chan error, 3)
	for range cap(results) {
		go func() {
			_, err := r.SignIn(t.Context(), user.Credentials{Name: "ann", Password: right, Code: used, Address: "192.0.2.1"})
			results <- err
		}()
	}
	good := 0
	for range cap(results) {
		if err := <-results; err == nil {
			good++
		} else if !errors.Is(err, user.ErrRefused) {
			t.Errorf("a code at the same time: %v", err)
		}
	}
	if good != 1 {
		t.Errorf("%d of %d sign-ins with one code are taken", good, cap(results))
	}
	if _, err := other.Update(t.Context(), "ann", func(u *user.User) { u.MustChange = true }); err != nil { // as it knew ann
		t.Fatal(err)
	}
	for name, d := range map[string]*user.Directory{"its node": r.Directory, "another node": other, "a later process": r.another()} {
		if _, err := d.SignIn(t.Context(), user.Credentials{Name: "ann", Password: right, Code: used, Address: "192.0.2.2"}); !errors.Is(err, user.ErrRefused) {
			t.Errorf("a used code at %s: %v", name, err)
		}
	}
}

func TestUsersAreChecked(t *testing.T) {
	r := start(t)
	r.add("ann", user.Admin)
	for name, tc := range map[string]struct {
		u        user.User
		password string
		field    string
	}{
		"no name":            {user.User{Role: user.Admin, Account: r.admin.ID}, right, "name"},
		"markup in the name": {user.User{Name: "<b>x", Role: user.Admin, Account: r.admin.ID}, right, "name"},
		"long name":          {user.User{Name: strings.Repeat("x", 65), Role: user.Admin, Account: r.admin.ID}, right, "name"},
		"no role":            {user.User{Name: "x", Account: r.admin.ID}, right, "role"},
		"no account":         {user.User{Name: "x", Role: user.Admin}, right, "account_id"},
		"admin of acme":      {user.User{Name: "x", Role: user.Auditor, Account: r.acme.ID}, right, "account_id"},
		"customer of admin":  {user.User{Name: "x", Role: user.Customer, Account: r.admin.ID}, right, "account_id"},
		"short password":     {user.User{Name: "x", Role: user.Admin, Account: r.admin.ID}, "123456789", "password"},
		"name as password":   {user.User{Name: "annabella", Role: user.Admin, Account: r.admin.ID}, "Annabella1", "password"},
		"one letter":         {user.User{Name: "x", Role: user.Admin, Account: r.admin.ID}, strings.Repeat("a", 20), "password"},
	} {
		var field *user.FieldError
		if _, err := r.Create(t.Context(), tc.u, tc.password); !errors.As(err, &field) || field.Field != tc.field {
			t.Errorf("%s: %v, want a fault of %s", name, err, tc.field)
		}
	}
	if _, err := r.Create(t.Context(), user.User{Name: "ANN", Role: user.Admin, Account: r.admin.ID}, right); !errors.Is(err, user.ErrTaken) {
		t.Errorf("the same name in capitals: %v", err)
	}
}

func TestTheLastAdminStays(t *testing.T) {
	r := start(t)
	r.add("ann", user.Admin)
	r.add("olaf", user.Operator)
	for name, err := range map[string]error{
		"deleted":  r.Delete(t.Context(), "ann"),
		"disabled": second(r.Update(t.Context(), "ann", func(u *user.User) { u.Disabled = true })),
		"demoted":  second(r.Update(t.Context(), "ann", func(u *user.User) { u.Role = user.Auditor })),
	} {
		if !errors.Is(err, user.ErrLast) {
			t.Errorf("%s: %v, want %v", name, err, user.ErrLast)
		}
	}
	r.add("boss", user.Admin)
	if err := r.Delete(t.Context(), "ann"); err != nil {
		t.Errorf("with another admin: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestFirstUsers(t *testing.T) {
	r := start(t)
	password, err := r.EnsureAdmin(t.Context(), r.admin)
	if err != nil || password == "" {
		t.Fatal(password, err)
	}
	if s := r.signIn(user.Credentials{Name: "admin", Password: password}); !s.User.MustChange {
		t.Error("the first password does not have to be changed")
	}
	if again, err := r.another().EnsureAdmin(t.Context(), r.admin); err != nil || again != "" {
		t.Errorf("the second start: %q, %v", again, err)
	}
	if err := r.EnsureDev(t.Context(), r.admin); err != nil {
		t.Fatal(err)
	}
	r.signIn(user.Credentials{Name: user.DevName, Password: user.DevPassword})
}

func TestDisabledAccountKeepsItsUsersOut(t *testing.T) {
	r := start(t)
	r.add("cara", user.Customer)
	if _, err := r.accounts.Update(t.Context(), r.acme.ID, func(s *account.Spec) { s.Disabled = true }); err != nil {
		t.Fatal(err)
	}
	if _, err := r.SignIn(context.Background(), user.Credentials{Name: "cara", Password: right, Address: "192.0.2.1"}); !errors.Is(err, user.ErrRefused) {
		t.Errorf("got %v", err)
	}
}
