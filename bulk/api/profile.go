package api

import "net/http/pprof"

// profilePaths serve what the Go tool pprof reads. Only an admin may: profiles show how the
// platform works, and one costs CPU while it is taken.
func (a *API) profilePaths() {
	type methods = map[string]func(*call) error
	a.on("/debug/pprof/", admins, methods{"GET": func(c *call) error { pprof.Index(c.w, c.r); return nil }})
	a.on("/debug/pprof/profile", admins, methods{"GET": func(c *call) error { pprof.Profile(c.w, c.r); return nil }})
	a.on("/debug/pprof/trace", admins, methods{"GET": func(c *call) error { pprof.Trace(c.w, c.r); return nil }})
}
