// Package bulk is the platform: it wires the packages below it into one running
// gateway and owns its life, from the lock on the data folder to the last flush. The
// main types are Config, what an operator can set, and Platform, which New builds,
// Start brings up and Stop drains in order: front doors, dispatch, webhooks, store.
package bulk
