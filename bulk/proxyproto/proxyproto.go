// Package proxyproto reads the PROXY protocol, by which a balancer of TCP connections says whom each is from: the
// header before the first octet of the connection itself, in both versions of HAProxy's specification
// (doc/proxy-protocol.txt of HAProxy). Anybody can send one: whose is believed is the caller's matter.
package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
)

const (
	// maxLine is of version 1, with CR LF: §2.1.
	maxLine = 107
	// maxBlock bounds what follows the first 16 octets of version 2. The specification means headers to fit into 536
	// octets; what balancers add about TLS and clouds needs more.
	maxBlock = 4 << 10

	firstOctets = 12 // the signature of version 2; any line of version 1 is longer
)

// block begins version 2: §2.2, which calls it the signature.
var block = [firstOctets]byte{'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'}

// ErrMissing says that a connection begins with something else than a header.
var ErrMissing = errors.New("there is no PROXY header")

// Read reads a header and not an octet more, and returns the address of the client. It is the zero AddrPort when the
// balancer connects for itself, such as for a health check (LOCAL), or does not say whom it connects for (UNKNOWN,
// UNSPEC, UDP, UNIX): the connection's own address holds then. io.EOF means that nothing came, such as of a check that only connects; any other
// error means that the connection is to be closed.
//
// It reads small pieces: a line octet by octet. The caller bounds the time.
func Read(r io.Reader) (netip.AddrPort, error) {
	var first [firstOctets]byte
	if n, err := io.ReadFull(r, first[:]); err != nil {
		if n == 0 && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
			return netip.AddrPort{}, io.EOF
		}
		return netip.AddrPort{}, fmt.Errorf("read a PROXY header: %w", err)
	}
	switch {
	case first == block:
		return readBlock(r)
	case bytes.HasPrefix(first[:], []byte("PROXY ")):
		return readLine(r, first[:])
	}
	return netip.AddrPort{}, ErrMissing
}

// readLine reads what follows first, a line of version 1.
func readLine(r io.Reader, first []byte) (netip.AddrPort, error) {
	line := append(make([]byte, 0, maxLine), first...)
	for !bytes.HasSuffix(line, []byte("\r\n")) {
		if len(line) == maxLine {
			return netip.AddrPort{}, fmt.Errorf("a PROXY line has no end within %d octets", maxLine)
		}
		line = line[:len(line)+1]
		if _, err := io.ReadFull(r, line[len(line)-1:]); err != nil {
			return netip.AddrPort{}, fmt.Errorf("read a PROXY line: %w", noEOF(err))
		}
	}
	at, ok := parseLine(string(line[:len(line)-2]))
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%q is no PROXY line", line)
	}
	return at, nil
}

// parseLine reads "PROXY TCP4 192.0.2.7 198.51.100.1 56324 2775": source, destination, their ports.
func parseLine(line string) (at netip.AddrPort, ok bool) {
	f := strings.Split(line, " ")
	if len(f) >= 2 && f[1] == "UNKNOWN" {
		return at, true // whatever else it says
	}
	if len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6" {
		return at, false
	}
	four := f[1] == "TCP4"
	from, ok1 := parseAddr(f[2], four)
	_, ok2 := parseAddr(f[3], four)
	port, ok3 := parsePort(f[4])
	_, ok4 := parsePort(f[5])
	return netip.AddrPortFrom(from, port), ok1 && ok2 && ok3 && ok4
}

func parseAddr(text string, four bool) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	return addr.Unmap(), err == nil && addr.Is4() == four && addr.Zone() == ""
}

func parsePort(text string) (uint16, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err == nil && strconv.FormatUint(n, 10) == text
}

// The octets of version 2 that we know.
const (
	local = 0x20 // version and command
	proxy = 0x21

	tcp4 = 0x11 // family and transport
	tcp6 = 0x21

	addresses4 = 2*4 + 2*2 // octets of source, destination, their ports
	addresses6 = 2*16 + 2*2
)

// readBlock reads what follows the signature of version 2.
func readBlock(r io.Reader) (at netip.AddrPort, err error) {
	var head [4]byte // version and command, family and transport, length of the rest
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return at, fmt.Errorf("read a PROXY header: %w", noEOF(err))
	}
	command, family, rest := head[0], head[1], int(binary.BigEndian.Uint16(head[2:]))
	switch {
	case command != local && command != proxy:
		return at, fmt.Errorf("a PROXY header has version and command 0x%02x", command)
	case command == proxy && (family>>4 > 3 || family&0x0f > 2):
		return at, fmt.Errorf("a PROXY header has family and transport 0x%02x", family)
	case rest > maxBlock:
		return at, fmt.Errorf("a PROXY header has %d octets, more than %d", rest, maxBlock)
	}
	var octets [addresses6]byte
	need := 0
	if command == proxy {
		need = addressOctets(family)
	}
	if rest < need {
		return at, fmt.Errorf("a PROXY header has no room for its addresses in %d octets", rest)
	}
	if _, err := io.ReadFull(r, octets[:need]); err != nil {
		return at, fmt.Errorf("read a PROXY header: %w", noEOF(err))
	}
	if _, err := io.CopyN(io.Discard, r, int64(rest-need)); err != nil { // TLVs
		return at, fmt.Errorf("read a PROXY header: %w", noEOF(err))
	}
	switch need {
	case addresses4:
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte(octets[:4])), binary.BigEndian.Uint16(octets[8:]))
	case addresses6:
		at = netip.AddrPortFrom(netip.AddrFrom16([16]byte(octets[:16])).Unmap(), binary.BigEndian.Uint16(octets[32:]))
	}
	return at, nil
}

// addressOctets is how many octets of addresses are read: 0 of what is no TCP, which is skipped.
func addressOctets(family byte) int {
	switch family {
	case tcp4:
		return addresses4
	case tcp6:
		return addresses6
	}
	return 0
}

// noEOF makes of an end within a header the error that it is.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
