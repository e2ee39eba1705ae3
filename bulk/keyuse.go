package bulk

import (
	"context"
	"time"
)

// keyUseEvery is how often the moments at which API keys were used are written: what a crash
// loses of them.
const keyUseEvery = time.Minute

// startKeyUse keeps when API keys were used last.
func (p *Platform) startKeyUse(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(keyUseEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if err := p.accounts.SaveUse(ctx); err != nil && ctx.Err() == nil {
					p.log.Warn("save when API keys were used", "error", err)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	p.onStop("key use", func(ctx context.Context) error {
		cancel()
		<-done
		return p.accounts.SaveUse(ctx)
	})
	return nil
}
