package load

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// UserClass is one kind of virtual user; make one with [NewClass].
type UserClass struct {
	Name string
	// Weight is the class's share among the classes that have neither FixedCount nor
	// Every; 0 counts as 1.
	Weight int
	// FixedCount is an exact number of users, taken before the weights share the rest.
	FixedCount int
	// Every gives one user of this class for every Every users of the run, none below.
	Every int
	Wait  Wait
	// Tags of all of the class's tasks, for [SelectTags].
	Tags  []string
	Tasks []TaskInfo
	// Rate makes the class an open one: its iterations start at these times, whatever the
	// answers take, on a pool of users of its own. Weight, FixedCount, Every and Wait do
	// not count then. Nil: the class shares the users of the shape, and Options.Rate.
	Rate *Rate
	// MaxUsers bounds the pool of Rate; 0: as Options.MaxUsers says.
	MaxUsers int
	// Messages is the mean number of messages that an iteration sends, and Binds the
	// SMPP binds of a user: for the plan printed before a run.
	Messages float64
	Binds    int

	start  func(u *User, chosen []chosenTask, sums []int) (runner, error)
	chosen []chosenTask // of the tasks given to NewClass, in the order of Tasks
}

// chosenTask is a task that takes part, with its weight.
type chosenTask struct{ index, weight int }

// TaskInfo is a task as listings show it.
type TaskInfo struct {
	Name   string
	Weight int
	Tags   []string
}

// Actor is the state of one user of a class, for instance its connection.
type Actor interface {
	// Close ends the user; it is called on the user's goroutine.
	Close()
	// Abort ends what the user waits for at once; it is called from another goroutine
	// and must not block. Close still follows.
	Abort()
}

// Task is something that users with an actor of type A do, chosen by weight.
type Task[A Actor] struct {
	Name   string
	Weight int // 0 counts as 1
	Tags   []string
	Run    func(A, *User)
}

// NewClass makes a class. newActor runs on the goroutine of each new user; its error is
// counted as an exception and tried again a second later. Tasks record what they do
// through the User.
func NewClass[A Actor](name string, wait Wait, newActor func(*User) (A, error), tasks ...Task[A]) UserClass {
	c := UserClass{Name: name, Weight: 1, Wait: wait}
	for i, t := range tasks {
		weight := max(t.Weight, 1)
		c.chosen = append(c.chosen, chosenTask{i, weight})
		c.Tasks = append(c.Tasks, TaskInfo{t.Name, weight, t.Tags})
	}
	c.start = func(u *User, chosen []chosenTask, sums []int) (runner, error) {
		a, err := newActor(u)
		if err != nil {
			return nil, err
		}
		return &actorRunner[A]{actor: a, tasks: tasks, chosen: chosen, sums: sums}, nil
	}
	return c
}

// starter makes the runners of a class's users.
func (c *UserClass) starter() func(*User) (runner, error) {
	start, chosen := c.start, c.chosen
	sums := make([]int, len(chosen))
	total := 0
	for i, t := range chosen {
		total += t.weight
		sums[i] = total
	}
	return func(u *User) (runner, error) { return start(u, chosen, sums) }
}

// runner is an actor with its tasks, the type of the actor hidden.
type runner interface {
	Actor
	iterate(u *User)
}

type actorRunner[A Actor] struct {
	actor  A
	tasks  []Task[A]
	chosen []chosenTask
	sums   []int // running sums of the chosen tasks' weights
}

func (r *actorRunner[A]) Close() { r.actor.Close() }
func (r *actorRunner[A]) Abort() { r.actor.Abort() }

func (r *actorRunner[A]) iterate(u *User) {
	i := 0
	if len(r.chosen) > 1 {
		i = pick(r.sums, u.Rand)
	}
	r.tasks[r.chosen[i].index].Run(r.actor, u)
}

// pick chooses an index by weight.
func pick(sums []int, r *rand.Rand) int {
	n := r.IntN(sums[len(sums)-1])
	i := 0
	for sums[i] <= n {
		i++
	}
	return i
}

// checkClasses names every fault at once.
func checkClasses(classes []UserClass) error {
	var errs []error
	if len(classes) == 0 {
		errs = append(errs, errors.New("no user class"))
	}
	seen := map[string]bool{}
	for _, c := range classes {
		switch {
		case c.Name == "":
			errs = append(errs, errors.New("a user class without a name"))
		case seen[c.Name]:
			errs = append(errs, fmt.Errorf("user class %s: given twice", c.Name))
		case len(c.Tasks) == 0 || c.start == nil:
			errs = append(errs, fmt.Errorf("user class %s: %w", c.Name, errNoTasks))
		case c.Weight < 0 || c.FixedCount < 0 || c.Every < 0 || c.MaxUsers < 0:
			errs = append(errs, fmt.Errorf("user class %s: weight, fixed_count, every and the most users can not be negative", c.Name))
		}
		seen[c.Name] = true
	}
	return errors.Join(errs...)
}

// crowd counts the users of the closed classes and says which gains or loses one next. At
// least one class must be closed before it may grow.
type crowd struct {
	classes []UserClass
	counts  []int
	total   int
}

func newCrowd(classes []UserClass) *crowd {
	return &crowd{classes: classes, counts: make([]int, len(classes))}
}

// grow counts one user more and returns its class: fixed counts first, then classes that
// are due by Every, then by weight.
func (c *crowd) grow() int {
	best := c.nextByQuota(c.total + 1)
	if best < 0 {
		best = c.nextByWeight()
	}
	c.counts[best]++
	c.total++
	return best
}

func (c *crowd) nextByQuota(total int) int {
	for i, cl := range c.classes {
		if cl.Rate == nil && cl.FixedCount > 0 && c.counts[i] < cl.FixedCount {
			return i
		}
	}
	for i, cl := range c.classes {
		if cl.Rate == nil && cl.FixedCount == 0 && cl.Every > 0 && c.counts[i] < total/cl.Every {
			return i
		}
	}
	return -1
}

// nextByWeight follows Sainte-Laguë: the class whose share is furthest behind.
func (c *crowd) nextByWeight() int {
	best, bestScore := -1, 0.0
	for i, cl := range c.classes {
		if cl.Rate != nil || cl.FixedCount > 0 || cl.Every > 0 {
			continue
		}
		if score := float64(max(cl.Weight, 1)) / float64(2*c.counts[i]+1); best < 0 || score > bestScore {
			best, bestScore = i, score
		}
	}
	for i := len(c.classes) - 1; best < 0; i-- { // only quotas: the last class takes what is left over
		if c.classes[i].Rate == nil {
			best = i
		}
	}
	return best
}

// shrink counts one user less and returns its class: the reverse of grow.
func (c *crowd) shrink() int {
	best := -1
	for i, cl := range c.classes {
		if cl.FixedCount == 0 && cl.Every > 0 && c.counts[i] > (c.total-1)/cl.Every {
			best = i
		}
	}
	if best < 0 {
		best = c.surplusByWeight()
	}
	c.counts[best]--
	c.total--
	return best
}

func (c *crowd) surplusByWeight() int {
	best, bestScore := -1, 0.0
	for i, cl := range c.classes {
		if c.counts[i] == 0 || cl.FixedCount > 0 || cl.Every > 0 {
			continue
		}
		if score := float64(max(cl.Weight, 1)) / float64(2*c.counts[i]-1); best < 0 || score < bestScore {
			best, bestScore = i, score
		}
	}
	for i := len(c.counts) - 1; best < 0; i-- {
		if c.counts[i] > 0 {
			best = i
		}
	}
	return best
}
