package sheet

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxEntries = 10_000 // files in an XLSX file
	maxRows    = 1 << 20
	// unpackRatio bounds what a file unpacks to besides MaxUnpacked: sheets of numbers shrink
	// to a tenth, a bomb to a thousandth.
	unpackRatio = 200
	unpackFree  = 16 << 20
)

// errBomb says that a file unpacks to more than it may.
var errBomb = errors.New("it unpacks to more than is allowed")

// xlsx reads one sheet of an Office Open XML workbook (ECMA-376 part 1, §18.3).
type xlsx struct {
	file   *os.File
	zip    *zip.Reader
	left   int64 // octets that may still be unpacked
	shared *shared
	dates  []string // layout of the cell formats that show a date, by number; "": none
	epoch  time.Time
	body   io.ReadCloser
	xml    *xmlScanner
	line   uint32

	arena []byte // texts of the row
	ends  []int  // of its cells in arena
	cells []string
}

// openXLSX spools src, because the directory of a ZIP file is at its end.
func openXLSX(src io.Reader, opts Options) (Reader, error) {
	f, err := spool(opts.TempDir)
	if err != nil {
		return nil, err
	}
	x := &xlsx{file: f}
	n, err := io.Copy(f, io.LimitReader(src, MaxFile+1))
	if err == nil && n > MaxFile {
		err = fileError("it has more than the %d MiB allowed", MaxFile>>20)
	}
	if err == nil {
		x.left = min(opts.MaxUnpacked, unpackFree+unpackRatio*n)
		if err = x.open(n, opts); err != nil && !errors.Is(err, ErrFile) {
			err = fileError("XLSX: %w", err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}

func (x *xlsx) open(size int64, opts Options) (err error) {
	if x.zip, err = zip.NewReader(x.file, size); err != nil {
		return err
	}
	if len(x.zip.File) > maxEntries {
		return errBomb
	}
	name, err := x.find(opts.Sheet)
	if err != nil {
		return err
	}
	if err := x.formats(); err != nil {
		return fmt.Errorf("styles: %w", err)
	}
	if s, err := x.unpack("xl/sharedStrings.xml"); err == nil {
		x.shared, err = readShared(s, opts.TempDir)
		if err = errors.Join(err, s.Close()); err != nil {
			return fmt.Errorf("shared strings: %w", err)
		}
	}
	if x.body, err = x.unpack(name); err != nil {
		return err
	}
	x.xml = &xmlScanner{src: bufio.NewReaderSize(x.body, 64<<10)}
	return nil
}

// unpack opens a file of the archive. What it gives counts against the bound.
func (x *xlsx) unpack(name string) (io.ReadCloser, error) {
	for _, f := range x.zip.File {
		if strings.EqualFold(strings.TrimPrefix(f.Name, "/"), name) {
			r, err := f.Open()
			if err != nil {
				return nil, err
			}
			return &bounded{r, &x.left}, nil
		}
	}
	return nil, fmt.Errorf("it has no %s", name)
}

// bounded reads until the octets left are used up.
type bounded struct {
	io.ReadCloser
	left *int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if *b.left <= 0 {
		return 0, errBomb
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), *b.left)])
	*b.left -= int64(n)
	return n, err
}

// each calls f for each start tag of a small file of the archive.
func (x *xlsx) each(name string, f func(*xmlScanner)) error {
	r, err := x.unpack(name)
	if err != nil {
		return err
	}
	defer r.Close()
	for s := (&xmlScanner{src: bufio.NewReader(r)}); ; {
		switch err := s.next(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		}
		f(s)
	}
}

// find returns the path of the sheet.
func (x *xlsx) find(sheet string) (string, error) {
	var id string
	var names []string
	x.epoch = time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	err := x.each("xl/workbook.xml", func(s *xmlScanner) {
		switch {
		case s.closes:
		case string(s.name) == "workbookPr" && (string(s.attr("date1904")) == "1" || string(s.attr("date1904")) == "true"):
			x.epoch = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
		case string(s.name) == "sheet":
			name := string(unescape(nil, s.attr("name")))
			names = append(names, name)
			if sheet == name || sheet == "" && len(names) == 1 {
				id = string(s.attr("r:id"))
			}
		}
	})
	if err != nil {
		return "", err
	}
	if id == "" {
		if sheet == "" {
			return "", errors.New("it has no sheet")
		}
		return "", fmt.Errorf("it has no sheet %.40q; it has %.200q", sheet, names)
	}
	var target string
	err = x.each("xl/_rels/workbook.xml.rels", func(s *xmlScanner) {
		if string(s.attr("Id")) == id {
			target = string(unescape(nil, s.attr("Target")))
		}
	})
	if err != nil {
		return "", err
	}
	if rest, ok := strings.CutPrefix(target, "/"); ok {
		return rest, nil
	}
	return path.Join("xl", target), nil
}

