package intake_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"protei-bulk/bulk/intake"
	"protei-bulk/bulk/message"
)

func TestEachRefusalIsToldOnce(t *testing.T) {
	told := map[intake.Code]int{}
	door, sink, who := open(t, intake.Options{Refused: func(c intake.Code) { told[c]++ }}, false)
	good := intake.Request{Account: who, From: "ACME", To: "+4915112345678", Text: "x", Priority: message.Normal}
	noText, noTo := good, good
	noText.Text, noTo.To = "", ""
	out := make([]intake.Outcome, 4)
	if err := door.Submit(context.Background(), []intake.Request{good, noText, noTo, noText}, out); err != nil {
		t.Fatal(err)
	}
	door.SubmitAsync(&noTo, func(intake.Outcome, error) {})
	door.SubmitAsync(&good, func(intake.Outcome, error) {})
	if diff := cmp.Diff(map[intake.Code]int{intake.MissingText: 2, intake.MissingRecipient: 2}, told); diff != "" {
		t.Error(diff)
	}
	clear(told)
	sink.Fail(intake.ErrBusy)
	if err := door.Submit(context.Background(), []intake.Request{good, noTo}, out[:2]); err == nil {
		t.Fatal("a failing sink was not noticed")
	}
	door.SubmitAsync(&good, func(intake.Outcome, error) {})
	if diff := cmp.Diff(map[intake.Code]int{intake.MissingRecipient: 1, intake.QueueFull: 2}, told); diff != "" {
		t.Error(diff)
	}
}
