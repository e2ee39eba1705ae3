package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// usage is the CPU that each process spent while the load tester ran.
type usage struct {
	began       time.Time
	serve, smsc time.Duration
}

func newUsage(d *demo) *usage {
	return &usage{began: time.Now(), serve: d.serve.cpu(), smsc: d.smsc.cpu()}
}

// print shows each process's CPU over the whole run, ramp and drain included, as a
// share of the machine and per message that the simulator took.
func (u *usage) print(d *demo) {
	wall := time.Since(u.began)
	var counters smscCounters
	_ = fetchJSON("http://"+d.smscReady.Control+"/counters", "", &counters)
	d.sayf("\nCPU of the whole run       cores   of %d   µs a message", runtime.GOMAXPROCS(0))
	for _, row := range []struct {
		name string
		cpu  time.Duration
	}{
		{"platform", d.serve.cpu() - u.serve},
		{"load tester", d.loader.cpu()},
		{"SMSC simulator", d.smsc.cpu() - u.smsc},
	} {
		cores := row.cpu.Seconds() / wall.Seconds()
		perMessage := "–"
		if counters.Unique > 0 {
			perMessage = fmt.Sprintf("%.1f", float64(row.cpu.Microseconds())/float64(counters.Unique))
		}
		d.sayf("  %-22s %7.2f %6.0f%% %13s", row.name, cores, 100*cores/float64(runtime.GOMAXPROCS(0)), perMessage)
	}
}

// crossCheck compares three books of the same messages that were kept apart: what the
// load tester saw accepted, what the platform has in each status, and what reached the
// simulator. False: something does not add up.
func (d *demo) crossCheck() (bool, error) {
	var tester testerLedger
	text, err := os.ReadFile(d.jsonReport())
	if err == nil {
		err = json.Unmarshal(text, &tester)
	}
	if err != nil {
		return false, fmt.Errorf("read the load tester's ledger: %w", err)
	}
	var far smscCounters
	if err := fetchJSON("http://"+d.smscReady.Control+"/counters", "", &far); err != nil {
		return false, fmt.Errorf("ask the simulator for its counters: %w", err)
	}
	var platform platformLedger
	if err := fetchJSON("http://"+d.serveReady.HTTP+"/api/v1/statistics", "dev-api-key", &platform); err != nil {
		return false, fmt.Errorf("ask the platform for its ledger: %w", err)
	}
	d.sayf("\nThe same messages in three books")
	d.sayf("  load tester  %12d accepted, beside one canary for each protocol", tester.Ledger.Accepted)
	d.sayf("  platform     %12d accepted = %s", platform.Accepted, platform.sum())
	d.sayf("  simulator    %12d different messages taken, %d of them more than once", far.Unique, far.Duplicates)
	const canaries = 2
	var faults []string
	if extra := platform.Accepted - tester.Ledger.Accepted; extra < 0 || extra > canaries+tester.Ledger.Unanswered {
		faults = append(faults, fmt.Sprintf("the platform accepted %+d messages against the load tester", extra))
	}
	if platform.total() != platform.Accepted {
		faults = append(faults, fmt.Sprintf("the platform's ledger does not close: %d in all statuses", platform.total()))
	}
	if far.Unique < platform.ByStatus["DELIVERED"] {
		faults = append(faults, "more messages are DELIVERED than reached the simulator")
	}
	for _, f := range faults {
		d.sayf("  ✗ %s", f)
	}
	if len(faults) == 0 {
		d.sayf("  ✓ they agree")
	}
	return len(faults) == 0, nil
}

// smscCounters are the simulator's figures that the demo checks.
type smscCounters struct {
	Unique     int64 `json:"unique"`
	Duplicates int64 `json:"duplicates"`
}

// testerLedger is the part of the load tester's JSON that the demo checks.
type testerLedger struct {
	Ledger struct {
		Accepted   int64 `json:"accepted"`
		Unanswered int64 `json:"unanswered"`
	} `json:"ledger"`
}

// platformLedger is the part of GET /api/v1/statistics that must add up.
type platformLedger struct {
	Accepted int64            `json:"accepted"`
	ByStatus map[string]int64 `json:"by_status"`
}

func (l platformLedger) total() (n int64) {
	for _, count := range l.ByStatus {
		n += count
	}
	return n
}

// sum writes the statuses that occur, most frequent first.
func (l platformLedger) sum() string {
	names := slices.SortedFunc(maps.Keys(l.ByStatus), func(a, b string) int {
		return cmp.Or(cmp.Compare(l.ByStatus[b], l.ByStatus[a]), cmp.Compare(a, b))
	})
	var terms []string
	for _, name := range names {
		if n := l.ByStatus[name]; n != 0 {
			terms = append(terms, fmt.Sprintf("%d %s", n, name))
		}
	}
	return strings.Join(terms, " + ")
}

func fetchJSON(url, apiKey string, v any) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if apiKey != "" {
		req.Header.Set("X-API-Key", apiKey)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	return nil
}
