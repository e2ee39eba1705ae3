package load

import "time"

// Offer is what a number of users would do if the target answered at once.
type Offer struct {
	Users    []int   // by class
	Requests float64 // a second
	Messages float64 // a second
	// Connections and Binds that the users hold; a bind is not counted as connection.
	Connections, Binds int
}

// assumedBusy is the time that an iteration is assumed to take.
const assumedBusy = 5 * time.Millisecond

// OfferOf says what users of these classes offer.
func OfferOf(classes []UserClass, users int) Offer {
	c := newCrowd(classes)
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
		o.Requests += rate
		o.Messages += rate * cl.Messages
		o.Binds += n * cl.Binds
		if cl.Binds == 0 {
			o.Connections += n
		}
	}
	return o
}
