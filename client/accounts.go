package client

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Me is the number of the caller's own account, for calls that take one.
const Me = 0

// Account is a customer, a reseller or an administrator.
type Account struct {
	ID       uint32 `json:"account_id"`
	Name     string `json:"name"`
	Role     string `json:"role"` // customer, reseller, admin
	SystemID string `json:"system_id,omitempty"`

	TPS          float64 `json:"tps"`           // messages (or parts, TPSCounts) a second; 0: no limit
	Burst        int     `json:"burst"`         // what TPS lets through at once after a pause; 0: one second's
	TPSCounts    string  `json:"tps_counts"`    // messages or parts
	DailyQuota   int64   `json:"daily_quota"`   // parts; 0: no limit
	MonthlyQuota int64   `json:"monthly_quota"` // parts; 0: no limit
	TimeZone     string  `json:"time_zone"`     // of days and months
	Window       int     `json:"window"`        // submit_sm of one bind without our answer; 0: the server's bound
	MaxBinds     int     `json:"max_binds"`     // SMPP binds at once; 0: 100

	DefaultSender    string   `json:"default_sender,omitempty"`
	DefaultEncoding  string   `json:"default_encoding"`
	DLRURL           string   `json:"dlr_url,omitempty"`
	MessageIDs       string   `json:"message_ids"` // form of message_id over SMPP: hex or dec
	OptOut           string   `json:"opt_out"`     // on or off
	StopReply        string   `json:"stop_reply,omitempty"`
	StartReply       string   `json:"start_reply,omitempty"`
	Senders          []string `json:"senders,omitempty"`
	SenderTypes      string   `json:"sender_types"`  // any, numeric, alphanumeric
	SenderPolicy     string   `json:"sender_policy"` // refuse or replace
	SMPPAllow        []string `json:"smpp_allow,omitempty"`
	Outbind          string   `json:"outbind,omitempty"`
	CampaignApproval bool     `json:"campaign_approval,omitempty"`
	Disabled         bool     `json:"disabled"`
	Ordered          bool     `json:"ordered,omitempty"`

	Billing       string      `json:"billing"` // prepaid, postpaid
	Currency      string      `json:"currency"`
	CreditLimit   json.Number `json:"credit_limit"`
	Price         json.Number `json:"price"`   // of a part; "": the route's
	Refunds       []string    `json:"refunds"` // final states that are paid back
	Parent        uint32      `json:"parent,omitempty"`
	SharedBalance bool        `json:"shared_balance,omitempty"`

	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`

	// Shown once, by CreateAccount.
	APIKey        string   `json:"api_key,omitempty"`
	Password      string   `json:"password,omitempty"`
	WebhookSecret string   `json:"webhook_secret,omitempty"`
	Warnings      []string `json:"warnings,omitempty"`
}

// AccountSettings are what CreateAccount sets and UpdateAccount changes: members that are nil or
// empty stay as they are. Their units and ranges are those of Account.
type AccountSettings struct {
	Name     string `json:"name,omitempty"`
	Role     string `json:"role,omitempty"`
	SystemID string `json:"system_id,omitempty"`
	Password string `json:"password,omitempty"` // for CreateAccount; "": a random one

	TPS          *float64 `json:"tps,omitempty"`
	Burst        *int     `json:"burst,omitempty"`
	TPSCounts    string   `json:"tps_counts,omitempty"`
	DailyQuota   *int64   `json:"daily_quota,omitempty"`
	MonthlyQuota *int64   `json:"monthly_quota,omitempty"`
	TimeZone     string   `json:"time_zone,omitempty"`
	Window       *int     `json:"window,omitempty"`
	MaxBinds     *int     `json:"max_binds,omitempty"`

	DefaultSender    *string   `json:"default_sender,omitempty"`
	DefaultEncoding  string    `json:"default_encoding,omitempty"`
	DLRURL           *string   `json:"dlr_url,omitempty"`
	WebhookSecret    *string   `json:"webhook_secret,omitempty"`
	MessageIDs       string    `json:"message_ids,omitempty"`
	OptOut           string    `json:"opt_out,omitempty"`
	StopReply        *string   `json:"stop_reply,omitempty"`
	StartReply       *string   `json:"start_reply,omitempty"`
	Senders          *[]string `json:"senders,omitempty"`
	SenderTypes      string    `json:"sender_types,omitempty"`
	SenderPolicy     string    `json:"sender_policy,omitempty"`
	SMPPAllow        *[]string `json:"smpp_allow,omitempty"`
	Outbind          *string   `json:"outbind,omitempty"`
	OutbindPassword  *string   `json:"outbind_password,omitempty"`
	CampaignApproval *bool     `json:"campaign_approval,omitempty"`
	Disabled         *bool     `json:"disabled,omitempty"`
	Ordered          *bool     `json:"ordered,omitempty"`

	Billing       string      `json:"billing,omitempty"`
	Currency      string      `json:"currency,omitempty"`
	CreditLimit   json.Number `json:"credit_limit,omitempty"`
	Price         json.Number `json:"price,omitempty"`
	Refunds       *[]string   `json:"refunds,omitempty"`
	Parent        uint32      `json:"parent,omitempty"`
	SharedBalance *bool       `json:"shared_balance,omitempty"`
}

// Balance is what an account can spend. Amounts are exact decimal numbers of Currency.
type Balance struct {
	AccountID   uint32      `json:"account_id"`
	PaidBy      uint32      `json:"paid_by"` // the account whose balance it is
	Billing     string      `json:"billing"`
	Currency    string      `json:"currency"`
	Balance     json.Number `json:"balance"`
	Reserved    json.Number `json:"reserved"` // of it, for messages on their way
	CreditLimit json.Number `json:"credit_limit"`
	Available   json.Number `json:"available"` // "" when Unlimited
	Unlimited   bool        `json:"unlimited"`
	Charged     json.Number `json:"charged"`  // so far
	Refunded    json.Number `json:"refunded"` // so far
	Credits     json.Number `json:"credits"`  // put in so far
}

// Payment is money that moves.
type Payment struct {
	Amount json.Number `json:"amount"` // exact, up to six decimals
	// Reference makes it safe to repeat: with the same one nothing moves twice.
	Reference string `json:"reference,omitempty"`
	Note      string `json:"note,omitempty"`
}

// Movement is money that moved.
type Movement struct {
	ID           string      `json:"movement_id"`
	AccountID    uint32      `json:"account_id"`
	Kind         string      `json:"kind"`
	Amount       json.Number `json:"amount"`
	Currency     string      `json:"currency"`
	Reference    string      `json:"reference,omitempty"`
	Note         string      `json:"note,omitempty"`
	OtherAccount uint32      `json:"other_account,omitempty"`
	By           uint32      `json:"by"` // the account that moved it
	At           time.Time   `json:"at"`
	Repeated     bool        `json:"repeated,omitempty"` // the reference was booked before: nothing moved
	Warnings     []string    `json:"warnings,omitempty"`
}

func accountPath(id uint32, rest string) string {
	name := "me"
	if id != Me {
		name = strconv.FormatUint(uint64(id), 10)
	}
	return base + "/accounts/" + name + rest
}

// Accounts returns the accounts that the caller manages.
func (c *Client) Accounts(ctx context.Context) ([]Account, error) {
	all, err := get[struct{ Accounts []Account }](ctx, c, http.MethodGet, base+"/accounts", nil, nil)
	if err != nil {
		return nil, err
	}
	return all.Accounts, nil
}

// Account returns one account; Me is the caller's own.
func (c *Client) Account(ctx context.Context, id uint32) (*Account, error) {
	return get[Account](ctx, c, http.MethodGet, accountPath(id, ""), nil, nil)
}

// CreateAccount makes an account; the answer has its API key and password, once. conflict when
// the name or system_id is taken.
func (c *Client) CreateAccount(ctx context.Context, s AccountSettings) (*Account, error) {
	return get[Account](ctx, c, http.MethodPost, base+"/accounts", nil, s)
}

// UpdateAccount changes what s has.
func (c *Client) UpdateAccount(ctx context.Context, id uint32, s AccountSettings) (*Account, error) {
	return get[Account](ctx, c, http.MethodPatch, accountPath(id, ""), nil, s)
}

// Balance returns what an account can spend; Me is the caller's own.
func (c *Client) Balance(ctx context.Context, id uint32) (*Balance, error) {
	if id == Me {
		return get[Balance](ctx, c, http.MethodGet, base+"/balance", nil, nil)
	}
	return get[Balance](ctx, c, http.MethodGet, accountPath(id, "/balance"), nil, nil)
}

// TopUp adds money to an account; for administrators. With a Reference it is repeated like a
// call that only reads.
func (c *Client) TopUp(ctx context.Context, id uint32, p Payment) (*Movement, error) {
	return c.pay(ctx, id, "/topup", p)
}
