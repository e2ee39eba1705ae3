package main

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"
)

func costs(t *testing.T) *Costs {
	t.Helper()
	c, err := readCosts(measured)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestUtilisationLaw: what a component is busy is the rate times the cost of a message in it,
// whatever happens in between.
func TestUtilisationLaw(t *testing.T) {
	c := costs(t)
	cell := cellOf(0)
	r := simulate(c, cell, Load{Rate: 20_000, Seconds: 20})
	perMessage := c.Intake + c.Delivery + c.Request/float64(c.Batch)
	want := r.Rate * perMessage / 1e6 / float64(cell.Nodes*cell.NodeCores)
	if math.Abs(r.Node/want-1) > 0.03 {
		t.Errorf("nodes are busy %.4f of the time, not %.4f", r.Node, want)
	}
	if r.Redis != 0 {
		t.Errorf("Redis works without a message for another node: %v", r.Redis)
	}
	if least := r.Rate * (c.Accept + c.Settle + 2*c.Outbox + c.Other) / 1e6 / float64(cell.PostgresCores); r.Postgres < least {
		t.Errorf("PostgreSQL is busy %.4f of the time, less than its rows cost: %.4f", r.Postgres, least)
	}
}

// TestOverload: beyond what fits, less is delivered than comes, and what is left shows.
func TestOverload(t *testing.T) {
	c := costs(t)
	cell := cellOf(0.5)
	most, at := capacity(c, cell)
	if !holds(at) || most < 10_000 {
		t.Fatalf("a cell carries %.0f/s: %+v", most, at)
	}
	over := simulate(c, cell, Load{Rate: 4 * most, Seconds: 4})
	if holds(over) || over.Rate > 0.95*over.Offered || over.AcceptP95 <= at.AcceptP95 {
		t.Errorf("four times as much changes nothing: %.0f of %.0f/s, accepted within %.0f ms", over.Rate, over.Offered, over.AcceptP95)
	}
}

// TestDearerIsSlower: a component that costs more carries less.
func TestDearerIsSlower(t *testing.T) {
	base, _ := capacity(costs(t), cellOf(0.5))
	for name, change := range map[string]func(*Costs){
		"PostgreSQL": func(c *Costs) { c.Settle *= 20 }, "nodes": func(c *Costs) { c.Delivery *= 20 }, "log": func(c *Costs) { c.WAL *= 20 },
		"Redis": func(c *Costs) { c.Redis *= 200 },
	} {
		c := costs(t)
		change(c)
		if most, _ := capacity(c, cellOf(0.5)); most > 0.6*base {
			t.Errorf("dearer %s: %.0f/s against %.0f/s", name, most, base)
		}
	}
}

// TestMeetsTheMeasurement: the simulation of the machine that was measured gives its rate.
func TestMeetsTheMeasurement(t *testing.T) {
	c := costs(t)
	if r := checkRun(c); math.Abs(r.Rate/c.Check.Rate-1) > 0.25 {
		t.Errorf("simulated %.0f/s, measured %.0f/s", r.Rate, c.Check.Rate)
	}
}

// TestDocument: docs/scaling.md shows what the command prints.
func TestDocument(t *testing.T) {
	var out bytes.Buffer
	report(&out, costs(t), 1e6)
	text, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), strings.TrimSpace(out.String())) {
		t.Errorf("docs/scaling.md does not have the output of go run ./bench/scaling:\n%s", out.String())
	}
}

func TestBadCosts(t *testing.T) {
	for _, text := range []string{"", "{", `{"batch":0}`, `{"batch":100,"node_intake_us":1,"postgres_accept_us":1}`} {
		if _, err := readCosts([]byte(text)); err == nil {
			t.Errorf("%q passes for costs", text)
		}
	}
}
