package compat

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/callback"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

// jasminREST is Jasmin's RESTful API: the parameters of its HTTP API as JSON, the user in
// Basic credentials.
func (h *Handler) jasminREST(w http.ResponseWriter, r *http.Request) {
	user, password, ok := r.BasicAuth()
	if !ok {
		unauthorized(w, "Authentication required", "Please provide Basic auth credentials in the Authorization header.")
		return
	}
	get := r.URL.Path == "/secure/rate" || r.URL.Path == "/secure/balance"
	if get != (r.Method == http.MethodGet) {
		w.Header()["Allow"] = []string{map[bool]string{true: "GET", false: "POST"}[get]}
		reply(w, http.StatusMethodNotAllowed, map[string]string{"title": "405 Method Not Allowed"})
		return
	}
	need := account.SendMessages
	if r.URL.Path == "/secure/balance" {
		need = account.ReadAccount
	}
	if _, err := h.account(r, user, password, need); err != nil {
		if errors.Is(err, account.ErrBusyVerifying) {
			reply(w, 503, map[string]string{"message": "Too many sign-ins at once, try again later"})
			return
		}
		unauthorized(w, "Authentication failed", "Wrong user or password.")
		return
	}
	answer, err := h.jasminCall(w, r, user, password)
	if err != nil {
		e := asJasmin(err)
		text := e.text
		if r.URL.Path == "/secure/send" {
			text = `Error "` + text + `"`
		}
		reply(w, e.status, map[string]string{"message": text})
		return
	}
	reply(w, 200, map[string]any{"data": answer})
}

func unauthorized(w http.ResponseWriter, title, description string) {
	w.Header()["Www-Authenticate"] = []string{`Basic realm="Jasmin REST API"`}
	reply(w, http.StatusUnauthorized, map[string]string{"title": title, "description": description})
}

func (h *Handler) jasminCall(w http.ResponseWriter, r *http.Request, user, password string) (any, error) {
	if r.URL.Path == "/secure/sendbatch" {
		return h.jasminBatch(w, r, user, password)
	}
	p := params{Values: url.Values{}, json: true}
	if err := parseQuery(p.Values, r.URL.RawQuery); err != nil {
		return nil, jasminFault(400, "Cannot parse the request: %v", err)
	}
	body, err := readBody(w, r)
	if err == nil && len(body) > 0 {
		err = p.object(body)
	}
	if err != nil {
		return nil, jasminFault(412, "Cannot parse JSON data: %v", err)
	}
	p.Values = withUser(p.Values, user, password)
	switch r.URL.Path {
	case "/secure/rate":
		return h.jasminRate(r, &p)
	case "/secure/balance":
		return h.jasminBalance(r, &p)
	}
	id, err := h.jasminSend(w, r, &p)
	if err != nil {
		return nil, err
	}
	return `Success "` + id.String() + `"`, nil
}

// withUser returns the parameters with hyphens for underscores, as clients may write either,
// and the user's.
func withUser(v url.Values, user, password string) url.Values {
	out := make(url.Values, len(v)+2)
	for name, values := range v {
		if name != "custom_tlvs" {
			name = strings.ReplaceAll(name, "_", "-")
		}
		out[name] = values
	}
	out.Set("username", user)
	out.Set("password", password)
	return out
}

