package sheet

import (
	"bufio"
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

const bomUTF8 = "\xef\xbb\xbf"

// charset returns the encoding of a name; nil, true for UTF-8.
func charset(name string) (encoding.Encoding, bool) {
	switch name = strings.ToLower(strings.TrimSpace(name)); name {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return nil, true
	case "utf-16", "utf-16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), true
	case "utf-16be":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), true
	case "latin1":
		return charmap.ISO8859_1, true
	}
	plain := strings.NewReplacer("-", "", "_", "", " ", "").Replace(name)
	plain = strings.Replace(plain, "cp125", "windows125", 1)
	for _, m := range charmap.All {
		c, ok := m.(*charmap.Charmap)
		if ok && strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(c.String())) == plain {
			return c, true
		}
	}
	return nil, false
}

// decoded returns the text of in as UTF-8, without a BOM. A name decides; else a BOM; else
// it is UTF-8 when its beginning is, and Windows-1252 when it is not.
func decoded(in *bufio.Reader, name string) (*bufio.Reader, error) {
	head, _ := in.Peek(peeked) // what there is; a reading error comes again
	var enc encoding.Encoding
	switch {
	case bytes.HasPrefix(head, []byte(bomUTF8)):
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		enc = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		enc = unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case name != "":
		var ok bool
		if enc, ok = charset(name); !ok {
			return nil, fileError("charset %.40q is not known", name)
		}
	case !isUTF8(head):
		enc = charmap.Windows1252
	}
	if enc != nil {
		in = bufio.NewReaderSize(enc.NewDecoder().Reader(in), peeked)
		head, _ = in.Peek(peeked)
	}
	if bytes.HasPrefix(head, []byte(bomUTF8)) {
		_, _ = in.Discard(len(bomUTF8))
	}
	return in, nil
}

// isUTF8 allows for a character that the end of head cuts.
func isUTF8(head []byte) bool {
	if len(head) < peeked {
		return utf8.Valid(head)
	}
	for cut := range utf8.UTFMax {
		if utf8.Valid(head[:len(head)-cut]) {
			return true
		}
	}
	return false
}
