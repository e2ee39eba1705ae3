package load

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestShapes(t *testing.T) {
	at := func(s Stages, sec float64) int {
		n, _, _ := s.At(time.Duration(sec * float64(time.Second)))
		return n
	}
	ramp := gradualRampUp()
	for sec, want := range map[float64]int{0: 0, 30: 50, 60: 100, 120: 500, 180: 1000, 210: 1500, 240: 2000, 300: 5000, 359: 5000, 390: 2500} {
		if got := at(ramp, sec); got != want {
			t.Errorf("GradualRampUp at %v s: %d users, want %d", sec, got, want)
		}
	}
	if _, _, done := ramp.At(420 * time.Second); !done {
		t.Error("GradualRampUp does not end at 420 s")
	}
	for _, name := range ShapeNames() {
		s, err := ParseShape(name, 300, 0)
		if err != nil || s.Peak() != 300 || s[len(s)-1].Users != 0 {
			t.Errorf("%s with 300 users: %v, %v", name, s, err)
		}
	}
	if s, _ := ParseShape("soak", 0, 10*time.Minute); s.Length() != 10*time.Minute || s.Peak() != 1000 {
		t.Errorf("Soak for 10 m: %v", s)
	}
	for _, bad := range []string{"", "NoShape", "10", "0s:0", "10s:5,5s:1", "0s:x,1s:1", "0s:-1,1s:1", "x:1,2s:3", "1s:1,"} {
		if s, err := ParseShape(bad, 0, 0); err == nil {
			t.Errorf("%q passed as %v", bad, s)
		}
	}
}

func TestTimespans(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"300": 300 * time.Second, "20s": 20 * time.Second, "3m": 3 * time.Minute, "1h30m": 90 * time.Minute,
		"0.1": 100 * time.Millisecond, "250ms": 250 * time.Millisecond, "0": 0,
	} {
		if got, err := ParseTimespan(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "-1", "-1s", "x", "NaN", "Inf", "1e300", "3 m"} {
		if d, err := ParseTimespan(bad); err == nil {
			t.Errorf("%q passed as %v", bad, d)
		}
	}
}

// TestPacedUserMakesUpForItsOwnDelay: late wake-ups are made up for, slow iterations are not.
func TestPacedUserMakesUpForItsOwnDelay(t *testing.T) {
	const ms = time.Millisecond
	w := ConstantThroughput(200)
	for name, tc := range map[string]struct {
		it   iteration
		want time.Duration
	}{
		"in time":            {iteration{1000 * ms, 1000 * ms, 1001 * ms}, 1005 * ms},
		"woke up late":       {iteration{1000 * ms, 1003 * ms, 1003 * ms}, 1005 * ms},
		"woke up very late":  {iteration{1000 * ms, 1050 * ms, 1050 * ms}, 1005 * ms},
		"slow iteration":     {iteration{1000 * ms, 1000 * ms, 1050 * ms}, 1050 * ms},
		"late and slow":      {iteration{1000 * ms, 1030 * ms, 1060 * ms}, 1030 * ms},
		"beyond the bound":   {iteration{1000 * ms, 3000 * ms, 3000 * ms}, 2900 * ms},
		"between, from end":  {iteration{0, 0, 700 * ms}, 800 * ms},
		"none, from the end": {iteration{0, 0, 700 * ms}, 700 * ms},
	} {
		wait := w
		switch name {
		case "between, from end":
			wait = Constant(100 * ms)
		case "none, from the end":
			wait = Wait{}
		}
		if got := wait.next(tc.it, rand.New(rand.NewPCG(1, 1))); got != tc.want {
			t.Errorf("%s: next at %v, want %v", name, got, tc.want)
		}
	}
	if got := Between(100*ms, 500*ms).Rate(0); got < 3.33 || got > 3.34 {
		t.Errorf("rate %v", got)
	}
}

func TestCrowdKeepsShares(t *testing.T) {
	classes := []UserClass{{Name: "A", Weight: 10}, {Name: "B", Weight: 5}, {Name: "C", FixedCount: 3}, {Name: "D", Every: 100}}
	c := newCrowd(classes)
	check := func(total int) {
		t.Helper()
		rest := total - min(total, 3) - total/100
		if c.counts[2] != min(total, 3) || c.counts[3] != total/100 {
			t.Fatalf("%d users: %v", total, c.counts)
		}
		if d := c.counts[0] - rest*10/15; d < -1 || d > 1 {
			t.Fatalf("%d users: %v", total, c.counts)
		}
	}
	for n := 1; n <= 1000; n++ {
		c.grow()
		check(n)
	}
	for n := 999; n >= 3; n-- {
		c.shrink()
		check(n)
	}
	for range 3 {
		c.shrink()
	}
	if c.total != 0 || c.counts[0]+c.counts[1]+c.counts[2]+c.counts[3] != 0 {
		t.Errorf("left over: %v", c.counts)
	}
}

func TestPaceAfterAStall(t *testing.T) {
	p := pace{credit: 1}
	if n := p.allow(0, 100, 10); n != 1 {
		t.Errorf("%d at once", n)
	}
	if n := p.allow(5*time.Second, 99, 10); n > 2 {
		t.Errorf("%d after a stall of 5 s: a burst", n)
	}
	if n := p.allow(6*time.Second, -50, 1000); n != -50 {
		t.Errorf("%d stopped", n)
	}
}

func TestPickByWeight(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sums := []int{10, 15, 18, 20, 21}
	var counts [5]int
	const n = 210_000
	for range n {
		counts[pick(sums, r)]++
	}
	for i, w := range []int{10, 5, 3, 2, 1} {
		want := n * w / 21
		if d := counts[i] - want; d < -want/20 || d > want/20 {
			t.Errorf("task %d: %d times, want about %d", i, counts[i], want)
		}
	}
}

func TestOffer(t *testing.T) {
	classes := []UserClass{
		{Name: "M", Weight: 1, Wait: Between(100*time.Millisecond, 500*time.Millisecond), Messages: 3},
		{Name: "S", FixedCount: 25, Wait: ConstantThroughput(200), Messages: 1, Binds: 1},
	}
	o := OfferOf(classes, 1925)
	if o.Connections != 1900 || o.Binds != 25 || o.Requests < 11000 || o.Requests > 11400 || o.Messages < 23000 || o.Messages > 24200 {
		t.Errorf("%+v", o)
	}
	if err := CheckOpenFiles(o, 1024); err == nil {
		t.Error("1,024 files passed for 1,925 connections")
	}
	if err := CheckOpenFiles(o, 4096); err != nil {
		t.Error(err)
	}
	open := OfferOf([]UserClass{{Name: "R", Rate: ConstantRate(300), MaxUsers: 40, Messages: 2}}, 10)
	if open.Users[0] != 0 || open.Requests != 300 || open.Messages != 600 || open.Connections != 40 {
		t.Errorf("open: %+v", open)
	}
}
