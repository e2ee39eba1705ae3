package bulk

import (
	"strconv"

	"protei-bulk/bulk/metrics"
	"protei-bulk/bulk/money"
)

// moneyReadings shows the balances. What is left is counted on its own: where it differs from
// the sum of the deltas the books do not close.
func (p *Platform) moneyReadings() []reading {
	return []reading{{
		name: "money", help: "Money by account, in units of its currency: sums of credits, charged and refunded, of these reserved, held for what is not durable yet, and the balance.",
		labels: []string{"account", "kind"},
		read: func(emit metrics.Emit) {
			for id, b := range p.store.Balances() {
				account := strconv.FormatUint(uint64(id), 10)
				for kind, amount := range map[string]money.Amount{
					"credits": b.Credits, "charged": b.Charged, "refunded": b.Refunded, "reserved": b.Reserved, "held": b.Held, "balance": b.Left,
				} {
					emit(float64(amount)/float64(money.Unit), account, kind)
				}
			}
		},
	}, {
		name: "money_unbalanced", help: "Accounts whose balance is not the sum of its deltas: 0, or the books do not close.",
		read: func(emit metrics.Emit) {
			n := 0
			for _, b := range p.store.Balances() {
				if !b.Closes() {
					n++
				}
			}
			emit(float64(n))
		},
	}}
}
