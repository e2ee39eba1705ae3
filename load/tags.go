package load

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// SelectTags leaves the tasks that have at least one of tags (none given: all) and none of
// exclude. A task has its own tags and those of its class. Classes without a task left
// are left out; it is an error when no class is left.
func SelectTags(classes []UserClass, tags, exclude []string) ([]UserClass, error) {
	if len(tags) == 0 && len(exclude) == 0 {
		return classes, nil
	}
	var out []UserClass
	for _, c := range classes {
		picked := c.only(func(t TaskInfo) bool {
			has := func(tag string) bool { return slices.Contains(t.Tags, tag) || slices.Contains(c.Tags, tag) }
			return (len(tags) == 0 || slices.ContainsFunc(tags, has)) && !slices.ContainsFunc(exclude, has)
		})
		if len(picked.Tasks) > 0 {
			out = append(out, picked)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no task is left with tags %q without %q; the scenario has %s", tags, exclude, knownTags(classes))
	}
	return out, nil
}

func knownTags(classes []UserClass) string {
	var all []string
	for _, c := range classes {
		all = append(all, c.Tags...)
		for _, t := range c.Tasks {
			all = append(all, t.Tags...)
		}
	}
	if len(all) == 0 {
		return "no tags"
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}

// EqualWeights gives every class and task the weight 1.
func EqualWeights(classes []UserClass) []UserClass {
	out := slices.Clone(classes)
	for i := range out {
		out[i].Weight = 1
		out[i] = out[i].weighted(func(TaskInfo) int { return 1 })
	}
	return out
}

// errNoTasks is the error of a class whose tasks were all left out.
var errNoTasks = errors.New("no task")

// only leaves the tasks that keep says.
func (c UserClass) only(keep func(TaskInfo) bool) UserClass {
	return c.weighted(func(t TaskInfo) int {
		if keep(t) {
			return t.Weight
		}
		return 0
	})
}

// weighted gives the tasks new weights; one of 0 leaves the class.
func (c UserClass) weighted(weight func(TaskInfo) int) UserClass {
	chosen := make([]chosenTask, 0, len(c.chosen))
	infos := make([]TaskInfo, 0, len(c.Tasks))
	for i, t := range c.Tasks {
		if t.Weight = weight(t); t.Weight > 0 {
			infos = append(infos, t)
			chosen = append(chosen, chosenTask{c.chosen[i].index, t.Weight})
		}
	}
	c.Tasks, c.chosen = infos, chosen
	return c
}
