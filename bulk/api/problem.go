package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/alert"
	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/connector"
	"protei-bulk/bulk/inbound"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/money"
	"protei-bulk/bulk/route"
	"protei-bulk/bulk/user"
)

// problem is an RFC 9457 document to be. It implements error, so that handlers return it.
type problem struct {
	code   string
	detail string
	status int // 0: as problems has it
	retry  time.Duration
	allow  string // Allow header
	faults []fault
	// rejected is the number of messages of a bulk request that was rejected whole, else 0.
	rejected int
}

// fault is one entry of a problem's errors.
type fault struct {
	pointer string // RFC 6901, or ?name for a query parameter
	code    string
	detail  string
}

// Error implements error.
func (p *problem) Error() string { return p.code + ": " + p.detail }

// problemKind is the constant part of a problem document.
type problemKind struct {
	status int
	title  string
}

// problems is the one table of what the API itself answers. What intake refuses has its
// status from intake's table and the title of unprocessable.
var problems = map[string]problemKind{
	"malformed_json":          {400, "The body is not JSON"},
	"empty_body":              {400, "The body is empty"},
	"invalid_utf8":            {400, "The body is not UTF-8"},
	"incomplete_body":         {400, "The body ended too early"},
	"invalid_parameter":       {400, "A query parameter is wrong"},
	"unauthorized":            {401, "Credentials are needed"},
	"invalid_credentials":     {401, "The credentials are wrong"},
	"sign_in_refused":         {401, "User, password or code is wrong"},
	"code_needed":             {401, "The code of the second factor is needed"},
	"session_ended":           {401, "The session has ended"},
	"csrf":                    {403, "The request does not come from the console"},
	"role_forbidden":          {403, "The role may not do this"},
	"password_change_needed":  {403, "The password has to be changed first"},
	"too_many_sign_ins":       {429, "Too many wrong tries to sign in"},
	"key_expired":             {401, "The API key has expired"},
	"address_not_allowed":     {403, "The API key may not be used from here"},
	"missing_scope":           {403, "The API key may not do this"},
	"account_disabled":        {403, "The account is disabled"},
	"forbidden":               {403, "The account may not do this"},
	"not_found":               {404, "There is no such thing"},
	"method_not_allowed":      {405, "The method is not allowed here"},
	"request_timeout":         {408, "The body came too slowly"},
	"insufficient_balance":    {402, "The balance does not suffice"},
	"reference_used":          {409, "The reference belongs to another movement"},
	"not_cancellable":         {409, "The message can no longer be cancelled"},
	"not_held":                {409, "The message is not held"},
	"not_replayable":          {409, "The message cannot be delivered again"},
	"illegal_transition":      {409, "The campaign's status does not permit this"},
	"import_running":          {409, "Recipients are being added"},
	"own_approval":            {403, "A second person has to approve"},
	"unreadable_file":         {422, "The file cannot be read"},
	"idempotency_in_progress": {409, "The first request is not done yet"},
	"idempotency_key_reused":  {422, "The Idempotency-Key belongs to another request"},
	"conflict":                {409, "This conflicts with what exists"},
	"body_too_large":          {413, "The body is too large"},
	"request_too_large":       {413, "The request is too large for an Idempotency-Key"},
	"too_many_items":          {413, "The request has too many items"},
	"unsupported_media_type":  {415, "The type of the body is not supported"},
	"invalid_receipt":         {422, "The receipt cannot be understood"},
	"invalid_number":          {422, "The numbers are none"},
	"validation_failed":       {422, "The request cannot be carried out as it is"},
	"all_rejected":            {422, "Every message was rejected"},
	"no_recipients":           {422, "The campaign has no recipients"},
	"internal_error":          {500, "Something went wrong on our side"},
	"overloaded":              {503, "The platform is busy"},
	"not_ready":               {503, "The platform is not ready"},
	"rate_limited":            {429, "Too many requests"},
	"quota_exceeded":          {429, "The quota is used up"},
	"queue_full":              {503, "The platform is busy"},
	"disk_full":               {503, "The platform is out of space"},
	"unavailable":             {503, "The platform cannot take this now"},
}

