package template

const hexUpper = "0123456789ABCDEF"

// appendEscaped appends v for the place that esc names.
func appendEscaped[T string | []byte](dst []byte, v T, esc Escape) []byte {
	switch esc {
	case JSON:
		return appendJSON(dst, v)
	case Query, Path:
		return appendURL(dst, v, esc)
	case Header:
		return appendHeader(dst, v)
	}
	return append(dst, v...)
}

func appendJSON[T string | []byte](dst []byte, v T) []byte {
	start := 0
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, v[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexUpper[c>>4], hexUpper[c&15])
		}
	}
	return append(dst, v[start:]...)
}

func appendURL[T string | []byte](dst []byte, v T, esc Escape) []byte {
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == '~':
			dst = append(dst, c)
		case c == ' ' && esc == Query:
			dst = append(dst, '+')
		default:
			dst = append(dst, '%', hexUpper[c>>4], hexUpper[c&15])
		}
	}
	return dst
}

func appendHeader[T string | []byte](dst []byte, v T) []byte {
	for i := 0; i < len(v); i++ {
		if v[i] < ' ' || v[i] == 0x7f {
			dst = append(dst, ' ')
		} else {
			dst = append(dst, v[i])
		}
	}
	return dst
}

// AppendJSON appends v as the inside of a JSON string.
func AppendJSON(dst []byte, v string) []byte { return appendJSON(dst, v) }

// AppendQuery appends v as a name or value of a query or form.
func AppendQuery(dst []byte, v string) []byte { return appendURL(dst, v, Query) }
