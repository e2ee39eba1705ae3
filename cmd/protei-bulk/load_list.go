package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"protei-bulk/load"
	"protei-bulk/load/scenario"
	"protei-bulk/load/stats"
)

// picture answers --list, --show-task-ratio and --version; done says that it did.
func (o *loadOptions) picture(ctx context.Context, w io.Writer) (done bool, err error) {
	switch {
	case o.version:
		fmt.Fprintln(w, "protei-bulk "+version)
		return true, nil
	case o.list:
		fmt.Fprintln(w, "Available user classes:")
		for _, name := range o.classNames() {
			fmt.Fprintln(w, "    "+name)
		}
		return true, nil
	case o.showRatio || o.showRatioJSON:
		classes, err := o.classesOnly(ctx)
		if err != nil {
			return true, err
		}
		r := ratiosOf(classes, max(o.users, 1))
		if o.showRatioJSON {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			return true, e.Encode(r)
		}
		r.print(w)
		return true, nil
	}
	return false, nil
}

// classesOnly makes the user classes without touching the target.
func (o *loadOptions) classesOnly(ctx context.Context) ([]load.UserClass, error) {
	m, err := o.open(ctx, scenario.Options{
		Host: defaultHost, SMPP: &scenario.SMPPAddress{Addr: "127.0.0.1:2775"}, Classes: o.classes, Settings: o.settings, PeakUsers: o.users,
		NoReceipts: true, Recorder: stats.NewRecorder(stats.RecorderOptions{}), Clock: load.NewClock(),
		Ledger: stats.NewLedger(stats.LedgerOptions{NoReceipts: true}),
	})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	classes, err := m.Classes()
	if err != nil {
		return nil, err
	}
	return o.reshape(classes)
}

// reshape applies --config-users, --tags, --exclude-tags and --equal-weights.
func (o *loadOptions) reshape(classes []load.UserClass) ([]load.UserClass, error) {
	if err := configureUsers(classes, o.configUsers); err != nil {
		return nil, err
	}
	if o.equalWeights {
		classes = load.EqualWeights(classes)
	}
	return load.SelectTags(classes, o.tags, o.excludeTags)
}

// userConfig is what --config-users says about a class.
type userConfig struct {
	Name       string `json:"user_class_name"`
	Weight     *int   `json:"weight"`
	FixedCount *int   `json:"fixed_count"`
}

// configureUsers changes the classes by JSON, or by a file of it: one object or a list.
func configureUsers(classes []load.UserClass, text string) error {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	if text[0] != '{' && text[0] != '[' {
		b, err := os.ReadFile(text)
		if err != nil {
			return fmt.Errorf("--config-users: %w", err)
		}
		text = strings.TrimSpace(string(b))
	}
	if !strings.HasPrefix(text, "[") {
		text = "[" + text + "]"
	}
	var list []userConfig
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return fmt.Errorf("--config-users: %w; known are user_class_name, weight, fixed_count", err)
	}
	var errs []error
	for _, u := range list {
		if err := u.apply(classes); err != nil {
			errs = append(errs, fmt.Errorf("--config-users: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (u *userConfig) apply(classes []load.UserClass) error {
	var names []string
	for i := range classes {
		c := &classes[i]
		names = append(names, c.Name)
		if c.Name != u.Name {
			continue
		}
		if u.Weight != nil {
			if *u.Weight < 1 {
				return fmt.Errorf("%s: weight %d: want 1 or more", u.Name, *u.Weight)
			}
			c.Weight, c.Every = *u.Weight, 0
		}
		if u.FixedCount != nil {
			if *u.FixedCount < 0 {
				return fmt.Errorf("%s: fixed_count %d: it can not be negative", u.Name, *u.FixedCount)
			}
			c.FixedCount = *u.FixedCount
		}
		return nil
	}
	return fmt.Errorf("no user class %q: this run has %s", u.Name, strings.Join(names, " and "))
}

// ratios are Locust's: of each class its share of the users, and of each task its share
// of the class's, or of all, iterations.
type ratios struct {
	PerClass map[string]classRatio `json:"per_class"`
	Total    map[string]classRatio `json:"total"`
	order    []string
	tasks    map[string][]string
}

type classRatio struct {
	Ratio float64              `json:"ratio"`
	Rate  string               `json:"rate,omitempty"` // of its own: it is no share of the users
	Tasks map[string]taskRatio `json:"tasks"`
}

type taskRatio struct {
	Ratio float64 `json:"ratio"`
}

// ratiosOf counts users as a run of so many would have them.
func ratiosOf(classes []load.UserClass, users int) ratios {
	r := ratios{PerClass: map[string]classRatio{}, Total: map[string]classRatio{}, tasks: map[string][]string{}}
	counts := load.OfferOf(classes, users).Users
	for i, c := range classes {
		share := float64(counts[i]) / float64(users)
		rate := ""
		if c.Rate != nil {
			rate = c.Rate.String()
		}
		per, total := classRatio{share, rate, map[string]taskRatio{}}, classRatio{share, rate, map[string]taskRatio{}}
		sum := 0
		for _, t := range c.Tasks {
			sum += t.Weight
		}
		for _, t := range c.Tasks {
			of := float64(t.Weight) / float64(sum)
			per.Tasks[t.Name], total.Tasks[t.Name] = taskRatio{of}, taskRatio{of * share}
			r.tasks[c.Name] = append(r.tasks[c.Name], t.Name)
		}
		r.PerClass[c.Name], r.Total[c.Name] = per, total
		r.order = append(r.order, c.Name)
	}
	return r
}

func (r *ratios) print(w io.Writer) {
	for _, part := range []struct {
		title   string
		classes map[string]classRatio
	}{{"Task ratio per User class", r.PerClass}, {"Total task ratio", r.Total}} {
		fmt.Fprintf(w, "%s\n%s\n", part.title, strings.Repeat("-", 40))
		for _, name := range r.order {
			c := part.classes[name]
			if c.Rate != "" {
				fmt.Fprintf(w, " * %s %s\n", c.Rate, name)
			} else {
				fmt.Fprintf(w, " * %.1f%% %s\n", c.Ratio*100, name)
			}
			for _, task := range r.tasks[name] {
				fmt.Fprintf(w, "   * %.1f%% %s\n", c.Tasks[task].Ratio*100, task)
			}
		}
		fmt.Fprintln(w)
	}
}