func wrong(code, detail string) *problem { return &problem{code: code, detail: detail} }

// wrongParameter names the parameter of the query that is wrong.
func wrongParameter(name, detail string) *problem {
	const code = "invalid_parameter"
	return &problem{code: code, detail: name + " " + detail, faults: []fault{{"?" + name, code, detail}}}
}

// asProblem is the one place where errors become problem documents. An unknown error
// becomes internal_error, without its text.
func asProblem(err error) *problem {
	var p *problem
	var refusal *intake.Refusal
	var transition *campaign.TransitionError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refusal):
		return refusalProblem(refusal)
	case errors.As(err, &transition):
		return wrong("illegal_transition", transition.Error())
	case errors.Is(err, campaign.ErrNotFound):
		return wrong("not_found", "there is no such campaign")
	case errors.Is(err, campaign.ErrNoRecipients):
		return wrong("no_recipients", "add recipients before the campaign is started")
	case errors.Is(err, campaign.ErrNotDraft):
		return wrong("illegal_transition", campaign.ErrNotDraft.Error())
	case errors.Is(err, ErrNotFound):
		return wrong("not_found", "there is no such message")
	case errors.Is(err, ErrTooLate):
		return wrong("not_cancellable", ErrTooLate.Error())
	case errors.Is(err, ErrUnowned):
		return &problem{code: "not_ready", detail: ErrUnowned.Error(), retry: retryBusy}
	case errors.Is(err, ErrNotHeld):
		return wrong("not_held", ErrNotHeld.Error())
	case errors.Is(err, inbound.ErrUnknownRoute):
		return wrong("not_found", "there is no such inbound route")
	case errors.Is(err, inbound.ErrTooManyRoutes):
		return wrong("conflict", err.Error())
	case errors.Is(err, account.ErrUnknown):
		return wrong("not_found", "there is no such account")
	case errors.Is(err, account.ErrUnknownKey):
		return wrong("not_found", "there is no such API key")
	case errors.Is(err, alert.ErrUnknown):
		return wrong("not_found", alert.ErrUnknown.Error())
	case errors.Is(err, alert.ErrFull):
		return wrong("conflict", err.Error())
	case errors.Is(err, route.ErrUnknown):
		return wrong("not_found", "there is no such route")
	case errors.Is(err, route.ErrTaken), errors.Is(err, route.ErrFull):
		return wrong("conflict", err.Error())
	case errors.Is(err, connector.ErrUnknown):
		return wrong("not_found", "there is no such connector")
	case errors.Is(err, connector.ErrFixed), errors.Is(err, connector.ErrTaken), errors.Is(err, connector.ErrInUse), errors.Is(err, connector.ErrFull):
		return wrong("conflict", err.Error())
	case errors.Is(err, account.ErrTaken), errors.Is(err, ErrBackupRuns):
		return wrong("conflict", err.Error())
	case errors.Is(err, ErrNoRoom):
		return wrong("disk_full", err.Error())
	}
	if errors.Is(err, syscall.ENOSPC) { // of the store, too
		return refusalProblem(intake.AsRefusal(intake.ErrDiskFull))
	}
	if p := userProblem(err); p != nil {
		return p
	}
	if p := importProblem(err); p != nil {
		return p
	}
	if faults := fieldFaults(err); len(faults) > 0 {
		return &problem{code: "validation_failed", detail: faults[0].pointer[1:] + ": " + faults[0].detail, faults: faults}
	}
	return wrong("internal_error", "internal error")
}

// userProblem tells of users and sessions. It does not tell an unknown user from a wrong password.
func userProblem(err error) *problem {
	var limited *user.LimitedError
	switch {
	case errors.As(err, &limited):
		return &problem{code: "too_many_sign_ins", detail: "too many wrong tries to sign in; try again later", retry: limited.Retry}
	case errors.Is(err, user.ErrRefused):
		return wrong("sign_in_refused", user.ErrRefused.Error())
	case errors.Is(err, user.ErrCode):
		return wrong("code_needed", user.ErrCode.Error())
	case errors.Is(err, user.ErrSession):
		return wrong("session_ended", "the session has ended: sign in again")
	case errors.Is(err, account.ErrBusyVerifying):
		return &problem{code: "overloaded", detail: "too many sign-ins at once; try again later", retry: retryBusy}
	case errors.Is(err, user.ErrUnknown):
		return wrong("not_found", user.ErrUnknown.Error())
	case errors.Is(err, user.ErrTaken), errors.Is(err, user.ErrFull), errors.Is(err, user.ErrLast):
		return wrong("conflict", err.Error())
	}
	return nil
}

