package compat

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/gsm"
)

// kannelError is what a Kannel client is told: a status and a text, and for people why.
type kannelError struct {
	status int
	text   string
	detail string
}

func (e *kannelError) Error() string { return e.text }

// Kannel's answers (smsbox of 1.4.5).
const (
	kannelAccepted  = "0: Accepted for delivery"
	kannelQueued    = "3: Queued for later delivery"
	kannelTemporary = "Temporal failure, try again later."
	kannelNoRoute   = "Not routable. Do not try again."
	kannelDenied    = "Number(s) has/have been denied by white- and/or black-lists."
)

func kannelFault(field string) error {
	return &kannelError{status: 400, text: field + " field misformed, rejected"}
}

// kannelHeaders are the headers that stand for parameters when text is the body of a POST.
var kannelHeaders = map[string]string{
	"X-Kannel-Username": "username", "X-Kannel-Password": "password", "X-Kannel-From": "from", "X-Kannel-To": "to",
	"X-Kannel-Smsc": "smsc", "X-Kannel-Udh": "udh", "X-Kannel-Mclass": "mclass", "X-Kannel-Mwi": "mwi", "X-Kannel-Coding": "coding",
	"X-Kannel-Validity": "validity", "X-Kannel-Deferred": "deferred", "X-Kannel-Dlr-Mask": "dlr-mask", "X-Kannel-Dlr-Url": "dlr-url",
	"X-Kannel-Account": "account", "X-Kannel-Pid": "pid", "X-Kannel-Alt-Dcs": "alt-dcs", "X-Kannel-Rpi": "rpi",
	"X-Kannel-Binfo": "binfo", "X-Kannel-Priority": "priority", "X-Kannel-Meta-Data": "meta-data", "X-Kannel-Charset": "charset",
}

// kannel is Kannel's /cgi-bin/sendsms.
func (h *Handler) kannel(w http.ResponseWriter, r *http.Request) {
	status, text, err := h.sendsms(w, r)
	if err != nil {
		var e *kannelError
		if !errors.As(err, &e) {
			e = &kannelError{status: 400, text: err.Error()}
		}
		if e.detail != "" {
			w.Header()["X-Reason"] = []string{strings.Map(printable, e.detail)}
		}
		status, text = e.status, e.text
	}
	plain(w, "text/html", status, text)
}

func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return '?'
	}
	return r
}

func (h *Handler) sendsms(w http.ResponseWriter, r *http.Request) (status int, text string, err error) {
	p, err := kannelParams(w, r)
	if err != nil {
		return 0, "", err
	}
	user := p.first("username", "user")
	who, err := h.account(r, user, p.first("password", "pass"), account.SendMessages)
	switch {
	case errors.Is(err, account.ErrBusyVerifying):
		w.Header()["Retry-After"] = []string{"2"}
		return 0, "", &kannelError{503, kannelTemporary, "too many sign-ins at once"}
	case err != nil:
		return 0, "", &kannelError{status: 403, text: "Authorization failed for sendsms"}
	}
	to, there := p.Values["to"]
	switch {
	case !there:
		return 0, "", &kannelError{status: 400, text: "Missing receiver number, rejected"}
	case strings.TrimSpace(to[0]) == "":
		return 0, "", &kannelError{status: 400, text: "Empty receiver number not allowed, rejected"}
	}
	req, err := kannelRequest(who, user, &p)
	if err != nil {
		return 0, "", err
	}
	numbers := unique(strings.Fields(to[0]))
	if len(numbers) > maxItems {
		return 0, "", &kannelError{413, kannelDenied, fmt.Sprintf("more than %d receivers", maxItems)}
	}
	reqs := make([]intake.Request, len(numbers))
	for i, number := range numbers {
		reqs[i] = req
		reqs[i].To = number
	}
	if len(reqs) > 1 {
		batch := h.opts.IDs.Next()
		for i := range reqs {
			reqs[i].Batch = batch
		}
	}
	return kannelAnswer(w, h.submit(r, reqs))
}

// unique drops numbers that were there before, as Kannel does.
func unique(all []string) []string {
	seen := make(map[string]bool, len(all))
	kept := all[:0]
	for _, s := range all {
		if !seen[s] {
			seen[s] = true
			kept = append(kept, s)
		}
	}
	return kept
}

