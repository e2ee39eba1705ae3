package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"time"
)

// NewCampaign is a campaign to create. Name and Text are needed.
type NewCampaign struct {
	Name string `json:"name,omitempty"`            // 1 to 128 characters
	From string `json:"sender_id,omitempty"`       // "": the account's default
	Text string `json:"message_content,omitempty"` // with variables: {{name}}

	Recipients []Recipient `json:"recipients,omitempty"` // up to 100,000; more by AddRecipients and UploadRecipients
	List       string      `json:"list,omitempty"`       // contact list whose members become the recipients, by name or id

	RecipientType   string `json:"recipient_type,omitempty"`   // MANUAL, LIST, UPLOAD; only kept
	TotalRecipients uint32 `json:"total_recipients,omitempty"` // shown until there are recipients
	Duplicates      string `json:"duplicates,omitempty"`       // keep or skip numbers that are there already; "": keep

	ScheduleType string   `json:"schedule_type,omitempty"` // IMMEDIATE or SCHEDULED; "": IMMEDIATE
	ScheduleAt   string   `json:"schedule_at,omitempty"`   // RFC 3339, or without a zone in Timezone
	Timezone     string   `json:"timezone,omitempty"`      // by its IANA name; "": UTC
	Windows      []Window `json:"windows,omitempty"`       // when it may send; none: always

	MaxTPS     uint32 `json:"max_tps,omitempty"`     // messages a second, up to 1,000,000; 0: no limit
	AutoResume bool   `json:"auto_resume,omitempty"` // wait for balance and quota instead of pausing

	// As of a message.
	Priority       string  `json:"priority,omitempty"`
	Encoding       string  `json:"encoding,omitempty"`
	DLRURL         string  `json:"dlr_url,omitempty"`
	ValidityPeriod string  `json:"validity_period,omitempty"`
	Tag            string  `json:"tag,omitempty"`
	Flash          bool    `json:"flash,omitempty"`
	Transliterate  bool    `json:"transliterate,omitempty"`
	UDH            string  `json:"udh,omitempty"`
	DestPort       *uint16 `json:"dest_port,omitempty"`
	SourcePort     *uint16 `json:"source_port,omitempty"`
}

// Recipient is a number and the values of the text's variables for it.
type Recipient struct {
	To     string
	Values map[string]string
}

// MarshalJSON implements json.Marshaler.
func (r Recipient) MarshalJSON() ([]byte, error) {
	if len(r.Values) == 0 {
		return json.Marshal(r.To)
	}
	if _, taken := r.Values["to"]; taken {
		return nil, fmt.Errorf("client: recipient %s: no variable can have the name %q", r.To, "to")
	}
	all := maps.Clone(r.Values)
	all["to"] = r.To
	return json.Marshal(all)
}

// Window is a time of day at which a campaign may send, on some days of the week.
type Window struct {
	Days []string `json:"days,omitempty"` // MON to SUN; none: every day
	From string   `json:"from"`           // 09:00
	To   string   `json:"to"`
}

// Campaign is a campaign and how far it is.
type Campaign struct {
	ID   string `json:"campaign_id"` // 16 hex digits, which sort by time
	Name string `json:"name"`
	// AccountID is whose it is.
	AccountID uint32 `json:"account_id"`
	Status    string `json:"status"` // DRAFT, PENDING_APPROVAL, SCHEDULED, RUNNING, PAUSED, COMPLETED, CANCELLED
	Reason    string `json:"reason,omitempty"`
	// Waiting is what a running campaign waits for.
	Waiting         string    `json:"waiting,omitempty"`
	From            string    `json:"sender_id,omitempty"`
	Text            string    `json:"message_content"`
	Encoding        string    `json:"encoding,omitempty"`
	Flash           bool      `json:"flash,omitempty"`
	Transliterate   bool      `json:"transliterate,omitempty"`
	UDH             string    `json:"udh,omitempty"`
	DestPort        *uint16   `json:"dest_port,omitempty"`
	SourcePort      *uint16   `json:"source_port,omitempty"`
	RecipientType   string    `json:"recipient_type"`
	TotalRecipients int64     `json:"total_recipients"`
	RecipientsAdded int64     `json:"recipients_added"`
	RowsRefused     int64     `json:"rows_refused"`
	DuplicatesSeen  int64     `json:"duplicates_seen"`
	Duplicates      string    `json:"duplicates,omitempty"`
	AutoResume      bool      `json:"auto_resume,omitempty"`
	Columns         []string  `json:"columns,omitempty"` // variables that the recipients have
	ScheduleType    string    `json:"schedule_type"`
	ScheduleAt      time.Time `json:"schedule_at,omitzero"`
	Timezone        string    `json:"timezone,omitempty"`
	Windows         []Window  `json:"windows,omitempty"`
	Priority        string    `json:"priority"`
	MaxTPS          uint32    `json:"max_tps"` // messages a second
	ValidityPeriod  string    `json:"validity_period,omitempty"`
	DLRURL          string    `json:"dlr_url,omitempty"`
	Tag             string    `json:"tag,omitempty"`
	CreatedAt       time.Time `json:"created_at"`
	StartedAt       time.Time `json:"started_at,omitzero"`
	FinishedAt      time.Time `json:"finished_at,omitzero"`
	CreatedBy       string    `json:"created_by,omitempty"`
	ChangedBy       string    `json:"changed_by,omitempty"`
	StartedBy       string    `json:"started_by,omitempty"`
	DecidedBy       string    `json:"decided_by,omitempty"`
	LastError       string    `json:"last_error,omitempty"`
	Progress        Progress  `json:"progress"`
	Imports         []Import  `json:"imports,omitempty"`
	Import          *Import   `json:"import,omitempty"` // of this call, or the one under way
	Warnings        []string  `json:"warnings,omitempty"`
}

