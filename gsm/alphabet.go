package gsm

// escape is the septet that switches to the extension table for one character.
const escape = 0x1B

// defaultAlphabet is TS 23.038 §6.2.1, by septet. 0x1B is the escape.
var defaultAlphabet = [128]rune{
	'@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
	'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', 0xA0, 'Æ', 'æ', 'ß', 'É',
	' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
	'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
	'¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
	'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
	'¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
	'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
}

// What septetOf says besides a plain septet.
const (
	extended   = 0x80 // escape first, then the septet in the low bits
	unmappable = 0xFF
)

// asciiSeptets maps the octets of UTF-8 below 0x80 to septets, with extended set for
// the extension table; everything else is unmappable, which stops the fast loop.
var asciiSeptets = buildASCII()

func buildASCII() (t [256]byte) {
	for i := range t {
		t[i] = unmappable
	}
	for septet, r := range defaultAlphabet {
		if r < 0x80 {
			t[r] = byte(septet)
		}
	}
	for _, e := range extensionTable {
		if e.char < 0x80 {
			t[e.char] = e.septet | extended
		}
	}
	return t
}

// extensionTable is TS 23.038 §6.2.1.1. CR2 and SS2, which are reserved, are not in it.
var extensionTable = [...]struct {
	septet byte
	char   rune
}{
	{0x0A, '\f'},
	{0x14, '^'},
	{0x28, '{'},
	{0x29, '}'},
	{0x2F, '\\'},
	{0x3C, '['},
	{0x3D, '~'},
	{0x3E, ']'},
	{0x40, '|'},
	{0x65, '€'},
}

// septetOf maps one character; see extended and unmappable.
func septetOf(r rune) byte {
	if r < 0x80 {
		return asciiSeptets[byte(r)]
	}
	if r < 0x100 {
		return latinSeptets[byte(r)-0x80]
	}
	switch r {
	case 'Δ':
		return 0x10
	case 'Φ':
		return 0x12
	case 'Γ':
		return 0x13
	case 'Λ':
		return 0x14
	case 'Ω':
		return 0x15
	case 'Π':
		return 0x16
	case 'Ψ':
		return 0x17
	case 'Σ':
		return 0x18
	case 'Θ':
		return 0x19
	case 'Ξ':
		return 0x1A
	case '€':
		return 0x65 | extended
	}
	return unmappable
}

// latinSeptets is septetOf for U+0080..U+00FF.
var latinSeptets = buildLatin()

func buildLatin() (t [128]byte) {
	for i := range t {
		t[i] = unmappable
	}
	for septet, r := range defaultAlphabet {
		if r >= 0x80 && r < 0x100 && septet != escape {
			t[r-0x80] = byte(septet)
		}
	}
	return t
}

// extensionChar returns the character of a septet after the escape. One that the table
// does not define shows as the default alphabet has it, as TS 23.038 §6.2.1.1 asks.
func extensionChar(septet byte) rune {
	for _, e := range extensionTable {
		if e.septet == septet {
			return e.char
		}
	}
	if septet == escape {
		return ' '
	}
	return defaultAlphabet[septet]
}