// kannelAnswer is 202 when at least one message was accepted.
func kannelAnswer(w http.ResponseWriter, out []intake.Outcome) (status int, text string, err error) {
	var ids []string
	text = kannelAccepted
	for i := range out {
		if m := out[i].Msg; m != nil && out[i].Err == nil {
			ids = append(ids, m.ID.String())
			if m.ScheduleAt != 0 {
				text = kannelQueued
			}
		}
	}
	if len(ids) > 0 {
		w.Header()["X-Message-Id"] = []string{strings.Join(ids[:min(len(ids), 100)], " ")}
		return http.StatusAccepted, text, nil
	}
	first := out[0].Err
	retryAfter(w, first)
	return 0, "", kannelRefusal(first)
}

// kannelRefusal has Kannel's status and words for the reason.
func kannelRefusal(r *intake.Refusal) error {
	e := &kannelError{status: 400, detail: r.Error()}
	switch r.Code {
	case intake.NoRoute:
		e.status, e.text = 403, kannelNoRoute
	case intake.MissingRecipient, intake.InvalidRecipient, intake.DestinationBlacklisted, intake.OptedOut:
		e.text = kannelDenied
	case intake.MissingSender:
		e.text = "Sender missing and no global set, rejected"
	case intake.InvalidSender, intake.SenderNotAllowed:
		e.text = "Sender field misformed, rejected"
	case intake.InvalidHeader:
		e.text = "UDH field misformed, rejected"
	case intake.InvalidSchedule:
		e.text = "Deferred field misformed, rejected"
	case intake.InvalidValidity:
		e.text = "Validity field misformed, rejected"
	case intake.InvalidDLRURL, intake.DLRURLNotAllowed:
		e.text = "DLR-URL field misformed, rejected"
	case intake.MissingText, intake.InvalidText, intake.TextTooLong, intake.UnmappableText, intake.InvalidEncoding:
		e.text = "Charset or body misformed, rejected"
	default:
		switch status := r.HTTPStatus(); {
		case status == 429 || status >= 500:
			e.status, e.text = 503, kannelTemporary
		default: // 402, 403 and the policies of an account
			e.status, e.text = 403, kannelNoRoute
		}
	}
	return e
}

// kannelParams reads the query, a form, or headers with the text as body.
func kannelParams(w http.ResponseWriter, r *http.Request) (params, error) {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if r.Method != http.MethodPost || kind != "text/plain" && kind != "application/octet-stream" {
		if r.Method == http.MethodPost && kind == "text/xml" {
			return params{}, &kannelError{status: 400, text: "Invalid content-type"}
		}
		p, err := readParams(w, r)
		if err != nil {
			err = &kannelError{status: 400, text: "Invalid content-type", detail: err.Error()}
		}
		return p, err
	}
	p := params{Values: url.Values{}}
	if err := parseQuery(p.Values, r.URL.RawQuery); err != nil {
		return p, &kannelError{status: 400, text: "Invalid content-type", detail: err.Error()}
	}
	for header, name := range kannelHeaders {
		if v := strings.TrimSpace(r.Header.Get(header)); v != "" {
			p.Set(name, v)
		}
	}
	if octets, err := hex.DecodeString(p.Get("udh")); err == nil && len(octets) > 0 {
		p.Set("udh", string(octets))
	}
	body, err := readBody(w, r)
	if err != nil {
		return p, &kannelError{413, "Charset or body misformed, rejected", err.Error()}
	}
	p.Set("text", string(body))
	if p.Get("coding") == "" {
		p.Set("coding", map[bool]string{true: "1", false: "0"}[kind == "application/octet-stream"])
	}
	return p, nil
}

// number reads a field as Kannel does: what is no number is as if it were not given.
func (p *params) number(name string, low, high int, label string) (n int, there bool, err error) {
	s := p.Get(name)
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || end == 0 && s[0] == '-') {
		end++
	}
	n, bad := strconv.Atoi(s[:end])
	if none := bad != nil || n == -1; none {
		return 0, false, nil
	}
	if n < low || n > high {
		return 0, false, kannelFault(label)
	}
	return n, true, nil
}

// kannelNumbers are the number fields of a request; -1 is one that was not given.
type kannelNumbers struct {
	coding, mclass, mwi, altDCS, pid, validity, deferred, priority, mask int
}

