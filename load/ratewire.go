package load

import (
	"encoding/json"
	"errors"
	"fmt"
)

// wireRate is a rate as JSON: exact, unlike its text.
type wireRate struct {
	Stages []RateStage `json:"stages"`
	// Endless: the rate of the one stage goes on.
	Endless bool `json:"endless,omitempty"`
}

// MarshalJSON writes the rate so that UnmarshalJSON makes the same starts of it.
func (r *Rate) MarshalJSON() ([]byte, error) {
	w := wireRate{Endless: r.endless}
	for _, c := range r.corners {
		w.Stages = append(w.Stages, RateStage{c.at, c.perSecond})
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON has written.
func (r *Rate) UnmarshalJSON(b []byte) error {
	var w wireRate
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("rate: %w", err)
	}
	if w.Endless {
		if len(w.Stages) != 1 {
			return errors.New("rate: an endless one has one stage")
		}
		if err := checkRate(w.Stages[0].PerSecond); err != nil {
			return err
		}
		*r = *ConstantRate(w.Stages[0].PerSecond)
		return nil
	}
	made, err := RampRate(w.Stages...)
	if err != nil {
		return err
	}
	*r = *made
	return nil
}
