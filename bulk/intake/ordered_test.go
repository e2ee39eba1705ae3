package intake_test

import (
	"testing"

	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

func TestOrderedMessages(t *testing.T) {
	var full error
	door, _, who := open(t, intake.Options{AdmitOrdered: func() error { return full }}, false)
	req := intake.Request{Account: who, From: "ACME", To: "+4915112345678", Text: "x", Priority: message.Normal}
	flag := func(o intake.Outcome) bool { return o.Msg != nil && o.Msg.Flags&message.Ordered != 0 }
	if flag(one(t, door, req)) {
		t.Error("a message is ordered that did not ask")
	}
	asks := req
	asks.Ordered = true
	if !flag(one(t, door, asks)) {
		t.Error("a message that asks is not ordered")
	}
	all := *who
	all.Ordered = true
	byAccount := req
	byAccount.Account = &all
	if !flag(one(t, door, byAccount)) {
		t.Error("the account's wish is not heard")
	}
	full = intake.ErrBusy
	if o := one(t, door, asks); o.Err == nil || o.Err.Code != intake.QueueFull {
		t.Errorf("too many ordered ones: %+v", o)
	}
	if o := one(t, door, req); o.Err != nil {
		t.Errorf("another one: %v", o.Err)
	}
}