// fieldFaults collects the FieldErrors of packages account, campaign, connector and route from joined errors.
func fieldFaults(err error) []fault {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []fault
		for _, e := range joined.Unwrap() {
			all = append(all, fieldFaults(e)...)
		}
		return all
	}
	var a *account.FieldError
	var mv *money.FieldError
	var c *campaign.FieldError
	var k *connector.FieldError
	var in *inbound.FieldError
	var r *route.FieldError
	var al *alert.FieldError
	var us *user.FieldError
	switch {
	case errors.As(err, &us):
		return []fault{{"/" + us.Field, "invalid_" + us.Field, us.Detail}}
	case errors.As(err, &al):
		return []fault{{"/" + al.Field, "invalid_" + al.Field, al.Detail}}
	case errors.As(err, &r):
		field, _, _ := strings.Cut(r.Field, "/")
		return []fault{{"/" + r.Field, "invalid_" + field, r.Detail}}
	case errors.As(err, &k):
		field, _, _ := strings.Cut(k.Field, "/")
		return []fault{{"/" + k.Field, "invalid_" + field, k.Detail}}
	case errors.As(err, &mv):
		return []fault{{"/" + mv.Field, "invalid_" + mv.Field, mv.Detail}}
	case errors.As(err, &a):
		return []fault{{"/" + a.Field, "invalid_" + a.Field, a.Detail}}
	case errors.As(err, &in):
		return []fault{{"/" + in.Field, "invalid_" + in.Field, in.Detail}}
	case errors.As(err, &c):
		return []fault{{"/" + c.Field, c.Code, c.Detail}}
	}
	return nil
}

func refusalProblem(r *intake.Refusal) *problem {
	p := &problem{code: string(r.Code), detail: r.Error(), status: r.HTTPStatus(), retry: r.Retry}
	if pointer := pointerOf(r); pointer != "" {
		p.faults = []fault{{pointer, string(r.Code), r.Detail}}
	}
	return p
}

func pointerOf(r *intake.Refusal) string {
	if r.Pointer == "" && r.Field != "" {
		return "/" + r.Field
	}
	return r.Pointer
}

func (p *problem) httpStatus() int {
	if p.status != 0 {
		return p.status
	}
	if k, ok := problems[p.code]; ok {
		return k.status
	}
	return http.StatusUnprocessableEntity
}

// append writes the document.
func (p *problem) append(dst []byte, requestID string) []byte {
	kind, ok := problems[p.code]
	if !ok {
		kind = problems["validation_failed"]
	}
	dst = append(dst, `{"type":"urn:protei-bulk:problem:`...)
	dst = append(dst, p.code...)
	dst = append(dst, `","title":`...)
	dst = appendString(dst, kind.title)
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(p.httpStatus()), 10)
	dst = append(dst, `,"detail":`...)
	dst = appendString(dst, p.detail)
	dst = append(dst, `,"code":`...)
	dst = appendString(dst, p.code)
	dst = append(dst, `,"request_id":`...)
	dst = appendString(dst, requestID)
	if p.rejected > 0 {
		dst = appendInt(dst, `,"total":`, int64(p.rejected))
		dst = appendInt(dst, `,"accepted":0,"rejected":`, int64(p.rejected))
	}
	if len(p.faults) > 0 {
		dst = append(dst, `,"errors":[`...)
		for i, f := range p.faults {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"pointer":`...)
			dst = appendString(dst, f.pointer)
			dst = append(dst, `,"code":`...)
			dst = appendString(dst, f.code)
			dst = append(dst, `,"detail":`...)
			dst = appendString(dst, f.detail)
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, '}', '\n')
}
