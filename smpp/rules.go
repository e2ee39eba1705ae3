package smpp

import "time"

// Rules say how strictly a server takes the values in a peer's messages.
type Rules struct {
	StrictNumbers      bool             // refuse TON and NPI values that the standard does not define
	IgnoreDefaultMsgID bool             // ignore sm_default_msg_id instead of refusing it
	Now                func() time.Time // for times in the past, time.Now by default
}