func readKannelNumbers(p *params) (n kannelNumbers, err error) {
	for _, f := range []struct {
		name, label string
		high        int
		into        *int
	}{
		{"dlr-mask", "DLR-Mask", 63, &n.mask},
		{"mclass", "MClass", 3, &n.mclass},
		{"pid", "PID", 255, &n.pid},
		{"alt-dcs", "Alt-DCS", 1, &n.altDCS},
		{"mwi", "MWI", 7, &n.mwi},
		{"coding", "Coding", 2, &n.coding},
		{"validity", "Validity", maxMinutes, &n.validity},
		{"deferred", "Deferred", maxMinutes, &n.deferred},
		{"priority", "Priority", 3, &n.priority},
	} {
		got, there, fault := p.number(f.name, 0, f.high, f.label)
		if fault != nil {
			return n, fault
		}
		if *f.into = got; !there {
			*f.into = -1
		}
	}
	if _, _, err := p.number("rpi", 0, 2, "RPI"); err != nil {
		return n, err
	}
	return n, nil
}

func kannelRequest(who *account.Account, user string, p *params) (intake.Request, error) {
	req := intake.Request{Account: who, From: p.Get("from"), Tag: p.Get("smsc"), Priority: message.Normal}
	udh := p.Get("udh")
	if udh != "" && len(udh) != int(udh[0])+1 {
		return req, kannelFault("UDH")
	}
	n, err := readKannelNumbers(p)
	if err != nil {
		return req, err
	}
	if n.priority >= 0 {
		req.Priority = [...]message.Priority{message.Low, message.Normal, message.High, message.Critical}[n.priority]
	}
	now := time.Now()
	if n.deferred > 0 {
		req.ScheduleAt = schedule(now.Add(time.Duration(n.deferred) * time.Minute))
	}
	if n.validity > 0 { // from now on, not from the schedule on
		req.ValidityPeriod = schedule(now.Add(time.Duration(n.validity) * time.Minute))
	}
	if address := p.Get("dlr-url"); address != "" && n.mask != 0 {
		if len(address) < 8 || !hasScheme(address) {
			return req, kannelFault("DLR-URL")
		}
		tells := message.Tells(max(n.mask, 0)) & (message.TellRefused<<1 - 1)
		if tells != 0 {
			req.Callback = message.Callback{Form: message.KannelGET, Tells: tells}
			if req.DLRURL, err = kannelTemplate(address, user, p); err != nil {
				return req, err
			}
		}
	}
	return req, kannelContent(&req, p, &n, udh)
}

func hasScheme(address string) bool {
	lower := strings.ToLower(address[:8])
	return strings.HasPrefix(lower, "http://") || lower == "https://"
}

// kannelContent: coding 0 is the GSM alphabet, 1 octets, 2 UCS-2; charset is that of text.
func kannelContent(req *intake.Request, p *params, n *kannelNumbers, udh string) error {
	text := p.Get("text")
	if udh != "" || n.pid > 0 || n.mclass >= 0 || n.mwi >= 0 {
		req.Content = &intake.Content{UDH: hex.EncodeToString([]byte(udh)), ProtocolID: uint8(max(n.pid, 0))}
	}
	coding := n.coding
	if coding < 0 && udh != "" {
		coding = 1
	}
	var err error
	switch coding {
	case 1:
		req.Encoding = gsm.Binary
		if req.Content == nil {
			req.Content = &intake.Content{}
		}
		req.Content.Octets = []byte(text)
	case 2:
		req.Encoding = gsm.UCS2
		req.Text, err = decodeText(text, p.Get("charset"), "UTF-16BE")
	default:
		if coding == 0 {
			req.Encoding = gsm.GSM7
		}
		req.Text, err = decodeText(text, p.Get("charset"), "UTF-8")
	}
	if err != nil {
		return &kannelError{400, "Charset or body misformed, rejected", err.Error()}
	}
	if n.mclass >= 0 || n.mwi >= 0 {
		if coding < 0 {
			req.Encoding = gsm.GSM7 // a class goes with an alphabet that is known
		}
		req.Content.DataCoding, req.Content.SetDataCoding = kannelDCS(n, max(coding, 0)), true
	}
	return nil
}

// kannelDCS is the data coding scheme of message class or waiting indication (3GPP TS
// 23.038 §4).
func kannelDCS(n *kannelNumbers, coding int) uint8 {
	if n.mwi >= 0 {
		dcs := uint8(0xD0) // store, GSM alphabet
		if coding == 2 {
			dcs = 0xE0
		}
		if n.mwi < 4 {
			dcs |= 0x08 // active
		}
		return dcs | uint8(n.mwi&3)
	}
	if n.altDCS == 1 && coding != 2 {
		return 0xF0 | uint8(coding)<<2 | uint8(n.mclass)
	}
	return 0x10 | uint8(coding)<<2 | uint8(n.mclass)
}