// jasminBatch is POST /secure/sendbatch. The messages are accepted, or refused, before it
// answers; messageCount are the accepted ones. Messages without recipient or content are
// passed over, as Jasmin does.
func (h *Handler) jasminBatch(w http.ResponseWriter, r *http.Request, user, password string) (any, error) {
	who, err := h.account(r, user, password, account.SendMessages)
	if err != nil {
		return nil, jasminFault(403, "Authentication failure for username:%.40s", user)
	}
	body, err := readBody(w, r)
	if err != nil {
		return nil, jasminFault(412, "Cannot parse JSON data: %v", err)
	}
	var batch struct {
		Messages []json.RawMessage          `json:"messages"`
		Globals  map[string]json.RawMessage `json:"globals"`
		Config   struct {
			ScheduleAt  *string `json:"schedule_at"`
			CallbackURL string  `json:"callback_url"`
			ErrbackURL  string  `json:"errback_url"`
		} `json:"batch_config"`
	}
	if err := json.Unmarshal(body, &batch); err != nil {
		return nil, jasminFault(412, "Cannot parse JSON data: %v", err)
	}
	for name, address := range map[string]string{"callback_url": batch.Config.CallbackURL, "errback_url": batch.Config.ErrbackURL} {
		if address == "" {
			continue
		}
		if err := h.opts.CheckURL(address); err != nil {
			return nil, jasminFault(400, "batch_config/%s: %v", name, err)
		}
	}
	at, wait, err := jasminSchedule(batch.Config.ScheduleAt)
	if err != nil {
		return nil, err
	}
	globals := params{Values: url.Values{}, json: true}
	if err := globals.members(batch.Globals); err != nil {
		return nil, jasminFault(412, "Cannot parse JSON data: globals: %v", err)
	}
	id := h.opts.IDs.Next()
	var reqs []intake.Request
	for i, raw := range batch.Messages {
		p := params{Values: maps.Clone(globals.Values), json: true}
		if err := p.object(raw); err != nil {
			return nil, jasminFault(412, "Cannot parse JSON data: messages[%d]: %v", i, err)
		}
		more, err := jasminMessages(who, &p, user, password)
		if err != nil {
			e := asJasmin(err)
			return nil, jasminFault(e.status, "messages[%d]: %s", i, e.text)
		}
		if reqs = append(reqs, more...); len(reqs) > maxItems {
			return nil, jasminFault(413, "more than %d messages in one batch", maxItems)
		}
	}
	for i := range reqs {
		reqs[i].Batch = id
		if at != "" && reqs[i].ScheduleAt == "" {
			reqs[i].ScheduleAt = at
		}
	}
	accepted, first := 0, (*intake.Refusal)(nil)
	for i, out := range h.submit(r, reqs) {
		if out.Err == nil {
			accepted++
			h.tellBatch(who, batch.Config.CallbackURL, id, reqs[i].To, "1", `Success "`+out.Msg.ID.String()+`"`)
			continue
		}
		if first == nil {
			first = out.Err
		}
		h.tellBatch(who, batch.Config.ErrbackURL, id, reqs[i].To, "0", `HTTPAPI error: Error "`+asJasmin(jasminRefusal(out.Err)).text+`"`)
	}
	if accepted == 0 && first != nil {
		retryAfter(w, first)
		return nil, jasminRefusal(first)
	}
	answer := map[string]any{"batchId": id.String(), "messageCount": accepted}
	if wait > 0 {
		answer["scheduled"] = strconv.FormatFloat(wait.Seconds(), 'f', -1, 64) + "s"
	}
	return answer, nil
}

// tellBatch tells what became of one message of a batch.
func (h *Handler) tellBatch(who *account.Account, address string, batch message.ID, to, status, text string) {
	if address == "" {
		return
	}
	h.opts.Tell(who.ID, &callback.Request{
		Method: http.MethodGet,
		URL:    withQuery(address, url.Values{"batchId": {batch.String()}, "to": {to}, "status": {status}, "statusText": {text}}),
	})
}

// jasminMessages makes a message for each recipient.
func jasminMessages(who *account.Account, p *params, user, password string) ([]intake.Request, error) {
	p.Values = withUser(p.Values, user, password)
	_, text := p.Values["content"]
	_, octets := p.Values["hex-content"]
	if len(p.Values["to"]) == 0 || !text && !octets {
		return nil, nil
	}
	var reqs []intake.Request
	for _, to := range p.Values["to"] {
		p.Set("to", to)
		if err := checkJasmin(p, jasminSendArgs); err != nil {
			return nil, err
		}
		req, err := jasminRequest(who, p)
		if err != nil {
			return nil, err
		}
		reqs = append(reqs, req)
	}
	return reqs, nil
}

// jasminSchedule reads schedule_at: a time of UTC as 2030-01-31 09:00:00, or seconds as 86400s.
func jasminSchedule(s *string) (at string, wait time.Duration, err error) {
	if s == nil || *s == "" {
		return "", 0, nil
	}
	now := time.Now()
	if t, err := time.Parse(time.DateTime, *s); err == nil {
		if t.Before(now) {
			return "", 0, jasminFault(412, "Cannot schedule batch in past date: Invalid past date given: %s", *s)
		}
		return schedule(t), t.Sub(now), nil
	}
	if digits, ok := strings.CutSuffix(*s, "s"); ok {
		if n, ok := whole(digits, 0, 1<<30); ok {
			wait = time.Duration(n) * time.Second
			return schedule(now.Add(wait)), wait, nil
		}
	}
	return "", 0, jasminFault(412, "Cannot parse scheduled_at value: Got unknown format: %.40s, correct formats are 'YYYY-MM-DD mm:hh:ss' or number of seconds", *s)
}
