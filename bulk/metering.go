package bulk

import (
	"strconv"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/aggregator"
	"protei-bulk/bulk/dispatch"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/metrics"
	"protei-bulk/bulk/queue"
	"protei-bulk/bulk/store"
	"protei-bulk/bulk/upstream"
	"protei-bulk/smpp"
)

// reading is a metric that is read from the platform's parts at each scrape.
type reading struct {
	name, help string
	labels     []string
	counter    bool
	read       func(metrics.Emit)
}

// metering returns the registry behind /metrics. All names are in this file.
func (p *Platform) metering() (*metrics.Metrics, error) {
	m, err := metrics.New(metrics.Options{Version: p.opts.Version, Logger: p.log})
	if err != nil {
		return nil, err
	}
	var all []reading
	all = append(all, p.ledgerReadings()...)
	all = append(all, p.laneReadings()...)
	all = append(all, p.connectorReadings()...)
	all = append(all, p.storeReadings()...)
	all = append(all, p.webhookReadings()...)
	all = append(all, p.quotaReadings()...)
	all = append(all, p.moneyReadings()...)
	all = append(all, p.inboundReadings()...)
	all = append(all, p.nodeReadings()...)
	all = append(all, p.alertReadings()...)
	all = append(all, p.hintReadings()...)
	all = append(all, p.tracingReadings()...)
	all = append(all, p.accessReadings()...)
	for _, r := range all {
		register := m.Gauges
		if r.counter {
			register = m.Counters
		}
		if err := register(r.name, r.help, r.labels, r.read); err != nil {
			return nil, err
		}
	}
	syncs, err := m.Histogram("journal_sync_seconds", "Time to write and sync a group of the journal.", syncBounds)
	if err != nil {
		return nil, err
	}
	p.syncs.Store(syncs.With())
	return m, nil
}

// syncBounds reach from a disk with a cache of its own to one that is stuck.
var syncBounds = []float64{.0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 5}

// synced is the store's hook for each write of the journal.
func (p *Platform) synced(took time.Duration) {
	if h := p.syncs.Load(); h != nil {
		h.Observe(took)
	}
}

// ledgerReadings shows the ledger. accepted is counted on its own: where it differs from
// the sum of the statuses the ledger does not close.
func (p *Platform) ledgerReadings() []reading {
	each := func(fn func(account string, l store.Ledger)) {
		for id, ledger := range p.store.Ledgers() {
			fn(strconv.FormatUint(uint64(id), 10), ledger)
		}
	}
	return []reading{{
		name: "messages", help: "Messages by account and status.", labels: []string{"account", "status"},
		read: func(emit metrics.Emit) {
			each(func(account string, l store.Ledger) {
				for _, s := range message.Statuses() {
					emit(float64(l[s]), account, s.String())
				}
			})
		},
	}, {
		name: "accepted", help: "Messages accepted, by account.", labels: []string{"account"}, counter: true,
		read: func(emit metrics.Emit) {
			for id, n := range p.store.Accepted() {
				emit(float64(n), strconv.FormatUint(uint64(id), 10))
			}
		},
	}}
}

// quotaReadings shows what accounts used of their quotas.
func (p *Platform) quotaReadings() []reading {
	labels := []string{"account", "period"}
	of := func(name, help string, value func(account.PeriodUsage) int64) reading {
		return reading{name: name, help: help, labels: labels, read: func(emit metrics.Emit) {
			now := time.Now()
			for _, a := range p.accounts.Snapshot().All() {
				day, month := a.Usage(now)
				for period, u := range map[string]account.PeriodUsage{"day": day, "month": month} {
					emit(float64(value(u)), strconv.FormatUint(uint64(a.ID), 10), period)
				}
			}
		}}
	}
	return []reading{
		of("quota_parts", "Parts that an account may send in the period, 0: no limit.", func(u account.PeriodUsage) int64 { return u.Quota }),
		of("used_parts", "Parts that an account had accepted in the period.", func(u account.PeriodUsage) int64 { return u.Parts }),
	}
}

