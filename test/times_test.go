package test

import (
	"fmt"
	"testing"
	"time"

	"protei-bulk/smpp"
)

// TestSMPPTimes: schedule_delivery_time and validity_period, relative and absolute, in zones
// of quarter hours, reach the message as REST shows it; what cannot be is refused.
func TestSMPPTimes(t *testing.T) {
	t.Parallel()
	p := serveDev(t)
	s, err := p.bind("dev", "devpass1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := time.Now().UTC().Add(3 * time.Hour).Truncate(time.Second)
	// in writes a moment in a zone so many quarter hours ahead of UTC.
	in := func(at time.Time, quarters int) []byte {
		sign := '+'
		local := at.Add(time.Duration(quarters) * 15 * time.Minute)
		if quarters < 0 {
			sign, quarters = '-', -quarters
		}
		return fmt.Appendf(nil, "%s0%02d%c", local.Format("060102150405"), quarters, sign)
	}
	submit := func(schedule, validity []byte) (smpp.Status, string) {
		st, resp, err := s.Do(t.Context(), &smpp.SubmitSM{
			Source: smpp.Address{TON: 5, Addr: []byte("Test")}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: []byte("15550001111")},
			ShortMessage: []byte("x"), ScheduleDeliveryTime: schedule, ValidityPeriod: validity,
		})
		if err != nil {
			t.Fatal(err)
		}
		if resp, ok := resp.(*smpp.SubmitSMResp); ok && resp != nil {
			return st, string(resp.MessageID)
		}
		return st, ""
	}
	for name, c := range map[string]struct {
		schedule, validity []byte
		want               smpp.Status
		scheduled          bool // at that moment
	}{
		"UTC":                       {in(at, 0), nil, smpp.ROK, true},
		"Kathmandu":                 {in(at, 23), in(at.Add(time.Hour), -14), smpp.ROK, true}, // +05:45, and -03:30
		"Newfoundland":              {in(at, -14), nil, smpp.ROK, true},
		"Chatham":                   {in(at, 51), nil, smpp.RINVSCHED, false}, // 48 quarters are the most
		"relative":                  {[]byte("000000030000000R"), []byte("000001000000000R"), smpp.ROK, false},
		"passed":                    {in(at.Add(-24*time.Hour), 0), nil, smpp.ROK, false},
		"no date":                   {[]byte("261332250000000+"), nil, smpp.RINVSCHED, false},
		"over before it begins":     {in(at, 0), in(at.Add(-time.Second), 0), smpp.RINVEXPIRY, false},
		"over before, zones differ": {in(at, 23), in(at.Add(-time.Minute), -14), smpp.RINVEXPIRY, false},
		"over already":              {nil, in(at.Add(-24*time.Hour), 4), smpp.RINVEXPIRY, false},
		"no validity":               {nil, []byte("000000000000000R"), smpp.RINVEXPIRY, false},
	} {
		st, id := submit(c.schedule, c.validity)
		if st != c.want {
			t.Errorf("%s (%s, %s): %v, want %v", name, c.schedule, c.validity, st, c.want)
			continue
		}
		if st != smpp.ROK || !c.scheduled {
			continue
		}
		var view struct {
			Status     string
			ScheduleAt time.Time `json:"schedule_at"`
		}
		p.want(200, "GET", "/api/v1/messages/"+id, "", &view)
		if view.Status != "SCHEDULED" || !view.ScheduleAt.Equal(at) {
			t.Errorf("%s (%s): %s at %v, want %v", name, c.schedule, view.Status, view.ScheduleAt, at)
		}
	}
}
