package load

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// timerfd is a waker: a clock of the kernel that the runtime's own poller watches.
type timerfd struct {
	fd   int
	file *os.File
}

func newWaker() waker {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil
	}
	return &timerfd{fd: fd, file: os.NewFile(uintptr(fd), "timerfd")}
}

func (t *timerfd) set(after time.Duration) {
	// An error is not possible: the descriptor is ours and the time is positive.
	_ = unix.TimerfdSettime(t.fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(after))}, nil)
}

// run waits inside one RawConn.Read, which would forget an event between two calls. The
// descriptor is never read: the poller is told of each firing, and set starts anew.
func (t *timerfd) run(fired func()) {
	conn, err := t.file.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Read(func(uintptr) bool { // its error is that of close
		fired()
		return false
	})
}

func (t *timerfd) close() { t.file.Close() }
