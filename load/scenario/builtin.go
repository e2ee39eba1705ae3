package scenario

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"protei-bulk/load"
)

// The user classes of the built-in scenario.
const (
	MessagingUser = "MessagingUser"
	SMPPUser      = "SMPPUser"
)

// New opens the built-in scenario: the file that `load example messaging` prints, changed
// by opts.Settings.
func New(ctx context.Context, opts Options) (*Run, error) {
	if err := CheckClasses(opts.Classes); err != nil {
		return nil, err
	}
	f, err := builtIn(&opts)
	if err != nil {
		return nil, err
	}
	return Open(ctx, f, opts)
}

// ClassNames are the user classes that can be named on the command line.
func ClassNames() []string { return []string{MessagingUser, SMPPUser} }

// CheckClasses refuses names that are no class of the built-in scenario.
func CheckClasses(names []string) error {
	for _, n := range names {
		if !slices.Contains(ClassNames(), n) {
			return fmt.Errorf("no user class %q; there are %s and %s", n, MessagingUser, SMPPUser)
		}
	}
	return nil
}

// builtIn compiles the file with the settings.
func builtIn(o *Options) (*File, error) {
	text, _ := Example("messaging")
	s := &o.Settings
	f, err := Parse("messaging.yaml", text, ParseOptions{Vars: []string{
		"from=" + s.From, "to=" + s.ToPrefix, "text=" + s.Text,
		"bulk=" + strconv.Itoa(s.BulkMin) + "-" + strconv.Itoa(s.BulkMax),
	}})
	if err != nil {
		return nil, fmt.Errorf("the built-in scenario: %w", err)
	}
	f.builtIn = true
	for _, c := range f.classes {
		if c.smpp != nil {
			o.shapeSMPP(c)
			continue
		}
		c.wait = load.Between(s.WaitMin, s.WaitMax)
		for i := range c.tasks {
			c.tasks[i].weight = s.Mix[i]
		}
	}
	return f, nil
}

// shapeSMPP changes the SMPP class by the settings.
func (o *Options) shapeSMPP(c *fileClass) {
	s := &o.Settings
	c.smpp.settings = *s
	c.wait = load.ConstantThroughput(s.SMPPRate)
	if s.SMPPBind == BindReceivers {
		c.wait = load.Constant(receiverLooks)
		c.tasks = []*fileTask{{name: "receive", weight: 1}} // it keeps its bind
	}
	switch {
	case s.SMPPUsers > 0:
		c.fixedCount, c.every = s.SMPPUsers, 0
	case slices.Contains(o.Classes, SMPPUser):
		c.every = 0
	}
}

// takesSMPP says that there will be users of the class c: not when there is no address for
// them and nobody asked for them, or fewer users than bring one.
func (o *Options) takesSMPP(c *fileClass) bool {
	switch {
	case o.Settings.SMPPUsers >= 0:
		return o.Settings.SMPPUsers > 0
	case slices.Contains(o.Classes, SMPPUser):
		return true
	}
	return len(o.Classes) == 0 && o.PeakUsers >= c.every && o.SMPP != nil
}
