package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// fault is something that befalls the platform. Do returns when it is over.
type fault struct {
	name   string
	at     string // what it is done to: two faults at the same do not go together
	gentle bool   // starts and ends no process: may go on beside another one
	long   bool   // takes long: not in the short form
	do     func(*rand.Rand) error
}

// faults lists those that this run can have, or those of them whose name TORTURE_FAULTS, a regular expression, finds.
func (r *torture) faults() (list []fault) {
	only, err := regexp.Compile(os.Getenv("TORTURE_FAULTS"))
	if err != nil {
		r.t.Fatalf("TORTURE_FAULTS: %v", err)
	}
	for _, f := range []fault{
		{name: "platform killed", at: "platform", do: r.killPlatform},
		{name: "platform killed, torn write", at: "platform", do: r.killPlatformTorn},
		{name: "platform terminated", at: "platform", do: r.stopPlatform},
		{name: "platform stands still", at: "platform", gentle: true, do: func(random *rand.Rand) error { return r.freeze(r.platform.child, random) }},
		{name: "SMSC killed", at: "smsc", do: r.killSMSC},
		{name: "SMSC stands still", at: "smsc", gentle: true, do: func(random *rand.Rand) error { return r.freeze(r.smsc, random) }},
		{name: "load worker killed", at: "worker", do: r.killWorker},
		{name: "load worker stands still", at: "worker", gentle: true, do: func(random *rand.Rand) error { return r.freeze(r.worker, random) }},
		{name: "SMSC slow", at: "smsc", gentle: true, do: r.behave(`{"latency":"200ms-900ms","receipt_delay":"500ms-2s"}`)},
		{name: "SMSC throttles", at: "smsc", gentle: true, do: r.behave(`{"tps":"100"}`)},
		{name: "SMSC refuses for now", at: "smsc", gentle: true, do: r.behave(`{"errors":"RSYSERR=20%,RX_T_APPN=5%"}`)},
		{name: "SMSC does not answer", at: "smsc", gentle: true, do: r.loseAnswers},
		{name: "SMSC cuts and refuses binds", at: "smsc", gentle: true, do: r.cutBinds},
		{
			name: "receipts twice, early, for nobody, elsewhere", at: "smsc", gentle: true,
			do: r.behave(`{"receipt_duplicates":"30%","receipts_before_response":"40%","receipts_unknown_id":"20%","receipts_other_bind":"50%"}`),
		},
		{name: "receipts late", at: "smsc", gentle: true, do: r.behave(`{"receipt_delay":"2s-5s"}`)},
		{name: "link: garbage", at: "link", gentle: true, do: r.onLink(func(random *rand.Rand) { r.tap.garbage(random) })},
		{name: "link: cut in a PDU", at: "link", gentle: true, do: r.onLink(func(random *rand.Rand) { r.tap.half(random); r.tap.cut() })},
		{name: "link: half a PDU and silence", at: "link", gentle: true, do: r.onLink(func(random *rand.Rand) { r.tap.half(random); pause(3000); r.tap.cut() })},
		{name: "link: cut", at: "link", gentle: true, do: r.onLink(func(*rand.Rand) { r.tap.cut() })},
		{name: "link: receipts repeated", at: "link", gentle: true, do: r.repeatReceipts},
		{name: "link: nothing passes", at: "link", gentle: true, do: r.stall},
		{name: "webhooks hang", at: "webhooks", gentle: true, long: true, do: r.hangWebhooks},
		{name: "HTTP clients that drip", at: "doors", gentle: true, do: r.drip},
		{name: "idle SMPP connections", at: "doors", gentle: true, do: r.idle},
		{name: "no file descriptors left", at: "platform", gentle: true, long: true, do: r.starve},
		{name: "disk full", at: "disk", long: true, do: r.fillDisk},
	} {
		if only.MatchString(f.name) && (!f.long || r.long && (f.at != "disk" || r.disk != nil)) {
			list = append(list, f)
		}
	}
	if len(list) == 0 {
		r.t.Fatalf("TORTURE_FAULTS=%q finds no fault", only)
	}
	return list
}

func (r *torture) killPlatform(*rand.Rand) error {
	r.platform.kill()
	r.crashes.Add(1)
	r.sound("platform killed")
	r.startPlatform()
	return nil
}

var journalEnd = regexp.MustCompile(`(?m)^end +(\d+):(\d+)`)

