package intake

import "sync"

// maxCached bounds each cache; a full one starts again from empty.
const maxCached = 4096

// cache remembers what was checked, by the text that was checked. The zero value is empty.
type cache[V any] struct {
	mu sync.RWMutex
	m  map[string]V // guarded by mu; keys are copies of their own
}

func (c *cache[V]) get(key string) (V, bool) {
	c.mu.RLock()
	v, ok := c.m[key]
	c.mu.RUnlock()
	return v, ok
}

// put needs a key that aliases nobody's buffer.
func (c *cache[V]) put(key string, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= maxCached {
		c.m = make(map[string]V)
	}
	c.m[key] = v
}
