package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"

	"protei-bulk/load"
	"protei-bulk/load/httpload"
	"protei-bulk/load/panel"
	"protei-bulk/load/report"
	"protei-bulk/load/scenario"
)

// formFlags are the fields of the page's form that are flags, in the order of the form.
var formFlags = [...]struct {
	field, flag string
	value       func(*panel.Form) *string
}{
	{"user_count", "users", func(f *panel.Form) *string { return &f.Users }},
	{"spawn_rate", "spawn-rate", func(f *panel.Form) *string { return &f.SpawnRate }},
	{"host", "host", func(f *panel.Form) *string { return &f.Host }},
	{"run_time", "run-time", func(f *panel.Form) *string { return &f.RunTime }},
	{"rate", "rate", func(f *panel.Form) *string { return &f.Rate }},
	{"shape_class", "shape", func(f *panel.Form) *string { return &f.Shape }},
	{"profile", "profile", func(f *panel.Form) *string { return &f.Profile }},
}

// form is what the page's form is filled with: the command line and the scenario file.
func (o *loadOptions) form() panel.Form {
	f := panel.Form{
		SpawnRate: strconv.FormatFloat(o.spawnRate, 'f', -1, 64), Host: o.host, Rate: o.rate, Shape: o.shape, Profile: o.profile,
		Classes: o.classes, Set: o.set, Targets: o.target,
	}
	if o.usersGiven || o.shape == "" && o.rate == "" {
		f.Users = strconv.Itoa(o.users)
	}
	if o.runTime > 0 {
		f.RunTime = o.runTime.String()
	}
	return f
}

// withForm makes the options of a run: the command line as it was given, with the fields
// of the form in the place of its flags. A mistake is a panel.FormError.
func (o *loadOptions) withForm(env *environment, form panel.Form) (*loadOptions, error) {
	cmd, next := newLoadCommandWith(env)
	var bad panel.FormError
	bad.Add("", replay(o.flags, cmd.Flags()))
	flags := cmd.Flags()
	for _, ff := range formFlags {
		unset(flags, ff.flag)
		if v := *ff.value(&form); v != "" {
			bad.Add(ff.field, plainError(flags.Set(ff.flag, v)))
		}
	}
	replaceList(flags, "set", form.Set)
	replaceList(flags, "target", form.Targets)
	for _, name := range pageFlagNames() {
		unset(flags, name)
	}
	bad.Add("", flags.Set("headless", "true"))
	next.classes = form.Classes
	next.checkForm(&bad, form)
	if err := bad.Or(); err != nil {
		return nil, err
	}
	bad.Add("", next.finish(env, cmd))
	if err := bad.Or(); err != nil {
		return nil, err
	}
	next.flags = flags
	next.fleet = o.fleet // the master is the same for all runs
	next.onlySummary = next.onlySummary || !o.page.print
	return next, nil
}

// replay sets the flags of one set as they are in another.
func replay(from, to *pflag.FlagSet) error {
	var errs []error
	from.Visit(func(f *pflag.Flag) {
		if list, ok := f.Value.(pflag.SliceValue); ok {
			replaceList(to, f.Name, list.GetSlice())
			return
		}
		errs = append(errs, to.Set(f.Name, f.Value.String()))
	})
	return errors.Join(errs...)
}

// unset takes a flag back to its default.
func unset(flags *pflag.FlagSet, name string) {
	f := flags.Lookup(name)
	if !f.Changed {
		return
	}
	_ = f.Value.Set(f.DefValue) // a default is always taken
	f.Changed = false
}

func replaceList(flags *pflag.FlagSet, name string, values []string) {
	f := flags.Lookup(name)
	_ = f.Value.(pflag.SliceValue).Replace(values) // lists of strings take every list
	f.Changed = len(values) > 0
}

// plainError takes the words about the flag away: the field stands beside it.
func plainError(err error) error {
	var syntax *strconv.NumError
	var invalid *pflag.InvalidValueError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return fmt.Errorf("%q is no number", syntax.Num)
	case errors.As(err, &invalid):
		return invalid.Unwrap()
	}
	return err
}

// checkForm finds what is wrong with single fields.
func (o *loadOptions) checkForm(bad *panel.FormError, form panel.Form) {
	fault := func(field string, wrong bool, format string, args ...any) {
		if wrong {
			bad.Add(field, fmt.Errorf(format, args...))
		}
	}
	fault("user_count", o.users < 0 || o.users > panel.MaxUsers, "%d users: want 0 to %d", o.users, panel.MaxUsers)
	fault("user_count", form.Users == "" && form.Shape == "" && form.Rate == "", "how many users? Only a shape or a rate can do without")
	fault("spawn_rate", !(o.spawnRate > 0) || o.spawnRate > panel.MaxUsers, "%v users a second: want a number above 0", o.spawnRate)
	bad.Add("host", httpload.CheckBase(o.host))
	if o.apiKey == "" && o.scenario == nil && !isScenarioFile(o.file) {
		_, err := scenario.DevAPIKey(o.host)
		bad.Add("host", err)
	}
	if o.shape != "" {
		_, err := load.ParseShape(o.shape, 0, o.runTime)
		bad.Add("shape_class", err)
	}
	if o.rate != "" {
		_, err := load.ParseRate(o.rate, o.runTime)
		bad.Add("rate", err)
	}
	fault("rate", o.rate != "" && o.findMax, "--find-max chooses the rate itself")
	fault("profile", len(o.profile) > 100, "want 100 characters at most")
	_, err := report.ParseTargets(form.Targets)
	bad.Add("target", err)
	if o.scenario == nil && !isScenarioFile(o.file) {
		settings := scenario.DefaultSettings()
		for _, pair := range form.Set {
			bad.Add("set", settings.Set(pair))
		}
		bad.Add("user_classes", scenario.CheckClasses(o.classes))
	}
}

// editError puts a mistake of a live change beside its field.
func editError(field string, err error) error {
	var bad panel.FormError
	bad.Add(field, err)
	return bad.Or()
}
