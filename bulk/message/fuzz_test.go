package message_test

import (
	"strings"
	"testing"

	"protei-bulk/bulk/message"
)

// FuzzNames: ids, statuses and priorities that can be read are written as they were read,
// but for the case of letters.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"00000000000000ff", "7FFFFFFFFFFFFFFF", "8000000000000000", "SENT", "delivered", "high", "LOW", "", "PENDING "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := message.ParseID(text); err == nil && id.String() != strings.ToLower(text) {
			t.Fatalf("%q is id %s", text, id)
		}
		if s, err := message.ParseStatus(text); err == nil && !strings.EqualFold(s.String(), text) {
			t.Fatalf("%q is status %s", text, s)
		}
		if s, err := message.ParseInboundStatus(text); err == nil && !strings.EqualFold(s.String(), text) {
			t.Fatalf("%q is status %s", text, s)
		}
		if p, err := message.ParsePriority(text); err == nil && !strings.EqualFold(p.String(), text) {
			t.Fatalf("%q is priority %s", text, p)
		}
	})
}
