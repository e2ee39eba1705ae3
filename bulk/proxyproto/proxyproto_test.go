package proxyproto_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"protei-bulk/bulk/proxyproto"
)

const signature = "\r\n\r\n\x00\r\nQUIT\n"

// block is a header of version 2.
func block(command, family byte, rest string) string {
	b := append([]byte(signature), command, family)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(rest)))) + rest
}

const (
	four = "\xcb\x00\x71\x09\xc6\x33\x64\x01\xdc\x04\x0a\xd7"                   // 203.0.113.9:56324 to 198.51.100.1:2775
	six  = "\x20\x01\x0d\xb8\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" + // 2001:db8:2::7
		"\x20\x01\x0d\xb8\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xdc\x04\x0a\xd7" // 2001:db8:1::1
	mapped = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xcb\x00\x71\x09" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc6\x33\x64\x01\xdc\x04\x0a\xd7"
	tlv = "\x04\x00\x03\x00\x00\x00"
)

// headers are those of the specification's §2.1 and §2.2 and what becomes of them; "": the connection's own address.
var headers = map[string]struct{ header, want string }{
	"1, IPv4":                       {"PROXY TCP4 203.0.113.9 198.51.100.1 56324 2775\r\n", "203.0.113.9:56324"},
	"1, the longest IPv4":           {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535"},
	"1, IPv6":                       {"PROXY TCP6 2001:DB8:2::7 2001:db8:1::1 56324 2775\r\n", "[2001:db8:2::7]:56324"},
	"1, the longest IPv6":           {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
	"1, IPv4 in IPv6":               {"PROXY TCP6 ::ffff:203.0.113.9 ::ffff:198.51.100.1 56324 2775\r\n", "203.0.113.9:56324"},
	"1, port 0":                     {"PROXY TCP4 203.0.113.9 198.51.100.1 0 2775\r\n", "203.0.113.9:0"},
	"1, UNKNOWN":                    {"PROXY UNKNOWN\r\n", ""},
	"1, the longest":                {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", ""},
	"1, UNKNOWN with anything":      {"PROXY UNKNOWN \r\r \n x\r\n", ""},
	"2, IPv4":                       {block(0x21, 0x11, four), "203.0.113.9:56324"},
	"2, IPv6":                       {block(0x21, 0x21, six), "[2001:db8:2::7]:56324"},
	"2, IPv4 in IPv6":               {block(0x21, 0x21, mapped), "203.0.113.9:56324"},
	"2, with TLVs":                  {block(0x21, 0x11, four+tlv), "203.0.113.9:56324"},
	"2, the longest":                {block(0x21, 0x21, six+strings.Repeat("x", 4096-36)), "[2001:db8:2::7]:56324"},
	"2, LOCAL":                      {block(0x20, 0x00, ""), ""},
	"2, LOCAL with an address":      {block(0x20, 0x11, four), ""},
	"2, LOCAL of no family we know": {block(0x20, 0xff, "x"), ""},
	"2, UNSPEC":                     {block(0x21, 0x00, "anything"), ""},
	"2, UNSPEC over TCP":            {block(0x21, 0x01, ""), ""},
	"2, UDP":                        {block(0x21, 0x12, four), ""},
	"2, UNIX":                       {block(0x21, 0x31, strings.Repeat("/", 216)), ""},
}

// TestRead: the address, and the stream stands behind the header, however it comes in pieces.
func TestRead(t *testing.T) {
	for name, c := range headers {
		t.Run(name, func(t *testing.T) {
			for how, pieces := range map[string]func(io.Reader) io.Reader{
				"at once": func(r io.Reader) io.Reader { return r }, "by octets": iotest.OneByteReader, "with its end": iotest.DataErrReader,
			} {
				r := pieces(strings.NewReader(c.header + "PROXY itself"))
				got, err := proxyproto.Read(r)
				if err != nil {
					t.Fatalf("%s: %v", how, err)
				}
				if text := got.String(); got.IsValid() && text != c.want || !got.IsValid() && c.want != "" {
					t.Errorf("%s: %s, want %q", how, text, c.want)
				}
				if rest, err := io.ReadAll(r); err != nil || string(rest) != "PROXY itself" {
					t.Errorf("%s: what follows is %q, %v", how, rest, err)
				}
			}
		})
	}
}

// TestHeadersCutOff: a part of a header is an error, never an address.
func TestHeadersCutOff(t *testing.T) {
	for name, c := range headers {
		for n := range len(c.header) {
			got, err := proxyproto.Read(strings.NewReader(c.header[:n]))
			if err == nil || got.IsValid() {
				t.Errorf("%s, %d octets of %d: %s, %v", name, n, len(c.header), got, err)
			}
			if errors.Is(err, io.EOF) != (n == 0) {
				t.Errorf("%s, %d octets of %d: %v", name, n, len(c.header), err)
			}
		}
	}
}

func TestHeadersThatAreNone(t *testing.T) {
	for name, c := range map[string]struct{ header, want string }{
		"a bind":                {"\x00\x00\x00\x24\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x01", "there is no"},
		"TLS":                   {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00", "there is no"},
		"HTTP":                  {"GET / HTTP/1.1\r\n\r\n", "there is no"},
		"small letters":         {"proxy TCP4 203.0.113.9 198.51.100.1 1 2\r\n", "there is no"},
		"a tab":                 {"PROXY\tTCP4 203.0.113.9 198.51.100.1 1 2\r\n", "there is no"},
		"almost the signature":  {"\r\n\r\n\x00\r\nQUIT\r\x21\x11\x00\x00", "there is no"},
		"two spaces":            {"PROXY TCP4  203.0.113.9 198.51.100.1 1 2\r\n", "is no PROXY line"},
		"a space at the end":    {"PROXY TCP4 203.0.113.9 198.51.100.1 1 2 \r\n", "is no PROXY line"},
		"LF alone":              {"PROXY TCP4 203.0.113.9 198.51.100.1 1 2\n" + strings.Repeat("x", 100), "no end within"},
		"no end":                {"PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", "no end within"},
		"the other family":      {"PROXY TCP4 2001:db8:2::7 2001:db8:1::1 1 2\r\n", "is no PROXY line"},
		"IPv4 as IPv6":          {"PROXY TCP6 203.0.113.9 198.51.100.1 1 2\r\n", "is no PROXY line"},
		"families mixed":        {"PROXY TCP6 2001:db8:2::7 198.51.100.1 1 2\r\n", "is no PROXY line"},
		"octal":                 {"PROXY TCP4 203.0.113.011 198.51.100.1 1 2\r\n", "is no PROXY line"},
		"a name":                {"PROXY TCP4 localhost 198.51.100.1 1 2\r\n", "is no PROXY line"},
		"a zone":                {"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n", "is no PROXY line"},
		"a port too large":      {"PROXY TCP4 203.0.113.9 198.51.100.1 65536 2\r\n", "is no PROXY line"},
		"a port with a zero":    {"PROXY TCP4 203.0.113.9 198.51.100.1 01 2\r\n", "is no PROXY line"},
		"a port with a sign":    {"PROXY TCP4 203.0.113.9 198.51.100.1 +1 2\r\n", "is no PROXY line"},
		"no ports":              {"PROXY TCP4 203.0.113.9 198.51.100.1\r\n", "is no PROXY line"},
		"UDP in version 1":      {"PROXY UDP4 203.0.113.9 198.51.100.1 1 2\r\n", "is no PROXY line"},
		"almost UNKNOWN":        {"PROXY UNKNOWNS\r\n", "is no PROXY line"},
		"another version":       {block(0x11, 0x11, four), "version and command 0x11"},
		"another command":       {block(0x22, 0x11, four), "version and command 0x22"},
		"another family":        {block(0x21, 0x41, four), "family and transport 0x41"},
		"another transport":     {block(0x21, 0x13, four), "family and transport 0x13"},
		"no addresses":          {block(0x21, 0x11, ""), "no room"},
		"addresses of IPv4":     {block(0x21, 0x21, four), "no room"},
		"an octet too few":      {block(0x21, 0x11, four[:11]), "no room"},
		"too much of it":        {block(0x21, 0x11, four+strings.Repeat("x", 4096)), "more than 4096"},
		"too much of it, LOCAL": {block(0x20, 0x00, strings.Repeat("x", 65535)), "more than 4096"},
	} {
		got, err := proxyproto.Read(strings.NewReader(c.header))
		if err == nil || got.IsValid() || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
		if errors.Is(err, proxyproto.ErrMissing) != (c.want == "there is no") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzRead: whatever comes, no more is read than a header has, and who is named by what was
// read is named again by that alone.
func FuzzRead(f *testing.F) {
	for _, c := range headers {
		f.Add([]byte(c.header))
	}
	f.Add([]byte(block(0x21, 0x11, four) + "more"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bytes.NewReader(stream)
		got, err := proxyproto.Read(r)
		used := stream[:len(stream)-r.Len()]
		if len(used) > 16+4096 {
			t.Fatalf("%d octets were read", len(used))
		}
		if err != nil {
			if got.IsValid() {
				t.Fatalf("%s with %v", got, err)
			}
			return
		}
		again, err := proxyproto.Read(iotest.OneByteReader(bytes.NewReader(used)))
		if err != nil || again != got {
			t.Fatalf("%q is %s, and then %s, %v", used, got, again, err)
		}
		if !got.IsValid() {
			return
		}
		if got.Addr().Is4In6() || got.Addr().Zone() != "" {
			t.Fatalf("%s has two forms", got)
		}
		line := "PROXY TCP6 " + got.Addr().String() + " ::1 " // and what we name, a line names
		if got.Addr().Is4() {
			line = "PROXY TCP4 " + got.Addr().String() + " 127.0.0.1 "
		}
		port := netip.AddrPortFrom(netip.IPv4Unspecified(), got.Port()).String()
		line += port[strings.LastIndexByte(port, ':')+1:] + " 1\r\n"
		if again, err := proxyproto.Read(strings.NewReader(line)); err != nil || again != got {
			t.Fatalf("%q is %s, %v, want %s", line, again, err, got)
		}
	})
}
