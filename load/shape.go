package load

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Shape says how many users there are at what time. At is a pure function of the time
// since the start: users wanted, the rate a second at which they start or stop to get
// there (0 = as soon as wanted), and whether the run is over.
type Shape interface {
	At(elapsed time.Duration) (users int, rate float64, done bool)
}

// Flat is the shape of a run without one: users at the spawn rate, for runTime (0 = until
// stopped).
type Flat struct {
	Users     int
	SpawnRate float64
	RunTime   time.Duration
}

// At implements Shape.
func (f Flat) At(elapsed time.Duration) (int, float64, bool) {
	return f.Users, f.SpawnRate, f.RunTime > 0 && elapsed >= f.RunTime
}

// Peak is the number of users.
func (f Flat) Peak() int { return f.Users }

// Stage is a corner of a Stages shape.
type Stage struct {
	At    time.Duration
	Users int
}

// Stages goes from stage to stage in straight lines and ends at the last one.
type Stages []Stage

// At implements Shape.
func (s Stages) At(elapsed time.Duration) (int, float64, bool) {
	if len(s) == 0 {
		return 0, 0, true
	}
	last := s[len(s)-1]
	if elapsed >= last.At {
		return last.Users, 0, true
	}
	from := Stage{}
	for _, to := range s {
		if elapsed < to.At {
			share := float64(elapsed-from.At) / float64(to.At-from.At)
			n := from.Users + int(math.Round(share*float64(to.Users-from.Users)))
			return min(max(n, min(from.Users, to.Users)), max(from.Users, to.Users)), 0, false // large ones are rounded
		}
		from = to
	}
	return last.Users, 0, true
}

// Peak is the highest number of users.
func (s Stages) Peak() int {
	peak := 0
	for _, st := range s {
		peak = max(peak, st.Users)
	}
	return peak
}

// Length is the time of the last stage.
func (s Stages) Length() time.Duration {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].At
}

// scaled brings the peak to users.
func (s Stages) scaled(users int) Stages {
	peak := s.Peak()
	if users <= 0 || peak == 0 {
		return s
	}
	out := slices.Clone(s)
	for i := range out {
		out[i].Users = int(math.Round(float64(out[i].Users) * float64(users) / float64(peak)))
	}
	return out
}

// ShapeNames are the built-in shapes.
func ShapeNames() []string { return []string{"GradualRampUp", "Soak", "Spike", "Step"} }

// ErrShape is returned for a shape that is neither built in nor a list of stages.
var ErrShape = errors.New("want " + strings.Join(ShapeNames(), ", ") + ` or "0s:0,60s:100,120s:0"`)

// ParseShape reads a built-in shape's name or a list of stages. users > 0 sets the peak;
// runTime > 0 the length of Soak.
func ParseShape(text string, users int, runTime time.Duration) (Stages, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "gradualrampup":
		return gradualRampUp().scaled(users), nil
	case "spike":
		return spike().scaled(users), nil
	case "step":
		return step().scaled(users), nil
	case "soak":
		return soak(runTime).scaled(users), nil
	}
	if !strings.Contains(text, ":") {
		return nil, fmt.Errorf("shape %q: %w", text, ErrShape)
	}
	s, err := parseStages(text)
	if err != nil {
		return nil, err
	}
	return s.scaled(users), nil
}

func gradualRampUp() Stages {
	return Stages{
		{0, 0},
		{60 * time.Second, 100},
		{120 * time.Second, 500},
		{180 * time.Second, 1000},
		{240 * time.Second, 2000},
		{300 * time.Second, 5000},
		{360 * time.Second, 5000},
		{420 * time.Second, 0},
	}
}

// spike is a quiet minute, a jump to ten times as many users for a minute, and a quiet one.
func spike() Stages {
	return Stages{
		{0, 0},
		{10 * time.Second, 500},
		{60 * time.Second, 500},
		{65 * time.Second, 5000},
		{125 * time.Second, 5000},
		{130 * time.Second, 500},
		{190 * time.Second, 500},
		{200 * time.Second, 0},
	}
}

// step climbs in ten steps of 30 s.
func step() Stages {
	s := Stages{{0, 0}}
	for i := 1; i <= 10; i++ {
		from := time.Duration(i-1) * 30 * time.Second
		s = append(s, Stage{from + 2*time.Second, i * 100}, Stage{from + 30*time.Second, i * 100})
	}
	return append(s, Stage{310 * time.Second, 0})
}

// soak ramps for a minute, holds, and goes down in the last minute; two hours by default.
func soak(length time.Duration) Stages {
	if length <= 0 {
		length = 2 * time.Hour
	}
	ramp := min(time.Minute, length/4)
	return Stages{{0, 0}, {ramp, 1000}, {length - ramp, 1000}, {length, 0}}
}

func parseStages(text string) (Stages, error) {
	var s Stages
	for item := range strings.SplitSeq(text, ",") {
		at, users, ok := strings.Cut(strings.TrimSpace(item), ":")
		if !ok {
			return nil, fmt.Errorf("shape stage %q: want TIME:USERS, as 60s:100", item)
		}
		t, err := ParseTimespan(strings.TrimSpace(at))
		if err != nil {
			return nil, fmt.Errorf("shape stage %q: %w", item, err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(users))
		if err != nil || n < 0 {
			return nil, fmt.Errorf("shape stage %q: %q is no number of users", item, users)
		}
		if len(s) > 0 && t <= s[len(s)-1].At {
			return nil, fmt.Errorf("shape stage %q: not after the stage before it", item)
		}
		s = append(s, Stage{t, n})
	}
	if s[len(s)-1].At == 0 {
		return nil, fmt.Errorf("shape %q: it ends as it begins", text)
	}
	return s, nil
}

// ParseTimespan reads Locust's times: 300 (seconds), 20s, 3m, 2h, 1h30m.
func ParseTimespan(s string) (time.Duration, error) {
	if n, err := strconv.ParseFloat(s, 64); err == nil && n >= 0 && n < 1e9 {
		return time.Duration(n * float64(time.Second)), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no time: want 300, 20s, 3m, 2h or 1h30m", s)
	}
	return d, nil
}
