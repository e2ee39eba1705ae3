package compat

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
	"protei-bulk/smpp"
)

// jasminError is what a Jasmin client is told: a status and a text.
type jasminError struct {
	status int
	text   string
}

func (e *jasminError) Error() string { return e.text }

// jasminFault says what is wrong; octets of the client that are no characters become U+FFFD.
func jasminFault(status int, format string, args ...any) *jasminError {
	return &jasminError{status, strings.ToValidUTF8(fmt.Sprintf(format, args...), "\ufffd")}
}

// argument is one parameter of Jasmin's HTTP API.
type argument struct {
	needed  bool
	pattern *regexp.Regexp // nil: anything
}

// The parameters of /send and /rate (Jasmin's user guide, HTTP API).
var (
	jasminCoding   = regexp.MustCompile(`^(0|1|2|3|4|5|6|7|8|9|10|13|14)$`)
	jasminSendArgs = map[string]argument{
		"to": {needed: true, pattern: regexp.MustCompile(`^\+?\d+$`)}, "from": {}, "coding": {pattern: jasminCoding},
		"username": {needed: true}, "password": {needed: true}, "priority": {pattern: regexp.MustCompile(`^[0-3]$`)},
		"sdt":             {pattern: regexp.MustCompile(`^\d{15}[+\-R]$`)},
		"validity-period": {pattern: regexp.MustCompile(`^\d+$`)}, "dlr": {pattern: regexp.MustCompile(`^(yes|no)$`)},
		"dlr-url": {pattern: regexp.MustCompile(`^https?://.*$`)}, "dlr-level": {pattern: regexp.MustCompile(`^[1-3]$`)},
		"dlr-method": {pattern: regexp.MustCompile(`^(?i:get|post)$`)}, "tags": {pattern: regexp.MustCompile(`^[-a-zA-Z0-9,]*$`)},
		"content": {}, "hex-content": {}, "custom_tlvs": {},
	}
	jasminRateArgs    = withoutArgs(jasminSendArgs, "sdt", "dlr", "dlr-url", "dlr-level", "dlr-method", "custom_tlvs")
	jasminBalanceArgs = map[string]argument{"username": {needed: true}, "password": {needed: true}}
)

func withoutArgs(all map[string]argument, names ...string) map[string]argument {
	some := map[string]argument{}
	for name, a := range all {
		some[name] = a
	}
	for _, name := range names {
		delete(some, name)
	}
	return some
}

// checkJasmin refuses what Jasmin refuses, in its words.
func checkJasmin(p *params, args map[string]argument) error {
	if len(p.Values) == 0 {
		return jasminFault(400, "Mandatory arguments not found, please refer to the HTTPAPI specifications.")
	}
	for name := range p.Values {
		if _, ok := args[name]; !ok {
			return jasminFault(400, "Argument [%.40s] is unknown.", name)
		}
	}
	for name, a := range args {
		values, there := p.Values[name]
		switch {
		case !there && a.needed:
			return jasminFault(400, "Mandatory argument [%s] is not found.", name)
		case there && a.pattern != nil && !a.pattern.MatchString(values[0]):
			return jasminFault(400, "Argument [%s] has an invalid value: [%.80s].", name, values[0])
		}
	}
	return nil
}

// jasmin is Jasmin's HTTP API.
func (h *Handler) jasmin(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ping" {
		if strings.Contains(r.Header.Get("Accept"), "application/json") { // as its REST API
			reply(w, 200, map[string]string{"data": "Jasmin/PONG"})
			return
		}
		plain(w, "text/plain", 200, "Jasmin/PONG")
		return
	}
	p, err := readParams(w, r)
	if err != nil {
		err = jasminFault(400, "Cannot parse the request: %v", err)
	}
	if r.URL.Path == "/send" {
		var id message.ID
		if err == nil {
			id, err = h.jasminSend(w, r, &p)
		}
		if err != nil {
			e := asJasmin(err)
			plain(w, "text/plain", e.status, `Error "`+e.text+`"`)
			return
		}
		plain(w, "text/plain", 200, `Success "`+id.String()+`"`)
		return
	}
	var answer any
	if err == nil {
		if r.URL.Path == "/rate" {
			answer, err = h.jasminRate(r, &p)
		} else {
			answer, err = h.jasminBalance(r, &p)
		}
	}
	if err != nil {
		e := asJasmin(err)
		reply(w, e.status, e.text)
		return
	}
	reply(w, 200, answer)
}

