package api

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/contact/sheet"
	"protei-bulk/bulk/message"
)

// campaignView is a campaign as the API shows it.
type campaignView struct {
	ID              message.ID        `json:"-"`
	CampaignID      string            `json:"campaign_id"`
	Name            string            `json:"name"`
	Status          string            `json:"status"`
	Reason          string            `json:"reason,omitempty"`
	Waiting         string            `json:"waiting,omitempty"`
	AccountID       uint32            `json:"account_id"`
	SenderID        string            `json:"sender_id,omitempty"`
	MessageContent  string            `json:"message_content"`
	Encoding        string            `json:"encoding,omitempty"`
	Flash           bool              `json:"flash,omitempty"`
	Transliterate   bool              `json:"transliterate,omitempty"`
	UDH             string            `json:"udh,omitempty"`
	DestPort        uint16            `json:"dest_port,omitempty"`
	SourcePort      uint16            `json:"source_port,omitempty"`
	RecipientType   string            `json:"recipient_type"`
	TotalRecipients uint32            `json:"total_recipients"`
	Recipients      uint32            `json:"recipients_added"`
	RefusedRows     uint32            `json:"rows_refused"`
	Repeated        uint32            `json:"duplicates_seen"`
	Duplicates      string            `json:"duplicates,omitempty"`
	AutoResume      bool              `json:"auto_resume,omitempty"`
	Columns         []string          `json:"columns,omitempty"`
	ScheduleType    string            `json:"schedule_type"`
	ScheduleAt      string            `json:"schedule_at,omitempty"`
	Timezone        string            `json:"timezone,omitempty"`
	Windows         []campaign.Window `json:"windows,omitempty"`
	Priority        string            `json:"priority"`
	MaxTPS          uint32            `json:"max_tps"`
	ValidityPeriod  string            `json:"validity_period,omitempty"`
	DLRURL          string            `json:"dlr_url,omitempty"`
	Tag             string            `json:"tag,omitempty"`
	CreatedAt       string            `json:"created_at"`
	StartedAt       string            `json:"started_at,omitempty"`
	FinishedAt      string            `json:"finished_at,omitempty"`
	CreatedBy       string            `json:"created_by,omitempty"`
	ChangedBy       string            `json:"changed_by,omitempty"`
	StartedBy       string            `json:"started_by,omitempty"`
	DecidedBy       string            `json:"decided_by,omitempty"`
	LastError       string            `json:"last_error,omitempty"`

	Progress campaignProgress `json:"progress"`
	Imports  []importView     `json:"imports,omitempty"`
	Import   *importView      `json:"import,omitempty"` // of this call, or the one under way
	Warnings []string         `json:"warnings,omitempty"`
}

// campaignProgress counts recipients, and the messages that were made of them by status.
type campaignProgress struct {
	Processed int64             `json:"processed"` // recipients that became a message or were refused
	Accepted  int64             `json:"accepted"`
	Refused   uint64            `json:"refused"`
	RefusedBy map[string]uint64 `json:"refused_by_reason,omitempty"`
	Sent      int64             `json:"sent"` // given to an SMSC, whatever became of them
	Messages  map[string]int64  `json:"messages"`
}

// importView is an import of recipients.
type importView struct {
	State      string `json:"state"` // RUNNING or DONE
	At         string `json:"at,omitempty"`
	Name       string `json:"name,omitempty"`
	Rows       int64  `json:"rows"`
	Added      int64  `json:"added"`
	Refused    int64  `json:"refused"`
	Duplicates int64  `json:"duplicates"`
}

