package load

// Dealer deals the users of the closed model out to workers. Who gets what depends on
// nothing but the classes, the number of workers and the number of users, so that every
// worker finds its own share by itself: with one user more, one worker has one more.
//
// Workers have as many users as each other, to one; of each class as evenly as that allows.
type Dealer struct {
	crowd  *crowd
	dealt  []dealtUser // in the order in which users start
	users  [][]int     // by worker, then class
	totals []int       // by worker
	n      int         // users dealt out now
}

type dealtUser struct{ class, worker uint16 }

// NewDealer makes a dealer for so many workers, at least one.
func NewDealer(classes []UserClass, workers int) *Dealer {
	d := &Dealer{crowd: newCrowd(classes), users: make([][]int, workers), totals: make([]int, workers)}
	for i := range d.users {
		d.users[i] = make([]int, len(classes))
	}
	return d
}

// Share is the users of a worker, by class, when there are total of them. It is a copy.
func (d *Dealer) Share(worker, total int) []int {
	for d.n < total {
		if d.n == len(d.dealt) {
			d.deal()
		}
		d.move(1)
	}
	for d.n > max(total, 0) {
		d.move(-1)
	}
	return append([]int(nil), d.users[worker]...)
}

// move takes the next user in, or the last one out.
func (d *Dealer) move(by int) {
	u := d.dealt[min(d.n, d.n+by)]
	d.users[u.worker][u.class] += by
	d.totals[u.worker] += by
	d.n += by
}

// deal decides who gets the next user: of the workers with the fewest users the one with
// the fewest of its class.
func (d *Dealer) deal() {
	class := d.crowd.grow()
	best := 0
	for w := range d.users {
		if d.totals[w] < d.totals[best] || d.totals[w] == d.totals[best] && d.users[w][class] < d.users[best][class] {
			best = w
		}
	}
	d.dealt = append(d.dealt, dealtUser{uint16(class), uint16(best)})
}
