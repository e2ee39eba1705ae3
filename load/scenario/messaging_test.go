package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"protei-bulk/load"
	"protei-bulk/load/scenario"
	"protei-bulk/load/scenario/scenariotest"
	"protei-bulk/load/stats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a scenario in front of a platform.
type bench struct {
	*scenario.Run
	platform *scenariotest.Platform
	opts     scenario.Options
	result   *load.Result
}

func newBench(t *testing.T, faults scenariotest.Faults, change func(*scenario.Options)) *bench {
	t.Helper()
	b := &bench{platform: scenariotest.Start(t, faults)}
	b.opts = scenario.Options{
		Host: b.platform.URL, APIKey: "dev-api-key",
		SMPP:     &scenario.SMPPAddress{Addr: b.platform.SMPPAddr, SystemID: "dev", Password: "devpass1"},
		Settings: scenario.DefaultSettings(), PeakUsers: 20, Timeout: 5 * time.Second,
		Recorder: stats.NewRecorder(stats.RecorderOptions{}),
		Ledger:   stats.NewLedger(stats.LedgerOptions{Run: 0xabcdef01, Worker: 3}),
		Clock:    load.NewClock(),
	}
	b.opts.Settings.WaitMin, b.opts.Settings.WaitMax = 0, 20*time.Millisecond
	b.opts.Settings.SMPPUsers = 2
	if change != nil {
		change(&b.opts)
	}
	var err error
	if b.Run, err = scenario.New(t.Context(), b.opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// run lets 10 users loose for a second.
func (b *bench) run(t *testing.T) stats.Counts {
	t.Helper()
	classes, err := b.Classes()
	if err != nil {
		t.Fatal(err)
	}
	b.result, err = load.Run(t.Context(), load.Options{
		Classes: classes, Shape: load.Flat{Users: 10, SpawnRate: 1000, RunTime: time.Second},
		Recorder: b.opts.Recorder, Ledger: b.opts.Ledger, Clock: b.opts.Clock, Seed: 7,
		StopTimeout: 5 * time.Second, DrainTimeout: 10 * time.Second, NoDrain: b.opts.NoReceipts,
		Resolve: func(ctx context.Context) { b.Resolve(ctx) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.opts.Ledger.Counts()
}

func (b *bench) total() stats.EntryStats {
	return b.result.Collector.Summary(b.result.Collector.Whole()).Total
}

func (b *bench) requests(name string) uint64 {
	for _, e := range b.result.Collector.Summary(b.result.Collector.Whole()).Entries {
		if e.Method+" "+e.Name == name {
			return e.Requests
		}
	}
	return 0
}

func TestEveryMessageIsFollowedToItsReceipt(t *testing.T) {
	b := newBench(t, scenariotest.Faults{APIKey: "dev-api-key"}, nil)
	if err := b.Canary(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := b.run(t)
	if c.Issued < 50 || c.Delivered != c.Issued || c.Duplicates+c.UnknownReceipts+c.Rejected+c.Unanswered+c.Lost+c.Pending != 0 {
		t.Errorf("ledger: %+v", c)
	}
	taken, twice := b.platform.Messages()
	if uint64(taken) != c.Issued+2 || twice != 0 { // and the canaries
		t.Errorf("the platform took %d messages, %d twice; issued %d", taken, twice, c.Issued)
	}
	if total := b.total(); total.Failures != 0 || total.Messages != c.Issued {
		t.Errorf("%d failures, %d messages recorded: %+v", total.Failures, total.Messages, b.opts.Recorder.Failures())
	}
	for _, call := range []string{"POST /api/v1/messages", "POST /api/v1/messages/bulk", "GET /api/v1/messages/[id]", "GET /api/v1/messages", "POST /api/v1/campaigns", "SMPP submit_sm"} {
		seen := b.platform.Count(call)
		if strings.HasSuffix(call, "/messages") && call[0] == 'P' || call[0] == 'S' {
			seen-- // the canary
		}
		if n := b.requests(call); n == 0 || n != uint64(seen) {
			t.Errorf("%s: %d recorded, %d came", call, n, seen)
		}
	}
	if rate := b.requests("SMPP submit_sm"); rate < 10 || rate > 600 {
		t.Errorf("%d submit_sm in a second, want about 400", rate)
	}
}

func TestLedgerSeesFaults(t *testing.T) {
	type check func(c stats.Counts, b *bench) string
	failures := func(b *bench) string {
		var s []string
		for _, f := range b.opts.Recorder.Failures() {
			s = append(s, fmt.Sprintf("%s %s: %s", f.Method, f.Name, f.Error))
		}
		return strings.Join(s, "; ")
	}
	expect := func(ok bool, c stats.Counts, b *bench) string {
		if ok {
			return ""
		}
		return fmt.Sprintf("%+v; failures: %s; total %+v", c, failures(b), b.total())
	}
	for name, tc := range map[string]struct {
		faults scenariotest.Faults
		change func(*scenario.Options)
		check  check
	}{
		"lost receipts": {scenariotest.Faults{LoseEvery: 10}, nil, func(c stats.Counts, b *bench) string {
			return expect(c.Lost > 0 && c.Lost == c.Issued/10 && c.Delivered == c.Issued-c.Lost && c.Pending == 0, c, b)
		}},
		"still pending": {scenariotest.Faults{KeepPending: true}, nil, func(c stats.Counts, b *bench) string {
			return expect(c.Pending == c.Issued && c.Lost == 0, c, b)
		}},
		"duplicates": {scenariotest.Faults{DuplicateEvery: 10}, nil, func(c stats.Counts, b *bench) string {
			return expect(c.Delivered == c.Issued && c.Duplicates > 0 && c.UnknownReceipts == 0, c, b)
		}},
		"failed messages": {scenariotest.Faults{FailEvery: 10}, nil, func(c stats.Counts, b *bench) string {
			return expect(c.Failed == c.Issued/10 && c.Delivered == c.Issued-c.Failed, c, b)
		}},
		"rejected, also in a bulk": {scenariotest.Faults{RejectEvery: 10}, nil, func(c stats.Counts, b *bench) string {
			return expect(c.Rejected == c.Issued/10 && c.Delivered == c.Issued-c.Rejected && b.total().Failures > 0 &&
				strings.Contains(failures(b), "HTTP 422 invalid_number") && strings.Contains(failures(b), "bulk accepted in part") &&
				strings.Contains(failures(b), "RINVDSTADR"), c, b)
		}},
		"throttled": {scenariotest.Faults{ThrottleEvery: 10}, func(o *scenario.Options) { o.Settings.BulkMin, o.Settings.BulkMax = 1, 1 }, func(c stats.Counts, b *bench) string {
			return expect(c.Rejected == c.Issued/10 && b.total().Throttled > 0 && !strings.Contains(failures(b), "429"), c, b)
		}},
		"receipts of others": {scenariotest.Faults{UnknownRefs: true}, func(o *scenario.Options) { o.Settings.SMPPUsers = 0 }, func(c stats.Counts, b *bench) string {
			return expect(c.UnknownReceipts == c.Issued && c.Delivered == 0 && c.Lost == c.Issued, c, b)
		}},
		"server errors": {scenariotest.Faults{Status: 503}, func(o *scenario.Options) { o.Settings.SMPPUsers = 0 }, func(c stats.Counts, b *bench) string {
			return expect(c.Rejected == c.Issued && b.total().Failures == b.total().Requests && strings.Contains(failures(b), "HTTP 503 broken"), c, b)
		}},
		"answers that are none": {scenariotest.Faults{WrongJSON: true}, func(o *scenario.Options) { o.Settings.SMPPUsers = 0 }, func(c stats.Counts, b *bench) string {
			return expect(c.Unanswered == c.Issued && strings.Contains(failures(b), "answer is text/plain, not JSON"), c, b)
		}},
		"lost SMPP sessions": {scenariotest.Faults{DropSMPPEvery: 50}, func(o *scenario.Options) {
			o.Classes = []string{"SMPPUser"}
			o.Settings.SMPPUsers = 5
			o.Settings.SMPPRebindMin = 10 * time.Millisecond
		}, func(c stats.Counts, b *bench) string {
			return expect(c.Unanswered+c.Rejected > 0 && c.Delivered > 0 && len(b.opts.Recorder.Exceptions()) > 0 && b.requests("SMPP bind_transceiver") > 5, c, b)
		}},
		"no receipts wanted": {scenariotest.Faults{}, func(o *scenario.Options) { o.NoReceipts = true }, func(c stats.Counts, b *bench) string {
			return expect(c.Accepted == c.Issued && c.Receipts == 0 && b.result.Drained == 0, c, b)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tc.faults, tc.change)
			c := b.run(t)
			if c.Issued == 0 || c.Issued != c.Accepted+c.Rejected+c.Unanswered+c.Awaiting || c.Awaiting != 0 {
				t.Errorf("the ledger does not close: %+v", c)
			}
			if text := tc.check(c, b); text != "" {
				t.Error(text)
			}
		})
	}
}

func TestCanaryExplains(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	deadAddr := dead.Addr().String()
	dead.Close()
	for name, tc := range map[string]struct {
		faults scenariotest.Faults
		change func(*scenario.Options)
		want   []string
	}{
		"nobody there": {change: func(o *scenario.Options) { o.Host = "http://" + deadAddr }, want: []string{"HTTP canary", "connection refused"}},
		"wrong key":    {faults: scenariotest.Faults{APIKey: "another"}, want: []string{"HTTP 401", "--api-key"}},
		"dlr_url refused": {
			faults: scenariotest.Faults{RefuseDLRURL: true},
			want:   []string{"dlr_url is not allowed", "webhooks.allow", "--dlr-url"},
		},
		"not our API": {faults: scenariotest.Faults{WrongJSON: true}, want: []string{"is it a messaging API?"}},
		"wrong SMPP password": {
			change: func(o *scenario.Options) { o.SMPP.Password = "x" },
			want:   []string{"SMPP canary", "ESME_RINVPASWD", "--smpp"},
		},
		"no SMPP": {
			change: func(o *scenario.Options) { o.SMPP.Addr = deadAddr },
			want:   []string{"SMPP canary", "connection refused"},
		},
		"delivery fails": {faults: scenariotest.Faults{FailEvery: 1}, want: []string{"not delivered"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tc.faults, tc.change)
			err := b.Canary(t.Context())
			var canary *scenario.CanaryError
			if !errors.As(err, &canary) {
				t.Fatalf("got %v", err)
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is missing in: %v", w, err)
				}
			}
		})
	}
}

// TestCanaryWaits: the receipt does not come, and the reason depends on what the target says.
func TestCanaryWaits(t *testing.T) {
	for name, tc := range map[string]struct {
		faults scenariotest.Faults
		want   string
	}{
		"delivered, not told": {scenariotest.Faults{NoReceipts: true}, "nothing was posted to http://127.0.0.1"},
		"still pending":       {scenariotest.Faults{KeepPending: true}, "still PENDING"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tc.faults, func(o *scenario.Options) { o.Settings.SMPPUsers = 0; o.CanaryTimeout = 200 * time.Millisecond })
			if err := b.Canary(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestSMPPByName: a host name may have addresses of both families, of which one answers.
func TestSMPPByName(t *testing.T) {
	b := newBench(t, scenariotest.Faults{}, func(o *scenario.Options) {
		_, port, _ := net.SplitHostPort(o.SMPP.Addr)
		o.SMPP.Addr = net.JoinHostPort("localhost", port)
		o.Classes = []string{"SMPPUser"}
	})
	if err := b.Canary(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSMPPUserNeedsAnAddress(t *testing.T) {
	_, err := scenario.New(t.Context(), scenario.Options{
		Host: "http://127.0.0.1:1", APIKey: "x", Classes: []string{"SMPPUser"}, Settings: scenario.DefaultSettings(),
		Recorder: stats.NewRecorder(stats.RecorderOptions{}), Ledger: stats.NewLedger(stats.LedgerOptions{}), Clock: load.NewClock(),
	})
	if err == nil || !strings.Contains(err.Error(), "--smpp") {
		t.Errorf("got %v", err)
	}
}
