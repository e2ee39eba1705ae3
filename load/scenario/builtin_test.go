package scenario_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"protei-bulk/load"
	"protei-bulk/load/scenario"
	"protei-bulk/load/stats"
)

// TestBuiltInRequests: what the built-in scenario sends is as docs/load.md says, and --set
// changes it; dlr_url is left out without receipts.
func TestBuiltInRequests(t *testing.T) {
	const message = `"to":"9665\d{8}","text":"Protei_Bulk load test, message \d+","client_ref":"[0-9a-z-]+"`
	for name, tc := range map[string]struct {
		sets     []string
		receipts bool
		want     string
	}{
		"single":   {[]string{"mix=1:0:0:0:0"}, false, `POST /api/v1/messages {"from":"LoadTest",` + message + `}`},
		"receipts": {[]string{"mix=1:0:0:0:0"}, true, `POST /api/v1/messages {"from":"LoadTest","dlr_url":"http://127\.0\.0\.1:\d+/dlr/\w+",` + message + `}`},
		"bulk":     {[]string{"mix=0:1:0:0:0", "bulk=2"}, false, `POST /api/v1/messages/bulk {"from":"LoadTest","messages":\[{` + message + `},{` + message + `}\]}`},
		"list":     {[]string{"mix=0:0:0:1:0"}, false, `GET /api/v1/messages\?page=1&limit=20 `},
		"no id yet": {
			[]string{"mix=0:0:1:0:0", "from=12345", "to=4477", "text=Hi number"},
			false,
			`POST /api/v1/messages {"from":"12345","to":"4477\d{8}","text":"Hi number\d+","client_ref":"[0-9a-z-]+"}`,
		},
		"campaign": {[]string{"mix=0:0:0:0:1"}, false, `POST /api/v1/campaigns {"name":"Load test campaign \d+","sender_id":"LoadTest","message_content":"Protei_Bulk load test, message campaign",` +
			`"recipient_type":"UPLOAD","total_recipients":1000,"schedule_type":"IMMEDIATE","priority":"NORMAL"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEcho(t, func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(http.StatusServiceUnavailable) })
			o := scenario.Options{
				Host: e.srv.URL, APIKey: "k", Classes: []string{"MessagingUser"}, Settings: scenario.DefaultSettings(), NoReceipts: !tc.receipts,
			}
			for _, pair := range append(tc.sets, "wait=0.01") {
				if err := o.Settings.Set(pair); err != nil {
					t.Fatal(err)
				}
			}
			runBriefly(t, o)
			asked := e.all()
			if len(asked) == 0 {
				t.Fatal("nothing was sent")
			}
			for _, got := range asked {
				if !regexp.MustCompile("^" + tc.want + "$").MatchString(got) {
					t.Fatalf("got  %s\nwant %s", got, tc.want)
				}
			}
		})
	}
}

// TestBuiltInClasses: who takes part, in which numbers, with which tags.
func TestBuiltInClasses(t *testing.T) {
	for name, tc := range map[string]struct {
		sets    []string
		classes []string
		peak    int
		noSMPP  bool
		want    string // class weight/fixed/every; "" = an error
		fault   string
	}{
		"few users":       {peak: 99, want: "MessagingUser 1/0/0"},
		"many users":      {peak: 100, want: "MessagingUser 1/0/0, SMPPUser 1/0/100"},
		"no account":      {peak: 100, noSMPP: true, want: "MessagingUser 1/0/0"},
		"so many":         {sets: []string{"smpp_users=3"}, peak: 5, want: "MessagingUser 1/0/0, SMPPUser 1/3/0"},
		"none wanted":     {sets: []string{"smpp_users=0"}, peak: 500, want: "MessagingUser 1/0/0"},
		"named":           {classes: []string{"SMPPUser"}, peak: 5, want: "SMPPUser 1/0/0"},
		"both named":      {classes: []string{"SMPPUser", "MessagingUser"}, peak: 5, want: "MessagingUser 1/0/0, SMPPUser 1/0/0"},
		"named, none":     {sets: []string{"smpp_users=0"}, classes: []string{"SMPPUser"}, fault: "no user class is left"},
		"so many, no one": {sets: []string{"smpp_users=3"}, noSMPP: true, fault: "SMPPUser needs --smpp"},
		"unknown":         {classes: []string{"WebUser"}, fault: "there are MessagingUser and SMPPUser"},
		"transmitter":     {sets: []string{"smpp_bind=tx"}, peak: 100, fault: "--no-receipts"},
	} {
		o := scenario.Options{Host: "http://127.0.0.1:1", APIKey: "k", PeakUsers: tc.peak, Classes: tc.classes, Settings: scenario.DefaultSettings()}
		for _, pair := range tc.sets {
			if err := o.Settings.Set(pair); err != nil {
				t.Fatal(err)
			}
		}
		if !tc.noSMPP {
			o.SMPP = &scenario.SMPPAddress{Addr: "127.0.0.1:1", SystemID: "a", Password: "b"}
		}
		got, err := classesOf(t, o)
		if tc.fault != "" {
			if err == nil || !strings.Contains(err.Error(), tc.fault) {
				t.Errorf("%s: %v, want %s", name, err, tc.fault)
			}
			continue
		}
		if err != nil || got != tc.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, tc.want)
		}
	}
	o := scenario.Options{Host: "http://127.0.0.1:1", APIKey: "k", PeakUsers: 100, SMPP: &scenario.SMPPAddress{Addr: "127.0.0.1:1"}, Settings: scenario.DefaultSettings()}
	var tags []string
	for _, c := range openClasses(t, o) {
		tags = append(tags, c.Name+": "+strings.Join(c.Tags, " "))
		for _, task := range c.Tasks {
			tags = append(tags, task.Name+": "+strings.Join(task.Tags, " "))
		}
	}
	want := "MessagingUser: ; send single: send single; send bulk: send bulk; query status: read status; list messages: read list; create campaign: campaign; SMPPUser: smpp send; submit_sm: "
	if got := strings.Join(tags, "; "); got != want {
		t.Errorf("tags: %s", got)
	}
}

// figures fills in what every run needs.
func figures(o *scenario.Options) {
	o.Recorder, o.Ledger, o.Clock = newFigures(stats.LedgerOptions{NoReceipts: o.NoReceipts})
}

func newFigures(l stats.LedgerOptions) (*stats.Recorder, *stats.Ledger, *load.Clock) {
	return stats.NewRecorder(stats.RecorderOptions{}), stats.NewLedger(l), load.NewClock()
}

// openClasses opens the built-in scenario until the end of the test.
func openClasses(t *testing.T, o scenario.Options) []load.UserClass {
	t.Helper()
	figures(&o)
	r, err := scenario.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	classes, err := r.Classes()
	if err != nil {
		t.Fatal(err)
	}
	return classes
}

// classesOf lists the classes.
func classesOf(t *testing.T, o scenario.Options) (string, error) {
	t.Helper()
	figures(&o)
	r, err := scenario.New(t.Context(), o)
	if err != nil {
		return "", err
	}
	defer r.Close()
	classes, err := r.Classes()
	var list []string
	for _, c := range classes {
		list = append(list, fmt.Sprintf("%s %d/%d/%d", c.Name, c.Weight, c.FixedCount, c.Every))
	}
	return strings.Join(list, ", "), err
}

// runBriefly lets two users do ten tasks.
func runBriefly(t *testing.T, o scenario.Options) {
	t.Helper()
	figures(&o)
	r, err := scenario.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	classes, err := r.Classes()
	if err != nil {
		t.Fatal(err)
	}
	_, err = load.Run(t.Context(), load.Options{
		Classes: classes, Shape: load.Flat{Users: 2, SpawnRate: 1000}, Iterations: 10, Recorder: o.Recorder, Ledger: o.Ledger,
		Clock: o.Clock, StopTimeout: 10 * time.Second, NoDrain: true,
	})
	if err != nil {
		t.Fatal(err)
	}
}
