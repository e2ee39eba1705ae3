package route_test

import (
	"testing"

	"protei-bulk/bulk/route"
)

func TestRouteTakesTheFirstEnabledConnector(t *testing.T) {
	table, err := route.NewTable([]route.Connector{{ID: 3, Name: "down", Disabled: true}, {ID: 7, Name: "up"}, {ID: 8, Name: "spare"}})
	if err != nil {
		t.Fatal(err)
	}
	router, err := route.NewRouter(table)
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := router.Route(&route.Query{}); !ok || c.ID != 7 {
		t.Errorf("Route = %v, %v; want connector 7", c, ok)
	}
	if got := table.Name(8); got != "spare" {
		t.Errorf("Name(8) = %q", got)
	}
	none, err := route.NewTable([]route.Connector{{ID: 3, Disabled: true}})
	if err != nil {
		t.Fatal(err)
	}
	if err := router.Swap(none); err != nil {
		t.Fatal(err)
	}
	if c, ok := router.Route(&route.Query{}); ok {
		t.Errorf("Route = %v although every connector is disabled", c)
	}
	if router.Swap(nil) == nil {
		t.Error("a nil table was accepted")
	}
}

func TestNewTableRefusesIDs(t *testing.T) {
	for name, connectors := range map[string][]route.Connector{
		"zero":  {{ID: 0, Name: "a"}},
		"twice": {{ID: 1, Name: "a"}, {ID: 1, Name: "b"}},
	} {
		if _, err := route.NewTable(connectors); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
