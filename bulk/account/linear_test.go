package account_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/account/accounttest"
	"protei-bulk/internal/linear"
)

// quotaCall takes parts, or gives them back when they are negative.
type quotaCall int

type quotaAnswer struct {
	refused bool
	left    int64 // when refused
}

// TestQuotaIsLinearizable: what one node takes, refuses and gives back of a quota at once, and what
// it says is left, has an order.
func TestQuotaIsLinearizable(t *testing.T) {
	const quota = 30
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	d := openMetered(t, new(accounttest.Store), &parts{})
	now := time.Now()
	model := linear.Model[int, quotaCall, quotaAnswer]{Step: func(used int, in quotaCall, out quotaAnswer) (bool, int) {
		if fits := used+int(in) <= quota; fits == out.refused || out.refused && out.left != int64(quota-used) {
			return false, used
		} else if !fits {
			return true, used
		}
		return true, used + int(in)
	}}
	for n := range 50 {
		a, _, err := d.Create(t.Context(), account.Spec{Name: fmt.Sprint("a", n), DailyQuota: quota, TimeZone: accounttest.Zone()}, "")
		if err != nil {
			t.Fatal(err)
		}
		var h linear.History[quotaCall, quotaAnswer]
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				random := rand.New(rand.NewPCG(seed, uint64(n<<8|i)))
				for range 10 {
					n := 1 + random.IntN(6)
					begin := h.Now()
					charge, over := a.TakeParts(now, n)
					if over != nil {
						h.Add(i, begin, h.Now(), quotaCall(n), quotaAnswer{refused: true, left: over.Left})
						continue
					}
					h.Add(i, begin, h.Now(), quotaCall(n), quotaAnswer{})
					if random.IntN(2) == 0 {
						begin = h.Now()
						charge.Undo()
						h.Add(i, begin, h.Now(), quotaCall(-n), quotaAnswer{})
					}
				}
			})
		}
		all.Wait()
		linear.Check(t, model, &h, func(in quotaCall, out quotaAnswer) string { return fmt.Sprintf("%d parts: %+v", in, out) })
		if t.Failed() {
			return
		}
	}
}
