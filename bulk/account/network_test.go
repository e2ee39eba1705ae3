package account_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
)

// TestNetworks: one entry of smpp_allow, and of a key's allow, holds the same addresses however they are written.
func TestNetworks(t *testing.T) {
	for _, c := range []struct {
		entry   string
		in, out []string
	}{
		{"10.1.0.0/16", []string{"10.1.2.3:1", "[::ffff:10.1.2.3]:1"}, []string{"10.2.0.0:1", "[::10.1.2.3]:1"}},
		{"::ffff:10.1.0.0/112", []string{"10.1.2.3:1", "[::ffff:10.1.2.3]:1"}, []string{"10.2.0.0:1", "[::10.1.2.3]:1"}},
		{"::ffff:10.0.0.0/104", []string{"10.255.2.3:1"}, []string{"11.0.0.0:1"}},
		{"::ffff:a00:0/104", []string{"10.255.2.3:1"}, []string{"11.0.0.0:1"}},
		{"::ffff:10.1.2.3", []string{"10.1.2.3:1", "[::ffff:10.1.2.3]:1"}, []string{"10.1.2.4:1"}},
		{"::ffff:10.1.2.3/128", []string{"10.1.2.3:1"}, []string{"10.1.2.4:1"}},
		{"::ffff:0:0/96", []string{"10.1.2.3:1", "192.0.2.1:1"}, []string{"[2001:db8::1]:1"}},
		{"0.0.0.0/0", []string{"10.1.2.3:1"}, []string{"[2001:db8::1]:1"}},
		{"::/0", []string{"[2001:db8::1]:1"}, []string{"10.1.2.3:1"}},
		{"2001:db8::/32", []string{"[2001:db8::1]:1"}, []string{"[2001:db9::1]:1"}},
		{"fe80::/10", []string{"[fe80::1%eth0]:1", "[fe80::1]:1"}, []string{"[2001:db9::1]:1"}},
	} {
		t.Run(c.entry, func(t *testing.T) {
			d := open(t, new(accounttest.Store))
			a, _ := create(t, d, account.Spec{Name: "acme", SMPPAllow: []string{c.entry}}, "")
			_, key, err := d.NewKey(t.Context(), a.ID, account.KeySpec{Allow: []string{c.entry}})
			if err != nil {
				t.Fatal(err)
			}
			check := func(remote string, want bool) {
				t.Helper()
				if got := a.MayBindFrom(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(remote))); got != want {
					t.Errorf("may bind from %s: %t", remote, got)
				}
				if _, err := d.ByKey(key, remote); (err == nil) != want || err != nil && !errors.Is(err, account.ErrKeyAddress) {
					t.Errorf("the key from %s: %v", remote, err)
				}
			}
			for _, remote := range c.in {
				check(remote, true)
			}
			for _, remote := range c.out {
				check(remote, false)
			}
		})
	}
}

// TestNetworksThatAreNone: more than IPv4, from within it, would hold nothing.
func TestNetworksThatAreNone(t *testing.T) {
	for _, entry := range []string{"", "here", "10.0.0.0/33", "10.0.0.0/8 ", "::ffff:10.0.0.0/95", "::ffff:10.0.0.0/129", "10.0.0.1:80"} {
		d := open(t, new(accounttest.Store))
		var field *account.FieldError
		if _, _, err := d.Create(t.Context(), account.Spec{Name: "acme", SMPPAllow: []string{entry}}, ""); !errors.As(err, &field) || field.Field != "smpp_allow" {
			t.Errorf("smpp_allow %q: %v", entry, err)
		}
		a, _ := create(t, d, account.Spec{Name: "acme"}, "")
		if _, _, err := d.NewKey(t.Context(), a.ID, account.KeySpec{Allow: []string{entry}}); !errors.As(err, &field) || field.Field != "allow" {
			t.Errorf("allow %q: %v", entry, err)
		}
	}
}

// TestStoredNetworkThatIsNone: an entry that an older version took keeps everybody out, and lets nobody in.
func TestStoredNetworkThatIsNone(t *testing.T) {
	store := new(accounttest.Store)
	d := open(t, store)
	a, _ := create(t, d, account.Spec{Name: "acme"}, "")
	row, key, err := d.NewKey(t.Context(), a.ID, account.KeySpec{})
	if err != nil {
		t.Fatal(err)
	}
	row.Allow = []string{"::ffff:10.0.0.0/90"}
	if err := store.SaveKey(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, store).ByKey(key, "192.0.2.1:1"); !errors.Is(err, account.ErrKeyAddress) {
		t.Errorf("%v, want %v", err, account.ErrKeyAddress)
	}
}
