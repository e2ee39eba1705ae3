package client

import (
	"context"
	"net/http"
	"time"
)

// Alert is something that fires, or a change of it.
type Alert struct {
	Rule      string    `json:"rule"`
	Subject   string    `json:"subject"` // a connector, an account and the like
	State     string    `json:"state"`   // firing or resolved
	Summary   string    `json:"summary"`
	Value     float64   `json:"value"`
	Threshold float64   `json:"threshold"`
	Since     time.Time `json:"since"`
	At        time.Time `json:"at"`
}

// Alerts are what fires now, and what changed before, newest first.
type Alerts struct {
	Firing  []Alert `json:"firing"`
	History []Alert `json:"history"`
}

// Alerts returns what fires, and up to limit (1 to 1,000; 0: 20) changes before.
func (c *Client) Alerts(ctx context.Context, limit int) (*Alerts, error) {
	return get[Alerts](ctx, c, http.MethodGet, base+"/alerts", queryOf("limit", number(limit)), nil)
}

// AlertRule says when something is an alert.
type AlertRule struct {
	Name          string             `json:"name"`
	Meaning       string             `json:"meaning"`
	Below         bool               `json:"below"` // it fires below Threshold, not above
	Threshold     float64            `json:"threshold"`
	Margin        float64            `json:"margin"` // beyond Threshold, before it is resolved
	Subjects      map[string]float64 `json:"subjects,omitempty"`
	ForSeconds    int                `json:"for_seconds"`    // before it is told
	RepeatSeconds int                `json:"repeat_seconds"` // 0: it is told once
	Disabled      bool               `json:"disabled"`
}

// AlertRuleChange is what UpdateAlertRule changes; nil stays as it is.
type AlertRuleChange struct {
	Threshold     *float64            `json:"threshold,omitempty"`
	Margin        *float64            `json:"margin,omitempty"`
	Subjects      *map[string]float64 `json:"subjects,omitempty"` // thresholds of some subjects
	ForSeconds    *int                `json:"for_seconds,omitempty"`
	RepeatSeconds *int                `json:"repeat_seconds,omitempty"`
	Disabled      *bool               `json:"disabled,omitempty"`
}

// AlertRules returns all rules.
func (c *Client) AlertRules(ctx context.Context) ([]AlertRule, error) {
	all, err := get[struct{ Rules []AlertRule }](ctx, c, http.MethodGet, base+"/alerts/rules", nil, nil)
	if err != nil {
		return nil, err
	}
	return all.Rules, nil
}

// UpdateAlertRule changes a rule; not_found.
func (c *Client) UpdateAlertRule(ctx context.Context, name string, change AlertRuleChange) (*AlertRule, error) {
	return get[AlertRule](ctx, c, http.MethodPatch, under("/alerts/rules/", name), nil, change)
}

// NewAlertChannel is a way to people, as PutAlertChannel makes it. Which members are needed
// follows from Kind.
type NewAlertChannel struct {
	Kind     string   `json:"kind,omitempty"`  // webhook, email, http
	Rules    []string `json:"rules,omitempty"` // names of those that it tells; none: all
	URL      string   `json:"url,omitempty"`
	Body     string   `json:"body,omitempty"`
	Chat     string   `json:"chat,omitempty"`
	Server   string   `json:"server,omitempty"`   // for mail: host and port
	Security string   `json:"security,omitempty"` // for mail: starttls, tls, none
	From     string   `json:"from,omitempty"`
	To       []string `json:"to,omitempty"`
	User     string   `json:"user,omitempty"`
	Secret   string   `json:"secret,omitempty"` // a key, token or password; "": the one that is there stays
	Disabled bool     `json:"disabled,omitempty"`
}

// AlertChannel is a way to people, without its secret.
type AlertChannel struct {
	Name string `json:"name"`
	NewAlertChannel
	SecretSet bool     `json:"secret_set"`
	Warnings  []string `json:"warnings,omitempty"`
}

// AlertChannels returns all ways to people.
func (c *Client) AlertChannels(ctx context.Context) ([]AlertChannel, error) {
	all, err := get[struct{ Channels []AlertChannel }](ctx, c, http.MethodGet, base+"/alerts/channels", nil, nil)
	if err != nil {
		return nil, err
	}
	return all.Channels, nil
}

// AlertChannel returns one; not_found.
func (c *Client) AlertChannel(ctx context.Context, name string) (*AlertChannel, error) {
	return get[AlertChannel](ctx, c, http.MethodGet, under("/alerts/channels/", name), nil, nil)
}

// PutAlertChannel makes a way to people, or replaces it.
func (c *Client) PutAlertChannel(ctx context.Context, name string, ch NewAlertChannel) (*AlertChannel, error) {
	body := struct {
		Name string `json:"name"`
		NewAlertChannel
	}{name, ch}
	return get[AlertChannel](ctx, c, http.MethodPut, under("/alerts/channels/", name), nil, body)
}

// DeleteAlertChannel deletes one; not_found.
func (c *Client) DeleteAlertChannel(ctx context.Context, name string) error {
	return c.run(ctx, http.MethodDelete, under("/alerts/channels/", name), nil)
}

// TestAlertChannel sends a test, and says what came of it.
func (c *Client) TestAlertChannel(ctx context.Context, name string) (*AlertTest, error) {
	return get[AlertTest](ctx, c, http.MethodPost, under("/alerts/channels/", name, "/test"), nil, nil)
}

// AlertTest is what came of a test.
type AlertTest struct {
	Sent  bool   `json:"sent"`
	Error string `json:"error,omitempty"` // why not
}
