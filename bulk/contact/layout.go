package contact

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"protei-bulk/bulk/contact/sheet"
)

// Header says whether the first row names the columns.
type Header uint8

// The values of Header.
const (
	HeaderAuto Header = iota
	HeaderYes
	HeaderNo
)

// MaxColumns bounds the values of a campaign's or list's members.
const MaxColumns = 100

// numberColumns are the names under which customers keep phone numbers, best first.
var numberColumns = []string{
	"to", "msisdn", "phone", "phone_number", "phonenumber", "mobile", "mobile_number", "mobile_phone", "recipient", "number",
	"cell", "cellphone", "tel", "telephone", "contact", "destination", "dest", "telefon", "handy", "gsm",
}

// ColumnName is the form in which the names of columns and variables are compared: lower
// case, with _ for spaces and hyphens.
func ColumnName(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\t' || r == '\u00a0' {
			return '_'
		}
		return r
	}, s)
}

// layout says what the cells of a row are.
type layout struct {
	named   bool  // each row names its cells
	to      int   // cell of the number
	columns []int // of each cell: the owner's column; -1: none
	names   []string

	byName map[string]int // of rows that name their cells: → column, -1: none, -2: the number
}

// arrange looks at the first rows, and takes the heading out of them.
func (i *Importer) arrange(rows *[]sampled) error {
	l := &i.layout
	l.byName = make(map[string]int)
	at := slices.IndexFunc(*rows, func(s sampled) bool { return s.bad == nil })
	if at < 0 || (*rows)[at].Names != nil {
		l.named = true
		return nil
	}
	first := (*rows)[at].Cells
	heading := i.Header == HeaderYes || i.Header == HeaderAuto && i.isHeading(first, (*rows)[at+1:])
	if heading {
		*rows = slices.Delete(*rows, at, at+1)
		l.names = append(l.names, first...)
	} else {
		width := 0
		for _, r := range *rows {
			width = max(width, len(r.Cells))
		}
		for n := range width {
			l.names = append(l.names, strconv.Itoa(n+1))
		}
	}
	for n := range l.names {
		l.names[n] = strings.TrimSpace(strings.Clone(l.names[n]))
	}
	if err := i.findNumbers(*rows); err != nil {
		return err
	}
	return i.chooseValues()
}

// isHeading reports whether a first row names columns: it has a name that phone numbers
// have, or no number while the rows after it have some.
func (i *Importer) isHeading(first []string, rest []sampled) bool {
	numbers := 0
	for _, cell := range first {
		name := ColumnName(cell)
		if i.To != "" && name == ColumnName(i.To) && !isNumber(i.To) {
			return true
		}
		for _, known := range numberColumns {
			if name == known {
				return true
			}
		}
		if _, detail := i.Check(cell); detail == "" {
			numbers++
		}
	}
	if numbers > 0 {
		return false
	}
	for _, r := range rest {
		for _, cell := range r.Cells {
			if _, detail := i.Check(cell); detail == "" {
				return true
			}
		}
	}
	return false
}

