package sheet_test

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"protei-bulk/bulk/contact/sheet"
)

// readAll reads a file to its end, and holds each row to the bounds of the package. It
// returns the cells of the rows that can be read, and how many cannot.
func readAll(t *testing.T, in []byte, opts sheet.Options) (rows [][]string, malformed int, err error) {
	t.Helper()
	r, err := sheet.Open(bytes.NewReader(in), opts)
	if err != nil {
		return nil, 0, err
	}
	defer r.Close()
	for {
		var row sheet.Row
		var bad *sheet.Malformed
		switch err := r.Next(&row); {
		case errors.As(err, &bad):
			malformed++
			if bad.Line == 0 || bad.Code == "" || bad.Detail == "" || !utf8.ValidString(bad.Raw) {
				t.Fatalf("a fault without line, code, detail or readable text: %+v", bad)
			}
			continue
		case errors.Is(err, io.EOF):
			return rows, malformed, nil
		case err != nil:
			return rows, malformed, err
		}
		size := 0
		for _, cell := range slices.Concat(row.Cells, row.Names) {
			if size += len(cell); !utf8.ValidString(cell) {
				t.Fatalf("line %d: %q is not UTF-8", row.Line, cell)
			}
		}
		if row.Line == 0 || len(row.Cells) > sheet.MaxColumns || size > sheet.MaxRow || row.Names != nil && len(row.Names) != len(row.Cells) {
			t.Fatalf("line %d: %d cells, %d names, %d octets", row.Line, len(row.Cells), len(row.Names), size)
		}
		rows = append(rows, slices.Clone(row.Cells))
	}
}

// FuzzRows: no file makes a reader panic, or say more than its bounds.
func FuzzRows(f *testing.F) {
	f.Add([]byte("to,name\n\"1\",\"a\nb\"\n"), byte(0), "", byte(0))
	f.Add([]byte("sep=|\r\na|\xfc\r\n"), byte(sheet.CSV), "latin1", byte(0))
	f.Add([]byte("a \"b\" c\n"), byte(sheet.CSV), "utf-8", byte(' '))
	f.Add([]byte("\xff\xfea\x00,\x00\xe4\x04\n\x00"), byte(0), "", byte(0))
	f.Add([]byte("{\"to\":\"1\"}\n"), byte(sheet.NDJSON), "", byte(0))
	f.Add([]byte(workbook(f, `<row r="1"><c r="A1" t="s"><v>0</v></c></row>`, "")), byte(sheet.XLSX), "", byte(0))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, in []byte, format byte, charset string, delimiter byte) {
		opts := sheet.Options{Format: sheet.Format(format % 4), Charset: charset, Delimiter: delimiter, TempDir: dir, MaxUnpacked: 1 << 20}
		if _, _, err := readAll(t, in, opts); err != nil && !errors.Is(err, sheet.ErrFile) {
			t.Fatalf("an error that is not of the file: %v", err)
		}
	})
}

// FuzzWorkbook tries what is inside of an XLSX file: FuzzRows mostly breaks the archive around it.
func FuzzWorkbook(f *testing.F) {
	sheetXML := `<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>1</v></c><c r="C1" s="2"><v>45321.5</v></c></row>` +
		`<row><c t="inlineStr"><is><r><t>a &#x20AC;</t></r></is></c><c t="b"><v>1</v></c><c t="e"><v>#REF!</v></c><c><v>4.9E+12</v></c></row></sheetData></worksheet>`
	f.Add(workbookXML, relsXML, stylesXML, sharedXML, sheetXML)
	f.Add(workbookXML, relsXML, "", "", `<!-- x --><x:sheetData><row r="7"/><row><c r="ZZ1"><v>1</v></c></row></x:sheetData>`)
	f.Add(strings.Replace(workbookXML, "<workbookPr/>", `<workbookPr date1904="1"/>`, 1), relsXML, stylesXML, "<sst><si/></sst>", `<sheetData><row><c s="1"><v>2</v></c><c t="s"><v>0</v></c></row></sheetData>`)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, book, rels, styles, shared, rows string) {
		files := map[string]string{
			"xl/workbook.xml": book, "xl/_rels/workbook.xml.rels": rels, "xl/styles.xml": styles, "xl/sharedStrings.xml": shared, "xl/worksheets/sheet1.xml": rows,
		}
		_, _, err := readAll(t, stored(t, files), sheet.Options{Format: sheet.XLSX, TempDir: dir})
		if err != nil && !errors.Is(err, sheet.ErrFile) {
			t.Fatalf("an error that is not of the file: %v", err)
		}
	})
}

// stored is book without the work of compressing.
func stored(t testing.TB, files map[string]string) []byte {
	t.Helper()
	return zipped(t, files, zip.Store)
}

// FuzzCells: cells come back as they were written, from CSV and from both ways in which
// XLSX has texts.
func FuzzCells(f *testing.F) {
	f.Add("to", "na me", "x;y")
	f.Add(`a "b"`, "1\n2", ",")
	f.Add("ü€😀", " a ", "&amp;<\t>")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, a, b, c string) {
		cells := []string{a, b, c}
		for _, cell := range cells {
			if len(cell) > 1000 || !utf8.ValidString(cell) || strings.Count(cell, "\n") > 10 || strings.ContainsAny(cell, "\r") {
				return
			}
		}
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		_ = w.Write(cells)
		w.Flush()
		got, bad, err := readAll(t, text.Bytes(), sheet.Options{Format: sheet.CSV, Charset: "utf-8", Delimiter: ','})
		blank := strings.TrimSpace(text.String()) == "" || strings.HasPrefix(text.String(), "\ufeff") || strings.HasPrefix(text.String(), "sep=")
		if !blank && (err != nil || bad != 0 || len(got) != 1 || !slices.Equal(got[0], cells)) {
			t.Fatalf("CSV %q: %q, %d malformed, %v", text.String(), got, bad, err)
		}
		var inline, shared, table strings.Builder
		for i, cell := range cells {
			var esc bytes.Buffer
			if err := xml.EscapeText(&esc, []byte(cell)); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&inline, `<c t="inlineStr"><is><t>%s</t></is></c>`, esc.String())
			fmt.Fprintf(&shared, `<c t="s"><v>%d</v></c>`, i)
			fmt.Fprintf(&table, `<si><t>%s</t></si>`, esc.String())
			cells[i] = strings.TrimSpace(strings.Map(xmlRune, cell))
		}
		for len(cells) > 0 && cells[len(cells)-1] == "" {
			cells = cells[:len(cells)-1]
		}
		want := [][]string{cells, cells}
		if len(cells) == 0 {
			want = nil
		}
		in := stored(t, map[string]string{
			"xl/workbook.xml": workbookXML, "xl/_rels/workbook.xml.rels": relsXML, "xl/sharedStrings.xml": "<sst>" + table.String() + "</sst>",
			"xl/worksheets/sheet1.xml": "<sheetData><row>" + inline.String() + "</row><row>" + shared.String() + "</row></sheetData>",
		})
		got, bad, err = readAll(t, in, sheet.Options{TempDir: dir})
		if err != nil || bad != 0 || !slices.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("XLSX of %q: %q, %d malformed, %v", cells, got, bad, err)
		}
	})
}

// xmlRune is r where XML has it, and U+FFFD where encoding/xml writes that instead.
func xmlRune(r rune) rune {
	if r == '\t' || r == '\n' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 {
		return r
	}
	return utf8.RuneError
}
