package bulk

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/store"
	"protei-bulk/bulk/user"
)

const userPassword = "correct horse battery"

// userSite is a platform that is no dev mode, as a production has it.
func userSite(t *testing.T, change func(*Config)) (p *Platform, stop func()) {
	t.Helper()
	c := DefaultConfig()
	c.HTTP, c.SMPP, c.Durability, c.MinFreeDisk = "127.0.0.1:0", "off", "none", 0
	change(&c)
	p, err := New(Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		if err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return p, stop
}

// TestUsersOutliveTheProcess with both stores: the first admin, another user with a second factor, and a session.
func TestUsersOutliveTheProcess(t *testing.T) {
	for name, settings := range map[string]func(*testing.T) func(*Config){
		"embedded": func(t *testing.T) func(*Config) { dir := t.TempDir(); return func(c *Config) { c.Data = dir } },
		"PostgreSQL": func(t *testing.T) func(*Config) {
			url, dir := sharedStore(t), t.TempDir()
			return func(c *Config) { c.Store, c.Data = url, dir }
		},
	} {
		t.Run(name, func(t *testing.T) {
			change := settings(t)
			p, stop := userSite(t, change)
			if p.FirstPassword() == "" || p.FirstSecrets() == nil {
				t.Fatalf("the first start: console password %q, secrets %v", p.FirstPassword(), p.FirstSecrets())
			}
			ctx := t.Context()
			first, err := p.users.SignIn(ctx, user.Credentials{Name: "admin", Password: p.FirstPassword(), Address: "192.0.2.1"})
			if err != nil || !first.User.MustChange {
				t.Fatalf("with the first password: %+v, %v", first, err)
			}
			admin := p.accounts.ByName(account.AdminName)
			if _, err := p.users.Create(ctx, user.User{Name: "ann", Role: user.Operator, Account: admin.ID}, userPassword); err != nil {
				t.Fatal(err)
			}
			secret := user.NewTOTPSecret()
			if _, err := p.users.Update(ctx, "ann", func(u *user.User) { u.TOTPSecret = secret }); err != nil {
				t.Fatal(err)
			}
			objects, err := p.store.Objects(ctx, userKind)
			if err != nil || len(objects) != 2 {
				t.Fatalf("%d users stored, %v", len(objects), err)
			}
			for _, text := range objects {
				if bytes.Contains(text, []byte(secret)) || bytes.Contains(text, []byte(userPassword)) {
					t.Errorf("the store has a secret: %s", text)
				}
			}
			stop()

			p, _ = userSite(t, change)
			if p.FirstPassword() != "" {
				t.Error("the second start made a password again")
			}
			if s, err := p.users.Session(ctx, first.Token); err != nil || s.User.Name != "admin" {
				t.Errorf("the session after a restart: %+v, %v", s, err)
			}
			if u, err := p.users.Find("ann"); err != nil || u.TOTPSecret != secret || u.Role != user.Operator {
				t.Errorf("the user after a restart: %+v, %v", u, err)
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.HTTPAddr()+"/api/v1/session", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.AddCookie(&http.Cookie{Name: "protei_bulk_session", Value: first.Token})
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("the cookie after a restart: %s", resp.Status)
			}
		})
	}
}

// TestUsersOfNodes: who signs in at one node is known to the other, and locked out there as well.
func TestUsersOfNodes(t *testing.T) {
	url := sharedStore(t)
	a, b := openNode(t, url, "a", nil), openNode(t, url, "b", nil)
	s, err := a.users.SignIn(t.Context(), user.Credentials{Name: user.DevName, Password: user.DevPassword, Address: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other node knows the session", func() bool { _, err := b.users.Session(t.Context(), s.Token); return err == nil })
	a.must(201, "POST", "/users", `{"name":"ann","role":"admin","password":"`+userPassword+`"}`)
	eventually(t, "the other node knows the user", func() bool { _, err := b.users.Find("ann"); return err == nil })
	b.must(200, "PATCH", "/users/ann", `{"disabled":true}`) // who has no session that would end
	eventually(t, "the other node knows that the user is disabled", func() bool { u, err := a.users.Find("ann"); return err == nil && u.Disabled })
	b.must(200, "PATCH", "/users/ann", `{"disabled":false}`)
	b.must(200, "PATCH", "/users/dev", `{"disabled":true}`)
	eventually(t, "the session has ended", func() bool { _, err := a.users.Session(t.Context(), s.Token); return err != nil })
}

// meeting is a store whose first reader of a user goes on when another one has read the same.
type meeting struct {
	store.Store
	*rendezvous
}

type rendezvous struct {
	came atomic.Int32
	both chan struct{} // closed by the second
}

func (m meeting) Object(ctx context.Context, kind, key string) ([]byte, error) {
	value, err := m.Store.Object(ctx, kind, key)
	if kind == userKind && m.came.Add(1) == 2 {
		close(m.both)
	}
	if kind == userKind {
		select {
		case <-m.both:
		case <-time.After(30 * time.Second):
			return nil, errors.New("nobody else has read")
		}
	}
	return value, err
}

// TestACodeOfTwoNodes: two nodes that have both read that a code is not used yet take it once, and of two changes of a
// user none is lost.
func TestACodeOfTwoNodes(t *testing.T) {
	for name, open := range map[string]func(*testing.T) (a, b *site){
		"PostgreSQL": func(t *testing.T) (a, b *site) {
			url := sharedStore(t)
			return openNode(t, url, "a", nil), openNode(t, url, "b", nil)
		},
		"embedded": func(t *testing.T) (a, b *site) { s := openSite(t, t.TempDir(), nil); return s, s },
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			a, b := open(t)
			secret := user.NewTOTPSecret()
			person := user.User{Name: "ann", Role: user.Admin, Account: a.accounts.ByName(account.DevName).ID, TOTPSecret: secret}
			if _, err := a.users.Create(ctx, person, userPassword); err != nil {
				t.Fatal(err)
			}
			// both is what two directories of the two nodes do at the same moment, and how often it goes well.
			both := func(do func(*user.Directory) error) (good int) {
				t.Helper()
				at := &rendezvous{both: make(chan struct{})}
				results := make(chan error, 2)
				for _, s := range []*site{a, b} {
					d, err := user.Open(ctx, user.Options{Store: userStore{meeting{s.store, at}, s.vault}, Accounts: s.accounts})
					if err != nil {
						t.Fatal(err)
					}
					go func() { results <- do(d) }()
				}
				for range 2 {
					if err := <-results; err == nil {
						good++
					} else if !errors.Is(err, user.ErrRefused) {
						t.Error(err)
					}
				}
				return good
			}
			now := time.Now()
			code, err := user.TOTPCode(secret, now)
			if err != nil {
				t.Fatal(err)
			}
			if good := both(func(d *user.Directory) error {
				_, err := d.SignIn(ctx, user.Credentials{Name: "ann", Password: userPassword, Code: code, Address: "192.0.2.1"})
				return err
			}); good != 1 {
				t.Errorf("%d of 2 sign-ins with one code are taken", good)
			}
			if good := both(func(d *user.Directory) error {
				_, err := d.Update(ctx, "ann", func(u *user.User) { u.TOTPStep++ })
				return err
			}); good != 2 {
				t.Errorf("%d of 2 changes are made", good)
			}
			all, err := userStore{b.store, b.vault}.LoadUsers(ctx)
			if i := slices.IndexFunc(all, func(u user.User) bool { return u.Name == "ann" }); err != nil || i < 0 || all[i].TOTPStep != now.Unix()/30+2 {
				t.Errorf("what is stored: %+v, %v", all, err)
			}
		})
	}
}

// TestUserChangesAreLogged without what they are signed in with.
func TestUserChangesAreLogged(t *testing.T) {
	s := openSite(t, t.TempDir(), nil)
	s.must(201, "POST", "/users", `{"name":"ann","role":"auditor","password":"`+userPassword+`"}`)
	s.must(200, "PATCH", "/users/ann", `{"role":"operator"}`)
	text := s.must(200, "GET", "/audit?what=user%20ann", "")
	if strings.Count(text, `"what":"user ann"`) != 2 || !strings.Contains(text, `"role":"operator"`) || strings.Contains(text, "argon2") || strings.Contains(text, userPassword) {
		t.Errorf("the log of changes: %s", text)
	}
}
