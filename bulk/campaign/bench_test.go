package campaign_test

import (
	"context"
	"fmt"
	"testing"

	"protei-bulk/bulk/campaign"
	"protei-bulk/bulk/contact"
	"protei-bulk/bulk/contact/sheet"
	"protei-bulk/bulk/message"
)

// BenchmarkExpand makes the messages of a campaign, from its stored recipients to the sink,
// which forgets them. Per recipient it allocates what intake does for a message.
func BenchmarkExpand(b *testing.B) {
	for name, text := range map[string]string{"plain": "Sale! Everything must go, today only.", "variables": "Hi {{name | trim}}, you have {{points}} points."} {
		b.Run(name, func(b *testing.B) {
			const recipients = 50_000
			rows := make([]sheet.Row, recipients)
			for i := range rows {
				rows[i] = sheet.Row{
					Line: uint32(i + 1), Names: []string{"to", "name", "points"},
					Cells: []string{fmt.Sprintf("+4915112%06d", i), "Ann Miller", fmt.Sprint(i)},
				}
			}
			r := open(b)
			r.sink.Drop = true
			var ids []message.ID
			for range b.N {
				c := r.create(b, campaign.Spec{MessageContent: text}, nil)
				up := &campaign.Upload{Reader: &contact.Inline{Rows: rows}}
				if _, _, err := r.m.AddRecipients(context.Background(), r.acme, c.ID, up); err != nil {
					b.Fatal(err)
				}
				ids = append(ids, c.ID)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for _, id := range ids {
				r.do(b, id, campaign.Start)
				r.wait(b, id, is(campaign.Completed))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/recipients, "ns/recipient")
		})
	}
}
