package alone_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"protei-bulk/bulk/alone"
)

func TestBegin(t *testing.T) {
	var mu sync.Mutex
	held, fault := 0, error(nil)
	var lock alone.Lock = func(context.Context) (func(), error) {
		if fault != nil {
			return nil, fault
		}
		held++
		return func() { held-- }, nil
	}
	reloaded := 0
	reload := func(context.Context) error {
		if reloaded++; held != 1 || !mu.TryLock() {
			t.Errorf("reload with %d locks, or under mu", held)
		} else {
			mu.Unlock()
		}
		return nil
	}
	free := func() bool {
		ok := mu.TryLock()
		if ok {
			mu.Unlock()
		}
		return ok && held == 0
	}
	end, err := lock.Begin(t.Context(), reload, &mu)
	if err != nil || reloaded != 1 || held != 1 || mu.TryLock() {
		t.Fatalf("%v, reloaded %d times, %d locks", err, reloaded, held)
	}
	if end(); !free() {
		t.Error("something is held after the end")
	}
	wrong := errors.New("wrong")
	if _, err := lock.Begin(t.Context(), func(context.Context) error { return wrong }, &mu); !errors.Is(err, wrong) || !free() {
		t.Errorf("a reload that fails: %v, or something is held", err)
	}
	fault = wrong
	if _, err := lock.Begin(t.Context(), reload, &mu); !errors.Is(err, wrong) || !free() || reloaded != 1 {
		t.Errorf("a lock that fails: %v, or something is held, or reloaded", err)
	}
	end, err = alone.Lock(nil).Begin(t.Context(), reload, &mu)
	if err != nil || reloaded != 1 || mu.TryLock() {
		t.Errorf("without others: %v, reloaded %d times", err, reloaded)
	}
	if end(); !free() {
		t.Error("mu is held after the end")
	}
}