// Done reports whether the campaign has ended. Its messages may still be on their way.
func (c *Campaign) Done() bool { return c.Status == "COMPLETED" || c.Status == "CANCELLED" }

// Progress counts recipients, and the messages that were made of them.
type Progress struct {
	Processed int64            `json:"processed"` // recipients that became a message or were refused
	Accepted  int64            `json:"accepted"`
	Refused   int64            `json:"refused"`
	RefusedBy map[string]int64 `json:"refused_by_reason,omitempty"`
	Sent      int64            `json:"sent"`     // given to an SMSC, whatever became of them
	Messages  map[string]int64 `json:"messages"` // by status
}

// Import is an upload of recipients.
type Import struct {
	State      string    `json:"state"` // RUNNING or DONE
	At         time.Time `json:"at,omitzero"`
	Name       string    `json:"name,omitempty"`
	Rows       int64     `json:"rows"`
	Added      int64     `json:"added"`
	Refused    int64     `json:"refused"` // duplicates that were skipped included
	Duplicates int64     `json:"duplicates"`
}

// CampaignQuery selects campaigns. Zero members do not filter.
type CampaignQuery struct {
	Status    string
	Name      string // a part of it
	AccountID uint32
	Since     time.Time // included
	Until     time.Time // not included
	Cursor    string    // NextCursor of the page before; "": from the newest
	Limit     int       // campaigns in one page, 1 to 1,000; 0: 20, and 1,000 for Campaigns
}

// CampaignPage is a piece of a list, newest first.
type CampaignPage struct {
	Campaigns  []Campaign `json:"campaigns"`
	Limit      int        `json:"limit"`
	NextCursor string     `json:"next_cursor"` // "": the end
	Warnings   []string   `json:"warnings,omitempty"`
}

// CreateCampaign makes a DRAFT, with the recipients that n has.
func (c *Client) CreateCampaign(ctx context.Context, n NewCampaign) (*Campaign, error) {
	return get[Campaign](ctx, c, http.MethodPost, base+"/campaigns", nil, n)
}

// AddRecipients adds up to 100,000 recipients to a DRAFT; more by UploadRecipients.
func (c *Client) AddRecipients(ctx context.Context, id string, all []Recipient) (*Campaign, error) {
	return get[Campaign](ctx, c, http.MethodPost, under("/campaigns/", id, "/recipients"), nil, recipientsBody{Recipients: all})
}

// AddList adds the members of a contact list, by its name or id, to a DRAFT.
func (c *Client) AddList(ctx context.Context, id, list string) (*Campaign, error) {
	return get[Campaign](ctx, c, http.MethodPost, under("/campaigns/", id, "/recipients"), nil, recipientsBody{List: list})
}

// The types of files of recipients.
const (
	CSV    = "text/csv"
	XLSX   = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	NDJSON = "application/x-ndjson"
)

// Upload says how a file of recipients is read. What is empty is found by the platform.
type Upload struct {
	Type       string   // CSV, XLSX or NDJSON; "": CSV
	Name       string   // of the file, as it is shown
	To         string   // column of the number, by its name or from 1
	Header     string   // yes or no: whether the first row names the columns
	Delimiter  string   // between the cells of CSV: one character, or tab
	Charset    string   // of CSV, by its IANA name
	Sheet      string   // of XLSX, by its name
	Map        []string // name:column: keep this column under this name; none: keep all
	Duplicates string   // keep or skip numbers that are there already
}

