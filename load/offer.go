package load

import (
	"slices"
	"time"
)

// Offer is what a number of users would do if the target answered at once, and what the
// classes with a rate of their own do at their peak.
type Offer struct {
	Users    []int   // by class; 0 of those with a rate of their own
	Requests float64 // a second
	Messages float64 // a second
	// Connections and Binds that the users hold; a bind is not counted as connection. Of
	// a class with a rate those of its MaxUsers are counted.
	Connections, Binds int
}

// assumedBusy is the time that an iteration is assumed to take.
const assumedBusy = 5 * time.Millisecond

// OfferOf says what users of these classes offer.
func OfferOf(classes []UserClass, users int) Offer {
	c := newCrowd(classes)
	if closed := slices.ContainsFunc(classes, func(c UserClass) bool { return c.Rate == nil }); !closed {
		users = 0
	}
	for range users {
		c.grow()
	}
	o := Offer{Users: c.counts}
	for i, cl := range classes {
		n := c.counts[i]
		busy := assumedBusy
		if cl.Wait.kind == waitPacing {
			busy = 0
		}
		rate := float64(n) * cl.Wait.Rate(busy)
		if cl.Rate != nil {
			n, rate = cl.MaxUsers, cl.Rate.Peak()
		}
		o.Requests += rate
		o.Messages += rate * cl.Messages
		o.Binds += n * cl.Binds
		if cl.Binds == 0 {
			o.Connections += n
		}
	}
	return o
}
