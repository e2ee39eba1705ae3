package esme

import (
	"context"
	"time"

	"protei-bulk/bulk/account"
	"protei-bulk/smpp"
)

const (
	outbindDial = 5 * time.Second
	// outbindAhead is how many connections are opened at once.
	outbindAhead = 8
)

// outbind is the goroutine that asks customers who have an address for it to bind, while
// something waits for them and no receiver is bound (SMPP 3.4 §2.2.1).
func (s *Server) outbind(ctx context.Context) {
	tick := time.NewTicker(s.opts.Outbind)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		slots := make(chan struct{}, outbindAhead)
		for _, a := range s.opts.Accounts.Outbinds() {
			if !s.wantsOutbind(ctx, a) {
				continue
			}
			slots <- struct{}{}
			s.joined.Go(func() {
				defer func() { <-slots }()
				s.ask(ctx, a)
			})
		}
	}
}

// wantsOutbind reports whether something waits for a and nobody is there to take it.
func (s *Server) wantsOutbind(ctx context.Context, a *account.Account) bool {
	if s.Receiving(a.ID) {
		return false
	}
	page, err := s.opts.Outbox.OpenReceipts(ctx, a.ID, 0, 1)
	return err == nil && len(page) > 0
}

func (s *Server) ask(ctx context.Context, a *account.Account) {
	ctx, cancel := context.WithTimeout(ctx, outbindDial)
	defer cancel()
	err := s.smpp.Outbind(ctx, a.Outbind, smpp.Outbind{SystemID: []byte(s.opts.SystemID), Password: []byte(a.OutbindPassword)})
	if err != nil {
		s.log.Warn("esme: outbind", "account", a.Name, "error", err)
		return
	}
	s.stats.outbinds.Add(1)
	s.log.Info("esme: outbind sent", "account", a.Name, "address", a.Outbind)
}