// UploadRecipients adds the recipients of a file of up to 2 GiB to a DRAFT. The file is streamed
// in one try. Rows that are no recipients are counted in Import.Refused, and CampaignErrors has them.
func (c *Client) UploadRecipients(ctx context.Context, id string, up Upload, file io.Reader) (*Campaign, error) {
	return upload[Campaign](ctx, c, under("/campaigns/", id, "/recipients"), up, file)
}

// upload sends a file of recipients in one try.
func upload[T any](ctx context.Context, c *Client, path string, up Upload, file io.Reader) (*T, error) {
	query := queryOf("name", up.Name, "to", up.To, "header", up.Header, "delimiter", up.Delimiter, "charset", up.Charset,
		"sheet", up.Sheet, "duplicates", up.Duplicates)
	if len(up.Map) > 0 {
		query["map"] = up.Map
	}
	setDefault(&up.Type, CSV)
	into := new(T)
	q := &call{method: http.MethodPost, path: path, into: into}
	resp, err := c.Stream(ctx, q.method, q.path+"?"+query.Encode(), up.Type, file)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := readAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return into, q.decode(text)
}

// CampaignErrors returns the error file: rows and recipients that were refused, as CSV. The
// caller closes it.
func (c *Client) CampaignErrors(ctx context.Context, id string) (io.ReadCloser, error) {
	return c.read(ctx, http.MethodGet, under("/campaigns/", id, "/errors"))
}

// Campaign returns one campaign; not_found when it is none of the account.
func (c *Client) Campaign(ctx context.Context, id string) (*Campaign, error) {
	return get[Campaign](ctx, c, http.MethodGet, under("/campaigns/", id), nil, nil)
}

// CampaignPage returns a piece of the list of campaigns.
func (c *Client) CampaignPage(ctx context.Context, q CampaignQuery) (*CampaignPage, error) {
	return get[CampaignPage](ctx, c, http.MethodGet, base+"/campaigns", q.values(), nil)
}

func (q CampaignQuery) values() url.Values {
	return queryOf("status", q.Status, "name", q.Name, "account_id", number(q.AccountID), "since", moment(q.Since), "until", moment(q.Until),
		"cursor", q.Cursor, "limit", number(q.Limit))
}

// Campaigns goes through all campaigns that q selects, newest first, as Messages does.
func (c *Client) Campaigns(ctx context.Context, q CampaignQuery) iter.Seq2[*Campaign, error] {
	setDefault(&q.Limit, 1000)
	return walk(q.Cursor, func(cursor string) ([]Campaign, string, error) {
		q := q
		q.Cursor = cursor
		p, err := c.CampaignPage(ctx, q)
		if err != nil {
			return nil, "", err
		}
		return p.Campaigns, p.NextCursor, nil
	})
}

// StartCampaign starts a DRAFT that has recipients; with approval it becomes PENDING_APPROVAL.
// A change that the campaign's status does not permit is illegal_transition, for all of these.
func (c *Client) StartCampaign(ctx context.Context, id string) (*Campaign, error) {
	return c.campaignAction(ctx, id, "start")
}

// PauseCampaign makes no more messages for now; those already made go their way.
func (c *Client) PauseCampaign(ctx context.Context, id string) (*Campaign, error) {
	return c.campaignAction(ctx, id, "pause")
}

// ResumeCampaign goes on with one that is PAUSED.
func (c *Client) ResumeCampaign(ctx context.Context, id string) (*Campaign, error) {
	return c.campaignAction(ctx, id, "resume")
}

// CancelCampaign ends a campaign and withdraws what was not sent.
func (c *Client) CancelCampaign(ctx context.Context, id string) (*Campaign, error) {
	return c.campaignAction(ctx, id, "cancel")
}

// ApproveCampaign lets one begin that somebody else made, changed and started.
func (c *Client) ApproveCampaign(ctx context.Context, id string) (*Campaign, error) {
	return c.campaignAction(ctx, id, "approve")
}

func (c *Client) campaignAction(ctx context.Context, id, action string) (*Campaign, error) {
	return get[Campaign](ctx, c, http.MethodPost, under("/campaigns/", id, "/", action), nil, nil)
}

// RejectCampaign says no to one that waits for approval.
func (c *Client) RejectCampaign(ctx context.Context, id, reason string) (*Campaign, error) {
	body := struct {
		Reason string `json:"reason,omitempty"`
	}{reason}
	return get[Campaign](ctx, c, http.MethodPost, under("/campaigns/", id, "/reject"), nil, body)
}