// formats finds the cell formats that show a number as a date.
func (x *xlsx) formats() error {
	custom := map[string]string{}
	inXfs := false
	err := x.each("xl/styles.xml", func(s *xmlScanner) {
		switch name := string(s.name); {
		case name == "cellXfs":
			inXfs = !s.closes && !s.empty
		case s.closes:
		case name == "numFmt":
			custom[string(s.attr("numFmtId"))] = dateLayout(string(unescape(nil, s.attr("formatCode"))))
		case name == "xf" && inXfs && len(x.dates) < 1<<16:
			id := string(s.attr("numFmtId"))
			layout, ok := custom[id]
			if !ok {
				layout = builtinDate(id)
			}
			x.dates = append(x.dates, layout)
		}
	})
	if err != nil && strings.HasPrefix(err.Error(), "it has no ") {
		return nil
	}
	return err
}

// builtinDate is for the formats of ECMA-376 part 1 §18.8.30.
func builtinDate(id string) string {
	switch id {
	case "14", "15", "16", "17":
		return time.DateOnly
	case "18", "19", "20", "21":
		return "15:04"
	case "22":
		return "2006-01-02 15:04"
	}
	return ""
}

// dateLayout returns how a date of a format code is written, "" when it is no date.
func dateLayout(code string) string {
	var plain []byte
	for i := 0; i < len(code); i++ {
		switch code[i] {
		case '"':
			for i++; i < len(code) && code[i] != '"'; i++ {
			}
		case '[':
			for i++; i < len(code) && code[i] != ']'; i++ {
			}
		case '\\', '_', '*':
			i++
		default:
			plain = append(plain, code[i])
		}
	}
	text := strings.ToLower(string(plain))
	if strings.HasPrefix(text, "general") {
		return ""
	}
	day, hour := strings.ContainsAny(text, "yd"), strings.Contains(text, "h")
	switch {
	case day && hour:
		return "2006-01-02 15:04"
	case day:
		return time.DateOnly
	case hour:
		return "15:04"
	}
	return ""
}

// Next implements Reader.
func (x *xlsx) Next(row *Row) error {
	for {
		err := x.row()
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		var bad *Malformed
		if err != nil && !errors.As(err, &bad) {
			return fileError("XLSX, after row %d: %w", x.line, err)
		}
		if x.line > maxRows {
			return fileError("XLSX: it has more than %d rows", maxRows)
		}
		if fault := x.take(); fault != nil && bad == nil {
			bad = fault
		}
		switch {
		case bad != nil:
			bad.Line, bad.Raw = x.line, shorten(asCSV(x.cells))
			return bad
		case len(x.cells) > 0:
			*row = Row{Line: x.line, Cells: x.cells, Raw: asCSV(x.cells)}
			return nil
		}
	}
}

// take makes the cells of what row has read, without the empty ones at the end. It says
// when one is not text.
func (x *xlsx) take() (bad *Malformed) {
	text := string(x.arena)
	x.cells = x.cells[:0]
	from := 0
	for _, end := range x.ends {
		cell := text[from:end]
		if bad == nil && !utf8.ValidString(cell) {
			bad = &Malformed{Code: "invalid_characters", Detail: "cell " + columnName(len(x.cells)) + " is not UTF-8"}
		}
		x.cells = append(x.cells, strings.TrimSpace(cell))
		from = end
	}
	for len(x.cells) > 0 && x.cells[len(x.cells)-1] == "" {
		x.cells = x.cells[:len(x.cells)-1]
	}
	return bad
}

// row reads a <row> into arena and ends.
func (x *xlsx) row() error {
	s := x.xml
	for {
		if err := s.next(); err != nil {
			return err
		}
		if string(s.name) == "row" && !s.closes {
			break
		}
		if string(s.name) == "sheetData" && (s.closes || s.empty) {
			return io.EOF
		}
	}
	x.arena, x.ends = x.arena[:0], x.ends[:0]
	x.line++
	if n, err := strconv.ParseUint(string(s.attr("r")), 10, 32); err == nil && n > 0 {
		x.line = uint32(n)
	}
	if s.empty {
		return nil
	}
	var bad error
	for {
		if err := s.next(); err != nil {
			return noEnd(err)
		}
		switch name := string(s.name); {
		case name == "row" && s.closes:
			return bad
		case name == "c" && !s.closes:
			if err := x.cell(); err != nil {
				var m *Malformed
				if !errors.As(err, &m) {
					return err
				}
				bad = err
			}
		}
	}
}