func isNumber(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

// column finds a column by its name, or by its number from 1; -1: there is none.
func (l *layout) column(name string) int {
	for n := range l.names {
		if ColumnName(l.names[n]) == ColumnName(name) {
			return n
		}
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= len(l.names) {
		return n - 1
	}
	return -1
}

func (i *Importer) findNumbers(rows []sampled) error {
	l := &i.layout
	if i.To != "" {
		if l.to = l.column(i.To); l.to < 0 {
			return &ImportError{"unknown_column", fmt.Sprintf("there is no column %.40q; there are %s", i.To, quoted(l.names))}
		}
		return nil
	}
	for _, known := range numberColumns {
		for n := range l.names {
			if ColumnName(l.names[n]) == known {
				l.to = n
				return nil
			}
		}
	}
	best := 0
	for n := range l.names {
		good := 0
		for _, r := range rows {
			if n < len(r.Cells) {
				if number, detail := i.Check(r.Cells[n]); detail == "" {
					good += len(number) // a postcode is shorter
				}
			}
		}
		if good > best {
			best, l.to = good, n
		}
	}
	if best == 0 && len(l.names) > 1 {
		return &ImportError{"no_number_column", fmt.Sprintf("no column has phone numbers, of %s; name it with to=", quoted(l.names))}
	}
	return nil
}

func quoted(names []string) string {
	var b strings.Builder
	for n, name := range names[:min(len(names), 20)] {
		if n > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%.40q", name)
	}
	return b.String()
}

// chooseValues decides which cells are kept.
func (i *Importer) chooseValues() error {
	l := &i.layout
	l.columns = make([]int, len(l.names))
	for n := range l.columns {
		l.columns[n] = -1
	}
	for name, from := range i.Map {
		n := l.column(from)
		if n < 0 {
			return &ImportError{"unknown_column", fmt.Sprintf("there is no column %.40q; there are %s", from, quoted(l.names))}
		}
		if n == l.to {
			continue // {{to}} is always there
		}
		var err error
		if l.columns[n], err = i.own(name); err != nil {
			return err
		}
	}
	for n, name := range l.names {
		if i.Map != nil || n == l.to || name == "" {
			continue
		}
		var err error
		if l.columns[n], err = i.own(name); err != nil {
			return err
		}
	}
	return nil
}

// own returns the owner's column of a name, which is added when it is new.
func (i *Importer) own(name string) (int, error) {
	name = ColumnName(name)
	for n, have := range i.Columns {
		if have == name {
			return n, nil
		}
	}
	switch {
	case len(i.Columns) == MaxColumns:
		return 0, &ImportError{"too_many_columns", fmt.Sprintf("there are more than the %d columns allowed; choose with map=", MaxColumns)}
	case len(name) > 64:
		return 0, &ImportError{"invalid_column", fmt.Sprintf("the name %.40q… of a column has more than 64 octets", name)}
	}
	i.Columns = append(i.Columns, strings.Clone(name))
	return len(i.Columns) - 1, nil
}

// place finds the number of a row, and puts its values where they belong.
func (i *Importer) place(row *sheet.Row) (to, field string, fault *Fault) {
	l := &i.layout
	clear(i.member.Values)
	if l.named {
		return i.placeNamed(row)
	}
	for n, cell := range row.Cells {
		switch {
		case n >= len(l.names):
			if strings.TrimSpace(cell) != "" {
				return "", "", &Fault{
					Line: row.Line, Code: "too_many_cells", Row: shorten(row.Raw),
					Reason: fmt.Sprintf("the row has more cells than the %d columns", len(l.names)),
				}
			}
		case n == l.to:
			to = cell
		case l.columns[n] >= 0:
			i.value(l.columns[n], strings.TrimSpace(cell))
		}
	}
	return strings.TrimSpace(to), l.names[l.to], nil
}

// placeNamed is for rows that name their cells.
func (i *Importer) placeNamed(row *sheet.Row) (to, field string, fault *Fault) {
	field = "to"
	for n, name := range row.Names {
		column, known := i.layout.byName[name]
		if !known {
			var err error
			if column, err = i.nameColumn(name); err != nil {
				return "", "", &Fault{Line: row.Line, Field: name, Code: "too_many_columns", Reason: err.Error(), Row: shorten(row.Raw)}
			}
		}
		switch {
		case column == -2:
			to, field = row.Cells[n], name
		case column >= 0:
			i.value(column, row.Cells[n])
		}
	}
	return strings.TrimSpace(to), field, nil
}

func (i *Importer) nameColumn(name string) (column int, err error) {
	plain := ColumnName(name)
	switch column = -1; {
	case i.To != "" && plain == ColumnName(i.To), i.To == "" && (plain == "to" || plain == "msisdn" || plain == "recipient" || plain == "phone"):
		column = -2
	case i.Map == nil:
		column, err = i.own(name)
	default:
		for own, from := range i.Map {
			if ColumnName(from) == plain {
				column, err = i.own(own)
			}
		}
	}
	if err == nil && len(i.layout.byName) < 1000 {
		i.layout.byName[strings.Clone(name)] = column
	}
	return column, err
}

func (i *Importer) value(column int, v string) {
	for len(i.member.Values) <= column {
		i.member.Values = append(i.member.Values, "")
	}
	i.member.Values[column] = v
}
