package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"protei-bulk/internal/pause"
)

// Listen implements store.Nodes. It uses a connection of its own.
func (s *Store) Listen(ctx context.Context, f func(topic, payload string), again func()) {
	for {
		conn, err := s.pool.Acquire(ctx)
		if err == nil {
			if _, err = conn.Exec(ctx, "LISTEN "+channel); err == nil {
				again()
				err = hear(ctx, conn, f)
			}
			_ = conn.Conn().Close(context.Background()) // it listens: nobody else wants it
			conn.Release()
		}
		if pause.For(ctx, retryAfter) != nil {
			return
		}
		s.log.Debug("listening to other nodes again", "error", err)
	}
}

// hear calls f with what is announced until the connection fails.
func hear(ctx context.Context, conn *pgxpool.Conn, f func(topic, payload string)) error {
	for {
		n, err := conn.Conn().WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		topic, payload, _ := strings.Cut(n.Payload, "\n")
		f(topic, payload)
	}
}
