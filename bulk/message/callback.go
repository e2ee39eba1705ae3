package message

import "strings"

// Callback says in whose form the customer of a message is told its states by HTTP, and
// which of them. The zero Callback is our own webhook and every final state.
type Callback struct {
	Form  CallbackForm
	Tells Tells // which states; Form decides when it is zero
}

// CallbackForm is a form of callbacks. The numbers are stored.
type CallbackForm uint8

// The forms.
const (
	Webhook    CallbackForm = iota // ours
	KannelGET                      // Kannel's dlr-url
	JasminGET                      // Jasmin's dlr-url with dlr-method GET
	JasminPOST                     // and POST
)

// Tells are the bits of Kannel's dlr-mask.
type Tells uint8

// The states that are told. The numbers are stored.
const (
	TellDelivered Tells = 1 << iota
	TellFailed          // a final state other than DELIVERED
	TellBuffered        // a try failed, or the SMSC said that it tries on
	TellSent            // the SMSC took it
	TellRefused         // the SMSC did not take it
)

// wants reports whether a final state is to be told.
func (c Callback) wants(m *Message) bool {
	switch {
	case c.Form == Webhook:
		return true
	case m.Status == Delivered:
		return c.Tells&TellDelivered != 0
	case m.RefusedBySMSC():
		return c.Tells&TellRefused != 0
	}
	return c.Tells&TellFailed != 0
}

// Placeholder stands in the DLRURL of a KannelGET callback before the letter of an escape
// code, where the customer wrote %: it is valid in a URL, which a bare % is not.
const Placeholder = "%00"

// WrittenDLRURL is DLRURL as the customer wrote it.
func (m *Message) WrittenDLRURL() string {
	if m.Callback.Form != KannelGET {
		return m.DLRURL
	}
	return strings.ReplaceAll(m.DLRURL, Placeholder, "%")
}

// RefusedBySMSC reports whether an SMSC refused the message and took no part of it.
func (m *Message) RefusedBySMSC() bool {
	refused := false
	for i := range m.Parts {
		if m.Parts[i].SMSCID != "" {
			return false
		}
		refused = refused || m.Parts[i].Error != 0
	}
	return refused && (m.Status == Rejected || m.Status == Failed)
}
