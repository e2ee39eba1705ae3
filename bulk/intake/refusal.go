package intake

import (
	"errors"
	"time"

	"protei-bulk/bulk/account"
)

// Code names the reason of a Refusal in the API, in bulk results and in logs.
type Code string

// The reasons. They are part of the API: never rename them.
const (
	InvalidSender    Code = "invalid_sender"
	MissingSender    Code = "missing_sender"
	SenderNotAllowed Code = "sender_not_allowed"
	InvalidRecipient Code = "invalid_recipient"
	MissingRecipient Code = "missing_recipient"
	MissingText      Code = "missing_text"

	DestinationBlacklisted Code = "destination_blacklisted"
	OptedOut               Code = "opted_out"

	InvalidText       Code = "invalid_text"
	TextTooLong       Code = "text_too_long"
	UnmappableText    Code = "unmappable_character"
	InvalidEncoding   Code = "invalid_encoding"
	InvalidPriority   Code = "invalid_priority"
	InvalidSchedule   Code = "invalid_schedule_at"
	InvalidValidity   Code = "invalid_validity_period"
	InvalidDLRURL     Code = "invalid_dlr_url"
	DLRURLNotAllowed  Code = "dlr_url_not_allowed"
	InvalidClientRef  Code = "invalid_client_ref"
	InvalidTag        Code = "invalid_tag"
	InvalidHeader     Code = "invalid_user_data_header"
	NoRoute           Code = "no_route"
	AccountDisabled   Code = "account_disabled"
	RateLimited       Code = "rate_limited"
	QuotaExceeded     Code = "quota_exceeded"
	NoMoney           Code = "insufficient_balance"
	WrongType         Code = "wrong_type"
	DuplicateField    Code = "duplicate_field"
	QueueFull         Code = "queue_full"
	DiskFull          Code = "disk_full"
	RequestTooLarge   Code = "request_too_large"
	TemporarilyClosed Code = "unavailable"
)

// SMPP command_status values (SMPP 3.4 §5.1.3) as submit_sm_resp carries them.
const (
	rInvMsgLen   = 0x01
	rInvPrtFlg   = 0x06
	rInvSrcAdr   = 0x0A
	rInvDstAdr   = 0x0B
	rBindFail    = 0x0D
	rMsgQFul     = 0x14
	rInvESMClass = 0x43
	rSubmitFail  = 0x45
	rThrottled   = 0x58
	rInvSched    = 0x61
	rInvExpiry   = 0x62
	rxTAppn      = 0x64
	// rInsufficientBalance is of the range that SMPP 3.4 §5.1.3 leaves to SMSC vendors (0x400 to
	// 0x4FF), so that customers can tell it from a message that is wrong.
	rInsufficientBalance = 0x402
)

// verdict is what a Code means at each door.
type verdict struct {
	http int
	smpp uint32
}

// verdicts is the one table from a Code to its HTTP and SMPP answers.
var verdicts = map[Code]verdict{
	InvalidSender:    {422, rInvSrcAdr},
	MissingSender:    {422, rInvSrcAdr},
	SenderNotAllowed: {422, rInvSrcAdr},
	InvalidRecipient: {422, rInvDstAdr},
	MissingRecipient: {422, rInvDstAdr},
	MissingText:      {422, rInvMsgLen},

	DestinationBlacklisted: {422, rInvDstAdr},
	OptedOut:               {422, rInvDstAdr},

	InvalidText:       {422, rSubmitFail},
	TextTooLong:       {422, rInvMsgLen},
	UnmappableText:    {422, rSubmitFail},
	InvalidEncoding:   {422, rSubmitFail},
	InvalidPriority:   {422, rInvPrtFlg},
	InvalidSchedule:   {422, rInvSched},
	InvalidValidity:   {422, rInvExpiry},
	InvalidDLRURL:     {422, rSubmitFail},
	DLRURLNotAllowed:  {422, rSubmitFail},
	InvalidClientRef:  {422, rSubmitFail},
	InvalidTag:        {422, rSubmitFail},
	InvalidHeader:     {422, rInvESMClass},
	WrongType:         {422, rSubmitFail},
	DuplicateField:    {422, rSubmitFail},
	NoRoute:           {422, rInvDstAdr},
	AccountDisabled:   {403, rBindFail},
	RateLimited:       {429, rThrottled},
	QuotaExceeded:     {429, rMsgQFul},
	NoMoney:           {402, rInsufficientBalance},
	QueueFull:         {503, rMsgQFul},
	DiskFull:          {503, rxTAppn},
	RequestTooLarge:   {413, rSubmitFail},
	TemporarilyClosed: {503, rxTAppn},
}

