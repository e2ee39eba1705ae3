package api

import (
	"fmt"
	"strings"
	"time"

	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

// campaignView is a campaign as the API shows it.
type campaignView struct {
	ID              message.ID `json:"-"`
	CampaignID      string     `json:"campaign_id"`
	Name            string     `json:"name"`
	Status          string     `json:"status"`
	SenderID        string     `json:"sender_id,omitempty"`
	MessageContent  string     `json:"message_content"`
	Encoding        string     `json:"encoding,omitempty"`
	RecipientType   string     `json:"recipient_type"`
	TotalRecipients uint32     `json:"total_recipients"`
	Recipients      uint32     `json:"recipients_added"`
	ScheduleType    string     `json:"schedule_type"`
	ScheduleAt      string     `json:"schedule_at,omitempty"`
	Priority        string     `json:"priority"`
	MaxTPS          uint32     `json:"max_tps"`
	DLRURL          string     `json:"dlr_url,omitempty"`
	CreatedAt       string     `json:"created_at"`
	StartedAt       string     `json:"started_at,omitempty"`
	FinishedAt      string     `json:"finished_at,omitempty"`
	LastError       string     `json:"last_error,omitempty"`

	Progress campaignProgress `json:"progress"`
	Warnings []string         `json:"warnings,omitempty"`
}

// campaignProgress counts recipients, and the messages that were made of them by status.
type campaignProgress struct {
	Processed uint32           `json:"processed"` // recipients that became a message or were refused
	Accepted  uint64           `json:"accepted"`
	Refused   uint64           `json:"refused"`
	Messages  map[string]int64 `json:"messages"`
}

func viewCampaign(c *campaign.Campaign) campaignView {
	return campaignView{
		ID: c.ID, CampaignID: c.ID.String(), Name: c.Name, Status: string(c.Status), SenderID: c.SenderID,
		MessageContent: c.MessageContent, Encoding: c.Settings.Encoding, RecipientType: c.RecipientType,
		TotalRecipients: c.TotalRecipients, Recipients: c.Settings.Added, ScheduleType: c.ScheduleType,
		ScheduleAt: timeOrEmpty(c.ScheduleAt), Priority: c.Priority.String(), MaxTPS: c.MaxTPS, DLRURL: c.Settings.DLRURL,
		CreatedAt: timeOrEmpty(c.CreatedAt), StartedAt: timeOrEmpty(c.StartedAt), FinishedAt: timeOrEmpty(c.FinishedAt),
		LastError: c.Settings.LastError,
		Progress: campaignProgress{
			Processed: c.Cursor, Accepted: c.Accepted, Refused: c.Refused, Messages: byStatus(c.Counts),
		},
	}
}

func timeOrEmpty(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format(time.RFC3339)
}

// campaignReaders reads the members of a campaign over spec, under all their names.
func (c *call) campaignReaders(s *campaign.Spec) map[string]func(string) {
	d := &c.dec
	number := func(most uint64, into *uint32) func(string) {
		return func(n string) {
			var v uint64
			d.uint(n, most, &v)
			*into = uint32(v)
		}
	}
	readers := map[string]func(string){
		"name":             func(n string) { d.string(n, &s.Name) },
		"encoding":         func(n string) { d.string(n, &s.Encoding) },
		"priority":         func(n string) { d.priority(n, &s.Priority) },
		"recipient_type":   func(n string) { d.string(n, &s.RecipientType) },
		"schedule_type":    func(n string) { d.string(n, &s.ScheduleType) },
		"schedule_at":      func(n string) { d.string(n, &s.ScheduleAt) },
		"dlr_url":          func(n string) { d.string(n, &s.DLRURL) },
		"total_recipients": number(campaign.MaxTotal, &s.TotalRecipients),
		"max_tps":          number(campaign.MaxTPS, &s.MaxTPS),
	}
	seen := map[field]string{}
	alias := func(f field, into *string) func(string) {
		return func(n string) {
			if first := seen[f]; first != "" {
				d.fault(intake.DuplicateField, n, "is given twice, also as "+first)
			}
			seen[f] = n
			d.string(n, into)
		}
	}
	for _, name := range []string{"sender_id", "from", "sender"} {
		readers[name] = alias(fieldFrom, &s.SenderID)
	}
	for _, name := range []string{"message_content", "text", "message"} {
		readers[name] = alias(fieldText, &s.MessageContent)
	}
	return readers
}

// recipients reads an array of numbers, given as strings or as objects with "to".
func (c *call) recipients(into *[]string) func(string) {
	d := &c.dec
	return func(name string) {
		if d.kind() != '[' {
			d.wrongType(name, "an array")
			return
		}
		d.array()
		for i := 0; d.more(']'); i++ {
			if len(*into) > campaign.MaxRecipients || len(d.faults) > 100 {
				d.skip() // the campaign names the bound
				continue
			}
			*into = append(*into, c.recipient(fmt.Sprintf("%s/%d", name, i)))
		}
	}
}

// recipient reads one entry; place is where it stands in the body.
func (c *call) recipient(place string) (to string) {
	d := &c.dec
	before := len(d.faults)
	if d.kind() != '{' {
		d.string(place, &to)
	} else {
		d.object()
		for d.more('}') {
			key := d.key()
			if fieldOf(key) == fieldTo {
				d.string(place, &to)
				continue
			}
			d.unknown(key)
			d.skip()
		}
	}
	for i := before; i < len(d.faults); i++ {
		d.faults[i].Pointer = "/" + place
	}
	return to
}

func (c *call) createCampaign() error {
	spec := campaign.Spec{Priority: message.Normal}
	var to []string
	readers := c.campaignReaders(&spec)
	readers["recipients"] = c.recipients(&to)
	if err := c.object(maxBulkBody, readers); err != nil {
		return err
	}
	made, err := c.api.opts.Campaigns.Create(c.r.Context(), c.who, cloneSpec(spec), cloneAll(to))
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/api/v1/campaigns/"+made.ID.String())
	return c.campaign(201, made)
}

// cloneSpec and cloneAll copy strings out of the request's text, which would live as long.
func cloneSpec(s campaign.Spec) campaign.Spec {
	for _, p := range []*string{&s.Name, &s.SenderID, &s.MessageContent, &s.RecipientType, &s.ScheduleType, &s.ScheduleAt, &s.Encoding, &s.DLRURL} {
		*p = strings.Clone(*p)
	}
	return s
}

func cloneAll(all []string) []string {
	for i := range all {
		all[i] = strings.Clone(all[i])
	}
	return all
}

func (c *call) campaign(status int, made campaign.Campaign) error {
	view := viewCampaign(&made)
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
	q, unknown, err := parseQuery(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	all, err := c.api.opts.Campaigns.List(c.r.Context(), c.who, q.Cursor, q.Limit)
	if err != nil {
		return err
	}
	views := make([]campaignView, len(all))
	for i := range all {
		views[i] = viewCampaign(&all[i])
	}
	answer := map[string]any{"campaigns": views, "limit": q.Limit, "next_cursor": nil}
	if len(all) == q.Limit {
		answer["next_cursor"] = all[len(all)-1].ID.String()
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
	updated, err := c.api.opts.Campaigns.Update(c.r.Context(), c.who, id, func(s *campaign.Spec) {
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

func (c *call) addRecipients() error {
	id, err := c.campaignID()
	if err != nil {
		return err
	}
	var to []string
	if err := c.object(maxBulkBody, map[string]func(string){"recipients": c.recipients(&to)}); err != nil {
		return err
	}
	if len(to) == 0 {
		return &problem{code: "no_recipients", detail: "recipients: an array of numbers is needed", faults: []fault{{"/recipients", "no_recipients", "has no entries"}}}
	}
	updated, err := c.api.opts.Campaigns.AddRecipients(c.r.Context(), c.who, id, cloneAll(to))
	if err != nil {
		return err
	}
	return c.campaign(200, updated)
}

// campaignAction is POST /api/v1/campaigns/{id}/{start,pause,resume,cancel}.
func campaignAction(action string) func(*call) error {
	return func(c *call) error {
		id, err := c.campaignID()
		if err != nil {
			return err
		}
		done, err := c.api.opts.Campaigns.Do(c.r.Context(), c.who, id, campaign.Action(action))
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
	var to string
	if err := c.object(maxSingleBody, map[string]func(string){"to": func(n string) { c.dec.string(n, &to) }}); err != nil {
		return err
	}
	m, err := c.api.opts.Campaigns.Test(c.r.Context(), c.who, id, to)
	if err != nil {
		return err
	}
	c.accepted(&intake.Outcome{Msg: m})
	c.reply(201, c.answer)
	return nil
}
