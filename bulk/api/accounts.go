package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/intake"
	"protei-bulk/gsm"
)

const maxAdminBody = 64 << 10

// accountView is an account as the API shows it: no secret, no hash.
type accountView struct {
	ID              uint32    `json:"account_id"`
	Name            string    `json:"name"`
	Role            string    `json:"role"`
	SystemID        string    `json:"system_id,omitempty"`
	TPS             float64   `json:"tps"`
	Burst           int       `json:"burst"`
	RateBy          string    `json:"tps_counts"`
	DailyQuota      int64     `json:"daily_quota"`
	MonthlyQuota    int64     `json:"monthly_quota"`
	TimeZone        string    `json:"time_zone"`
	MaxBinds        int       `json:"max_binds"`
	Window          int       `json:"window"`
	DefaultSender   string    `json:"default_sender,omitempty"`
	DefaultEncoding string    `json:"default_encoding"`
	DLRURL          string    `json:"dlr_url,omitempty"`
	OptOut          string    `json:"opt_out"`
	StopReply       string    `json:"stop_reply,omitempty"`
	StartReply      string    `json:"start_reply,omitempty"`
	Senders         []string  `json:"senders,omitempty"`
	SenderTypes     string    `json:"sender_types"`
	SenderPolicy    string    `json:"sender_policy"`
	MessageIDs      string    `json:"message_ids"`
	SMPPAllow       []string  `json:"smpp_allow,omitempty"`
	Outbind         string    `json:"outbind,omitempty"`
	Approval        bool      `json:"campaign_approval,omitempty"`
	Ordered         bool      `json:"ordered,omitempty"`
	Disabled        bool      `json:"disabled"`
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
	billingMembers

	// Shown once, when they are made.
	APIKey   string   `json:"api_key,omitempty"`
	Password string   `json:"password,omitempty"`
	Secret   string   `json:"webhook_secret,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

func (a *API) viewAccount(who *account.Account) accountView {
	return accountView{
		ID: who.ID, Name: who.Name, Role: who.Role.String(), SystemID: who.SystemID, TPS: who.TPS, MaxBinds: who.MaxBinds,
		DefaultSender: who.DefaultSender, DefaultEncoding: who.DefaultEncoding.String(), DLRURL: who.DLRURL, Disabled: who.Disabled,
		Burst: who.Burst, RateBy: who.RateUnit(), DailyQuota: who.DailyQuota, MonthlyQuota: who.MonthlyQuota, TimeZone: cmp.Or(who.TimeZone, "UTC"), Window: who.Window,
		OptOut: cmp.Or(who.OptOut, account.OptOutOn), StopReply: who.StopReply, StartReply: who.StartReply,
		Senders: who.Senders, SenderTypes: cmp.Or(who.SenderTypes, account.AnySender), SenderPolicy: cmp.Or(who.SenderPolicy, account.RefuseSender),
		MessageIDs: cmp.Or(who.MessageIDs, account.HexIDs), SMPPAllow: who.SMPPAllow, Outbind: who.Outbind,
		billingMembers: a.viewBilling(who),
		Approval:       who.CampaignApproval, Ordered: who.Ordered,
		CreatedAt: time.UnixMilli(who.CreatedAt).UTC(), UpdatedAt: time.UnixMilli(who.UpdatedAt).UTC(),
	}
}

// document answers with v as JSON.
func (c *call) document(status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.reply(status, append(b, '\n'))
	return nil
}

// object reads a JSON object with a reader for each member that is known.
func (c *call) object(limit int, readers map[string]func(name string)) error {
	ndjson, err := bodyType(c.r.Header)
	if err != nil {
		return err
	}
	if ndjson {
		return wrong("unsupported_media_type", "send application/json")
	}
	text, err := c.text(limit)
	if err != nil {
		return err
	}
	return c.dec.whole(text, readers)
}

// warned returns the sentences about fields that were not read.
func (c *call) warned() []string {
	var all []string
	for _, name := range c.dec.warnings {
		all = append(all, "unknown field "+name+" was ignored")
	}
	return all
}

func (c *call) listAccounts() error {
	views := []accountView{}
	for _, a := range c.api.opts.Accounts.Snapshot().All() {
		if c.who.Manages(a) {
			views = append(views, c.api.viewAccount(a))
		}
	}
	return c.document(200, map[string]any{"accounts": views})
}

// account returns the account of the path ("me" is the caller's own), if the caller may
// see it.
func (c *call) account() (*account.Account, error) {
	text := c.r.PathValue("id")
	if text == "me" {
		text = strconv.FormatUint(uint64(c.who.ID), 10)
	}
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return nil, account.ErrUnknown
	}
	a := c.api.opts.Accounts.ByID(uint32(id))
	if a == nil || !c.who.Manages(a) {
		return nil, account.ErrUnknown
	}
	return a, nil
}

func (c *call) getAccount() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	return c.document(200, c.api.viewAccount(a))
}

// accountBody is what a body says about an account.
type accountBody struct {
	account.Spec
	password string
	set      map[string]bool
}

// readAccount reads the members of an account over spec.
func (c *call) readAccount(body *accountBody) error {
	d := &c.dec
	s := &body.Spec
	var role, encoding string
	var binds, burst, window, daily, monthly uint64
	readers := map[string]func(string){
		"name":             func(n string) { d.string(n, &s.Name) },
		"role":             func(n string) { d.string(n, &role) },
		"system_id":        func(n string) { d.string(n, &s.SystemID) },
		"password":         func(n string) { d.string(n, &body.password) },
		"tps":              func(n string) { d.float(n, &s.TPS) },
		"burst":            func(n string) { d.uint(n, account.MaxTPS, &burst) },
		"tps_counts":       func(n string) { d.string(n, &s.RateBy) },
		"daily_quota":      func(n string) { d.uint(n, account.MaxQuota, &daily) },
		"monthly_quota":    func(n string) { d.uint(n, account.MaxQuota, &monthly) },
		"time_zone":        func(n string) { d.string(n, &s.TimeZone) },
		"window":           func(n string) { d.uint(n, account.MaxWindow, &window) },
		"max_binds":        func(n string) { d.uint(n, account.MaxMaxBinds, &binds) },
		"default_sender":   func(n string) { d.string(n, &s.DefaultSender) },
		"default_encoding": func(n string) { d.string(n, &encoding) },
		"dlr_url":          func(n string) { d.string(n, &s.DLRURL) },
		"webhook_secret":   func(n string) { d.string(n, &s.WebhookSecret) },
		"message_ids":      func(n string) { d.string(n, &s.MessageIDs) },
		"opt_out":          func(n string) { d.string(n, &s.OptOut) },
		"stop_reply":       func(n string) { d.string(n, &s.StopReply) },
		"start_reply":      func(n string) { d.string(n, &s.StartReply) },
		"senders":          func(n string) { d.strings(n, &s.Senders) },
		"sender_types":     func(n string) { d.string(n, &s.SenderTypes) },
		"sender_policy":    func(n string) { d.string(n, &s.SenderPolicy) },
		"smpp_allow":       func(n string) { d.strings(n, &s.SMPPAllow) },
		"outbind":          func(n string) { d.string(n, &s.Outbind) },
		"outbind_password": func(n string) { d.string(n, &s.OutbindPassword) },

		"campaign_approval": func(n string) { d.bool(n, &s.CampaignApproval) },
		"disabled":          func(n string) { d.bool(n, &s.Disabled) },
		"ordered":           func(n string) { d.bool(n, &s.Ordered) },
	}
	maps.Copy(readers, billingReaders(d, &s.Billing))
	body.set = make(map[string]bool)
	for name, read := range readers {
		readers[name] = func(n string) { body.set[n] = true; read(n) }
	}
	err := c.object(maxAdminBody, readers)
	if err != nil {
		return err
	}
	if body.set["role"] {
		if s.Role, err = account.ParseRole(role); err != nil {
			d.fault("invalid_role", "role", "is one of admin, customer, reseller")
		}
	}
	if body.set["default_encoding"] {
		if s.DefaultEncoding, err = gsm.ParseEncoding(encoding); err != nil {
			d.fault("invalid_encoding", "default_encoding", "is none of AUTO, GSM7, UCS2, LATIN1, BINARY")
		}
	}
	for name, set := range map[string]func(){
		"max_binds":     func() { s.MaxBinds = int(binds) },
		"burst":         func() { s.Burst = int(burst) },
		"window":        func() { s.Window = int(window) },
		"daily_quota":   func() { s.DailyQuota = int64(daily) },
		"monthly_quota": func() { s.MonthlyQuota = int64(monthly) },
	} {
		if body.set[name] {
			set()
		}
	}
	if err := d.invalid(); err != nil {
		return err
	}
	return c.allowWebhook(s.DLRURL)
}

// createAccount makes an account; the answer shows its API key and password, once.
func (c *call) createAccount() error {
	if c.who.Role != account.Reseller {
		if err := c.admin(); err != nil {
			return err
		}
	}
	var body accountBody
	if err := c.readAccount(&body); err != nil {
		return err
	}
	if c.who.Role == account.Reseller {
		if err := errors.Join(c.mayChange(nil, body.set), c.adopt(&body.Spec)); err != nil {
			return err
		}
		if c.within(&body.Spec); len(c.dec.faults) > 0 {
			return c.dec.invalid()
		}
	} else if p := c.api.opts.Accounts.ByID(body.Parent); p != nil && (body.Currency == "" || body.Currency == c.api.opts.Billing.Currency(p)) {
		body.Currency = p.Currency
	}
	a, secrets, err := c.api.opts.Accounts.Create(c.r.Context(), body.Spec, body.password)
	if err != nil {
		return err
	}
	view := c.api.viewAccount(a)
	view.APIKey, view.Password, view.Secret, view.Warnings = secrets.APIKey, secrets.Password, a.WebhookSecret, c.warned()
	c.w.Header().Set("Location", "/api/v1/accounts/"+strconv.Itoa(int(a.ID)))
	return c.document(201, view)
}

// selfService are the members that a customer may change of its own account.
var selfService = map[string]bool{"default_sender": true, "default_encoding": true, "dlr_url": true, "webhook_secret": true, "message_ids": true, "stop_reply": true, "start_reply": true, "ordered": true}

func (c *call) updateAccount() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	// Read once to learn what is set and whether it is well-formed, then apply to the
	// account as it is at that moment.
	body := accountBody{Spec: a.Spec}
	if err := c.readAccount(&body); err != nil {
		return err
	}
	if body.set["password"] {
		return wrong("forbidden", "the password is set by POST /api/v1/accounts/{id}/password")
	}
	if err := c.mayChange(a, body.set); err != nil {
		return err
	}
	if body.set["currency"] && body.Currency != a.Currency && c.api.opts.Billing.Moved(a) {
		return wrong("conflict", "the currency stays: the account's balance is in it already")
	}
	if c.who.IsParentOf(a) {
		if c.within(&body.Spec); len(c.dec.faults) > 0 {
			return c.dec.invalid()
		}
	}
	updated, err := c.api.opts.Accounts.Update(c.r.Context(), a.ID, func(s *account.Spec) { body.applyTo(s) })
	if err != nil {
		return err
	}
	view := c.api.viewAccount(updated)
	view.Warnings = c.warned()
	return c.document(200, view)
}

func (b *accountBody) applyTo(s *account.Spec) {
	for name := range b.set {
		switch name {
		case "name":
			s.Name = b.Name
		case "role":
			s.Role = b.Role
		case "system_id":
			s.SystemID = b.SystemID
		case "tps":
			s.TPS = b.TPS
		case "burst":
			s.Burst = b.Burst
		case "tps_counts":
			s.RateBy = b.RateBy
		case "daily_quota":
			s.DailyQuota = b.DailyQuota
		case "monthly_quota":
			s.MonthlyQuota = b.MonthlyQuota
		case "time_zone":
			s.TimeZone = b.TimeZone
		case "window":
			s.Window = b.Window
		case "max_binds":
			s.MaxBinds = b.MaxBinds
		case "default_sender":
			s.DefaultSender = b.DefaultSender
		case "default_encoding":
			s.DefaultEncoding = b.DefaultEncoding
		case "dlr_url":
			s.DLRURL = b.DLRURL
		case "webhook_secret":
			s.WebhookSecret = b.WebhookSecret
		case "message_ids":
			s.MessageIDs = b.MessageIDs
		case "opt_out":
			s.OptOut = b.OptOut
		case "stop_reply":
			s.StopReply = b.StopReply
		case "start_reply":
			s.StartReply = b.StartReply
		case "senders":
			s.Senders = b.Senders
		case "sender_types":
			s.SenderTypes = b.SenderTypes
		case "sender_policy":
			s.SenderPolicy = b.SenderPolicy
		case "smpp_allow":
			s.SMPPAllow = b.SMPPAllow
		case "outbind":
			s.Outbind = b.Outbind
		case "outbind_password":
			s.OutbindPassword = b.OutbindPassword
		case "campaign_approval":
			s.CampaignApproval = b.CampaignApproval
		case "disabled":
			s.Disabled = b.Disabled
		case "ordered":
			s.Ordered = b.Ordered
		default:
			applyBilling(name, &s.Billing, &b.Billing)
		}
	}
}

// setPassword sets the SMPP and Basic password, to a random one when none is given, and
// shows it once.
func (c *call) setPassword() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	if c.key != nil && !c.key.Scopes.Hold(0) {
		return missingScope(c.key, 0) // the password opens everything
	}
	var password string
	if c.r.ContentLength != 0 {
		err := c.object(maxAdminBody, map[string]func(string){"password": func(n string) { c.dec.string(n, &password) }})
		if err != nil {
			return err
		}
	}
	password, err = c.api.opts.Accounts.SetPassword(c.r.Context(), a.ID, password)
	if err != nil {
		return err
	}
	return c.document(200, map[string]any{"account_id": a.ID, "system_id": a.SystemID, "password": password})
}

// getWebhook shows where the caller's final states go.
func (c *call) getWebhook() error {
	return c.document(200, map[string]any{"dlr_url": c.who.DLRURL, "webhook_secret": c.who.WebhookSecret})
}

// allowWebhook refuses a dlr_url of an account, which may be empty, that the policy excludes: no
// message could be told there. Other faults are the account's to find.
func (c *call) allowWebhook(url string) error {
	if url == "" {
		return nil
	}
	if r := c.api.opts.Intake.CheckWebhook(url); r != nil && r.Code == intake.DLRURLNotAllowed {
		return &account.FieldError{Field: r.Field, Detail: r.Detail}
	}
	return nil
}

// putWebhook sets the caller's default webhook; an absent member stays as it is.
func (c *call) putWebhook() error {
	var url, secret *string
	readers := map[string]func(string){
		"dlr_url":        func(n string) { url = new(string); c.dec.string(n, url) },
		"webhook_secret": func(n string) { secret = new(string); c.dec.string(n, secret) },
	}
	if err := c.object(maxAdminBody, readers); err != nil {
		return err
	}
	if url != nil {
		if err := c.allowWebhook(*url); err != nil {
			return err
		}
	}
	a, err := c.api.opts.Accounts.Update(c.r.Context(), c.who.ID, func(s *account.Spec) {
		if url != nil {
			s.DLRURL = *url
		}
		if secret != nil {
			s.WebhookSecret = *secret
		}
	})
	if err != nil {
		return err
	}
	answer := map[string]any{"dlr_url": a.DLRURL, "webhook_secret": a.WebhookSecret}
	if warnings := c.warned(); len(warnings) > 0 {
		answer["warnings"] = warnings
	}
	return c.document(200, answer)
}