// killPlatformTorn writes behind the end of the journal what a machine leaves that dies in a write: octets of a
// group that was never answered.
func (r *torture) killPlatformTorn(random *rand.Rand) error {
	r.platform.kill()
	r.crashes.Add(1)
	out, err := r.inspect()
	if err != nil {
		return fmt.Errorf("journal inspect: %w\n%s", err, out)
	}
	found := journalEnd.FindSubmatch(out)
	if found == nil {
		return fmt.Errorf("journal inspect names no end:\n%s", out)
	}
	segment, _ := strconv.ParseUint(string(found[1]), 10, 64)
	offset, _ := strconv.ParseInt(string(found[2]), 10, 64)
	name := filepath.Join(r.data, "journal", fmt.Sprintf("%012d.seg", segment))
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	// The header of the last group makes a believable beginning of the next one.
	torn := make([]byte, 100+random.IntN(4000))
	if _, err := f.ReadAt(torn, max(0, offset-int64(len(torn)))); err != nil {
		return err
	}
	torn = torn[random.IntN(len(torn)/2):]
	if _, err := f.WriteAt(torn, offset); err != nil {
		return err
	}
	r.startPlatform()
	return nil
}

func (r *torture) stopPlatform(*rand.Rand) error {
	if code := r.platform.stop(); code != 0 {
		return fmt.Errorf("exit code %d after SIGTERM\n%s", code, lastLines(r.platform.out.String(), 25))
	}
	r.crashes.Add(1) // what was in flight when its time was over
	r.startPlatform()
	return nil
}

// freeze stops a process for a while.
func (r *torture) freeze(c *child, random *rand.Rand) error {
	r.crashes.Add(1) // answers are waited for in vain
	if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return ignoreDone(err)
	}
	pause(500 + random.IntN(4000))
	return ignoreDone(c.cmd.Process.Signal(syscall.SIGCONT))
}

func ignoreDone(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

func (r *torture) killSMSC(random *rand.Rand) error {
	r.smsc.kill()
	r.crashes.Add(1)
	r.forgets = true
	pause(random.IntN(1500))
	r.startSMSC()
	return nil
}

func (r *torture) killWorker(*rand.Rand) error {
	r.worker.kill()
	r.startWorker()
	return nil
}

// perfect is how the simulator behaves when nothing is wrong, as build starts it.
const perfect = `{"latency":"0-10ms","receipt_delay":"0-200ms","errors":"","tps":"0","response_loss":"0","disconnect_share":"0",` +
	`"receipt_duplicates":"0","receipts_before_response":"0","receipts_unknown_id":"0","receipts_other_bind":"0","refuse_binds":"false"}`

func (r *torture) patch(behaviour string) error {
	code, err := call(r.t.Context(), "PATCH", "http://"+r.control+"/behaviour", behaviour, nil)
	if err != nil || code != http.StatusOK {
		return fmt.Errorf("simulator: %d %w", code, err)
	}
	return nil
}

// behave makes the simulator behave so for a while.
func (r *torture) behave(how string) func(*rand.Rand) error {
	return func(random *rand.Rand) error {
		if err := r.patch(how); err != nil {
			return err
		}
		pause(1500 + random.IntN(2500))
		return r.patch(perfect)
	}
}

func (r *torture) loseAnswers(random *rand.Rand) error {
	r.crashes.Add(1)
	return r.behave(`{"response_loss":"5%"}`)(random)
}

func (r *torture) cutBinds(random *rand.Rand) error {
	r.crashes.Add(1)
	if err := r.behave(`{"disconnect_share":"2%"}`)(random); err != nil {
		return err
	}
	if err := r.patch(`{"refuse_binds":"true"}`); err != nil {
		return err
	}
	if _, err := call(r.t.Context(), "POST", "http://"+r.control+"/disconnect", "", nil); err != nil {
		return err
	}
	pause(500 + random.IntN(1500))
	return r.patch(perfect)
}

// onLink does something to the link a few times.
func (r *torture) onLink(f func(*rand.Rand)) func(*rand.Rand) error {
	return func(random *rand.Rand) error {
		for range 1 + random.IntN(3) {
			r.crashes.Add(1)
			f(random)
			pause(random.IntN(800))
		}
		return nil
	}
}

func (r *torture) repeatReceipts(random *rand.Rand) error {
	for range 20 {
		r.tap.again()
		pause(random.IntN(100))
	}
	return nil
}

func (r *torture) stall(random *rand.Rand) error {
	r.crashes.Add(1)
	r.tap.hold.Lock()
	defer r.tap.hold.Unlock()
	pause(500 + random.IntN(4500))
	return nil
}

func (r *torture) hangWebhooks(random *rand.Rand) error {
	r.hang(true)
	defer r.hang(false)
	pause(5000 + random.IntN(8000))
	return nil
}

// drip opens connections that send a header line now and then, without end.
func (r *torture) drip(random *rand.Rand) error {
	var all sync.WaitGroup
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Duration(2000+random.IntN(2000))*time.Millisecond)
	defer cancel()
	for range 300 {
		all.Go(func() {
			conn, err := net.Dial("tcp", r.http)
			if err != nil {
				return // the platform is down, by another fault
			}
			defer conn.Close()
			line := "POST /api/v1/messages HTTP/1.1\r\n"
			for ctx.Err() == nil {
				if _, err := io.WriteString(conn, line); err != nil {
					return
				}
				line = "X-Drip: drop\r\n"
				select {
				case <-time.After(200 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		})
	}
	all.Wait()
	return nil
}

// idle opens connections to the SMPP port that say nothing, 10,000 of them in the long form.
func (r *torture) idle(random *rand.Rand) error {
	n := 500
	if r.long {
		n = 10_000
	}
	open := make([]net.Conn, 0, n)
	defer func() {
		for _, conn := range open {
			conn.Close()
		}
	}()
	for range n {
		conn, err := net.DialTimeout("tcp", r.smpp, 5*time.Second)
		if err != nil {
			break // the platform is down, by another fault
		}
		open = append(open, conn)
	}
	pause(1000 + random.IntN(2000))
	return nil
}

// starve takes away the file descriptors that the platform does not use yet.
func (r *torture) starve(random *rand.Rand) error {
	pid := r.platform.cmd.Process.Pid
	used, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return err
	}
	var was unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &was); err != nil {
		return err
	}
	few := unix.Rlimit{Cur: uint64(len(used) + 2), Max: was.Max}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		return err
	}
	pause(1000 + random.IntN(3000))
	return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &was, nil)
}

