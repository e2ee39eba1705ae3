package smpp

import (
	"errors"
	"fmt"
)

// Status is a command_status (SMPP 3.4 §5.1.3). The constants carry the standard's
// names without the prefix ESME_.
type Status uint32

// The statuses of SMPP 3.4, and those of 5.0 that peers send to 3.4 sessions.
const (
	ROK              Status = 0x00 // no error
	RINVMSGLEN       Status = 0x01 // message length is invalid
	RINVCMDLEN       Status = 0x02 // command length is invalid
	RINVCMDID        Status = 0x03 // invalid command id
	RINVBNDSTS       Status = 0x04 // incorrect bind status for given command
	RALYBND          Status = 0x05 // already in bound state
	RINVPRTFLG       Status = 0x06 // invalid priority flag
	RINVREGDLVFLG    Status = 0x07 // invalid registered delivery flag
	RSYSERR          Status = 0x08 // system error
	RINVSRCADR       Status = 0x0A // invalid source address
	RINVDSTADR       Status = 0x0B // invalid destination address
	RINVMSGID        Status = 0x0C // message id is invalid
	RBINDFAIL        Status = 0x0D // bind failed
	RINVPASWD        Status = 0x0E // invalid password
	RINVSYSID        Status = 0x0F // invalid system id
	RCANCELFAIL      Status = 0x11 // cancel_sm failed
	RREPLACEFAIL     Status = 0x13 // replace_sm failed
	RMSGQFUL         Status = 0x14 // message queue full
	RINVSERTYP       Status = 0x15 // invalid service type
	RINVNUMDESTS     Status = 0x33 // invalid number of destinations
	RINVDLNAME       Status = 0x34 // invalid distribution list name
	RINVDESTFLAG     Status = 0x40 // invalid destination flag
	RINVSUBREP       Status = 0x42 // invalid submit-with-replace request
	RINVESMCLASS     Status = 0x43 // invalid esm_class
	RCNTSUBDL        Status = 0x44 // cannot submit to distribution list
	RSUBMITFAIL      Status = 0x45 // submit_sm or submit_multi failed
	RINVSRCTON       Status = 0x48 // invalid source address TON
	RINVSRCNPI       Status = 0x49 // invalid source address NPI
	RINVDSTTON       Status = 0x50 // invalid destination address TON
	RINVDSTNPI       Status = 0x51 // invalid destination address NPI
	RINVSYSTYP       Status = 0x53 // invalid system_type
	RINVREPFLAG      Status = 0x54 // invalid replace_if_present flag
	RINVNUMMSGS      Status = 0x55 // invalid number of messages
	RTHROTTLED       Status = 0x58 // the ESME has exceeded its allowed rate
	RINVSCHED        Status = 0x61 // invalid scheduled delivery time
	RINVEXPIRY       Status = 0x62 // invalid validity period
	RINVDFTMSGID     Status = 0x63 // predefined message invalid or not found
	RXTAPPN          Status = 0x64 // ESME receiver: temporary application error
	RXPAPPN          Status = 0x65 // ESME receiver: permanent application error
	RXRAPPN          Status = 0x66 // ESME receiver: message rejected
	RQUERYFAIL       Status = 0x67 // query_sm failed
	RINVOPTPARSTREAM Status = 0xC0 // error in the optional part of the PDU body
	ROPTPARNOTALLWD  Status = 0xC1 // optional parameter not allowed
	RINVPARLEN       Status = 0xC2 // invalid parameter length
	RMISSINGOPTPARAM Status = 0xC3 // expected optional parameter missing
	RINVOPTPARAMVAL  Status = 0xC4 // invalid optional parameter value
	RDELIVERYFAILURE Status = 0xFE // delivery failure (data_sm_resp)
	RUNKNOWNERR      Status = 0xFF // unknown error
	RSERTYPUNAUTH    Status = 0x100
	RPROHIBITED      Status = 0x101
	RSERTYPUNAVAIL   Status = 0x102
	RSERTYPDENIED    Status = 0x103
	RINVDCS          Status = 0x104
	RINVSRCADDRSUBU  Status = 0x105
	RINVDSTADDRSUBU  Status = 0x106
)