func asJasmin(err error) *jasminError {
	var e *jasminError
	if errors.As(err, &e) {
		return e
	}
	return jasminFault(500, "Unknown error")
}

func (h *Handler) jasminUser(r *http.Request, p *params, need account.Scopes) (*account.Account, error) {
	who, err := h.account(r, p.Get("username"), p.Get("password"), need)
	switch {
	case errors.Is(err, account.ErrBusyVerifying):
		return nil, jasminFault(503, "Too many sign-ins at once, try again later")
	case err != nil:
		return nil, jasminFault(403, "Authentication failure for username:%.40s", p.Get("username"))
	}
	return who, nil
}

func (h *Handler) jasminSend(w http.ResponseWriter, r *http.Request, p *params) (message.ID, error) {
	if err := checkJasmin(p, jasminSendArgs); err != nil {
		return 0, err
	}
	who, err := h.jasminUser(r, p, account.SendMessages)
	if err != nil {
		return 0, err
	}
	req, err := jasminRequest(who, p)
	if err != nil {
		return 0, err
	}
	out := h.submit(r, []intake.Request{req})
	if out[0].Err != nil {
		retryAfter(w, out[0].Err)
		return 0, jasminRefusal(out[0].Err)
	}
	return out[0].Msg.ID, nil
}

// jasminRefusal has Jasmin's status and its words where it has some.
func jasminRefusal(r *intake.Refusal) error {
	switch r.Code {
	case intake.NoRoute:
		return jasminFault(412, "No route found")
	case intake.RateLimited:
		return jasminFault(403, "User throughput exceeded")
	case intake.AccountDisabled:
		return jasminFault(403, "The account is disabled")
	case intake.NoMoney, intake.QuotaExceeded:
		return jasminFault(403, "Cannot charge submit_sm, check RouterPB log file for details")
	}
	switch status := r.HTTPStatus(); {
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusForbidden:
		return jasminFault(status, "%s", r.Error())
	}
	return jasminFault(400, "%s", r.Error())
}

// jasminRequest makes the message of a request that was checked.
func jasminRequest(who *account.Account, p *params) (intake.Request, error) {
	req := intake.Request{Account: who, From: p.Get("from"), To: p.Get("to"), Priority: jasminPriority(p.Get("priority"))}
	if minutes := p.Get("validity-period"); minutes != "" {
		n, ok := whole(minutes, 1, maxMinutes)
		if !ok {
			return req, jasminFault(400, "Argument [validity-period] has an invalid value: [%.20s].", minutes)
		}
		req.ValidityPeriod = strconv.Itoa(n * 60) // seconds
	}
	if sdt := p.Get("sdt"); sdt != "" {
		at, err := smpp.ParseTime([]byte(sdt), time.Now())
		if err != nil {
			return req, jasminFault(400, "Argument [sdt] has an invalid value: [%s].", sdt)
		}
		req.ScheduleAt = schedule(at)
	}
	req.Tag, _, _ = strings.Cut(p.Get("tags"), ",")
	jasminCallback(&req, p)
	return req, jasminContent(&req, p)
}

func jasminPriority(s string) message.Priority {
	switch s {
	case "1":
		return message.Normal
	case "2":
		return message.High
	case "3":
		return message.Critical
	}
	return message.Low
}

