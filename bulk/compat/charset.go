package compat

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
)

// maxCharset bounds the name of a charset.
const maxCharset = 40

// decodeText reads octets of a charset, by its IANA name; usual is meant by no name.
func decodeText(octets, name, usual string) (string, error) {
	if name == "" {
		name = usual
	}
	if len(name) > maxCharset {
		return "", fmt.Errorf("charset: %.40q is not known", name)
	}
	var enc encoding.Encoding
	switch strings.ToUpper(name) {
	case "UTF-8", "UTF8", "ASCII", "US-ASCII":
		if !utf8.ValidString(octets) {
			return "", fmt.Errorf("the text is not %s", name)
		}
		return octets, nil
	case "UTF-16BE", "UCS-2", "UCS-2BE", "UTF-16", "ISO-10646-UCS-2":
		enc = unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
		if len(octets)%2 != 0 {
			return "", fmt.Errorf("the text is not %s: it has an odd number of octets", name)
		}
	case "UTF-16LE", "UCS-2LE":
		enc = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case "ISO-8859-1", "LATIN1", "LATIN-1":
		enc = charmap.ISO8859_1
	case "WINDOWS-1252", "CP1252":
		enc = charmap.Windows1252
	default:
		var err error
		if enc, err = ianaindex.IANA.Encoding(name); err != nil || enc == nil {
			return "", fmt.Errorf("charset: %q is not known", name)
		}
	}
	text, err := enc.NewDecoder().String(octets)
	if err != nil || strings.ContainsRune(text, utf8.RuneError) {
		return "", fmt.Errorf("the text is not %s", name)
	}
	return text, nil
}