// Name returns the standard's name, such as "ESME_RTHROTTLED", or "" when it has none.
func (s Status) Name() string {
	switch s {
	case ROK:
		return "ESME_ROK"
	case RINVMSGLEN:
		return "ESME_RINVMSGLEN"
	case RINVCMDLEN:
		return "ESME_RINVCMDLEN"
	case RINVCMDID:
		return "ESME_RINVCMDID"
	case RINVBNDSTS:
		return "ESME_RINVBNDSTS"
	case RALYBND:
		return "ESME_RALYBND"
	case RINVPRTFLG:
		return "ESME_RINVPRTFLG"
	case RINVREGDLVFLG:
		return "ESME_RINVREGDLVFLG"
	case RSYSERR:
		return "ESME_RSYSERR"
	case RINVSRCADR:
		return "ESME_RINVSRCADR"
	case RINVDSTADR:
		return "ESME_RINVDSTADR"
	case RINVMSGID:
		return "ESME_RINVMSGID"
	case RBINDFAIL:
		return "ESME_RBINDFAIL"
	case RINVPASWD:
		return "ESME_RINVPASWD"
	case RINVSYSID:
		return "ESME_RINVSYSID"
	case RCANCELFAIL:
		return "ESME_RCANCELFAIL"
	case RREPLACEFAIL:
		return "ESME_RREPLACEFAIL"
	case RMSGQFUL:
		return "ESME_RMSGQFUL"
	case RINVSERTYP:
		return "ESME_RINVSERTYP"
	case RINVNUMDESTS:
		return "ESME_RINVNUMDESTS"
	case RINVDLNAME:
		return "ESME_RINVDLNAME"
	case RINVDESTFLAG:
		return "ESME_RINVDESTFLAG"
	case RINVSUBREP:
		return "ESME_RINVSUBREP"
	case RINVESMCLASS:
		return "ESME_RINVESMCLASS"
	case RCNTSUBDL:
		return "ESME_RCNTSUBDL"
	case RSUBMITFAIL:
		return "ESME_RSUBMITFAIL"
	case RINVSRCTON:
		return "ESME_RINVSRCTON"
	case RINVSRCNPI:
		return "ESME_RINVSRCNPI"
	case RINVDSTTON:
		return "ESME_RINVDSTTON"
	case RINVDSTNPI:
		return "ESME_RINVDSTNPI"
	case RINVSYSTYP:
		return "ESME_RINVSYSTYP"
	case RINVREPFLAG:
		return "ESME_RINVREPFLAG"
	case RINVNUMMSGS:
		return "ESME_RINVNUMMSGS"
	case RTHROTTLED:
		return "ESME_RTHROTTLED"
	case RINVSCHED:
		return "ESME_RINVSCHED"
	case RINVEXPIRY:
		return "ESME_RINVEXPIRY"
	case RINVDFTMSGID:
		return "ESME_RINVDFTMSGID"
	case RXTAPPN:
		return "ESME_RX_T_APPN"
	case RXPAPPN:
		return "ESME_RX_P_APPN"
	case RXRAPPN:
		return "ESME_RX_R_APPN"
	case RQUERYFAIL:
		return "ESME_RQUERYFAIL"
	case RINVOPTPARSTREAM:
		return "ESME_RINVOPTPARSTREAM"
	case ROPTPARNOTALLWD:
		return "ESME_ROPTPARNOTALLWD"
	case RINVPARLEN:
		return "ESME_RINVPARLEN"
	case RMISSINGOPTPARAM:
		return "ESME_RMISSINGOPTPARAM"
	case RINVOPTPARAMVAL:
		return "ESME_RINVOPTPARAMVAL"
	case RDELIVERYFAILURE:
		return "ESME_RDELIVERYFAILURE"
	case RUNKNOWNERR:
		return "ESME_RUNKNOWNERR"
	case RSERTYPUNAUTH:
		return "ESME_RSERTYPUNAUTH"
	case RPROHIBITED:
		return "ESME_RPROHIBITED"
	case RSERTYPUNAVAIL:
		return "ESME_RSERTYPUNAVAIL"
	case RSERTYPDENIED:
		return "ESME_RSERTYPDENIED"
	case RINVDCS:
		return "ESME_RINVDCS"
	case RINVSRCADDRSUBU:
		return "ESME_RINVSRCADDRSUBUNIT"
	case RINVDSTADDRSUBU:
		return "ESME_RINVDSTADDRSUBUNIT"
	default:
		return ""
	}
}

// String returns name and number, such as "ESME_RTHROTTLED (0x58)".
func (s Status) String() string {
	if n := s.Name(); n != "" {
		return fmt.Sprintf("%s (0x%02X)", n, uint32(s))
	}
	return fmt.Sprintf("status 0x%X", uint32(s))
}

// StatusError is a response with a command_status other than ESME_ROK.
type StatusError struct {
	Status Status
	Cmd    CommandID // the request that was refused
}

// Error says which request was refused and how.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s refused: %s", e.Cmd, e.Status)
}

// FieldError is a fault in a PDU: the field, and the status that answers it.
type FieldError struct {
	Cmd    CommandID
	Field  string // the standard's name of the field or optional parameter
	Status Status
	Reason string
}

// Error names command, field and fault.
func (e *FieldError) Error() string {
	return fmt.Sprintf("%s: %s %s: %s", e.Cmd, e.Field, e.Reason, e.Status)
}

// StatusOf returns the command_status that describes err: that of the FieldError or
// StatusError in its chain, ROK for nil and RSYSERR for anything else.
func StatusOf(err error) Status {
	if err == nil {
		return ROK
	}
	var fe *FieldError
	if errors.As(err, &fe) {
		return fe.Status
	}
	var se *StatusError
	if errors.As(err, &se) {
		return se.Status
	}
	return RSYSERR
}