// fillDisk takes all room at once and holds it, and gives it back: the platform lives, says why it takes nothing, and goes
// on by itself.
func (r *torture) fillDisk(random *rand.Rand) error {
	said, refused := "", false
	for n := 20 + random.IntN(40); n > 0 || !refused && n > -150; n-- {
		r.disk.fill()
		if !refused {
			said, refused = r.refusesForRoom()
		}
		select {
		case <-r.platform.done:
			return fmt.Errorf("the platform ended on the full disk: exit code %d\n%s", r.platform.cmd.ProcessState.ExitCode(), lastLines(r.platform.out.String(), 25))
		case <-time.After(100 * time.Millisecond):
		}
	}
	r.disk.free()
	if err := r.disk.again(); err != nil {
		return err
	}
	if !refused {
		return fmt.Errorf("on the full disk messages, readiness and health are answered: %s", said)
	}
	return nil
}

// refusesForRoom reports whether messages are refused for want of room, readiness says the same, and the platform
// is alive; said is what it answered.
func (r *torture) refusesForRoom() (said string, ok bool) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	ask := func(method, path, body string, code int, text string) {
		req, err := http.NewRequestWithContext(ctx, method, "http://"+r.http+path, strings.NewReader(body))
		if err != nil {
			r.t.Fatal(err)
		}
		req.Header.Set("X-API-Key", r.platform.key)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			said, ok = fmt.Sprintf("%s%s: %v\n", said, path, err), false
			return
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		said += fmt.Sprintf("%s: %s %s\n", path, resp.Status, answer)
		ok = ok && err == nil && resp.StatusCode == code && regexp.MustCompile(text).Match(answer)
	}
	ok = true
	ask("POST", "/api/v1/messages", fmt.Sprintf(`{"from":"Kill","to":"+%s","text":"no room"}`, r.number()), http.StatusServiceUnavailable, "disk_full")
	ask("GET", "/api/v1/health/ready", "", http.StatusServiceUnavailable, "disk is full|no space left") // of the store, the journal, SQLite or the CDR files
	ask("GET", "/api/v1/health", "", http.StatusOK, "healthy")
	ask("GET", "/api/v1/messages?limit=1", "", http.StatusOK, "")
	return said, ok
}