func viewCampaign(c *campaign.Campaign) campaignView {
	set := &c.Settings
	v := campaignView{
		ID: c.ID, CampaignID: c.ID.String(), AccountID: c.Account, Name: c.Name, Status: string(c.Status), Reason: set.Reason, Waiting: set.Waiting,
		SenderID: c.SenderID, MessageContent: c.MessageContent, Encoding: set.Encoding, Flash: set.Flash,
		Transliterate: set.Transliterate, UDH: set.UDH, DestPort: set.DestPort, SourcePort: set.SourcePort,
		RecipientType: c.RecipientType, TotalRecipients: c.TotalRecipients, Recipients: set.Added, RefusedRows: set.RefusedRows,
		Repeated: set.Repeated, Duplicates: set.Duplicates, AutoResume: set.AutoResume, Columns: set.Columns, ScheduleType: c.ScheduleType,
		ScheduleAt: timeOrEmpty(c.ScheduleAt), Timezone: set.Timezone, Windows: set.Windows, Priority: c.Priority.String(),
		MaxTPS: c.MaxTPS, ValidityPeriod: set.ValidityPeriod, DLRURL: set.DLRURL, Tag: set.Tag,
		CreatedAt: timeOrEmpty(c.CreatedAt), StartedAt: timeOrEmpty(c.StartedAt), FinishedAt: timeOrEmpty(c.FinishedAt),
		CreatedBy: set.CreatedBy, ChangedBy: set.ChangedBy, StartedBy: set.StartedBy, DecidedBy: set.DecidedBy, LastError: set.LastError,
		Progress: campaignProgress{
			Processed: c.Processed(), Accepted: c.Accepted(), Refused: c.Refused, RefusedBy: set.RefusedBy,
			Sent: c.Sent(), Messages: byStatus(c.Counts),
		},
	}
	for _, i := range set.Imports {
		v.Imports = append(v.Imports, viewImport(i))
	}
	if p := c.Import; p != nil {
		v.Import = &importView{State: "RUNNING", Rows: p.Rows.Load(), Added: p.Added.Load(), Refused: p.Refused.Load(), Duplicates: p.Duplicates.Load()}
	}
	return v
}

func viewImport(i campaign.Import) importView {
	return importView{
		State: "DONE", At: timeOrEmpty(i.At), Name: i.Name, Rows: i.Rows, Added: i.Added, Refused: i.Refused, Duplicates: i.Duplicates,
	}
}

func timeOrEmpty(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format(time.RFC3339)
}

func (c *call) createCampaign() error {
	spec := campaign.Spec{Priority: message.Normal}
	var rows []sheet.Row
	list := ""
	readers := c.campaignReaders(&spec)
	readers["recipients"] = c.recipients(&rows)
	readers["list"] = func(n string) { c.dec.string(n, &list) }
	if err := c.object(maxBulkBody, readers); err != nil {
		return err
	}
	if len(rows) > campaign.MaxRecipients {
		return tooManyInline()
	}
	ctx, all := c.r.Context(), c.api.opts.Campaigns
	made, err := all.Create(ctx, c.who, cloneSpec(spec), c.actor())
	if err != nil {
		return err
	}
	var done *campaign.Import
	if len(rows) > 0 || list != "" {
		up, err := c.upload(rows, list)
		if err == nil {
			var sum campaign.Import
			made, sum, err = all.AddRecipients(ctx, c.who, made.ID, up)
			done = &sum
		}
		if err != nil {
			return errors.Join(err, all.Delete(context.WithoutCancel(ctx), c.who, made.ID))
		}
	}
	c.w.Header().Set("Location", "/api/v1/campaigns/"+made.ID.String())
	return c.campaignWith(201, made, done)
}

// cloneSpec copies strings out of the request's text, which would live as long.
func cloneSpec(s campaign.Spec) campaign.Spec {
	for _, p := range []*string{
		&s.Name, &s.SenderID, &s.MessageContent, &s.RecipientType, &s.ScheduleType, &s.ScheduleAt, &s.Encoding, &s.DLRURL,
		&s.ValidityPeriod, &s.Tag, &s.UDH, &s.Timezone, &s.Duplicates,
	} {
		*p = strings.Clone(*p)
	}
	return s
}

func (c *call) campaign(status int, made campaign.Campaign) error {
	return c.campaignWith(status, made, nil)
}

func (c *call) campaignWith(status int, made campaign.Campaign, done *campaign.Import) error {
	view := viewCampaign(&made)
	if done != nil {
		v := viewImport(*done)
		view.Import = &v
	}
	view.Warnings = c.warned()
	return c.document(status, view)
}

func (c *call) campaignID() (message.ID, error) {
	id, err := message.ParseID(c.r.PathValue("id"))
	if err != nil {
		return 0, campaign.ErrNotFound
	}
	return id, nil
}

func (c *call) getCampaign() error {
	id, err := c.campaignID()
	if err != nil {
		return err
	}
	found, err := c.api.opts.Campaigns.Get(c.r.Context(), c.who, id)
	if err != nil {
		return err
	}
	return c.campaign(200, found)
}

