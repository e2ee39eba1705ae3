package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
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

// smscCounters are the simulator's figures that the demo checks.
type smscCounters struct {
	Unique     uint64 `json:"unique"`
	Duplicates uint64 `json:"duplicates"`
}

// crossCheck compares what the platform accepted with what reached the simulator: a
// third witness beside the load tester's ledger. False: something does not add up.
func (d *demo) crossCheck() (bool, error) {
	var at smscCounters
	if err := fetchJSON("http://"+d.smscReady.Control+"/counters", "", &at); err != nil {
		return false, fmt.Errorf("ask the simulator for its counters: %w", err)
	}
	var platform platformLedger
	if err := fetchJSON("http://"+d.serveReady.HTTP+"/api/v1/statistics", "dev-api-key", &platform); err != nil {
		return false, fmt.Errorf("ask the platform for its ledger: %w", err)
	}
	closes := platform.Accepted == platform.sum()
	d.sayf("\nThe same messages, counted by the platform and by the far end")
	d.sayf("  platform   accepted %d = delivered %d + failed %d + rejected %d + expired %d + cancelled %d + unknown %d + in flight %d: %s",
		platform.Accepted, platform.Delivered, platform.Failed, platform.Rejected, platform.Expired, platform.Cancelled,
		platform.Unknown, platform.InFlight, word(closes, "closes", "DOES NOT CLOSE"))
	d.sayf("  simulator  %d different messages, %d of them more than once", at.Unique, at.Duplicates)
	return closes, nil
}

// platformLedger is the part of GET /api/v1/statistics that must add up.
type platformLedger struct {
	Accepted  uint64 `json:"accepted"`
	Delivered uint64 `json:"delivered"`
	Failed    uint64 `json:"failed"`
	Rejected  uint64 `json:"rejected"`
	Expired   uint64 `json:"expired"`
	Cancelled uint64 `json:"cancelled"`
	Unknown   uint64 `json:"unknown"`
	SentNoDLR uint64 `json:"sent_no_receipt"`
	InFlight  uint64 `json:"in_flight"`
}

func (l platformLedger) sum() uint64 {
	return l.Delivered + l.Failed + l.Rejected + l.Expired + l.Cancelled + l.Unknown + l.SentNoDLR + l.InFlight
}

func word(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
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
