package bulk

import "protei-bulk/bulk/metrics"

// alertReadings shows what fires and whether people were told.
func (p *Platform) alertReadings() []reading {
	return []reading{{
		name: "alerts_firing", help: "Alerts that fire, by rule; of several nodes only the one that watches shows any.", labels: []string{"rule"},
		read: func(emit metrics.Emit) {
			count := make(map[string]int)
			for _, a := range p.watcher.Firing() {
				count[a.Rule]++
			}
			for _, r := range p.alerts.Rules() {
				emit(float64(count[r.Name]), r.Name)
			}
		},
	}, {
		name: "alert_notifications", help: "Alerts by what became of them on their way to people, over each channel.", labels: []string{"outcome"}, counter: true,
		read: func(emit metrics.Emit) {
			c := p.watcher.Counters()
			emit(float64(c.Sent), "sent")
			emit(float64(c.Failed), "failed")
		},
	}}
}
