package contact

import (
	"context"
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"protei-bulk/bulk/message"
)

// Fault is a row or a recipient that was refused.
type Fault struct {
	Line   uint32 // of the file, 0: of none
	Field  string // column or field, "" when it is not one's fault
	Code   string
	Reason string // for people
	Row    string // as it came
}

// faultHeading is the first line of an error file.
var faultHeading = []string{"line", "field", "code", "reason", "row"}

// AppendFault appends f as a line of the error file: that is how it is stored, so that a
// download copies blocks.
func AppendFault(dst []byte, f *Fault) []byte {
	line := ""
	if f.Line > 0 {
		line = strconv.FormatUint(uint64(f.Line), 10)
	}
	b := strings.Builder{}
	w := csv.NewWriter(&b)
	_ = w.Write([]string{line, harmless(f.Field), f.Code, f.Reason, harmless(f.Row)}) // a Builder has no errors
	w.Flush()
	return append(dst, b.String()...)
}

// harmless keeps a spreadsheet from taking what a customer sent for a formula. A telephone number
// may begin with a plus sign.
func harmless(s string) string {
	if s == "" || strings.IndexByte("=@\t\r\n", s[0]) < 0 && (s[0] != '+' && s[0] != '-' || strings.Trim(s[1:], "0123456789 ") == "") {
		return s
	}
	return "'" + s
}

// WriteFaults writes the error file of an owner as CSV: what imports refused up to entry
// refused, then what was refused while messages were made.
func WriteFaults(ctx context.Context, w io.Writer, s Store, owner message.ID, refused uint32) error {
	if _, err := io.WriteString(w, strings.Join(faultHeading, ",")+"\n"); err != nil {
		return err
	}
	for _, kind := range []BlockKind{Refused, Failed} {
		most := ^uint32(0)
		if kind == Refused {
			most = refused // what comes after is of an import that is not done, or was not finished
		}
		for from := uint32(1); from <= most && from != 0; {
			blocks, err := s.Blocks(ctx, owner, kind, from, 8)
			if err != nil {
				return err
			}
			from = 0
			for i := range blocks {
				b := &blocks[i]
				if b.First > most {
					break
				}
				if _, err := w.Write(b.Data); err != nil {
					return err
				}
				from = b.First + b.Count
			}
		}
	}
	return nil
}
