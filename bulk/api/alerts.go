package api

import (
	"context"
	"errors"

	"protei-bulk/bulk/alert"
)

// Alerts are the rules, channels and history of alerts.
type Alerts interface {
	Firing() []alert.Alert
	History(ctx context.Context, limit int) ([]alert.Alert, error)
	Rules() []alert.Rule
	Rule(name string) (alert.Rule, error)
	SetRule(ctx context.Context, r alert.Rule) error
	Channels() []alert.Channel
	Channel(name string) (alert.Channel, error)
	SetChannel(ctx context.Context, c alert.Channel) (alert.Channel, error)
	DeleteChannel(ctx context.Context, name string) error
	// Try sends a test and returns why it was not taken.
	Try(ctx context.Context, channel string) error
}

func (a *API) alertPaths() {
	type methods = map[string]func(*call) error
	a.on("/api/v1/alerts", admins, methods{"GET": (*call).listAlerts})
	a.on("/api/v1/alerts/rules", admins, methods{"GET": (*call).listAlertRules})
	a.on("/api/v1/alerts/rules/{name}", admins, methods{"PATCH": (*call).updateAlertRule})
	a.on("/api/v1/alerts/channels", admins, methods{"GET": (*call).listChannels})
	a.on("/api/v1/alerts/channels/{name}", admins, methods{"GET": (*call).getChannel, "PUT": (*call).putChannel, "DELETE": (*call).deleteChannel})
	a.on("/api/v1/alerts/channels/{name}/test", admins, methods{"POST": (*call).testChannel})
}

// listAlerts is GET /api/v1/alerts: what fires now and what changed before, newest first.
func (c *call) listAlerts() error {
	limit := defaultLimit
	if v := c.r.URL.Query().Get("limit"); v != "" {
		var detail string
		if limit, detail = parseCount(v, defaultLimit, maxLimit); detail != "" {
			return wrongParameter("limit", detail)
		}
	}
	history, err := c.api.opts.Alerts.History(c.r.Context(), limit)
	if err != nil {
		return err
	}
	firing := c.api.opts.Alerts.Firing()
	if firing == nil {
		firing = []alert.Alert{}
	}
	return c.document(200, map[string]any{"firing": firing, "history": history})
}

func (c *call) listAlertRules() error {
	return c.document(200, map[string]any{"rules": c.api.opts.Alerts.Rules()})
}

func (c *call) updateAlertRule() error {
	name := c.r.PathValue("name")
	r, err := c.api.opts.Alerts.Rule(name)
	if err != nil {
		return err
	}
	if _, err := c.into(&r, nil); err != nil {
		return err
	}
	r.Name = name
	if err := c.api.opts.Alerts.SetRule(c.r.Context(), r); err != nil {
		return err
	}
	if r, err = c.api.opts.Alerts.Rule(name); err != nil {
		return err
	}
	return c.document(200, r)
}

// channelView is a channel without its secret.
type channelView struct {
	alert.Channel
	SecretSet bool     `json:"secret_set"`
	Warnings  []string `json:"warnings,omitempty"`
}

func viewChannel(c alert.Channel) channelView {
	v := channelView{Channel: c, SecretSet: c.Secret != ""}
	v.Secret = ""
	if v.Rules == nil {
		v.Rules = []string{}
	}
	return v
}

func (c *call) listChannels() error {
	views := []channelView{}
	for _, ch := range c.api.opts.Alerts.Channels() {
		views = append(views, viewChannel(ch))
	}
	return c.document(200, map[string]any{"channels": views})
}

func (c *call) getChannel() error {
	ch, err := c.api.opts.Alerts.Channel(c.r.PathValue("name"))
	if err != nil {
		return err
	}
	return c.document(200, viewChannel(ch))
}

// putChannel creates or replaces a channel. One that is replaced keeps its secret unless the body
// has one, as long as the secret goes to the same place.
func (c *call) putChannel() error {
	name := c.r.PathValue("name")
	var ch alert.Channel
	set, err := c.into(&ch, nil)
	if err != nil {
		return err
	}
	ch.Name = name
	status := 200
	old, err := c.api.opts.Alerts.Channel(name)
	switch {
	case errors.Is(err, alert.ErrUnknown):
		status = 201
	case err != nil:
		return err
	case !set["secret"] && old.Kind == ch.Kind && old.URL == ch.URL && old.Server == ch.Server:
		ch.Secret = old.Secret
	}
	if ch, err = c.api.opts.Alerts.SetChannel(c.r.Context(), ch); err != nil {
		return err
	}
	v := viewChannel(ch)
	v.Warnings = c.warned()
	return c.document(status, v)
}

func (c *call) deleteChannel() error {
	if err := c.api.opts.Alerts.DeleteChannel(c.r.Context(), c.r.PathValue("name")); err != nil {
		return err
	}
	c.w.WriteHeader(204)
	return nil
}

// testChannel sends a test over the channel and says what came of it.
func (c *call) testChannel() error {
	err := c.api.opts.Alerts.Try(c.r.Context(), c.r.PathValue("name"))
	if errors.Is(err, alert.ErrUnknown) {
		return err
	}
	answer := map[string]any{"sent": err == nil}
	if err != nil {
		answer["error"] = err.Error()
	}
	return c.document(200, answer)
}
