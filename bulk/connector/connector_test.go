package connector_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"protei-bulk/bulk/aggregator"
	"protei-bulk/bulk/connector"
)

// memory is a Store.
type memory struct{ rows map[uint16]connector.Row }

func (m *memory) LoadConnectors(context.Context) (rows []connector.Row, err error) {
	for _, r := range m.rows {
		rows = append(rows, r)
	}
	return rows, nil
}

func (m *memory) SaveConnector(_ context.Context, r connector.Row) error {
	m.rows[r.ID] = r
	return nil
}

// runner notes what it is asked, and keeps connectors busy.
type runner struct {
	modes []connector.Mode
	busy  bool
}

func (r *runner) Apply(_ context.Context, _, c *connector.Connector) error {
	r.modes = append(r.modes, c.Mode)
	return nil
}

func (r *runner) Move(context.Context, *connector.Connector, *connector.Connector) (int64, error) {
	return 3, nil
}

func (r *runner) Idle(context.Context, *connector.Connector) error {
	if r.busy {
		return errors.New("3 messages wait")
	}
	return nil
}

func spec(name string) connector.Spec {
	s := connector.Defaults()
	s.Name, s.Address, s.SystemID, s.Password = name, "127.0.0.1:2775", "x", "hunter2"
	return s
}

func TestDirectory(t *testing.T) {
	ctx, store, run := t.Context(), &memory{map[uint16]connector.Row{}}, new(runner)
	d, err := connector.Open(ctx, connector.Options{Store: store, Taken: 4, InUse: func(c *connector.Connector) int { return int(c.ID) - 5 }})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(ctx, run); err != nil {
		t.Fatal(err)
	}
	one, err := d.Create(ctx, spec("one"))
	if err != nil || one.ID != 5 {
		t.Fatalf("%+v, %v: want number 5, the lowest that no message has", one, err)
	}
	if _, err := d.Create(ctx, spec("one")); !errors.Is(err, connector.ErrTaken) {
		t.Errorf("the same name twice: %v", err)
	}
	two, err := d.Create(ctx, spec("two"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(ctx, "two"); !errors.Is(err, connector.ErrInUse) {
		t.Errorf("deleted although a route names it: %v", err)
	}
	run.busy = true
	if err := d.Delete(ctx, "one"); !errors.Is(err, connector.ErrInUse) || !strings.Contains(err.Error(), "3 messages") {
		t.Errorf("deleted although messages wait: %v", err)
	}
	if last := run.modes[len(run.modes)-1]; last != connector.Running {
		t.Errorf("left %s after a delete that was refused", last)
	}
	run.busy = false
	if err := d.Delete(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Find("one"); !errors.Is(err, connector.ErrUnknown) || d.Name(5) != "one" {
		t.Errorf("after the delete: %v, named %q", err, d.Name(5))
	}
	if store.rows[5].Secrets.Password != "" {
		t.Error("the password of a deleted connector is kept")
	}
	again, err := connector.Open(ctx, connector.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := again.Find("two"); err != nil || c.ID != two.ID || c.Password != "hunter2" {
		t.Errorf("opened again: %+v, %v", c, err)
	}
}

func TestSpecHidesItsPassword(t *testing.T) {
	s := spec("one")
	text, err := json.Marshal(connector.Row{Spec: s, Secrets: connector.Secrets{Password: s.Password}})
	if err != nil || strings.Contains(string(text), "hunter2") {
		t.Errorf("%s, %v", text, err)
	}
}

// TestDocsSettings holds the table of docs/connectors.md to Spec.
func TestDocsSettings(t *testing.T) {
	page, err := os.ReadFile("../../docs/connectors.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "<!-- connector settings: begin -->")
	table, _, _ = strings.Cut(table, "<!-- connector settings: end -->")
	var got []string
	for _, line := range strings.Split(table, "\n") {
		if cell := strings.Split(line, "|"); len(cell) > 3 {
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell[1], -1) {
				got = append(got, m[1])
			}
		}
	}
	want := []string{"password", "outbind_password"}
	for i := range reflect.TypeFor[connector.Spec]().NumField() {
		if name, _, _ := strings.Cut(reflect.TypeFor[connector.Spec]().Field(i).Tag.Get("json"), ","); name != "-" {
			want = append(want, name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("docs/connectors.md has %v, Spec %v", got, want)
	}
}

// TestDocsHTTPFields holds the list of fields in docs/connectors.md to aggregator.Fields.
func TestDocsHTTPFields(t *testing.T) {
	page, err := os.ReadFile("../../docs/connectors.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "<!-- http fields: begin -->")
	table, _, _ = strings.Cut(table, "<!-- http fields: end -->")
	want := "\n| field | |\n|---|---|\n"
	for _, f := range aggregator.Fields() {
		want += "| `{{" + f.Name + "}}` | " + f.Doc + " |\n"
	}
	if table != want {
		t.Errorf("docs/connectors.md has %s, want %s", table, want)
	}
}

func TestFromURL(t *testing.T) {
	s, err := connector.FromURL("op", "smpps://me:s%40crt@smsc.example.net?binds=4&bind=txrx&unknown=hold&insecure=1&timeout=3s")
	if err != nil || s.Address != "smsc.example.net:3550" || s.Password != "s@crt" || s.Binds != 4 || s.Bind != "txrx" ||
		s.Unknown != "hold" || !s.TLS || !s.TLSInsecure || s.Window != 100 {
		t.Errorf("%+v, %v", s, err)
	}
	o := s.Upstream(nil)
	if o.TLS == nil || o.TLS.ServerName != "smsc.example.net" || o.Validate() != nil {
		t.Errorf("options are %+v", o)
	}
	if _, err := connector.FromURL("op", "smpp://me:hunter2@host?binds=900"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}