func (c *call) listCampaigns() error {
	// status and name are not those of messages.
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return wrong("invalid_parameter", "the query is not well-formed")
	}
	status, name := values.Get("status"), values.Get("name")
	values.Del("status")
	values.Del("name")
	q, unknown, err := parseQuery(values.Encode())
	if err != nil {
		return err
	}
	want := campaign.Query{Account: q.Account, Name: name, Below: q.Cursor, Limit: q.Limit}
	if status != "" {
		var ok bool
		if want.Status, ok = campaign.ParseStatus(status); !ok {
			detail := "is none of DRAFT, PENDING_APPROVAL, SCHEDULED, RUNNING, PAUSED, COMPLETED, CANCELLED"
			return wrongParameter("status", detail)
		}
	}
	if !q.Since.IsZero() {
		want.Since = message.FirstID(q.Since)
	}
	if until := message.FirstID(q.Until); !q.Until.IsZero() && (want.Below == 0 || until < want.Below) {
		want.Below = until
	}
	all, next, err := c.api.opts.Campaigns.List(c.r.Context(), c.who, want)
	if err != nil {
		return err
	}
	views := make([]campaignView, len(all))
	for i := range all {
		views[i] = viewCampaign(&all[i])
	}
	answer := map[string]any{"campaigns": views, "limit": q.Limit, "next_cursor": nil}
	if next != 0 {
		answer["next_cursor"] = next.String()
	}
	for i, name := range unknown {
		unknown[i] = "unknown parameter " + name + " was ignored"
	}
	if len(unknown) > 0 {
		answer["warnings"] = unknown
	}
	return c.document(200, answer)
}

func (c *call) updateCampaign() error {
	id, err := c.campaignID()
	if err != nil {
		return err
	}
	// Into an empty Spec, to see what is wrong before anything changes; the second reading,
	// over the campaign as it is, cannot fail.
	var scratch campaign.Spec
	if err := c.object(maxSingleBody, c.campaignReaders(&scratch)); err != nil {
		return err
	}
	text := c.dec.text
	updated, err := c.api.opts.Campaigns.Update(c.r.Context(), c.who, id, c.actor(), func(s *campaign.Spec) {
		_ = c.dec.whole(text, c.campaignReaders(s))
		*s = cloneSpec(*s)
	})
	if err != nil {
		return err
	}
	return c.campaign(200, updated)
}

func (c *call) deleteCampaign() error {
	id, err := c.campaignID()
	if err != nil {
		return err
	}
	if err := c.api.opts.Campaigns.Delete(c.r.Context(), c.who, id); err != nil {
		return err
	}
	c.w.WriteHeader(204)
	return nil
}

// campaignAction is POST /api/v1/campaigns/{id}/{start,approve,reject,pause,resume,cancel}.
func campaignAction(action string) func(*call) error {
	return func(c *call) error {
		id, err := c.campaignID()
		if err != nil {
			return err
		}
		d := campaign.Decision{Action: campaign.Action(action), By: c.actor()}
		if action == "reject" && c.r.ContentLength != 0 {
			if err := c.object(maxSingleBody, map[string]func(string){"reason": func(n string) { c.dec.string(n, &d.Reason) }}); err != nil {
				return err
			}
			d.Reason = strings.Clone(d.Reason[:min(len(d.Reason), 500)])
		}
		done, err := c.api.opts.Campaigns.Do(c.r.Context(), c.who, id, d)
		if err != nil {
			return err
		}
		return c.campaign(200, done)
	}
}

// testCampaign is POST /api/v1/campaigns/{id}/test: one message, to a number of the body.
func (c *call) testCampaign() error {
	id, err := c.campaignID()
	if err != nil {
		return err
	}
	trial := campaign.Trial{TraceParent: c.r.Header.Get("Traceparent")}
	err = c.object(maxSingleBody, map[string]func(string){
		"to":     func(n string) { c.dec.string(n, &trial.To) },
		"values": func(n string) { c.dec.value(n, &trial.Values) },
	})
	if err != nil {
		return err
	}
	out, err := c.api.opts.Campaigns.Test(c.r.Context(), c.who, id, trial)
	if err != nil {
		return err
	}
	c.accepted(&out)
	c.reply(201, c.answer)
	return nil
}

// actor names the person behind a request, for what needs a second one: the API key by its
// prefix, the user of the session or the user of Basic.
func (c *call) actor() string {
	if c.key != nil {
		return "key " + c.key.Prefix
	}
	if c.session != nil {
		return "console user " + c.session.User.Name
	}
	if user, _, ok := c.r.BasicAuth(); ok {
		return "user " + strings.Clone(user[:min(len(user), account.MaxSystemID)])
	}
	return "account " + c.who.Name
}
