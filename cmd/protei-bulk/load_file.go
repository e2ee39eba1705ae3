package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"protei-bulk/load"
	"protei-bulk/load/httpload"
	"protei-bulk/load/report"
	"protei-bulk/load/scenario"
	"protei-bulk/load/stats"
)

// defaultScenario is the scenario file that runs when it is there and none is named.
const defaultScenario = "scenario.yaml"

// isScenarioFile says whether a value of -f is a file, and not the name of what is built in.
func isScenarioFile(name string) bool {
	lower := strings.ToLower(name)
	return strings.HasSuffix(lower, ".yaml") || strings.HasSuffix(lower, ".yml")
}

// takeFile reads the scenario file that -f names, or ./scenario.yaml. What the command
// line does not say, the file does.
func (o *loadOptions) takeFile(env *environment, cmd *cobra.Command) error {
	if o.file == "" {
		if _, err := os.Stat(defaultScenario); err == nil {
			o.file = defaultScenario
		}
	}
	if !isScenarioFile(o.file) {
		return nil
	}
	f, err := readScenario(env, o.file, o.set)
	if err != nil {
		return checkError(o.file, err)
	}
	o.scenario = f
	given := cmd.Flags().Changed
	if f.Host != "" && !given("host") {
		o.host = f.Host
	}
	if f.Users > 0 && !given("users") {
		o.users, o.usersGiven = f.Users, true
	}
	if f.SpawnRate > 0 && !given("spawn-rate") {
		o.spawnRate = f.SpawnRate
	}
	if f.RunTime > 0 && !given("run-time") {
		o.runTime = f.RunTime
	}
	if f.Shape != "" && !given("shape") && !given("users") {
		o.shape = f.Shape
	}
	if f.Rate != "" && !given("rate") && !o.findMax {
		o.rate = f.Rate
	}
	if f.MaxUsers > 0 && !given("max-users") {
		o.maxUsers = f.MaxUsers
	}
	return nil
}

// checkClasses refuses names that are no class of the scenario.
func (o *loadOptions) checkClasses() error {
	if o.scenario == nil {
		return scenario.CheckClasses(o.classes)
	}
	names := o.scenario.ClassNames()
	for _, n := range o.classes {
		if !slices.Contains(names, n) {
			return fmt.Errorf("no user class %q; %s has %s", n, o.file, strings.Join(names, ", "))
		}
	}
	return nil
}

// classNames are those of the scenario.
func (o *loadOptions) classNames() []string {
	if o.scenario == nil {
		return scenario.ClassNames()
	}
	return o.scenario.ClassNames()
}

// scenarioName is the scenario for reports.
func (o *loadOptions) scenarioName() string {
	if o.scenario == nil {
		return "messaging (built in)"
	}
	return o.scenario.Name + " (" + o.file + ")"
}

// completeScenario checks --set, which is about the vars of a file or about the built-in
// scenario, and takes the targets of a file when none are given.
func (o *loadOptions) completeScenario() error {
	errs := []error{o.checkClasses(), httpload.CheckBase(o.host)}
	if o.scenario == nil {
		for _, pair := range o.set {
			errs = append(errs, o.settings.Set(pair))
		}
		return errors.Join(errs...)
	}
	if len(o.targets) > 0 {
		return errors.Join(errs...)
	}
	for _, t := range o.scenario.Targets {
		if t.Name == "" {
			o.targets = append(o.targets, t.Targets...)
		} else {
			o.requestTargets = append(o.requestTargets, report.RequestTargets{Request: t.Name, Targets: t.Targets})
		}
	}
	return errors.Join(errs...)
}

// guards are the targets that end the run.
func (o *loadOptions) guards() (list []load.Guard) {
	if o.scenario == nil {
		return nil
	}
	for _, t := range o.scenario.Targets {
		if !t.Abort {
			continue
		}
		name := t.Spec
		if t.Name != "" {
			name += " of " + t.Name
		}
		list = append(list, load.Guard{Name: name, After: t.After, Missed: func(live *stats.Live) string {
			return report.Broken(t.Targets, t.Name, live)
		}})
	}
	return list
}

// open makes the scenario of a run.
func (o *loadOptions) open(ctx context.Context, opts scenario.Options) (*scenario.Run, error) {
	if o.scenario != nil {
		return scenario.Open(ctx, o.scenario, opts)
	}
	return scenario.New(ctx, opts)
}
