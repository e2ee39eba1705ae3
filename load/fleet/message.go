package fleet

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"protei-bulk/load"
)

// protocol is the version of what follows; both sides must have the same.
const protocol = 1

// Subjects. What workers say begins with up, what they hear with down.
const (
	subjectHello  = "fleet.up.hello"  // request: hello → welcome
	subjectBeat   = "fleet.up.beat"   // request: beat → pong
	subjectReport = "fleet.up.report" // a report, see frame; as a request it is acknowledged
	subjectJob    = "fleet.up.job"    // request: number of a run → wireJob
	subjectFile   = "fleet.up.file"   // request: fileAsk → bytes
	subjectPlan   = "fleet.down.plan" // plan, to all
	subjectOne    = "fleet.down.one." // + the worker's number + one of the next two
	verbCanary    = ".canary"         // request: → canaryAnswer
	verbReceipts  = ".receipts"       // request: [][3]string → nothing
	subjectStrays = "fleet.strays."   // + the sender's number: receipts that it can not place
	subjectTaken  = "fleet.taken."    // + that number: those that the sender could place
)

const (
	beatEvery   = 500 * time.Millisecond
	planEvery   = time.Second             // repeats it, in case one was lost
	lostAfter   = 2500 * time.Millisecond // without a beat
	masterAfter = 4 * time.Second         // without a pong
	reportEvery = time.Second
	drainEvery  = 500 * time.Millisecond // between reports while the load is over
	reportAhead = 150 * time.Millisecond // of the master's tick, so that they are there by then
	askTimeout  = 3 * time.Second
	beatTimeout = 1500 * time.Millisecond
	pings       = 8

	maxPayload = 32 << 20
	fileChunk  = 512 << 10
	maxFiles   = 1 << 28 // bytes of scenario and data files
	maxWorkers = 1000
)

// hello is how a worker asks to be taken.
type hello struct {
	Protocol int    `json:"protocol"`
	Version  string `json:"version"`
	Name     string `json:"name"`
	Cores    int    `json:"cores"`
	// Scenario is the hash of the file that this worker was started with, "" when it
	// takes the master's.
	Scenario string `json:"scenario,omitempty"`
	// Host is where it sends, whatever the master says; "" is as the master says.
	Host string `json:"host,omitempty"`
	// Nonce is of this life of the worker: a repeated hello is answered as the first.
	Nonce string `json:"nonce"`
}

// welcome is the answer.
type welcome struct {
	Refused string `json:"refused,omitempty"`
	Worker  int    `json:"worker"`
}

// stage is how far a worker has come with a run.
type stage int

const (
	stageIdle stage = iota
	stagePreparing
	stageReady
	stageRunning
	stageStopped
	stageResolved
	stageFinished
	stageFailed
)

func (s stage) String() string {
	names := [...]string{"ready", "preparing", "ready", "running", "draining", "draining", "stopped", "failed"}
	if s < 0 || int(s) >= len(names) {
		return "unknown" // it comes over the wire
	}
	return names[s]
}

// beat is a worker's sign of life.
type beat struct {
	Worker int             `json:"worker"`
	Run    uint32          `json:"run,omitempty"`
	Stage  stage           `json:"stage"`
	Fault  string          `json:"fault,omitempty"` // with stageFailed
	Leaves string          `json:"leaves,omitempty"`
	Load   load.RemoteLoad `json:"load"`
	// CPU is the share of the machine's cores, Memory in bytes.
	CPU    float64 `json:"cpu"`
	Memory float64 `json:"memory"`
	// Offset is by how much the worker's wall clock is behind the master's.
	Offset time.Duration `json:"offset"`
	RTT    time.Duration `json:"rtt"`
	// Resolved and Last are what the session says about these stages.
	Resolved json.RawMessage `json:"resolved,omitempty"`
	Last     json.RawMessage `json:"last,omitempty"`
}

// pong is the answer: the master's clocks, monotonic and of the wall, in ns.
type pong struct {
	Mono int64  `json:"mono"`
	Wall int64  `json:"wall"`
	Gone string `json:"gone,omitempty"` // the worker's share is others' now, and why
}

// plan is everything that workers are to do. It is sent whole whenever it changes, and
// again each second: only the newest counts.
type plan struct {
	Version uint64 `json:"version"`
	Run     uint32 `json:"run"` // 0: none
	Stage   stage  `json:"stage"`
	Start   int64  `json:"start"` // time 0 of the run on the master's monotonic clock, ns
	Users   int    `json:"users"`
	// Members share users and rate, in this order, for starts due at From or later.
	Members []int          `json:"members"`
	From    time.Duration  `json:"from"`
	Rate    *load.Rate     `json:"rate,omitempty"`
	Base    time.Duration  `json:"base"`
	Quotas  map[int]uint64 `json:"quotas,omitempty"` // of iterations, by worker
	Saved   [][]byte       `json:"saved,omitempty"`  // values of setup, for all users
	Abort   bool           `json:"abort,omitempty"`
	Bye     string         `json:"bye,omitempty"` // the master ends, and why
}

// member is the worker's place in the plan; −1 is none.
func (p *plan) member(worker int) int {
	for i, id := range p.Members {
		if id == worker {
			return i
		}
	}
	return -1
}

// wireJob is a job without the bytes of its files.
type wireJob struct {
	Spec  json.RawMessage `json:"spec"`
	Files []fileInfo      `json:"files"`
	Error string          `json:"error,omitempty"`
}

type fileInfo struct {
	Name string `json:"name"`
	Size int    `json:"size"`
	Hash string `json:"hash"` // SHA-256, hex
}

type fileAsk struct {
	Hash   string `json:"hash"`
	Offset int    `json:"offset"`
}

type canaryAnswer struct {
	Error string   `json:"error,omitempty"`
	Saved [][]byte `json:"saved,omitempty"`
}

// stray is a receipt that came to the wrong worker.
type stray struct {
	ID    []byte        `json:"id"`
	Final uint8         `json:"final"`
	At    time.Duration `json:"at"` // since the start of the run
}

// frame puts worker and run in front of a report.
func frame(dst []byte, worker int, run uint32) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(worker))
	return binary.LittleEndian.AppendUint32(dst, run)
}

var errFrame = errors.New("too short")

func unframe(b []byte) (worker int, run uint32, report []byte, err error) {
	if len(b) < 8 {
		return 0, 0, nil, errFrame
	}
	return int(binary.LittleEndian.Uint32(b)), binary.LittleEndian.Uint32(b[4:]), b[8:], nil
}
