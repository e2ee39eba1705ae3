package campaign_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/campaign/campaigntest"
	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/contact/sheet"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/intake/intaketest"
	"protei-bulk/bulk/message"
	"protei-bulk/bulk/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a Manager over stores in memory, which outlive it.
type rig struct {
	sink     *intaketest.Sink
	store    *campaigntest.Store
	accounts *account.Directory
	acme     *account.Account
	m        *campaign.Manager
}

func open(t testing.TB) *rig {
	t.Helper()
	r := &rig{sink: new(intaketest.Sink)}
	r.store = &campaigntest.Store{Accepted: r.sink.Messages}
	accounts, err := account.Open(context.Background(), account.Options{Store: new(accounttest.Store)})
	if err != nil {
		t.Fatal(err)
	}
	r.accounts = accounts
	if r.acme, _, err = accounts.Create(context.Background(), account.Spec{Name: "acme"}, ""); err != nil {
		t.Fatal(err)
	}
	r.manager(t)
	return r
}

// manager starts another Manager, as a restart would.
func (r *rig) manager(t testing.TB) {
	t.Helper()
	table, err := route.NewTable([]route.Connector{{ID: 1, Name: "default"}})
	if err != nil {
		t.Fatal(err)
	}
	ids := message.NewIDSource(1, 0, nil)
	door, err := intake.New(intake.Options{Sink: r.sink, IDs: ids, Router: table})
	if err != nil {
		t.Fatal(err)
	}
	m, err := campaign.New(campaign.Options{Store: r.store, Intake: door, Accounts: r.accounts, IDs: ids})
	if err != nil {
		t.Fatal(err)
	}
	r.m = m
	if err := m.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.stop(t, m) })
}

func (r *rig) stop(t testing.TB, m *campaign.Manager) {
	t.Helper()
	if err := m.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func (r *rig) wait(t testing.TB, id message.ID, ok func(campaign.Row) bool) campaign.Row {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	row, err := r.store.Wait(ctx, id, ok)
	if err != nil {
		t.Fatalf("campaign stays %s at %d: %v", row.Status, row.Cursor, err)
	}
	return row
}

func is(want campaign.Status) func(campaign.Row) bool {
	return func(row campaign.Row) bool { return row.Status == want }
}

func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("+4915112%06d", i)
	}
	return all
}

func (r *rig) create(t testing.TB, spec campaign.Spec, to []string) campaign.Campaign {
	t.Helper()
	if spec.Name == "" {
		spec.Name = "spring"
	}
	if spec.SenderID == "" {
		spec.SenderID = "ACME"
	}
	if spec.MessageContent == "" {
		spec.MessageContent = "Sale!"
	}
	c, err := r.m.Create(context.Background(), r.acme, spec, "ann")
	if err != nil {
		t.Fatal(err)
	}
	if len(to) > 0 {
		c, _ = r.add(t, c.ID, to)
	}
	return c
}

func (r *rig) add(t testing.TB, id message.ID, to []string) (campaign.Campaign, campaign.Import) {
	t.Helper()
	c, done, err := r.m.AddRecipients(context.Background(), r.acme, id, inline(to))
	if err != nil {
		t.Fatal(err)
	}
	return c, done
}

func inline(to []string) *campaign.Upload {
	rows := make([]sheet.Row, len(to))
	for i, number := range to {
		rows[i] = sheet.Row{Line: uint32(i + 1), Names: []string{"to"}, Cells: []string{number}, Raw: number}
	}
	return &campaign.Upload{Reader: &contact.Inline{Rows: rows}, By: "ann"}
}

