package contact_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/contact/sheet"
	"protei-bulk/bulk/message"
)

// digits is a check as intake's, but simpler: 7 digits or more.
func digits(to string) (string, string) {
	if strings.ContainsAny(to, " -") {
		to = strings.ReplaceAll(strings.ReplaceAll(to, " ", ""), "-", "")
	}
	if len(to) < 7 || strings.Trim(strings.TrimPrefix(to, "+"), "0123456789") != "" {
		return "", "is no number"
	}
	return to, ""
}

// memory keeps blocks.
type memory struct{ blocks []contact.Block }

func (m *memory) put(_ context.Context, blocks []contact.Block) error {
	for _, b := range blocks {
		b.Data = append([]byte(nil), b.Data...)
		m.blocks = append(m.blocks, b)
	}
	return nil
}

func (m *memory) Blocks(_ context.Context, _ message.ID, kind contact.BlockKind, from uint32, limit int) (found []contact.Block, err error) {
	for _, b := range m.blocks {
		if b.Kind == kind && b.First+b.Count > from && len(found) < limit {
			found = append(found, b)
		}
	}
	return found, nil
}

// members shows what was imported: number, line and values.
func (m *memory) members(t *testing.T) (all []string) {
	t.Helper()
	r := contact.NewMemberReader(t.Context(), m, contact.Span{To: m.count(contact.Recipients)})
	for {
		got, err := r.Member()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%d %s %s", got.Line, got.To, strings.Join(got.Values, "|")))
	}
}

func (m *memory) count(kind contact.BlockKind) (n uint32) {
	for _, b := range m.blocks {
		if b.Kind == kind {
			n += b.Count
		}
	}
	return n
}

func (m *memory) faults(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := contact.WriteFaults(t.Context(), &b, m, 1, m.count(contact.Refused)); err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(b.String(), "line,field,code,reason,row\n")
}

func TestImport(t *testing.T) {
	for name, c := range map[string]struct {
		in      string
		im      contact.Importer
		members []string
		columns []string
		faults  string
	}{
		"heading by its names": {
			in: "Name,Phone Number,First-Name\nMiller,0151234567,Ann\n", columns: []string{"name", "first_name"},
			members: []string{"2 0151234567 Miller|Ann"},
		},
		"heading by what follows": {
			in: "Wer,Wohin\nAnn,0151234567\n", columns: []string{"wer"}, members: []string{"2 0151234567 Ann"},
		},
		"no heading": {
			in: "80331000,Ann,+49151234567\n80331001,Bob,+49151234568\n", columns: []string{"1", "2"},
			members: []string{"1 +49151234567 80331000|Ann", "2 +49151234568 80331001|Bob"},
		},
		"numbers only": {in: "0151234567\n0151234568", members: []string{"1 0151234567 ", "2 0151234568 "}},
		"column by name": {
			in: "phone,work\n0151234567,0301234567\n", im: contact.Importer{To: "Work"}, columns: []string{"phone"},
			members: []string{"2 0301234567 0151234567"},
		},
		"column by number, and it is said that there is a heading": {
			in: "0151234567,0301234567\n0151234568,0301234568\n", im: contact.Importer{To: "2", Header: contact.HeaderYes}, columns: []string{"0151234567"},
			members: []string{"2 0301234568 0151234568"},
		},
		"values chosen and named": {
			in: "to,Vorname,Ort\n0151234567,Ann,Ulm\n", im: contact.Importer{Map: map[string]string{"first_name": "Vorname"}},
			columns: []string{"first_name"}, members: []string{"2 0151234567 Ann"},
		},
		"rows that are wrong": {
			in:      "to,name\n0151234567,Ann\nabc,Bob\n,Carl\n0151234568,\"Dora\n0151234569,Emil,x\n0151234560,Fay,\n",
			columns: []string{"name"}, members: []string{"2 0151234567 Ann", "7 0151234560 Fay"},
			faults: "3,to,invalid_recipient,is no number,\"abc,Bob\"\n4,to,missing_recipient,is empty,\",Carl\"\n" +
				"5,,unclosed_quote,a quote is opened and not closed,\"0151234568,\"\"Dora\"\n6,,too_many_cells,the row has more cells than the 2 columns,\"0151234569,Emil,x\"\n",
		},
		"duplicates kept": {in: "0151234567\n0151 234-567\n", members: []string{"1 0151234567 ", "2 0151234567 "}},
		"duplicates skipped": {
			in: "0151234567\n00151234567\n0151 234-567\n", im: contact.Importer{SkipDuplicates: true},
			members: []string{"1 0151234567 ", "2 00151234567 "}, faults: "3,1,duplicate,the number is there already,0151 234-567\n",
		},
		"NDJSON": {
			in:      `{"to":"0151234567","name":"Ann"}` + "\n" + `{"city":"Ulm","msisdn":1512345678}` + "\nx\n",
			columns: []string{"name", "city"}, members: []string{"1 0151234567 Ann", "2 1512345678 |Ulm"},
			faults: "3,,malformed_json,the row is not a JSON object,x\n",
		},
		"formulas in the error file": {in: "to\n0151234567\n=cmd|x!A1\n", members: []string{"2 0151234567 "}, faults: "3,to,invalid_recipient,is no number,'=cmd|x!A1\n"},
		"formulas with a sign":       {in: "to\n0151234567\n+1-cmd|x!A1\n-2+cmd|x!A1\n", members: []string{"2 0151234567 "}, faults: "3,to,invalid_recipient,is no number,'+1-cmd|x!A1\n4,to,invalid_recipient,is no number,'-2+cmd|x!A1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			r, err := sheet.Open(strings.NewReader(c.in), sheet.Options{})
			if err != nil {
				t.Fatal(err)
			}
			p := new(contact.Progress)
			c.im.Reader, c.im.Check, c.im.Progress, c.im.Put = r, digits, p, m.put
			if err := c.im.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.members, m.members(t)); diff != "" {
				t.Errorf("members (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.columns, c.im.Columns); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.faults, m.faults(t)); diff != "" {
				t.Errorf("error file (-want +got):\n%s", diff)
			}
			if p.Rows.Load() != p.Added.Load()+p.Refused.Load() || p.Added.Load() != int64(len(c.members)) {
				t.Errorf("%d rows, %d added, %d refused", p.Rows.Load(), p.Added.Load(), p.Refused.Load())
			}
		})
	}
}

func TestImportsThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		im   contact.Importer
		code string
	}{
		"no numbers":      {in: "a,b\nc,d\n", code: "no_number_column"},
		"unknown column":  {in: "to,b\n0151234567,d\n", im: contact.Importer{To: "phone"}, code: "unknown_column"},
		"unknown mapping": {in: "to,b\n0151234567,d\n", im: contact.Importer{Map: map[string]string{"x": "y"}}, code: "unknown_column"},
		"many columns":    {in: "to," + manyNames() + "\n0151234567\n", code: "too_many_columns"},
		"not a table":     {in: strings.Repeat("\"a\"b\n", 5000), code: "unreadable_file"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := sheet.Open(strings.NewReader(c.in), sheet.Options{})
			if err != nil {
				t.Fatal(err)
			}
			c.im.Reader, c.im.Check, c.im.Progress, c.im.Put = r, digits, new(contact.Progress), new(memory).put
			var whole *contact.ImportError
			if err := c.im.Run(t.Context()); !errors.As(err, &whole) || whole.Code != c.code {
				t.Errorf("%v, want %s", err, c.code)
			}
		})
	}
}

func manyNames() string {
	var names []string
	for i := range 120 {
		names = append(names, fmt.Sprintf("column%d", i))
	}
	return strings.Join(names, ",")
}

func TestMembersComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gen := rapid.Custom(func(t *rapid.T) contact.Member {
			return contact.Member{
				To: rapid.StringN(0, 30, 60).Draw(t, "to"), Line: rapid.Uint32Max(1<<32-2).Draw(t, "line"),
				Values: rapid.SliceOfN(rapid.StringN(0, 200, 600), 0, 5).Draw(t, "values"),
			}
		})
		want := rapid.SliceOfN(gen, 1, 20).Draw(t, "members")
		b := contact.Block{Kind: contact.Recipients, First: 1, Count: uint32(len(want))}
		for i := range want {
			b.Data = contact.AppendMember(b.Data, &want[i])
		}
		var c contact.Cursor
		c.Reset(&b)
		for i := range want {
			var got contact.Member
			if !c.Member(&got) || got.To != want[i].To || got.Line != want[i].Line {
				t.Fatalf("member %d is %+v, want %+v", i, got, want[i])
			}
			for n, v := range want[i].Values {
				if n < len(got.Values) {
					if have := got.Values[n]; have != v {
						t.Fatalf("value %q, want %q", have, v)
					}
				} else if v != "" {
					t.Fatalf("value %q is missing", v)
				}
			}
		}
		if c.Member(new(contact.Member)) || c.Err() != nil {
			t.Fatal("there are more than were put in")
		}
	})
}

func TestADamagedBlockIsNoticed(t *testing.T) {
	good := contact.AppendMember(nil, &contact.Member{To: "0151234567", Values: []string{"Ann"}})
	for n := 1; n < len(good); n++ {
		var c contact.Cursor
		c.Reset(&contact.Block{Data: good[:n]})
		if c.Member(new(contact.Member)) || c.Err() == nil {
			t.Errorf("%d of %d octets are taken for a member", n, len(good))
		}
	}
}

// csvRows is a CSV file of n rows that exists only while it is read.
func csvRows(n int) io.Reader {
	r, w := io.Pipe()
	go func() {
		_, err := io.WriteString(w, "msisdn,name,city\n")
		for i := 0; i < n && err == nil; i++ {
			_, err = fmt.Fprintf(w, "+4915%09d,Customer number %d,Frankfurt am Main\n", i, i)
		}
		w.CloseWithError(err)
	}()
	return r
}

// peak imports n rows, stores nothing, and returns the most memory that was in use.
func peak(t testing.TB, n int) uint64 {
	t.Helper()
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	most := uint64(0)
	r, err := sheet.Open(csvRows(n), sheet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := new(contact.Progress)
	im := contact.Importer{Reader: r, Check: digits, Progress: p, Put: func(context.Context, []contact.Block) error {
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
		return nil
	}}
	if err := im.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if p.Added.Load() != int64(n) {
		t.Fatalf("%d of %d rows added", p.Added.Load(), n)
	}
	return most
}

// TestAnImportIsAStream: 200,000 rows are 10 MB of file; with garbage that waits for its
// collection less than 40 MB are in use, of which 4 MB are the numbers.
func TestAnImportIsAStream(t *testing.T) {
	if most := peak(t, 200_000); most > 40<<20 {
		t.Errorf("%d MB in use", most>>20)
	}
}

func BenchmarkImportMillion(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.ReportMetric(float64(peak(b, 1_000_000))/(1<<20), "MB-peak")
	}
	b.ReportMetric(1e6*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