// Refusal says why one message was not accepted. Nothing of it was stored.
type Refusal struct {
	Code    Code
	Detail  string // for people; names the value and the bound
	Field   string // API name of the field, empty when it is not one field's fault
	Retry   time.Duration
	Pointer string // RFC 6901 pointer into the request when the door knows better than "/"+Field
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Field == "" {
		return r.Detail
	}
	return r.Field + ": " + r.Detail
}

// HTTPStatus returns the status of the REST answer.
func (r *Refusal) HTTPStatus() int {
	if v, ok := verdicts[r.Code]; ok {
		return v.http
	}
	return 422
}

// SMPPStatus returns the command_status of submit_sm_resp (SMPP 3.4 §5.1.3).
func (r *Refusal) SMPPStatus() uint32 {
	if v, ok := verdicts[r.Code]; ok {
		return v.smpp
	}
	return rSubmitFail
}

// Errors that a Sink returns when a whole batch cannot be accepted now. Any other error
// counts as ErrUnavailable.
var (
	ErrBusy        = errors.New("too many messages are waiting")
	ErrDiskFull    = errors.New("the disk is full")
	ErrTooLarge    = errors.New("the messages of the request cannot be stored in one commit")
	ErrUnavailable = errors.New("messages cannot be stored now")
	// ErrNoMoney: other messages of the payer, of another node, have taken what Purse.Reserve saw.
	ErrNoMoney = errors.New("the balance does not suffice")
	// ErrRepeated: a request with the same Idempotency-Key was accepted by another node meanwhile.
	ErrRepeated = errors.New("the Idempotency-Key was used meanwhile")
)

// OverQuota is the error of a Sink that knows of more messages of the account, those of other nodes:
// the ones it got do not fit in what is left of these quotas, the day's first.
type OverQuota struct{ Quotas []account.QuotaError }

// Error implements error.
func (e *OverQuota) Error() string { return e.Quotas[0].Error() }

// take takes the parts of one message of a from what is left, unless it does not fit in a quota.
func (e *OverQuota) take(a *account.Account, parts int) *account.QuotaError {
	for i := range e.Quotas {
		if int64(parts) > e.Quotas[i].Left {
			over := e.Quotas[i]
			over.Until = over.Until.In(a.Zone()) // as this node says it
			return &over
		}
	}
	for i := range e.Quotas {
		e.Quotas[i].Left -= int64(parts)
	}
	return nil
}

// AsRefusal turns the error of a whole batch into the refusal of each of its messages.
func AsRefusal(err error) *Refusal {
	var r *Refusal
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, ErrBusy):
		return &Refusal{Code: QueueFull, Detail: "too many messages are waiting; try again later", Retry: time.Second}
	case errors.Is(err, ErrNoMoney):
		return &Refusal{Code: NoMoney, Detail: "the messages cost more than can be spent: top the account up"}
	case errors.Is(err, ErrTooLarge):
		return &Refusal{Code: RequestTooLarge, Detail: "the request's messages are too much for one commit, which an Idempotency-Key needs; send fewer in one request"}
	case errors.Is(err, ErrDiskFull):
		return &Refusal{Code: DiskFull, Detail: "the platform is out of disk space; try again later", Retry: 30 * time.Second}
	}
	return &Refusal{Code: TemporarilyClosed, Detail: "messages cannot be stored now; try again later", Retry: 5 * time.Second}
}
