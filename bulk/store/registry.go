package store

import "sync"

// Registry holds what is counted for each key: made when it is first asked for, read far more
// often than it grows. The zero value is ready.
type Registry[K comparable, V any] struct {
	mu  sync.RWMutex // guards the map
	all map[K]*V
}

// Find returns the value of key, or nil when there is none.
func (r *Registry[K, V]) Find(key K) *V {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.all[key]
}

// Get returns the value of key, which it makes if need be.
func (r *Registry[K, V]) Get(key K, create func(K) *V) *V {
	if v := r.Find(key); v != nil {
		return v
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.all[key]
	if v == nil {
		if r.all == nil {
			r.all = make(map[K]*V)
		}
		v = create(key)
		r.all[key] = v
	}
	return v
}

// Each calls f, which must be quick, for all of them.
func (r *Registry[K, V]) Each(f func(K, *V)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for key, v := range r.all {
		f(key, v)
	}
}

// Drop forgets the values whose key which selects.
func (r *Registry[K, V]) Drop(which func(K) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.all {
		if which(key) {
			delete(r.all, key)
		}
	}
}

// touched are the values whose rows the transaction under way writes, each once: there are
// too many to look at them all each time.
type touched[V any] []*V

// add notes v, unless dirty says that it is noted already.
func (t *touched[V]) add(v *V, dirty *bool) {
	if !*dirty {
		*dirty = true
		*t = append(*t, v)
	}
}

// written begins anew, in the same memory, and gives the mark of each value to clear.
func (t *touched[V]) written(dirty func(*V) *bool) {
	for _, v := range *t {
		*dirty(v) = false
	}
	*t = (*t)[:0]
}