func (p *Platform) laneReadings() []reading {
	labels := []string{"connector", "priority"}
	lane := func(name, help string, value func(*queue.Depth) float64) reading {
		return reading{name: name, help: help, labels: labels, read: func(emit metrics.Emit) {
			for _, d := range p.lanes.Depths(nil) {
				emit(value(&d), p.connector.Name(d.Lane.Connector), d.Lane.Priority.String())
			}
		}}
	}
	return []reading{
		lane("lane_messages", "Messages that wait for the SMSC.", func(d *queue.Depth) float64 { return float64(d.Waiting) }),
		lane("lane_memory_messages", "Of these, in memory and due.", func(d *queue.Depth) float64 { return float64(d.Memory) }),
		lane("lane_delayed_messages", "Of these, retries that are not due yet.", func(d *queue.Depth) float64 { return float64(d.Delayed) }),
		lane("lane_disk_mode", "1 while a part of the lane is in the store only.", func(d *queue.Depth) float64 {
			if d.Disk {
				return 1
			}
			return 0
		}),
	}
}

func (p *Platform) connectorReadings() []reading {
	labels := []string{"connector"}
	bind := func(name, help string, value func(*upstream.BindState) float64) reading {
		return reading{name: name, help: help, labels: labels, read: func(emit metrics.Emit) {
			for _, c := range p.fleet.running() {
				sum := 0.0
				for _, b := range c.group.States() {
					sum += value(&b)
				}
				emit(sum, c.group.Options().Name)
			}
		}}
	}
	return []reading{
		{
			name: "submit_sm", help: "submit_sm_resp by command_status, answers of HTTP connectors by http_ and their status.", labels: []string{"connector", "status"}, counter: true,
			read: func(emit metrics.Emit) {
				for _, c := range p.fleet.running() {
					name := c.group.Options().Name
					switch g := c.group.(type) {
					case *upstream.Group:
						g.EachStatus(func(st smpp.Status, n uint64) { emit(float64(n), name, statusLabel(st)) })
					case *aggregator.Links:
						g.EachHTTPStatus(func(st int, n uint64) { emit(float64(n), name, "http_"+strconv.Itoa(st)) })
					}
				}
			},
		},
		{
			name: "dispatch", help: "What became of messages on their way to the SMSC, by outcome.", labels: []string{"connector", "outcome"}, counter: true,
			read: func(emit metrics.Emit) {
				for _, c := range p.fleet.running() {
					eachOutcome(c.dispatcher.Counters(), func(outcome string, n uint64) { emit(float64(n), c.group.Options().Name, outcome) })
				}
			},
		},
		{
			name: "receipts", help: "Delivery receipts of the SMSC, by what became of them.", labels: []string{"connector", "outcome"}, counter: true,
			read: func(emit metrics.Emit) {
				for _, c := range p.fleet.running() {
					eachReceipt(c.dispatcher.Counters(), func(outcome string, n uint64) { emit(float64(n), c.group.Options().Name, outcome) })
				}
			},
		},
		{
			name: "unsynced_results", help: "Answers of the SMSC that are not durable yet.", labels: labels,
			read: func(emit metrics.Emit) {
				for _, c := range p.fleet.running() {
					emit(float64(c.dispatcher.Counters().Unsynced), c.group.Options().Name)
				}
			},
		},
		bind("binds", "Binds that are up.", func(b *upstream.BindState) float64 {
			if b.State == upstream.Bound {
				return 1
			}
			return 0
		}),
		bind("binds_configured", "Binds that should be up.", func(*upstream.BindState) float64 { return 1 }),
		bind("submit_in_flight", "submit_sm without an answer yet.", func(b *upstream.BindState) float64 { return float64(b.InFlight) }),
		{
			name: "failover_messages", help: "Messages moved to another connector: this one was down, or somebody asked.", labels: labels, counter: true,
			read: func(emit metrics.Emit) {
				for _, c := range p.fleet.running() {
					emit(float64(c.trouble.moved.Load()), c.c.Name)
				}
			},
		},
		{
			name: "bind_up", help: "1 while the bind is up.", labels: []string{"connector", "bind", "type"},
			read: func(emit metrics.Emit) {
				for _, c := range p.fleet.running() {
					for _, b := range c.group.States() {
						up := 0.0
						if b.State == upstream.Bound {
							up = 1
						}
						emit(up, c.c.Name, strconv.Itoa(b.Index), b.Type)
					}
				}
			},
		},
		counting(bind("bind_pauses", "Times that the SMSC throttled a bind.", func(b *upstream.BindState) float64 { return float64(b.Pauses) })),
	}
}

func counting(r reading) reading {
	r.counter = true
	return r
}