// errors is the error file.
func (r *rig) errors(t *testing.T, id message.ID) string {
	t.Helper()
	var b strings.Builder
	if err := r.m.WriteErrors(context.Background(), r.acme, id, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (r *rig) do(t testing.TB, id message.ID, a campaign.Action) campaign.Campaign {
	t.Helper()
	c, err := r.m.Do(context.Background(), r.acme, id, campaign.Decision{Action: a, By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantEach checks that every ordinal from 1 to n was accepted exactly once.
func (r *rig) wantEach(t *testing.T, id message.ID, n int) {
	t.Helper()
	var got []uint32
	for _, m := range r.sink.Messages() {
		if m.Campaign != id {
			t.Errorf("message of campaign %s", m.Campaign)
		}
		got = append(got, m.Ordinal)
	}
	slices.Sort(got)
	for i, o := range got {
		if o != uint32(i+1) {
			t.Fatalf("ordinal %d at place %d", o, i+1)
		}
	}
	if len(got) != n {
		t.Fatalf("%d messages, want %d", len(got), n)
	}
}

func TestACampaignReachesEachRecipientOnce(t *testing.T) {
	r := open(t)
	to := numbers(1200)
	c := r.create(t, campaign.Spec{TotalRecipients: 7}, to[:700])
	if c.Status != campaign.Draft || c.TotalRecipients != 700 {
		t.Fatalf("campaign %s with %d recipients", c.Status, c.TotalRecipients)
	}
	r.add(t, c.ID, to[700:])
	r.do(t, c.ID, campaign.Start)
	row := r.wait(t, c.ID, is(campaign.Completed))
	if row.Refused != 0 || row.Cursor != 1200 || row.FinishedAt == 0 {
		t.Errorf("row %+v", row)
	}
	r.wantEach(t, c.ID, 1200)
	if got, err := r.m.Get(context.Background(), r.acme, c.ID); err != nil || got.Counts[message.Pending] != 1200 || got.Accepted() != 1200 {
		t.Errorf("counts %v, %v", got.Counts, err)
	}
}

func TestWrongRecipientsAreNamedAndStopNothing(t *testing.T) {
	r := open(t)
	c := r.create(t, campaign.Spec{}, nil)
	c, done := r.add(t, c.ID, []string{"1512345678", "nonsense", "", "1512345679"})
	if done.Rows != 4 || done.Added != 2 || done.Refused != 2 || c.TotalRecipients != 2 || c.Settings.RefusedRows != 2 {
		t.Errorf("import %+v of campaign %+v", done, c)
	}
	file := r.errors(t, c.ID)
	if !strings.HasPrefix(file, "line,field,code,reason,row\n2,to,invalid_recipient,") || !strings.Contains(file, "nonsense") || !strings.Contains(file, "\n3,to,missing_recipient,") {
		t.Errorf("error file\n%s", file)
	}
	r.do(t, c.ID, campaign.Start)
	r.wait(t, c.ID, is(campaign.Completed))
	r.wantEach(t, c.ID, 2)
}

func TestPauseResumeAndCancel(t *testing.T) {
	r := open(t)
	c := r.create(t, campaign.Spec{MaxTPS: 50}, numbers(5000)) // 100 s if nobody stops it
	r.do(t, c.ID, campaign.Start)
	if c = r.do(t, c.ID, campaign.Pause); c.Status != campaign.Paused {
		t.Fatalf("status %s", c.Status)
	}
	made := len(r.sink.Messages())
	if int(c.Cursor) != made || c.Processed() != int64(made) {
		t.Errorf("cursor %d, processed %d, %d messages", c.Cursor, c.Processed(), made)
	}
	if c = r.do(t, c.ID, campaign.Resume); c.Status != campaign.Running {
		t.Fatalf("status %s", c.Status)
	}
	if c = r.do(t, c.ID, campaign.Cancel); c.Status != campaign.Cancelled || c.FinishedAt == 0 {
		t.Fatalf("status %s", c.Status)
	}
	r.wantEach(t, c.ID, int(c.Cursor))
	if c.Counts[message.Cancelled] != int64(c.Cursor) || c.Settings.Cancelling {
		t.Errorf("counts %v after the cancellation of %d", c.Counts, c.Cursor)
	}
	var wrong *campaign.TransitionError
	if _, err := r.m.Do(context.Background(), r.acme, c.ID, campaign.Decision{Action: campaign.Resume}); !errors.As(err, &wrong) || len(wrong.Allowed) != 0 {
		t.Errorf("resume of a cancelled campaign: %v", err)
	}
}

func TestTransitionsThatAreNotPossible(t *testing.T) {
	r := open(t)
	empty := r.create(t, campaign.Spec{}, nil)
	if _, err := r.m.Do(context.Background(), r.acme, empty.ID, campaign.Decision{Action: campaign.Start}); !errors.Is(err, campaign.ErrNoRecipients) {
		t.Errorf("start without recipients: %v", err)
	}
	for _, action := range []campaign.Action{campaign.Pause, campaign.Resume} {
		var wrong *campaign.TransitionError
		if _, err := r.m.Do(context.Background(), r.acme, empty.ID, campaign.Decision{Action: action}); !errors.As(err, &wrong) || !slices.Contains(wrong.Allowed, campaign.Start) {
			t.Errorf("%s of a DRAFT: %v", action, err)
		}
	}
	c := r.create(t, campaign.Spec{}, numbers(1))
	r.do(t, c.ID, campaign.Start)
	r.wait(t, c.ID, is(campaign.Completed))
	if _, _, err := r.m.AddRecipients(context.Background(), r.acme, c.ID, inline(numbers(1))); !errors.Is(err, campaign.ErrNotDraft) {
		t.Errorf("recipients for a finished campaign: %v", err)
	}
	if _, err := r.m.Update(context.Background(), r.acme, c.ID, "ann", func(s *campaign.Spec) { s.Name = "x" }); !errors.Is(err, campaign.ErrNotDraft) {
		t.Errorf("change of a finished campaign: %v", err)
	}
	if err := r.m.Delete(context.Background(), r.acme, c.ID); err != nil {
		t.Errorf("delete of a finished campaign: %v", err)
	}
	if _, err := r.m.Get(context.Background(), r.acme, c.ID); !errors.Is(err, campaign.ErrNotFound) {
		t.Errorf("after delete: %v", err)
	}
}

func TestBackPressureIsWaitedOut(t *testing.T) {
	r := open(t)
	r.sink.Fail(intake.ErrBusy)
	c := r.create(t, campaign.Spec{}, numbers(20))
	r.do(t, c.ID, campaign.Start)
	r.sink.Fail(nil)
	r.wait(t, c.ID, is(campaign.Completed))
	r.wantEach(t, c.ID, 20)
}

// TestFullDiskIsWaitedOut: while the store refuses its progress a campaign waits and stays what it is, also when a
// change of it is refused, and then goes on.
func TestFullDiskIsWaitedOut(t *testing.T) {
	r := open(t)
	var full atomic.Bool
	refused := make(chan struct{}, 1)
	r.store.Refuse = func() error {
		if !full.Load() {
			return nil
		}
		select {
		case refused <- struct{}{}:
		default:
		}
		return intake.AsRefusal(intake.ErrDiskFull)
	}
	at := time.Now().Add(200 * time.Millisecond)
	c := r.create(t, campaign.Spec{ScheduleType: "SCHEDULED", ScheduleAt: at.Format(time.RFC3339Nano)}, numbers(20))
	r.do(t, c.ID, campaign.Start)
	full.Store(true)
	<-refused
	var refusal *intake.Refusal
	if _, err := r.m.Do(context.Background(), r.acme, c.ID, campaign.Decision{Action: campaign.Pause}); !errors.As(err, &refusal) || refusal.Code != intake.DiskFull {
		t.Errorf("a pause on a full disk: %v", err)
	}
	<-refused
	<-refused // by the run that goes on
	full.Store(false)
	r.wait(t, c.ID, is(campaign.Completed))
	r.wantEach(t, c.ID, 20)
}

func TestScheduledWaitsForItsTime(t *testing.T) {
	r := open(t)
	soon := time.Now().Add(300 * time.Millisecond)
	c := r.create(t, campaign.Spec{ScheduleType: "SCHEDULED", ScheduleAt: soon.Format(time.RFC3339Nano)}, numbers(3))
	if c = r.do(t, c.ID, campaign.Start); c.Status != campaign.Scheduled {
		t.Fatalf("status %s", c.Status)
	}
	if n := len(r.sink.Messages()); n != 0 {
		t.Errorf("%d messages before the time", n)
	}
	row := r.wait(t, c.ID, is(campaign.Completed))
	if row.FinishedAt < soon.UnixMilli() {
		t.Errorf("finished %d ms early", soon.UnixMilli()-row.FinishedAt)
	}
}

func TestOutsideOfItsWindowsItWaits(t *testing.T) {
	r := open(t)
	now := time.Now().UTC()
	later := []campaign.Window{{From: now.Add(2 * time.Hour).Format("15:04"), To: now.Add(3 * time.Hour).Format("15:04")}}
	c := r.create(t, campaign.Spec{Windows: later}, numbers(3))
	r.do(t, c.ID, campaign.Start)
	row := r.wait(t, c.ID, func(row campaign.Row) bool {
		return strings.Contains(string(row.Settings), "outside its time windows until")
	})
	if row.Status != campaign.Running || len(r.sink.Messages()) != 0 {
		t.Errorf("status %s, %d messages", row.Status, len(r.sink.Messages()))
	}
	r.do(t, c.ID, campaign.Pause)
	if row := r.wait(t, c.ID, is(campaign.Paused)); strings.Contains(string(row.Settings), "outside") {
		t.Errorf("a paused one waits: %s", row.Settings)
	}
	open := []campaign.Window{{From: now.Add(-time.Hour).Format("15:04"), To: now.Add(2 * time.Hour).Format("15:04")}}
	c = r.create(t, campaign.Spec{Windows: open, Timezone: "Etc/UTC"}, numbers(3))
	r.do(t, c.ID, campaign.Start)
	r.wait(t, c.ID, is(campaign.Completed))
	r.wantEach(t, c.ID, 3)
}

func TestTimesWithoutAZoneAreTheCampaigns(t *testing.T) {
	r := open(t)
	day := time.Now().AddDate(0, 1, 0).Format("2006-01-02")
	for _, at := range []string{day + "T09:30", day + " 09:30:00"} {
		c := r.create(t, campaign.Spec{ScheduleType: "SCHEDULED", ScheduleAt: at, Timezone: "Asia/Ashgabat"}, nil)
		if got := time.UnixMilli(c.ScheduleAt).UTC().Format("2006-01-02T15:04"); got != day+"T04:30" {
			t.Errorf("%s in Ashgabat is %s UTC", at, got)
		}
	}
	if _, err := r.m.Create(context.Background(), r.acme, campaign.Spec{Name: "a", MessageContent: "x", ScheduleType: "SCHEDULED", ScheduleAt: day + "T09:30"}, ""); err == nil {
		t.Error("a time without any zone is taken")
	}
}

func TestOthersDoNotSeeIt(t *testing.T) {
	r := open(t)
	c := r.create(t, campaign.Spec{}, numbers(1))
	other, _, err := r.accounts.Create(context.Background(), account.Spec{Name: "other"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.m.Get(context.Background(), other, c.ID); !errors.Is(err, campaign.ErrNotFound) {
		t.Errorf("get: %v", err)
	}
	if _, err := r.m.Do(context.Background(), other, c.ID, campaign.Decision{Action: campaign.Cancel}); !errors.Is(err, campaign.ErrNotFound) {
		t.Errorf("cancel: %v", err)
	}
	if err := r.m.Delete(context.Background(), other, c.ID); !errors.Is(err, campaign.ErrNotFound) {
		t.Errorf("delete: %v", err)
	}
	if all, _, err := r.m.List(context.Background(), other, campaign.Query{Limit: 10}); err != nil || len(all) != 0 {
		t.Errorf("list: %v, %v", all, err)
	}
	admin, _, err := r.accounts.Create(context.Background(), account.Spec{Name: "admin", Role: account.Admin}, "")
	if err != nil {
		t.Fatal(err)
	}
	if all, _, err := r.m.List(context.Background(), admin, campaign.Query{Limit: 10}); err != nil || len(all) != 1 {
		t.Errorf("an admin's list: %v, %v", all, err)
	}
}

func TestASpecNamesEveryFault(t *testing.T) {
	r := open(t)
	_, err := r.m.Create(context.Background(), r.acme, campaign.Spec{
		RecipientType: "x", ScheduleType: "y", ScheduleAt: "z", MaxTPS: 2_000_000, Encoding: "e", Timezone: "Mars/Olympus",
		Windows: []campaign.Window{{From: "9", To: "10:00"}}, Duplicates: "double",
	}, "ann")
	for _, field := range []string{"name", "message_content", "recipient_type", "schedule_type", "schedule_at", "max_tps", "encoding", "timezone", "windows/0", "duplicates"} {
		if err == nil || !strings.Contains(err.Error(), field+":") {
			t.Errorf("%s is not named in %v", field, err)
		}
	}
	if _, err := r.m.Create(context.Background(), r.acme, campaign.Spec{Name: "a", MessageContent: "Привет", Encoding: "GSM7"}, "ann"); err == nil {
		t.Error("a text that the encoding does not have was accepted")
	}
	if all, _, err := r.m.List(context.Background(), r.acme, campaign.Query{Limit: 10}); err != nil || len(all) != 0 {
		t.Errorf("what was refused left %d campaigns, %v", len(all), err)
	}
}
