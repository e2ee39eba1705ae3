package intake

// CheckRecipient returns a phone number in the form in which Submit reads it again: digits,
// with + in front of an international number. detail says what is wrong with it.
func CheckRecipient(to string) (number, detail string) {
	var dst [maxWritten + 1]byte
	digits, ton, detail := parseRecipient(dst[1:1], to)
	switch {
	case detail != "":
		return "", detail
	case ton == tonInternational:
		dst[0] = '+'
		return string(dst[:1+len(digits)]), ""
	}
	return string(digits), ""
}

// Preview makes the message of a request, or says why not, as Submit would, and accepts
// nothing.
func (in *Intake) Preview(req *Request) Outcome {
	b := in.builds.Get().(*build)
	defer in.put(b)
	b.begin(in, 1)
	m, r := b.message(req)
	return Outcome{Msg: m, Err: r, Transliterated: b.exchanged}
}
