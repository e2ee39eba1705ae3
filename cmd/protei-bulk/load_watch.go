package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"protei-bulk/load/report"
	"protei-bulk/load/stats"
	"protei-bulk/load/target"
)

// completeWatch reads what is to be watched, of --watch and of the scenario file, and lets
// the targets about it find it.
func (o *loadOptions) completeWatch() error {
	var errs []error
	o.specs = nil
	for _, text := range o.watch {
		spec, err := target.ParseSpec(text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		o.specs = append(o.specs, spec)
	}
	if o.scenario != nil {
		o.specs = append(o.specs, o.scenario.Watch...)
	}
	errs = append(errs, target.CheckSpecs(o.specs))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return o.resolveTargets(target.SeriesOf(o.specs))
}

// resolveTargets completes the targets about series, those of guards too.
func (o *loadOptions) resolveTargets(series []stats.SeriesInfo) error {
	errs := []error{report.ResolveTargets(o.targets, series)}
	if o.scenario != nil {
		for _, t := range o.scenario.Targets {
			errs = append(errs, report.ResolveTargets(t.Targets, series))
		}
	}
	return errors.Join(errs...)
}

// startWatch takes the first samples. What can not be read is said now; it may come back.
func (t *loadTest) startWatch(ctx context.Context) error {
	if len(t.opts.specs) == 0 {
		return nil
	}
	w, err := target.Watch(target.WatchOptions{Specs: t.opts.specs, TLS: t.opts.tlsConfig(), Getenv: t.env.Getenv})
	if err != nil {
		return err
	}
	w.Start(context.WithoutCancel(ctx)) // Ctrl-C begins the drain, which is watched too
	t.watcher = w
	for _, text := range w.Faults() {
		t.note("%s", text)
	}
	return t.opts.resolveTargets(w.Series()) // units are settled now
}

// samples are the series of the last second.
func (t *loadTest) samples() []stats.SeriesValue {
	if t.watcher == nil {
		return nil
	}
	return t.watcher.Sample()
}

// series are what is watched; nil without --watch.
func (t *loadTest) series() []stats.SeriesInfo {
	if t.watcher == nil {
		return nil
	}
	return t.watcher.Series()
}

func (t *loadTest) stopWatch() {
	if t.watcher != nil {
		t.watcher.Stop()
	}
}

// watchLines say in the plan what is watched.
func (o *loadOptions) watchLines() (lines []string) {
	for _, s := range o.specs {
		lines = append(lines, fmt.Sprintf("watching: %s (%s, %d series)", s.Source(), s.Name, len(s.Series())))
	}
	return lines
}

// maskWatch hides the secrets of --watch; several stand in one value of the environment
// only by mistake.
func maskWatch(value string) string {
	words := strings.Fields(value)
	for i, w := range words {
		words[i] = target.Mask(w)
	}
	return strings.Join(words, " ")
}
