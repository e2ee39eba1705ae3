package report

// Op is the direction of a target.
type Op uint8

// Directions. Strict ones as the guide writes them.
const (
	AtLeast Op = iota // measured ≥ limit
	Below             // measured < limit
	AtMost            // measured ≤ limit
)

// Metric names a row of the verdict table.
type Metric string

// The metrics that a target can name.
const (
	MetricTPS       Metric = "tps" // successful requests a second
	MetricAvg       Metric = "avg" // response time, seconds
	MetricP50       Metric = "p50"
	MetricP95       Metric = "p95"
	MetricP99       Metric = "p99"
	MetricErrors    Metric = "errors"    // share of requests, 0..1
	MetricThrottled Metric = "throttled" // share of requests, 0..1
	MetricCPU       Metric = "cpu"       // of the target, 0..1
	MetricMemory    Metric = "memory"    // of the target, 0..1
	MetricDelivered Metric = "delivered" // delivered ÷ accepted
	MetricLost      Metric = "lost"      // messages
	MetricPending   Metric = "pending"   // messages after the drain
)

// Target is a two-level target: Limit is what was asked for, Acceptable what can be lived with.
type Target struct {
	Metric     Metric
	Op         Op
	Limit      float64
	Acceptable float64
}
