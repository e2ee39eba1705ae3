package template_test

import (
	"bytes"
	"encoding/csv"
	"slices"
	"testing"

	"protei-bulk/load/scenario/template"
)

// FuzzFeed: a file that can be read has as many rows as encoding/csv finds behind the names of
// the columns.
func FuzzFeed(f *testing.F) {
	for _, seed := range []string{"phone,name\n1,a\n2,b\n", "\ufeffphone\n1\n", "a,a\n\"x\ny\",z\n", "a\n", "", "a,b\n1\n", "\"a"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		feed, err := template.ParseCSV("f.csv", data, template.Sequential)
		if err != nil {
			return
		}
		r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
		r.TrimLeadingSpace = true
		all, err := r.ReadAll()
		if err != nil || len(all) != feed.Len()+1 || feed.Len() == 0 || !slices.Equal(all[0], feed.Columns()) {
			t.Fatalf("%d rows below %q, want %d, %v", feed.Len(), feed.Columns(), len(all)-1, err)
		}
	})
}
