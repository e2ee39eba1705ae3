package report

// Grade of a row and of a run. The order is the order of severity: the worst row decides.
type Grade uint8

// Grades.
const (
	NotMeasured Grade = iota // of a row only
	Pass
	Acceptable
	Invalid // missed, but the generator was saturated: it says nothing about the target
	Fail
)

// Row is one target and what was measured.
type Row struct {
	Target   Target
	Label    string
	Measured float64
	Whole    float64 // the same figure over the whole run; NaN = not measured
	Grade    Grade
	Why      string // of NotMeasured and Invalid
	Decides  bool   // counts for the exit code
}

// Verdict is the judgement on a run.
type Verdict struct {
	Overall   Grade // NotMeasured: no target decided
	Rows      []Row
	Saturated string // why the generator counts as saturated, "" = it was not
	Host      string // note on steal, "" = none
	Scaled    string
	Named     bool   // targets were named for this run
	Failures  uint64 // failed requests of the whole run
}
