package sheet_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"protei-bulk/bulk/contact/sheet"
)

// rows reads a file: each row as its line, its cells between bars, or the code of why it
// cannot be read.
func rows(t testing.TB, in string, opts sheet.Options) (all []string, err error) {
	t.Helper()
	opts.TempDir = t.TempDir()
	r, err := sheet.Open(strings.NewReader(in), opts)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		var row sheet.Row
		var bad *sheet.Malformed
		switch err := r.Next(&row); {
		case errors.Is(err, io.EOF):
			return all, nil
		case errors.As(err, &bad):
			all = append(all, fmt.Sprintf("%d !%s", bad.Line, bad.Code))
		case err != nil:
			return all, err
		case row.Names != nil:
			line := fmt.Sprint(row.Line)
			for i := range row.Names {
				line += " " + row.Names[i] + "=" + row.Cells[i]
			}
			all = append(all, line)
		default:
			all = append(all, fmt.Sprintf("%d %s", row.Line, strings.Join(row.Cells, "|")))
		}
	}
}

func TestText(t *testing.T) {
	latin, err := charmap.Windows1252.NewEncoder().String("to;name\n1;Jürgen\n2;€\n")
	if err != nil {
		t.Fatal(err)
	}
	utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String("to;name\n1;Jürgen\n")
	if err != nil {
		t.Fatal(err)
	}
	cyrillic, err := charmap.Windows1251.NewEncoder().String("1,Привет\n")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 70_000)
	for name, c := range map[string]struct {
		in   string
		opts sheet.Options
		want []string
	}{
		"commas":                   {in: "to,name\n1,a\n2,b\n", want: []string{"1 to|name", "2 1|a", "3 2|b"}},
		"Windows lines, no end":    {in: "a;b\r\nc;d", want: []string{"1 a|b", "2 c|d"}},
		"empty lines":              {in: "\n\na,b\n\n \nc,d\n\n", want: []string{"3 a|b", "6 c|d"}},
		"tabs":                     {in: "a\tb,c\n1\t2\n", want: []string{"1 a|b,c", "2 1|2"}},
		"semicolons beside commas": {in: "a;b, c, d\n1;2, 3\n", want: []string{"1 a|b, c, d", "2 1|2, 3"}},
		"one column":               {in: "1\n2\n", want: []string{"1 1", "2 2"}},
		"Excel's sep":              {in: "sep=|\na|b\n", want: []string{"2 a|b"}},
		"delimiter given":          {in: "a;b,c\n", opts: sheet.Options{Delimiter: ','}, want: []string{"1 a;b|c"}},
		"quotes":                   {in: "a,\"b, \"\"c\"\"\"\n\"\",x\n", want: []string{`1 a|b, "c"`, "2 |x"}},
		"spaces around quotes":     {in: "a, \"b,c\" ,d\n", want: []string{"1 a|b,c|d"}},
		"quote inside of a cell":   {in: "a,5\" pipe\n", want: []string{"1 a|5\" pipe"}},
		"a cell of two lines":      {in: "a,\"b\nc\",d\ne,f\n", want: []string{"1 a|b\nc|d", "3 e|f"}},
		"a quote never closed":     {in: "a,\"b\nc,d\ne,f\n", want: []string{"1 !unclosed_quote", "2 c|d", "3 e|f"}},
		"text behind a quote":      {in: "a,\"b\"c\nd,e\n", want: []string{"1 !text_after_quote", "2 d|e"}},
		"text behind a long quote": {in: "a,\"b\nx\"c\nd,e\n", want: []string{"1 !text_after_quote", `2 x"c`, "3 d|e"}},
		"a long row":               {in: "a,b\n" + long + "\nc,d\n", want: []string{"1 a|b", "2 !row_too_long", "3 c|d"}},
		"UTF-8 with a mark":        {in: "\ufefft,ü\n", want: []string{"1 t|ü"}},
		"not UTF-8":                {in: latin, want: []string{"1 to|name", "2 1|Jürgen", "3 2|€"}},
		"UTF-16":                   {in: utf16, want: []string{"1 to|name", "2 1|Jürgen"}},
		"character set given":      {in: cyrillic, opts: sheet.Options{Charset: "windows-1251"}, want: []string{"1 1|Привет"}},
		"not what it began as":     {in: "a,ü\n" + strings.Repeat("a,b\n", 20_000) + "c,\xff\nd,e\n", want: []string{"20002 !invalid_characters", "20003 d|e"}},
		"many columns":             {in: "a,b\n" + strings.Repeat(",", 300) + "\nc,d\n", want: []string{"1 a|b", "2 !too_many_columns", "3 c|d"}},
		"NDJSON": {
			in:   `{"to":"1","n":2,"b":true,"x":null}` + "\n\n{\"to\":\n{\"to\":{}}\n[1]\n{\"to\":\"3\"} {}\n{\"to\":\"4\"}",
			want: []string{"1 to=1 n=2 b=true x=", "3 !malformed_json", "4 !wrong_type", "5 !malformed_json", "6 !malformed_json", "7 to=4"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := rows(t, c.in, c.opts)
			if err != nil {
				t.Fatal(err)
			}
			got = got[max(0, len(got)-max(len(c.want), 1)):] // of long ones the end
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine and big files: nothing to race")
	}
	for name, c := range map[string]struct {
		in   string
		opts sheet.Options
		want string
	}{
		"empty":                 {want: "empty"},
		"unknown character set": {in: "a", opts: sheet.Options{Charset: "klingon"}, want: "charset"},
		"not a ZIP file":        {in: "PK\x03\x04 and so on", want: "XLSX"},
		"said to be XLSX":       {in: "a,b\n", opts: sheet.Options{Format: sheet.XLSX}, want: "XLSX"},
		"no workbook":           {in: book(t, map[string]string{"a.txt": "x"}), want: "workbook.xml"},
		"unknown sheet":         {in: workbook(t, `<row r="1"/>`, ""), opts: sheet.Options{Sheet: "Other"}, want: `"Customers"`},
		"cut off":               {in: book(t, map[string]string{"xl/workbook.xml": workbookXML, "xl/_rels/workbook.xml.rels": relsXML, "xl/worksheets/sheet1.xml": `<worksheet><sheetData><row r="1"><c><v>1</v>`}), want: "unexpected EOF"},
		"entities":              {in: workbook(t, `<row><c><v>1</v></c></row>`, `<!DOCTYPE x [<!ENTITY a "aaaa">]>`), want: "XML"},
		"unpacks to too much":   {in: workbook(t, strings.Repeat(`<row><c t="str"><v>aaaaaaaaaaaaaaaaaaaaaaaaaaaaa</v></c></row>`, 800_000), ""), want: "unpacks to more"},
		"shared texts too much": {in: book(t, map[string]string{"xl/workbook.xml": workbookXML, "xl/_rels/workbook.xml.rels": relsXML, "xl/sharedStrings.xml": "<sst>" + strings.Repeat("<si><t>aaaaaaaaaaaaaaaaaaaaaaaaaaaaa</t></si>", 1_600_000)}), want: "unpacks to more"},
		"too many files in it":  {in: book(t, manyFiles(10_001)), want: "unpacks to more"},
		"a text without end":    {in: workbook(t, `<row><c t="str"><v>`+strings.Repeat("a", 1<<20)+`</v></c></row>`, ""), want: "too long"},
		"too many rows":         {in: workbook(t, `<row r="1048577"><c><v>1</v></c></row>`, ""), want: "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := rows(t, c.in, c.opts); !errors.Is(err, sheet.ErrFile) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

const (
	workbookXML = `<?xml version="1.0"?><workbook xmlns:r="r"><workbookPr/><sheets><sheet name="Customers" sheetId="1" r:id="rId7"/><sheet name="B&amp;C" sheetId="2" r:id="rId8"/></sheets></workbook>`
	relsXML     = `<Relationships><Relationship Id="rId8" Target="/xl/worksheets/other.xml"/><Relationship Id="rId7" Target="worksheets/sheet1.xml"/></Relationships>`
	stylesXML   = `<styleSheet><numFmts><numFmt numFmtId="164" formatCode="dd/mm/yyyy\ hh:mm"/><numFmt numFmtId="165" formatCode="&quot;day&quot; 0.00"/></numFmts>
		<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs></styleSheet>`
	sharedXML = `<sst><si><t>to</t></si><si><r><t>Na</t></r><r><t xml:space="preserve">me </t></r><rPh><t>x</t></rPh></si><si/><si><t>A &amp; &lt;B&#252;&#x20AC;&gt;</t></si></sst>`
)

func book(t testing.TB, files map[string]string) string {
	t.Helper()
	return string(zipped(t, files, zip.Deflate))
}

func zipped(t testing.TB, files map[string]string, method uint16) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func manyFiles(n int) map[string]string {
	all := make(map[string]string, n)
	for i := range n {
		all[strconv.Itoa(i)] = ""
	}
	return all
}

func workbook(t testing.TB, sheetData, head string) string {
	t.Helper()
	return book(t, map[string]string{
		"xl/workbook.xml": workbookXML, "xl/_rels/workbook.xml.rels": relsXML, "xl/styles.xml": stylesXML, "xl/sharedStrings.xml": sharedXML,
		"xl/worksheets/sheet1.xml": `<?xml version="1.0"?>` + head + `<x:worksheet xmlns:x="x"><!-- a < b > c --><x:sheetData>` + sheetData + `</x:sheetData><mergeCells/></x:worksheet>`,
		"xl/worksheets/other.xml":  `<worksheet><sheetData><row><c t="str"><v>other</v></c></row></sheetData></worksheet>`,
	})
}

func TestXLSX(t *testing.T) {
	in := workbook(t, `<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c></row>`+
		`<row r="2"/><row r="3"><c r="B3"/></row>`+
		`<row r="4"><c r="A4"><v>4.915112345678E+12</v></c><c r="C4" t="s"><v>3</v></c></row>`+
		`<row r="5"><c r="A5"><v>4915112345678</v></c><c r="B5" t="inlineStr"><is><t> in</t><r><t>line</t></r></is></c><c r="C5"><f>1+1</f><v>0.30000000000000004</v></c></row>`+
		`<row r="6"><c r="A6" s="1"><v>45321</v></c><c r="B6" s="2"><v>45321.5</v></c><c r="C6" s="3"><v>1.50</v></c><c r="D6" t="b"><v>1</v></c></row>`+
		`<row r="7"><c r="A7" t="e"><v>#REF!</v></c></row><row r="8"><c r="A8" t="s"><v>9</v></c></row>`+
		`<row r="9"><c r="A9"><v>1</v></c><c r="ZZ9"><v>2</v></c></row><row><c><v>1</v></c><c><v>2</v></c></row>`, "")
	got, err := rows(t, in, sheet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"1 to|Name", "4 4915112345678||A & <Bü€>", "5 4915112345678|inline|0.30000000000000004", "6 2024-01-30|2024-01-30 12:00|1.5|1",
		"7 !malformed_cell", "8 !malformed_cell", "9 !too_many_columns", "10 1|2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err := rows(t, in, sheet.Options{Sheet: "B&C"}); err != nil || got[0] != "1 other" {
		t.Errorf("%v %v", got, err)
	}
}

// TestNothingOfACellIsCut: what does not fit or is not text costs its row, with the reason.
func TestNothingOfACellIsCut(t *testing.T) {
	fits, long := strings.Repeat("a", 16<<10), strings.Repeat("ü", 8<<10)+"x"
	in := book(t, map[string]string{
		"xl/workbook.xml": workbookXML, "xl/_rels/workbook.xml.rels": relsXML,
		"xl/sharedStrings.xml": "<sst><si><t>" + fits + "</t></si><si><t>" + long + "</t></si><si><t>\xc3</t></si><si><t>\xbc</t></si></sst>",
		"xl/worksheets/sheet1.xml": `<sheetData><row r="1"><c t="s"><v>0</v></c></row><row r="2"><c t="s"><v>1</v></c></row>` +
			`<row r="3"><c t="str"><v>` + fits + `</v></c></row><row r="4"><c t="str"><v>` + long + `</v></c></row>` +
			`<row r="5"><c><v>1</v></c><c t="s"><v>2</v></c><c t="s"><v>3</v></c></row><row r="6"><c t="str"><v>` + "\xff" + `</v></c></row>` +
			`<row r="7">` + strings.Repeat(`<c><v>1e308</v></c>`, sheet.MaxColumns) + `</row>` +
			`<row r="8">` + strings.Repeat(`<c t="s"><v>0</v></c>`, 5) + `</row><row r="9"><c><v>9</v></c></row></sheetData>`,
	})
	got, err := rows(t, in, sheet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"1 " + fits, "2 !cell_too_long", "3 " + fits, "4 !cell_too_long", "5 !invalid_characters", "6 !invalid_characters",
		"7 !row_too_long", "8 !row_too_long", "9 9",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAnXLSXFileIsAStream: 200,000 rows with texts that are all different.
func TestAnXLSXFileIsAStream(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine and big files: nothing to race")
	}
	const n = 200_000
	r, w := io.Pipe()
	go func() {
		z := zip.NewWriter(w)
		for _, f := range []struct {
			name string
			text func(io.Writer)
		}{
			{"xl/workbook.xml", func(w io.Writer) { _, _ = io.WriteString(w, workbookXML) }},
			{"xl/_rels/workbook.xml.rels", func(w io.Writer) { _, _ = io.WriteString(w, relsXML) }},
			{"xl/sharedStrings.xml", func(w io.Writer) {
				_, _ = io.WriteString(w, "<sst>")
				for i := range n {
					fmt.Fprintf(w, "<si><t>+4915%09d</t></si><si><t>%0100d</t></si>", i, i)
				}
				_, _ = io.WriteString(w, "</sst>")
			}},
			{"xl/worksheets/sheet1.xml", func(w io.Writer) {
				_, _ = io.WriteString(w, "<worksheet><sheetData>")
				for i := range n {
					fmt.Fprintf(w, `<row r="%d"><c r="A%d" t="s"><v>%d</v></c><c r="B%d" t="s"><v>%d</v></c></row>`, i+1, i+1, 2*i, i+1, 2*i+1)
				}
				_, _ = io.WriteString(w, "</sheetData></worksheet>")
			}},
		} {
			entry, err := z.Create(f.name)
			if err != nil {
				break
			}
			out := bufio.NewWriter(entry)
			f.text(out)
			_ = out.Flush()
		}
		w.CloseWithError(z.Close())
	}()
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	file, err := sheet.Open(r, sheet.Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	most, rows := uint64(0), 0
	for row := (sheet.Row{}); ; rows++ {
		if err := file.Next(&row); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("+4915%09d", rows); row.Cells[0] != want || len(row.Cells[1]) != 100 {
			t.Fatalf("row %d is %q", rows+1, row.Cells)
		}
		if rows%10_000 == 0 {
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
		}
	}
	if rows != n {
		t.Errorf("%d rows, want %d", rows, n)
	}
	if most > 30<<20 {
		t.Errorf("%d MB in use", most>>20)
	}
	t.Logf("%d MB in use", most>>20)
}
