package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"protei-bulk/bench/e2e/drive"
	"protei-bulk/internal/pause"
)

// way is a gateway and how messages are given to it.
type way struct {
	name  string
	mode  string // of drive.Driver
	store string // of Kannel: none, file or spool; empty: it is the platform
}

// gateway is one that runs.
type gateway struct {
	url       string
	processes []*exec.Cmd
}

func (g *gateway) cpu() (all time.Duration) {
	for _, cmd := range g.processes {
		all += drive.CPU(cmd.Process.Pid)
	}
	return all
}

func (g *gateway) memory() (all int64) {
	for _, cmd := range g.processes {
		all += drive.RSS(cmd.Process.Pid)
	}
	return all
}

// end ends the processes in the reverse order of their start.
func (g *gateway) end(sig syscall.Signal) {
	if g == nil {
		return
	}
	for i := len(g.processes) - 1; i >= 0; i-- {
		end(g.processes[i], sig)
	}
	g.processes = nil
}

// end signals a process and waits for it, ten seconds at most before it is killed.
func end(cmd *exec.Cmd, sig syscall.Signal) {
	_ = cmd.Process.Signal(sig)
	late := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	_ = cmd.Wait()
}

// start starts the gateway over its data in dir and waits until it is bound to the SMSC.
func (w *way) start(ctx context.Context, o options, dir, smsc string, binds int) (*gateway, error) {
	if w.store != "" {
		return startKannel(ctx, dir, w.store, smsc, binds)
	}
	var at struct{ HTTP string }
	cmd, err := launch(dir, "serve", &at, o.binary, "serve", "--dev", "--http", "127.0.0.1:0", "--smpp", "off", "--data", filepath.Join(dir, "data"),
		"--durability", "fsync", "--upstream", fmt.Sprintf("smpp://x:y@%s?binds=%d&window=100", smsc, binds), "--parent-death")
	if err != nil {
		return nil, err
	}
	return &gateway{"http://" + at.HTTP, []*exec.Cmd{cmd}}, nil
}

// launch starts a command of the binary and waits for what it reports when it is ready.
func launch(dir, name string, at any, args ...string) (*exec.Cmd, error) {
	ready := filepath.Join(dir, name+".json")
	os.Remove(ready)
	cmd, err := begin(dir, name, append(args, "--ready-file", ready)...)
	if err != nil {
		return nil, err
	}
	for range 4000 {
		if text, err := os.ReadFile(ready); err == nil {
			return cmd, json.Unmarshal(text, at)
		}
		time.Sleep(5 * time.Millisecond)
	}
	end(cmd, syscall.SIGKILL)
	return nil, fmt.Errorf("%s did not get ready:\n%s", name, logOf(dir, name))
}

func begin(dir, name string, args ...string) (*exec.Cmd, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	return cmd, cmd.Start()
}

// startKannel starts bearerbox and smsbox. They log errors only.
func startKannel(ctx context.Context, dir, store, smsc string, binds int) (*gateway, error) {
	host, port, err := net.SplitHostPort(smsc)
	if err != nil {
		return nil, err
	}
	var ports [3]int
	for i := range ports {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		ports[i] = ln.Addr().(*net.TCPAddr).Port
		defer ln.Close()
		ln.Close()
	}
	var conf strings.Builder
	fmt.Fprintf(&conf, "group = core\nadmin-port = %d\nadmin-password = x\nsmsbox-port = %d\nlog-level = 3\nlog-file = \"%s/bearerbox.log\"\ndlr-storage = internal\n",
		ports[0], ports[1], dir)
	if store != "none" {
		place := filepath.Join(dir, "store")
		if store == "spool" {
			if err := os.MkdirAll(place, 0o700); err != nil {
				return nil, err
			}
		}
		fmt.Fprintf(&conf, "store-type = %s\nstore-location = \"%s\"\n", store, place)
	}
	for range binds {
		fmt.Fprintf(&conf, "\ngroup = smsc\nsmsc = smpp\nsmsc-id = far\nhost = %s\nport = %s\ntransceiver-mode = true\nsmsc-username = x\nsmsc-password = y\nsystem-type = VMA\nmax-pending-submits = 100\nreconnect-delay = 1\n", host, port)
	}
	fmt.Fprintf(&conf, "\ngroup = smsbox\nbearerbox-host = 127.0.0.1\nsendsms-port = %d\nlog-level = 3\nlog-file = \"%s/smsbox.log\"\n\ngroup = sendsms-user\nusername = dev\npassword = devpass1\n", ports[2], dir)
	file := filepath.Join(dir, "kannel.conf")
	if err := os.WriteFile(file, []byte(conf.String()), 0o600); err != nil {
		return nil, err
	}
	g := &gateway{url: "http://127.0.0.1:" + strconv.Itoa(ports[2])}
	for _, box := range []struct {
		name, url, word string
		count           int
	}{
		{"bearerbox", fmt.Sprintf("http://127.0.0.1:%d/status.txt?password=x", ports[0]), "(online", binds},
		{"smsbox", g.url + "/", "", 1},
	} {
		cmd, err := begin(dir, box.name, box.name, file)
		if err != nil {
			g.end(syscall.SIGKILL)
			return nil, err
		}
		g.processes = append(g.processes, cmd)
		if err := answers(ctx, box.url, box.word, box.count); err != nil {
			g.end(syscall.SIGKILL)
			return nil, fmt.Errorf("%s: %w\n%s", box.name, err, logOf(dir, box.name))
		}
	}
	return g, nil
}

// answers waits until the answer of url has the word so often.
func answers(ctx context.Context, url, word string, count int) error {
	for range 1500 {
		if resp, err := http.Get(url); err == nil {
			text := new(strings.Builder)
			_ = resp.Write(text)
			resp.Body.Close()
			if strings.Count(text.String(), word) >= count {
				return nil
			}
		}
		if err := pause.For(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("not ready after 30 s")
}
