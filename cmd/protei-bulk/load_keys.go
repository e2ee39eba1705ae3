package main

import (
	"io"
	"os"
)

// keyboard reads single keys from the terminal, unless the program runs in its
// background. Ctrl-C stays a signal, and output is as before: only echo and the wait for
// Enter are switched off.
type keyboard struct {
	file    *os.File
	restore func()
	quit    chan struct{}
	done    chan struct{}
}

// openKeyboard calls press for each key until close; nil when in is no terminal.
func openKeyboard(in io.Reader, press func(key byte)) *keyboard {
	if f, ok := in.(*os.File); ok && inForeground(f) {
		return startKeyboard(f, press)
	}
	return nil
}

func startKeyboard(f *os.File, press func(key byte)) *keyboard {
	restore, ok := readKeys(f)
	if !ok {
		return nil
	}
	k := &keyboard{file: f, restore: restore, quit: make(chan struct{}), done: make(chan struct{})}
	go k.read(press)
	return k
}

func (k *keyboard) read(press func(byte)) {
	defer close(k.done)
	var b [16]byte
	for {
		select {
		case <-k.quit:
			return
		default:
		}
		n, ok := awaitKeys(k.file, b[:])
		if !ok {
			return
		}
		for _, key := range b[:n] {
			press(key)
		}
	}
}

// close gives the terminal back.
func (k *keyboard) close() {
	if k == nil {
		return
	}
	close(k.quit)
	<-k.done
	k.restore()
}

// userStep is by how many users a key changes a run.
func userStep(key byte) int {
	switch key {
	case 'w':
		return 1
	case 'W':
		return 10
	case 's':
		return -1
	case 'S':
		return -10
	}
	return 0
}