// jasminCallback: dlr-url or dlr-level mean dlr=yes, the level is 1 and the method POST when
// they are not given.
func jasminCallback(req *intake.Request, p *params) {
	req.DLRURL = p.Get("dlr-url")
	req.Callback = message.Callback{Form: message.JasminPOST, Tells: message.TellSent | message.TellRefused}
	if strings.EqualFold(p.Get("dlr-method"), "get") {
		req.Callback.Form = message.JasminGET
	}
	const final = message.TellDelivered | message.TellFailed | message.TellRefused
	switch p.Get("dlr-level") {
	case "2":
		req.Callback.Tells = final
	case "3":
		req.Callback.Tells |= final
	}
	if req.DLRURL == "" {
		req.Callback = message.Callback{}
	}
}

// jasminContent: coding says what the octets of content are; hex-content are octets.
func jasminContent(req *intake.Request, p *params) error {
	_, text := p.Values["content"]
	_, isHex := p.Values["hex-content"]
	switch {
	case text && isHex:
		return jasminFault(400, "content and hex-content cannot be used both in same request.")
	case !text && !isHex:
		return jasminFault(400, "content or hex-content not present.")
	}
	coding, given := 0, p.Get("coding") != ""
	if given {
		coding, _ = strconv.Atoi(p.Get("coding"))
	}
	content := p.Get("content")
	if isHex {
		octets, err := hex.DecodeString(p.Get("hex-content"))
		if err != nil {
			return jasminFault(400, "Invalid hex-content data: '%.40s'", p.Get("hex-content"))
		}
		content = string(octets)
	}
	switch {
	case !isHex && !given:
		req.Text = content // the alphabet is chosen
	case !isHex && coding <= 1:
		req.Text, req.Encoding = content, gsm.GSM7
	case !isHex && p.json && coding == 8:
		req.Text, req.Encoding = content, gsm.UCS2
	case !isHex && p.json && coding == 3:
		req.Text, req.Encoding = content, gsm.Latin1
	case coding == 8:
		if len(content)%2 != 0 {
			return jasminFault(400, "content with coding 8 is UTF-16BE and has an odd number of octets")
		}
		req.Text, req.Encoding = gsm.Decode(gsm.UCS2, []byte(content)), gsm.UCS2
	case coding == 3:
		req.Text, req.Encoding = gsm.Decode(gsm.Latin1, []byte(content)), gsm.Latin1
	case coding <= 1:
		req.Text, req.Encoding = gsm.Decode(gsm.GSM7, []byte(content)), gsm.GSM7
	default:
		req.Encoding = gsm.Binary
		req.Content = &intake.Content{Octets: []byte(content), DataCoding: uint8(coding), SetDataCoding: true}
	}
	if tlvs := p.Get("custom_tlvs"); tlvs != "" && tlvs != "[]" {
		return jasminFault(400, "custom_tlvs are not supported")
	}
	return nil
}

func (h *Handler) jasminRate(r *http.Request, p *params) (any, error) {
	if err := checkJasmin(p, jasminRateArgs); err != nil {
		return nil, err
	}
	who, err := h.jasminUser(r, p, account.SendMessages)
	if err != nil {
		return nil, err
	}
	if p.Get("content") == "" && p.Get("hex-content") == "" {
		p.Set("content", ".") // it is optional here, and one part as nothing is
	}
	req, err := jasminRequest(who, p)
	if err != nil {
		return nil, err
	}
	out := h.opts.Intake.Preview(&req)
	if out.Err != nil {
		return nil, jasminRefusal(out.Err)
	}
	return map[string]any{"unit_rate": json.Number(h.opts.Money.Price(who, out.Msg)), "submit_sm_count": len(out.Msg.Parts)}, nil
}

func (h *Handler) jasminBalance(r *http.Request, p *params) (any, error) {
	if err := checkJasmin(p, jasminBalanceArgs); err != nil {
		return nil, err
	}
	who, err := h.jasminUser(r, p, account.ReadAccount)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{"balance": "ND", "sms_count": "ND"}
	if amount, _, limited := h.opts.Money.Balance(who); limited {
		answer["balance"] = json.Number(amount)
	}
	return answer, nil
}
