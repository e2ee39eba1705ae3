package contact_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/contact/sheet"
)

// FuzzImport: every row of a file becomes a member with a number, or a line of the error file
// that a spreadsheet can read; a file that cannot be taken says why.
func FuzzImport(f *testing.F) {
	for _, seed := range []struct{ in, to, from string }{
		{"Name,Phone Number,First-Name\nMiller,0151234567,Ann\n", "", ""},
		{"80331000,Ann,+49151234567\n80331001,Bob,+49151234568\n", "", ""},
		{"phone,work\n0151234567,0301234567\n", "Work", "phone"},
		{"to,name\n0151234567,Ann\nabc,Bob\n,Carl\n0151234568,\"Dora\n0151234569,Emil,x\n0151234560,Fay,\n", "", ""},
		{`{"to":"0151234567","name":"Ann"}` + "\n" + `{"city":"Ulm","msisdn":1512345678}` + "\nx\n", "", "city"},
		{"=1+1,to\nx,1\n", "=1+1", ""},
		{strings.Repeat("ü", 300) + "\n0151234567\n", "2", ""},
	} {
		f.Add([]byte(seed.in), seed.to, seed.from, byte(0), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, to, from string, header byte, skip bool) {
		if bytes.HasPrefix(in, []byte("PK\x03\x04")) {
			return // see sheet.FuzzWorkbook
		}
		reader, err := sheet.Open(bytes.NewReader(in), sheet.Options{})
		if err != nil {
			return
		}
		var kept memory
		var progress contact.Progress
		im := contact.Importer{
			Reader: reader, Header: contact.Header(header % 3), To: to, SkipDuplicates: skip, Check: digits, Progress: &progress, Put: kept.put,
		}
		if from != "" {
			im.Map = map[string]string{"own": from}
		}
		if err := im.Run(t.Context()); err != nil {
			var refused *contact.ImportError
			if !errors.Is(err, sheet.ErrFile) && (!errors.As(err, &refused) || refused.Code == "" || refused.Detail == "") {
				t.Fatalf("%v says neither that nor why the file cannot be taken", err)
			}
			return
		}
		rows, added, refused := progress.Rows.Load(), progress.Added.Load(), progress.Refused.Load()
		if rows != added+refused || added != int64(kept.count(contact.Recipients)) || refused != int64(kept.count(contact.Refused)) {
			t.Fatalf("%d rows, %d added of which %d are kept, %d refused of which %d are kept", rows, added, kept.count(contact.Recipients), refused, kept.count(contact.Refused))
		}
		members, err := contact.ReadMembers(t.Context(), &kept, contact.Span{To: uint32(added)}, int(added)+1)
		if err != nil || len(members) != int(added) {
			t.Fatalf("%d members of %d: %v", len(members), added, err)
		}
		for _, m := range members {
			if _, detail := digits(m.To); detail != "" || len(m.Values) > len(im.Columns) || !utf8.ValidString(strings.Join(m.Values, "")) {
				t.Fatalf("%+v with columns %q", m, im.Columns)
			}
		}
		text := kept.faults(t)
		lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(lines) != int(refused) || !utf8.ValidString(text) {
			t.Fatalf("%d of %d refused, %v: %q", len(lines), refused, err, text)
		}
		for _, line := range lines {
			if len(line) != 5 || line[2] == "" || line[3] == "" || slices.ContainsFunc(line, func(cell string) bool { return strings.HasPrefix(cell, "=") }) {
				t.Fatalf("%q", line)
			}
		}
	})
}
