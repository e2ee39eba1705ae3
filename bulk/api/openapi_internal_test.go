package api

import (
	"context"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/connector"
	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/contact/suppression"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/route"
	"protei-bulk/bulk/user"
)

// everything has each call registered; none of them is made.
func everything() *API {
	a := &API{mux: http.NewServeMux(), opts: Options{
		Campaigns: new(campaign.Manager), Lists: new(contact.Lists), Connectors: new(connector.Directory), Gateways: struct{ Gateways }{},
		Webhooks: struct{ Webhooks }{}, Inbound: struct{ InboundMessages }{}, Audit: struct{ Audit }{}, Suppressed: new(suppression.Lists),
		Routes: new(route.Book), System: struct{ SystemDesk }{}, Nodes: noNodes{}, Hints: struct{ Hints }{}, Alerts: struct{ Alerts }{}, CDR: struct{ CDRFiles }{},
		Users:  new(user.Directory),
		Backup: func(context.Context, io.Writer) error { return nil },
	}}
	a.routes()
	return a
}

// TestEverythingIsEverything finds an option that everything lacks: its calls would not be seen.
func TestEverythingIsEverything(t *testing.T) {
	withoutCalls := []string{"Accounts", "Intake", "Messages", "Answers", "Insight", "Billing", "IDs", "InboundRoutes", "Router", "Route", "SMSC", "Metrics", "Root", "Now", "Logger"}
	opts := reflect.ValueOf(everything().opts)
	for i := range opts.NumField() {
		name := opts.Type().Field(i).Name
		switch f := opts.Field(i); f.Kind() {
		case reflect.Pointer, reflect.Interface, reflect.Func:
			if f.IsNil() && !slices.Contains(withoutCalls, name) {
				t.Errorf("option %s is nil in everything: set it, or say that no call depends on it", name)
			}
		}
	}
}

type noNodes struct{}

func (noNodes) Nodes(context.Context) ([]Node, error) { return nil, nil }

func TestEveryCallIsDescribed(t *testing.T) {
	known := operations()
	ids := map[string]string{}
	for _, e := range everything().endpoints {
		if !strings.HasPrefix(e.path, base) {
			continue
		}
		for method := range e.methods {
			if method == http.MethodHead {
				continue
			}
			call := method + " " + strings.TrimPrefix(e.path, base)
			op, ok := known[call]
			if !ok {
				t.Errorf("%s is registered and not described: add it to operations", call)
				continue
			}
			if other := ids[op.id]; other != "" || op.id == "" || op.summary == "" {
				t.Errorf("%s: id %q, summary %q, also of %q", call, op.id, op.summary, other)
			}
			for _, code := range op.codes {
				if problems[code].status == 0 {
					t.Errorf("%s: there is no problem %q", call, code)
				}
			}
			ids[op.id] = call
			delete(known, call)
		}
	}
	for call := range known {
		t.Errorf("%s is described and not registered", call)
	}
}

func names(s shape) (all []string) {
	for name := range s {
		all = append(all, strings.TrimSuffix(name, "?"))
	}
	slices.Sort(all)
	return all
}

// TestDescribedMembersAreRead compares the members that are described without a Go type with
// those that the handlers read.
func TestDescribedMembersAreRead(t *testing.T) {
	if want := slices.Sorted(slices.Values(canonical[:])); !slices.Equal(names(messageMembers()), want) {
		t.Errorf("a message has %v, described are %v", want, names(messageMembers()))
	}
	c := new(call)
	read := c.campaignReaders(&campaign.Spec{Priority: message.Normal})
	for _, alias := range []string{"from", "sender", "text", "message"} {
		delete(read, alias)
	}
	if want := slices.Sorted(maps.Keys(read)); !slices.Equal(names(campaignMembers()), want) {
		t.Errorf("a campaign has %v, described are %v", want, names(campaignMembers()))
	}
	for name := range billingReaders(&c.dec, new(account.Billing)) {
		if !slices.Contains(names(accountMembers()), name) {
			t.Errorf("member %s of an account is not described", name)
		}
	}
}