// statusLabel is the standard's name of a command_status, or its number.
func statusLabel(st smpp.Status) string {
	if name := st.Name(); name != "" {
		return name
	}
	return "0x" + strconv.FormatUint(uint64(st), 16)
}

func eachOutcome(c dispatch.Counters, emit func(string, uint64)) {
	emit("submitted", c.Submitted)
	emit("throttled", c.Throttled)
	emit("temporary", c.Temporary)
	emit("rejected", c.Rejected)
	emit("lost", c.Lost)
	emit("retried", c.Retried)
	emit("gave_up", c.GaveUp)
	emit("expired", c.Expired)
	emit("suspect", c.Suspects)
	emit("moved", c.Moved)
}

func eachReceipt(c dispatch.Counters, emit func(string, uint64)) {
	emit("final", c.Receipts)
	emit("intermediate", c.Intermediate)
	emit("malformed", c.Malformed)
	emit("from_disk", c.Resolved)
	emit("parked", c.Parked)
	emit("refused", c.Refused)
	emit("not_stored", c.NotStored)
	emit("mobile_originated", c.Inbound)
}

func (p *Platform) storeReadings() []reading {
	of := func(name, help string, counter bool, value func(*store.Stats) float64) reading {
		return reading{name: name, help: help, counter: counter, read: func(emit metrics.Emit) {
			s := p.store.Stats()
			emit(value(&s))
		}}
	}
	return []reading{
		of("store_backlog_messages", "Changed messages that the database does not hold yet.", false, func(s *store.Stats) float64 { return float64(s.Backlog) }),
		of("store_live_messages", "Messages in memory.", false, func(s *store.Stats) float64 { return float64(s.Live) }),
		of("store_queued_events", "Changes that wait for the journal.", false, func(s *store.Stats) float64 { return float64(s.Queued) }),
		of("store_parked_receipts", "Receipts whose message is not known yet.", false, func(s *store.Stats) float64 { return float64(s.Parked) }),
		of("store_orphaned_receipts", "Receipts given up without a message.", true, func(s *store.Stats) float64 { return float64(s.Orphans) }),
		of("store_events", "Changes applied.", true, func(s *store.Stats) float64 { return float64(s.Events) }),
		of("journal_groups", "Groups committed to the journal.", true, func(s *store.Stats) float64 { return float64(s.Groups) }),
		of("database_seconds", "Time spent in the database's write transactions.", true, func(s *store.Stats) float64 { return s.DBTime.Seconds() }),
		of("database_rows", "Rows written to the database.", true, func(s *store.Stats) float64 { return float64(s.DBRows) }),
		of("store_failed", "1 when the store stopped working.", false, func(s *store.Stats) float64 {
			if s.Failed != nil {
				return 1
			}
			return 0
		}),
	}
}

func (p *Platform) inboundReadings() []reading {
	return []reading{{
		name: "inbound", help: "Messages from mobiles, by what became of them.", labels: []string{"outcome"}, counter: true,
		read: func(emit metrics.Emit) {
			s := p.inbound.Stats()
			emit(float64(s.Received), "received")
			emit(float64(s.Parts), "parts")
			emit(float64(s.Joined), "joined")
			emit(float64(s.Unrouted), "unrouted")
			emit(float64(s.Expired), "expired")
			emit(float64(s.Refused), "refused")
		},
	}, {
		name: "inbound_incomplete", help: "Long messages from mobiles that lack parts.",
		read: func(emit metrics.Emit) { emit(float64(p.inbound.Stats().Open)) },
	}}
}

func (p *Platform) webhookReadings() []reading {
	return []reading{{
		name: "webhook_events", help: "Final states for customers, by what became of them.", labels: []string{"outcome"}, counter: true,
		read: func(emit metrics.Emit) {
			s := p.webhooks.Stats()
			emit(float64(s.Delivered), "delivered")
			emit(float64(s.GivenUp), "given_up")
			emit(float64(s.Refused), "deferred")
		},
	}, {
		name: "webhook_requests", help: "Requests to webhooks, by result.", labels: []string{"result"}, counter: true,
		read: func(emit metrics.Emit) {
			s := p.webhooks.Stats()
			emit(float64(s.Requests-s.Failures), "ok")
			emit(float64(s.Failures), "failed")
		},
	}, {
		name: "webhook_pending_events", help: "Final states in memory that their endpoint has not confirmed.",
		read: func(emit metrics.Emit) { emit(float64(p.webhooks.Stats().Pending)) },
	}}
}
