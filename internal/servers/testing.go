package servers

import "testing"

// TestRedis starts a Redis that ends with the test.
func TestRedis(t testing.TB, settings ...string) *Redis {
	t.Helper()
	r, err := NewRedis(t.TempDir(), settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// TestPostgres starts a PostgreSQL that ends with the test.
func TestPostgres(t testing.TB, settings ...string) *Postgres {
	t.Helper()
	p, err := NewPostgres(t.TempDir(), settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}
