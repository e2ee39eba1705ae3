package esme

import (
	"errors"
	"strconv"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
	"protei-bulk/smpp"
)

// decimalIDs reports whether the account wants its message_ids in decimal.
func (s *Server) decimalIDs(id uint32) bool {
	a := s.opts.Accounts.ByID(id)
	return a != nil && a.MessageIDs == account.DecimalIDs
}

// appendID writes a message_id as the account reads it (item 62 of SMPP.md).
func (s *Server) appendID(dst []byte, accountID uint32, id message.ID) []byte {
	return appendID(dst, id, s.decimalIDs(accountID))
}

func appendID(dst []byte, id message.ID, decimal bool) []byte {
	if decimal {
		return strconv.AppendUint(dst, uint64(id), 10)
	}
	return id.Append(dst)
}

// parseID reads a message_id of the account. An id in the other form is taken when it can
// only be that one: the account's setting may have changed.
func (s *Server) parseID(accountID uint32, text []byte) (message.ID, bool) {
	if s.decimalIDs(accountID) {
		if id, err := strconv.ParseUint(string(text), 10, 63); err == nil && id > 0 {
			return message.ID(id), true
		}
	}
	id, err := message.ParseID(string(text))
	return id, err == nil
}

// refusalStatus is the command_status of intake's refusal, if err is one.
func refusalStatus(err error) (smpp.Status, bool) {
	var r *intake.Refusal
	if errors.As(err, &r) {
		return smpp.Status(r.SMPPStatus()), true
	}
	return 0, false
}

// idDigits is the longest message_id: 63 bits in decimal.
const idDigits = 19
