// Command scaling answers how far the platform grows, from what was measured: costs.json has
// the cost of a message in each component, sim.go simulates a cell of nodes over one PostgreSQL
// and one Redis with them, and plan.go looks for the highest rate that a cell carries within the
// targets, and for the machines and the price of a rate. docs/scaling.md has its output.
//
//	go run ./bench/scaling                  everything
//	go run ./bench/scaling -rate 1000000    machines and price of another rate
package main

import (
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

//go:embed costs.json
var measured []byte

func main() {
	var (
		rate = flag.Float64("rate", 1e6, "messages a second to plan for")
		file = flag.String("costs", "", "file with other costs than the measured ones")
	)
	flag.Parse()
	text := measured
	if *file != "" {
		var err error
		if text, err = os.ReadFile(*file); err != nil {
			fmt.Fprintln(os.Stderr, "scaling:", err)
			os.Exit(1)
		}
	}
	costs, err := readCosts(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, "scaling:", err)
		os.Exit(1)
	}
	report(os.Stdout, costs, *rate)
}

// Costs are what was measured: processor time in µs on one core of the machine that costs.json
// names, sizes in bytes, times in ms.
type Costs struct {
	Machine string `json:"machine"`
	Command string `json:"command"`

	// Of a node, for each message: taking it in (bulks of Batch), and sending it, its receipt and
	// the customer's notice.
	Intake   float64 `json:"node_intake_us"`
	Delivery float64 `json:"node_delivery_us"`
	Batch    int     `json:"batch"`
	// Request is what a request costs besides its messages.
	Request float64 `json:"node_request_us"`

	// Of PostgreSQL: a row accepted, settled, its outbox entry, a row read by a feeder, and a
	// transaction; Other is what its background processes spend for each message.
	Accept float64 `json:"postgres_accept_us"`
	Settle float64 `json:"postgres_settle_us"`
	Outbox float64 `json:"postgres_outbox_us"`
	Read   float64 `json:"postgres_read_us"`
	Commit float64 `json:"postgres_transaction_us"`
	Other  float64 `json:"postgres_background_us"`
	Flush  float64 `json:"wal_flush_ms"`
	WAL    float64 `json:"wal_bytes"`
	Row    float64 `json:"row_bytes"`

	Redis float64 `json:"redis_us"` // for each message that goes to another node

	// Check is a run of the same machine that the simulation has to meet.
	Check struct {
		Cores   int     `json:"cores"`
		Others  float64 `json:"others_us"` // what simulator and generator spend for each message on the same cores
		Clients int     `json:"clients"`
		Rate    float64 `json:"messages_per_second"`
	} `json:"check"`
}

func readCosts(text []byte) (*Costs, error) {
	c := new(Costs)
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("read the costs: %w", err)
	}
	if c.Batch < 1 || c.Intake <= 0 || c.Accept <= 0 || c.Flush <= 0 {
		return nil, fmt.Errorf("read the costs: batch, node_intake_us, postgres_accept_us and wal_flush_ms must be above 0")
	}
	return c, nil
}
