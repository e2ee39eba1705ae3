package client_test

import (
	"encoding/json"
	"io"
	"slices"
	"testing"

	"protei-bulk/client"
)

// TestAdministration goes the way of somebody who sets a platform up: a customer with a key, a
// connector, a rule, contacts, a campaign that is looked at and dropped, and a copy of it all.
func TestAdministration(t *testing.T) {
	p := startPlatform(t)
	ctx, c := t.Context(), p.client
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	shop, err := c.CreateAccount(ctx, client.AccountSettings{Name: "shop"})
	must(err)
	key, err := c.CreateKey(ctx, shop.ID, client.NewKey{Name: "till"})
	must(err)
	keys, err := c.Keys(ctx, shop.ID)
	must(err)
	if !slices.ContainsFunc(keys, func(k client.Key) bool { return k.Prefix == key.Prefix && k.APIKey == "" }) {
		t.Errorf("key %s is not among %+v", key.Prefix, keys)
	}
	paid, err := c.TopUp(ctx, shop.ID, client.Payment{Amount: "10", Reference: "invoice 1"})
	must(err)
	again, err := c.AdjustBalance(ctx, shop.ID, client.Payment{Amount: "-2.5", Note: "a gift was booked twice"})
	must(err)
	var moved []string
	for m, err := range c.Movements(ctx, shop.ID) {
		must(err)
		moved = append(moved, m.ID)
	}
	if !slices.Equal(moved, []string{again.ID, paid.ID}) {
		t.Errorf("movements %v, want %s and %s", moved, again.ID, paid.ID)
	}

	_, err = c.CreateConnector(ctx, client.ConnectorSettings{Name: "spare", Mode: "stopped", Address: "127.0.0.1:2775", SystemID: "x", Binds: 2})
	must(err)
	_, err = c.UpdateConnector(ctx, "spare", client.ConnectorSettings{Window: 20})
	must(err)
	spare, err := c.Connector(ctx, "spare")
	must(err)
	var kept struct{ Binds, Window int }
	if err := json.Unmarshal(spare.Settings, &kept); err != nil || kept.Binds != 2 || kept.Window != 20 {
		t.Errorf("settings %s, %v", spare.Settings, err)
	}
	_, err = c.CreateRoute(ctx, client.RouteSettings{Name: "tm", Match: &client.Match{Prefixes: []string{"9936"}}, Targets: []client.Target{{Connector: "spare"}}})
	must(err)
	why, err := c.TestRoute(ctx, client.RouteTrial{From: "SHOP", To: "+99361234567"})
	must(err)
	if !why.Matched || why.Connector != "spare" {
		t.Errorf("routing: %+v", why)
	}
	table, err := c.Routes(ctx)
	must(err)
	diff, err := c.ReplaceRoutes(ctx, table.Routes, true)
	must(err)
	if diff.Unchanged != 1 || diff.Created+diff.Changed+diff.Deleted != 0 {
		t.Errorf("the same table changes %+v", diff)
	}
	must(c.DeleteRoute(ctx, "tm"))
	must(c.DeleteConnector(ctx, "spare"))

	_, err = c.CreateList(ctx, "vip")
	must(err)
	list, err := c.AddMembers(ctx, "vip", []client.Recipient{{To: "+15550100200", Values: map[string]string{"name": "Ada"}}, {To: "+15550100201"}})
	must(err)
	if list.Members != 2 {
		t.Errorf("%d members", list.Members)
	}
	blocked, err := c.AddNumbers(ctx, client.Blacklist, client.NumberScope{}, []string{"15550100299", "none"})
	must(err)
	if blocked.Added != 1 || blocked.Refused != 1 {
		t.Errorf("blacklist: %+v", blocked)
	}
	must(c.RemoveNumber(ctx, client.Blacklist, client.NumberScope{}, "15550100299"))
	spring, err := c.CreateCampaign(ctx, client.NewCampaign{Name: "spring", From: "SHOP", Text: "Hello {{name}}", List: "vip"})
	must(err)
	_, err = c.UpdateCampaign(ctx, spring.ID, client.CampaignChange{Text: `Hi {{name|default:"you"}}`})
	must(err)
	samples, err := c.PreviewCampaign(ctx, spring.ID, 10)
	must(err)
	if len(samples) != 2 || samples[0].Text != "Hi Ada" {
		t.Errorf("preview %+v", samples)
	}
	must(c.DeleteCampaign(ctx, spring.ID))

	saw := map[string]bool{}
	for e, err := range c.Audit(ctx, client.AuditQuery{}) {
		must(err)
		saw[e.Method+" "+e.Path] = true
	}
	for _, call := range []string{"POST /api/v1/connectors", "DELETE /api/v1/routes/tm"} {
		if !saw[call] {
			t.Errorf("the log of changes has no %s: %v", call, saw)
		}
	}
	backup, err := c.Backup(ctx)
	must(err)
	defer backup.Close()
	if n, err := io.Copy(io.Discard, backup); err != nil || n < 1000 {
		t.Errorf("backup of %d octets, %v", n, err)
	}
}
