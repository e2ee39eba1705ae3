package compat

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

// legacyAnswer begins every answer of the legacy paths.
type legacyAnswer struct {
	Status  string `json:"status"` // success or error
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`

	BatchID  string          `json:"batchId,omitempty"`
	Accepted *int            `json:"accepted,omitempty"`
	Rejected *int            `json:"rejected,omitempty"`
	Messages []legacyMessage `json:"messages,omitempty"`

	Balance   *string `json:"balance,omitempty"`
	Currency  string  `json:"currency,omitempty"`
	Unlimited *bool   `json:"unlimited,omitempty"`
}

// legacyMessage is one message of an answer.
type legacyMessage struct {
	MessageID   string `json:"messageId,omitempty"`
	MSISDN      string `json:"msisdn"`
	Status      string `json:"status"`
	Parts       int    `json:"parts,omitempty"`
	ErrorCode   *int64 `json:"errorCode,omitempty"`
	Code        string `json:"code,omitempty"`
	Reason      string `json:"reason,omitempty"`
	SubmittedAt string `json:"submittedAt,omitempty"`
	DoneAt      string `json:"doneAt,omitempty"`
	ClientRef   string `json:"clientRef,omitempty"`
}

// legacyError is an error with its status and code.
type legacyError struct {
	status     int
	code, text string
}

func (e *legacyError) Error() string { return e.text }

// legacy answers /api/sendBulk, /api/getDLR and /api/getBalance: GET or POST, query, form or
// JSON, user and password or an API key as parameters or in the usual headers.
func (h *Handler) legacy(w http.ResponseWriter, r *http.Request) {
	answer, err := h.legacyCall(w, r)
	if err == nil {
		answer.Status = "success"
		reply(w, http.StatusOK, answer)
		return
	}
	var e *legacyError
	if !errors.As(err, &e) {
		e = &legacyError{400, "malformed_request", err.Error()}
	}
	reply(w, e.status, legacyAnswer{Status: "error", Code: e.code, Message: e.text})
}

func (h *Handler) legacyCall(w http.ResponseWriter, r *http.Request) (*legacyAnswer, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header()["Allow"] = []string{"GET, POST"}
		return nil, &legacyError{405, "method_not_allowed", r.Method + " is not allowed here; possible are GET, POST"}
	}
	p, err := readParams(w, r)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, &legacyError{413, "body_too_large", err.Error()}
	case err != nil:
		return nil, err
	}
	need := account.SendMessages
	switch r.URL.Path {
	case "/api/getDLR":
		need = account.ReadMessages
	case "/api/getBalance":
		need = account.ReadAccount
	}
	who, err := h.legacyUser(r, &p, need)
	if err != nil {
		return nil, err
	}
	switch r.URL.Path {
	case "/api/sendBulk":
		return h.sendBulk(w, r, who, &p)
	case "/api/getDLR":
		return h.getDLR(r, who, &p)
	}
	return h.getBalance(who), nil
}

func (h *Handler) legacyUser(r *http.Request, p *params, need account.Scopes) (*account.Account, error) {
	user, password := p.first("username", "user", "userName", "login"), p.first("password", "pass")
	if key := p.first("apiKey", "api_key", "apikey", "key", "token"); key != "" {
		user, password = "", key
	}
	if key := r.Header.Get("X-API-Key"); key != "" {
		user, password = "", key
	}
	if u, pass, ok := r.BasicAuth(); ok {
		user, password = u, pass
	} else if scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		user, password = "", strings.TrimSpace(key)
	}
	who, err := h.account(r, user, password, need)
	switch {
	case errors.Is(err, account.ErrBusyVerifying):
		return nil, &legacyError{503, "overloaded", "too many sign-ins at once; try again later"}
	case err != nil:
		return nil, &legacyError{401, "invalid_credentials", "username and password, or apiKey, are wrong or missing"}
	}
	return who, nil
}

// recipients splits lists of numbers by commas, semicolons and white space.
func (p *params) recipients(names ...string) (all []string) {
	for _, name := range names {
		for _, v := range p.Values[name] {
			all = append(all, strings.FieldsFunc(v, func(r rune) bool {
				return r == ',' || r == ';' || r == '\n' || r == '\r' || r == '\t' || r == ' '
			})...)
		}
	}
	return all
}

func (h *Handler) sendBulk(w http.ResponseWriter, r *http.Request, who *account.Account, p *params) (*legacyAnswer, error) {
	to := p.recipients("to", "msisdn", "msisdns", "recipients", "recipient", "phone", "phones", "mobile", "mobiles", "numbers", "destinations")
	switch {
	case len(to) == 0:
		return nil, &legacyError{422, "missing_recipient", "to: is needed: one or more numbers, separated by commas"}
	case len(to) > maxItems:
		return nil, &legacyError{413, "too_many_items", "more than " + strconv.Itoa(maxItems) + " numbers in one request"}
	}
	req, err := legacyRequest(who, p)
	if err != nil {
		return nil, err
	}
	req.Batch = h.opts.IDs.Next()
	reqs := make([]intake.Request, len(to))
	for i := range reqs {
		reqs[i] = req
		reqs[i].To = to[i]
	}
	out := h.submit(r, reqs)
	answer := &legacyAnswer{BatchID: req.Batch.String(), Accepted: new(int), Rejected: new(int), Messages: make([]legacyMessage, len(out))}
	for i := range out {
		if why := out[i].Err; why != nil {
			*answer.Rejected++
			answer.Messages[i] = legacyMessage{MSISDN: to[i], Status: "REFUSED", Code: string(why.Code), Reason: why.Error()}
			continue
		}
		*answer.Accepted++
		m := out[i].Msg
		answer.Messages[i] = legacyMessage{MessageID: m.ID.String(), MSISDN: to[i], Status: "ACCEPTED", Parts: len(m.Parts)}
	}
	if *answer.Accepted == 0 {
		first := out[0].Err
		retryAfter(w, first)
		return nil, &legacyError{first.HTTPStatus(), string(first.Code), first.Error()}
	}
	return answer, nil
}

func legacyRequest(who *account.Account, p *params) (intake.Request, error) {
	req := intake.Request{
		Account: who, From: p.first("from", "sender", "senderId", "sender_id", "senderID", "source"),
		Text: p.first("text", "message", "msg", "content", "message_content"), Priority: message.Normal,
		ScheduleAt: p.first("scheduleAt", "schedule_at", "scheduleTime"), ValidityPeriod: p.first("validity", "validityPeriod", "validity_period"),
		DLRURL: p.first("dlrUrl", "dlr_url", "callbackUrl", "callback_url"), ClientRef: p.first("clientRef", "client_ref", "reference"),
	}
	if name := p.first("priority"); name != "" {
		priority, err := message.ParsePriority(strings.ToUpper(name))
		if err != nil {
			return req, &legacyError{422, string(intake.InvalidPriority), "priority: " + err.Error()}
		}
		req.Priority = priority
	}
	if name := p.first("encoding", "type"); name != "" {
		if err := req.Encoding.UnmarshalText([]byte(strings.ToUpper(name))); err != nil {
			return req, &legacyError{422, string(intake.InvalidEncoding), "encoding: " + err.Error()}
		}
	}
	flash := strings.ToLower(p.first("flash"))
	req.Flash = flash == "1" || flash == "true" || flash == "yes"
	return req, nil
}

// getDLR tells the state of messages by their ids, or of a batch.
func (h *Handler) getDLR(r *http.Request, who *account.Account, p *params) (*legacyAnswer, error) {
	ids := p.recipients("messageId", "messageIds", "message_id", "message_ids", "id", "ids", "msgId")
	answer := &legacyAnswer{Messages: []legacyMessage{}}
	if batch := p.first("batchId", "batch_id"); batch != "" && len(ids) == 0 {
		id, err := message.ParseID(batch)
		if err != nil {
			return nil, &legacyError{404, "not_found", "there is no such batch"}
		}
		msgs, err := h.opts.Messages.Batch(r.Context(), who.ID, id, maxItems)
		if err != nil {
			return nil, &legacyError{503, "unavailable", "the messages cannot be read now; try again later"}
		}
		if len(msgs) == 0 {
			return nil, &legacyError{404, "not_found", "there is no such batch"}
		}
		for _, m := range msgs {
			answer.Messages = append(answer.Messages, legacyState(m))
		}
		answer.BatchID = batch
		return answer, nil
	}
	switch {
	case len(ids) == 0:
		return nil, &legacyError{422, "missing_message_id", "messageId or batchId: is needed"}
	case len(ids) > 1000:
		return nil, &legacyError{413, "too_many_items", "more than 1000 ids in one request"}
	}
	for _, text := range ids {
		id, err := message.ParseID(text)
		var m *message.Message
		if err == nil {
			m, err = h.opts.Messages.Message(r.Context(), id)
		}
		if err != nil || m.Account != who.ID && who.Role != account.Admin {
			if len(ids) == 1 {
				return nil, &legacyError{404, "not_found", "there is no such message"}
			}
			answer.Messages = append(answer.Messages, legacyMessage{MessageID: text, Status: "NOT_FOUND"})
			continue
		}
		answer.Messages = append(answer.Messages, legacyState(m))
	}
	return answer, nil
}

func legacyState(m *message.Message) legacyMessage {
	code := int64(errorOf(m))
	s := legacyMessage{
		MessageID: m.ID.String(), MSISDN: written(m.Dest), Status: m.Status.String(), Parts: len(m.Parts), ErrorCode: &code,
		SubmittedAt: moment(m.SubmittedAt), DoneAt: moment(m.DoneAt), ClientRef: m.ClientRef,
	}
	return s
}

func moment(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

func (h *Handler) getBalance(who *account.Account) *legacyAnswer {
	amount, currency, limited := h.opts.Money.Balance(who)
	unlimited := !limited
	answer := &legacyAnswer{Unlimited: &unlimited, Currency: currency}
	if limited {
		answer.Balance = &amount
	}
	return answer
}