// DeleteCampaign deletes one that was not started.
func (c *Client) DeleteCampaign(ctx context.Context, id string) error {
	return c.run(ctx, http.MethodDelete, under("/campaigns/", id), nil)
}

// CampaignChange is what UpdateCampaign changes; nil or empty stays as it is. The members are
// those of NewCampaign.
type CampaignChange struct {
	Name            string    `json:"name,omitempty"`
	From            *string   `json:"sender_id,omitempty"`
	Text            string    `json:"message_content,omitempty"`
	RecipientType   string    `json:"recipient_type,omitempty"`
	TotalRecipients *uint32   `json:"total_recipients,omitempty"`
	Duplicates      string    `json:"duplicates,omitempty"`
	ScheduleType    string    `json:"schedule_type,omitempty"`
	ScheduleAt      string    `json:"schedule_at,omitempty"`
	Timezone        *string   `json:"timezone,omitempty"`
	Windows         *[]Window `json:"windows,omitempty"`
	MaxTPS          *uint32   `json:"max_tps,omitempty"`
	AutoResume      *bool     `json:"auto_resume,omitempty"`
	Priority        string    `json:"priority,omitempty"`
	Encoding        string    `json:"encoding,omitempty"`
	DLRURL          *string   `json:"dlr_url,omitempty"`
	ValidityPeriod  *string   `json:"validity_period,omitempty"`
	Tag             *string   `json:"tag,omitempty"`
	Flash           *bool     `json:"flash,omitempty"`
	Transliterate   *bool     `json:"transliterate,omitempty"`
	UDH             *string   `json:"udh,omitempty"`
	DestPort        *uint16   `json:"dest_port,omitempty"`
	SourcePort      *uint16   `json:"source_port,omitempty"`
}

// UpdateCampaign changes what change has.
func (c *Client) UpdateCampaign(ctx context.Context, id string, change CampaignChange) (*Campaign, error) {
	return get[Campaign](ctx, c, http.MethodPatch, under("/campaigns/", id), nil, change)
}

// RecipientPage is a piece of a campaign's recipients, in their order.
type RecipientPage struct {
	Recipients []Member `json:"recipients"`
	NextAfter  uint32   `json:"next_after"` // 0: the end
}

// RecipientPage returns a piece of a campaign's recipients.
func (c *Client) RecipientPage(ctx context.Context, id string, a After) (*RecipientPage, error) {
	return get[RecipientPage](ctx, c, http.MethodGet, under("/campaigns/", id, "/recipients"), a.values(), nil)
}

// ClearRecipients takes all recipients of a DRAFT away.
func (c *Client) ClearRecipients(ctx context.Context, id string) (*Campaign, error) {
	return get[Campaign](ctx, c, http.MethodDelete, under("/campaigns/", id, "/recipients"), nil, nil)
}

// Sample is a message that a campaign would make, or why it would make none.
type Sample struct {
	Ordinal        uint32 `json:"ordinal"` // of the recipient, from 1
	To             string `json:"to"`
	Text           string `json:"text,omitempty"`
	Encoding       string `json:"encoding,omitempty"`
	Parts          int    `json:"parts,omitempty"`
	Transliterated bool   `json:"transliterated,omitempty"`
	Code           string `json:"code,omitempty"` // of a refusal
	Detail         string `json:"detail,omitempty"`
}

// PreviewCampaign returns the first messages that a campaign would make, limit (1 to 100; 0: 10) at most.
func (c *Client) PreviewCampaign(ctx context.Context, id string, limit int) ([]Sample, error) {
	all, err := get[struct{ Messages []Sample }](ctx, c, http.MethodGet, under("/campaigns/", id, "/preview"), queryOf("limit", number(limit)), nil)
	if err != nil {
		return nil, err
	}
	return all.Messages, nil
}

// TestCampaign sends the campaign's text to one number now, with these values, or the first
// recipient's when there are none. It carries no Idempotency-Key.
func (c *Client) TestCampaign(ctx context.Context, id, to string, values map[string]string, opts ...CallOption) (*Accepted, error) {
	into := new(Accepted)
	q := &call{method: http.MethodPost, path: under("/campaigns/", id, "/test"), into: into}
	q.body = struct {
		To     string            `json:"to"`
		Values map[string]string `json:"values,omitempty"`
	}{to, values}
	for _, o := range opts {
		o(q)
	}
	q.key = ""
	if _, err := c.do(ctx, q); err != nil {
		return nil, err
	}
	return into, nil
}
