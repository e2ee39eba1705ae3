package drive

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// CPU is the user and system time of a process so far, 0 when it is not there.
func CPU(pid int) time.Duration {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.ParseInt(f[11], 10, 64)
	sys, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+sys) * 10 * time.Millisecond
}

// RSS is the resident memory of a process in bytes, 0 when it is not there.
func RSS(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// Launch starts a command of the program binary, which ends with this process, and reads what it
// says when it is ready. Its files are in dir, under name. After an error there is no process.
func Launch(binary, dir, name string, ready any, args ...string) (*exec.Cmd, error) {
	file := filepath.Join(dir, name+".json")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(binary, append(args, "--parent-death", "--ready-file", file)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for began := time.Now(); time.Since(began) < startPatience; time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(file); err == nil {
			if err = json.Unmarshal(text, ready); err == nil {
				return cmd, nil
			}
		}
	}
	Stop(cmd)
	text, _ := os.ReadFile(log.Name())
	return nil, fmt.Errorf("%s did not get ready within %v:\n%s", name, startPatience, text)
}

const startPatience = 30 * time.Second

// Stop ends commands and waits for them.
func Stop(all ...*exec.Cmd) {
	for _, cmd := range all {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
}
