// Command minsmsc is the cheapest SMSC that a load generator can be measured against: it
// answers binds, submit_sm, enquire_link and unbind by their headers alone, many in one
// write, and with -receipts returns a delivery receipt for each message. It prints its
// address, runs until it is interrupted, and prints how many submit_sm it has answered.
//
// One goroutine per connection; main joins none of them: the process ends.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
)

const (
	headerLen = 16
	respBit   = 0x80000000

	bindReceiver    = 0x1
	bindTransmitter = 0x2
	submitSM        = 0x4
	deliverSM       = 0x5
	unbind          = 0x6
	bindTransceiver = 0x9
	enquireLink     = 0x15

	maxPDU = 1 << 16
)

type smsc struct {
	receipts bool
	ids      atomic.Uint64
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	receipts := flag.Bool("receipts", false, "return a DELIVRD receipt for each submit_sm")
	flag.Parse()
	if err := run(*listen, *receipts); err != nil {
		fmt.Fprintln(os.Stderr, "minsmsc:", err)
		os.Exit(1)
	}
}

func run(listen string, receipts bool) error {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	s := &smsc{receipts: receipts}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	failed := make(chan error, 1)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				failed <- err
				return
			}
			go s.serve(conn)
		}
	}()
	fmt.Println(ln.Addr())
	select {
	case err := <-failed:
		return err
	case <-stop:
		fmt.Printf("%d submit_sm\n", s.ids.Load())
		return nil
	}
}

// peer is one connection: in[r:w] is read and not yet handled, out waits to be written.
type peer struct {
	smsc    *smsc
	in, out []byte
	r, w    int
	seq     uint32 // of our deliver_sm
}

func (s *smsc) serve(conn net.Conn) {
	defer conn.Close()
	p := &peer{smsc: s, in: make([]byte, 256<<10)}
	for {
		n, err := conn.Read(p.in[p.w:])
		if err != nil {
			return
		}
		p.w += n
		more, err := p.handle()
		if _, werr := conn.Write(p.out); werr != nil || err != nil || !more {
			return
		}
		p.out = p.out[:0]
	}
}

// handle answers the whole PDUs of the buffer; more is false after unbind.
func (p *peer) handle() (more bool, err error) {
	more = true
	for p.w-p.r >= headerLen {
		b := p.in[p.r:p.w]
		n := int(binary.BigEndian.Uint32(b))
		if n < headerLen || n > maxPDU {
			return false, io.ErrUnexpectedEOF
		}
		if len(b) < n {
			break
		}
		id, seq := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[12:])
		p.r += n
		switch id {
		case submitSM:
			p.submitted(seq)
		case bindReceiver, bindTransmitter, bindTransceiver:
			p.respond(id, seq, "minsmsc\x00")
		case enquireLink:
			p.respond(id, seq, "")
		case unbind:
			p.respond(id, seq, "")
			more = false
		}
	}
	p.w = copy(p.in, p.in[p.r:p.w])
	p.r = 0
	return more, nil
}

func (p *peer) respond(id, seq uint32, body string) {
	p.header(headerLen+len(body), id|respBit, seq)
	p.out = append(p.out, body...)
}

func (p *peer) header(n int, id, seq uint32) {
	p.out = binary.BigEndian.AppendUint32(p.out, uint32(n))
	p.out = binary.BigEndian.AppendUint32(p.out, id)
	p.out = binary.BigEndian.AppendUint32(p.out, 0)
	p.out = binary.BigEndian.AppendUint32(p.out, seq)
}

const idDigits = 16

// submitted answers a submit_sm, and returns its receipt.
func (p *peer) submitted(seq uint32) {
	id := p.smsc.ids.Add(1)
	p.header(headerLen+idDigits+1, submitSM|respBit, seq)
	p.out = append(appendID(p.out, id), 0)
	if p.smsc.receipts {
		p.receipt(id)
	}
}

const (
	// beforeText are the fields of deliver_sm up to esm_class, then those up to sm_length.
	beforeText  = "\x00\x01\x01" + "966500000000\x00" + "\x05\x00" + "LoadTest\x00" + "\x04\x00\x00\x00\x00\x00\x00\x00\x00"
	receiptHead = "id:"
	receiptTail = " sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:DELIVRD err:000 text:"
)

func (p *peer) receipt(id uint64) {
	const text = len(receiptHead) + idDigits + len(receiptTail)
	p.seq++
	p.header(headerLen+len(beforeText)+1+text, deliverSM, p.seq)
	p.out = append(p.out, beforeText...)
	p.out = append(p.out, byte(text))
	p.out = append(p.out, receiptHead...)
	p.out = append(appendID(p.out, id), receiptTail...)
}

// appendID appends id as 16 hex digits.
func appendID(b []byte, id uint64) []byte {
	var digits [idDigits]byte
	s := strconv.AppendUint(digits[:0], id, 16)
	for range idDigits - len(s) {
		b = append(b, '0')
	}
	return append(b, s...)
}