// cell reads a <c> behind its start tag.
func (x *xlsx) cell() error {
	s := x.xml
	col := len(x.ends)
	if ref := s.attr("r"); len(ref) > 0 {
		col = column(ref)
	}
	kind := string(s.attr("t"))
	style, _ := strconv.Atoi(string(s.attr("s")))
	var value []byte
	if !s.empty {
		var err error
		if value, err = x.value(kind); err != nil {
			return err
		}
	}
	if col >= MaxColumns {
		if len(value) == 0 {
			return nil
		}
		return &Malformed{Code: "too_many_columns", Detail: "the row has more than 256 cells"}
	}
	for len(x.ends) < col {
		x.ends = append(x.ends, len(x.arena))
	}
	if len(x.ends) > col {
		return &Malformed{Code: "malformed_row", Detail: "the row has a cell twice"}
	}
	start := len(x.arena)
	err := x.content(kind, value, style, col)
	switch {
	case err != nil:
	case len(x.arena)-start > maxCell:
		err = &Malformed{Code: "cell_too_long", Detail: "cell " + columnName(col) + " has more than 16,384 octets"}
	case len(x.arena) > MaxRow:
		err = &Malformed{Code: "row_too_long", Detail: "the row has more than 65,536 octets"}
	}
	if err != nil {
		x.arena = x.arena[:start]
	}
	x.ends = append(x.ends, len(x.arena))
	return err
}

// content appends to arena what the cell of column col shows.
func (x *xlsx) content(kind string, value []byte, style, col int) error {
	switch kind {
	case "s":
		n, err := strconv.Atoi(string(value))
		if err != nil || x.shared == nil {
			return &Malformed{Code: "malformed_cell", Detail: "a cell names a text that is not there"}
		}
		text, err := x.shared.at(n)
		if err != nil {
			return &Malformed{Code: "malformed_cell", Detail: err.Error()}
		}
		x.arena = append(x.arena, text...)
	case "e":
		return &Malformed{Code: "malformed_cell", Detail: fmt.Sprintf("cell %s is the error %.20s", columnName(col), value)}
	case "", "n":
		x.number(value, style)
	default:
		x.arena = append(x.arena, value...)
	}
	return nil
}

// value reads up to </c> and returns the text of <v>, or of <is> for an inline string; of
// one that is too long for a cell the beginning, which is too long as well.
func (x *xlsx) value(kind string) (value []byte, err error) {
	s := x.xml
	want := "v"
	if kind == "inlineStr" {
		want = "t"
	}
	for {
		if err := s.next(); err != nil {
			return nil, noEnd(err)
		}
		switch {
		case s.closes && string(s.name) == want:
			if value = unescape(value, s.text); len(value) > maxCell {
				value = value[:maxCell+1]
			}
		case s.closes && string(s.name) == "c":
			return value, nil
		}
	}
}

// number appends a number as people write it: 4.915112E+12 is a phone number, and
// 45321 in a date's format is a date.
func (x *xlsx) number(value []byte, style int) {
	value = bytes.TrimSpace(value)
	date := ""
	if style >= 0 && style < len(x.dates) {
		date = x.dates[style]
	}
	if date == "" && !bytes.ContainsAny(value, ".eE") {
		x.arena = append(x.arena, value...)
		return
	}
	n, err := strconv.ParseFloat(string(value), 64)
	switch {
	case err != nil:
		x.arena = append(x.arena, value...)
	case date != "" && n >= 0 && n < 3e6:
		days := int(n)
		at := x.epoch.AddDate(0, 0, days).Add(time.Duration((n-float64(days))*86400+0.5) * time.Second)
		x.arena = at.AppendFormat(x.arena, date)
	default:
		x.arena = strconv.AppendFloat(x.arena, n, 'f', -1, 64)
	}
}

// column is the number, from 0, of a cell such as AB12.
func column(ref []byte) int {
	n := 0
	for _, c := range ref {
		if c < 'A' || c > 'Z' || n > MaxColumns {
			break
		}
		n = n*26 + int(c-'A') + 1
	}
	return n - 1
}

func columnName(n int) string {
	name := ""
	for n++; n > 0; n = (n - 1) / 26 {
		name = string(rune('A'+(n-1)%26)) + name
	}
	return name
}

// asCSV shows cells as a row of CSV.
func asCSV(cells []string) string {
	var b strings.Builder
	for i, cell := range cells {
		if i > 0 {
			b.WriteByte(',')
		}
		if strings.ContainsAny(cell, "\",\r\n") {
			cell = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
		}
		b.WriteString(cell)
	}
	return b.String()
}

// Close implements Reader.
func (x *xlsx) Close() error {
	var errs []error
	if x.body != nil {
		errs = append(errs, x.body.Close())
	}
	errs = append(errs, x.shared.close(), x.file.Close())
	return errors.Join(errs...)
}
