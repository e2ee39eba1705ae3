package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/store"
)

// customer is an account that messages are of and that asks for them.
type customer struct {
	ID    uint32  `json:"account_id"`
	Key   string  `json:"api_key"`
	share float64 // of all messages
}

// shares of the accounts: a big one, some of middle size, and one that is lost among them.
var shares = []float64{0.5, 0.2, 0.1, 0.1, 0.05, 0.03, 0.0199, 0.0001}

// makeAccounts makes an account for each share.
func (b *bench) makeAccounts(ctx context.Context) error {
	for i, share := range shares {
		c := &customer{share: share}
		if err := b.call(ctx, "POST", "/accounts", "dev-api-key", map[string]any{"name": fmt.Sprintf("customer-%d", i)}, c); err != nil {
			return err
		}
		b.accounts = append(b.accounts, c)
	}
	return nil
}

// call asks the node; into may be nil.
func (b *bench) call(ctx context.Context, method, path, key string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, b.http+path, strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	req.Header.Set("X-API-Key", key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return &refusedError{resp.StatusCode, fmt.Sprintf("%s %s: %s %s", method, path, resp.Status, answer)}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// refusedError is an answer that is no success.
type refusedError struct {
	status int
	text   string
}

func (e *refusedError) Error() string { return e.text }

// busy reports whether the same is worth another try.
func (e *refusedError) busy() bool {
	return e.status == http.StatusTooManyRequests || e.status == http.StatusServiceUnavailable
}

// stored is a message that is asked for.
type stored struct {
	id message.ID
	to string
	of *customer
}

const (
	keep       = 1000      // messages of each account that are asked for
	copied     = 10_000    // rows of one COPY
	recipients = 1_000_000 // numbers of each account
	fillNode   = message.MaxNode
)

// filler copies rows.
type filler struct {
	b       *bench
	conn    *pgx.Conn
	columns []string // of table messages
	random  *rand.Rand
	ledgers map[uint32]*store.Ledger
	known   map[*customer][]stored
	seen    map[*customer]int

	awaiting [][]any // rows of receipts of what is being copied
}

// fill stores the messages and returns some of each account.
func (b *bench) fill(ctx context.Context, url string) (map[*customer][]stored, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	f := &filler{
		b: b, conn: conn, random: rand.New(rand.NewPCG(1, 2)),
		ledgers: map[uint32]*store.Ledger{}, known: map[*customer][]stored{}, seen: map[*customer]int{},
	}
	rows, err := conn.Query(ctx, "SELECT column_name FROM information_schema.columns WHERE table_name = 'messages'")
	if err != nil {
		return nil, err
	}
	if f.columns, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return nil, err
	}
	if err := f.partitions(ctx); err != nil {
		return nil, err
	}
	indexes, err := f.dropIndexes(ctx)
	if err != nil {
		return nil, err
	}
	first, span := time.Now().AddDate(0, 0, -b.opts.days+1), time.Duration(b.opts.days-1)*24*time.Hour
	for done := 0; done < b.opts.messages; done += copied {
		n := min(copied, b.opts.messages-done)
		from := first.Add(span / time.Duration(b.opts.messages) * time.Duration(done))
		if err := f.copy(ctx, from, n); err != nil {
			return nil, err
		}
	}
	for _, sql := range append([]string{"SET maintenance_work_mem = '512MB'"}, indexes...) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	if err := f.count(ctx); err != nil {
		return nil, err
	}
	// As autovacuum leaves it after a while.
	_, err = conn.Exec(ctx, "VACUUM (ANALYZE) messages, receipts")
	return f.known, err
}

// partitions makes those of the days before yesterday; the platform has made the others.
func (f *filler) partitions(ctx context.Context) error {
	today := time.Now().UTC().Truncate(24 * time.Hour)
	for day := -f.b.opts.days; day < -1; day++ {
		from := today.AddDate(0, 0, day)
		for table, storage := range map[string]string{"messages": "fillfactor = 50", "receipts": "fillfactor = 100"} {
			_, err := f.conn.Exec(ctx, fmt.Sprintf("CREATE TABLE %s_%s PARTITION OF %[1]s FOR VALUES FROM (%[3]d) TO (%[4]d) WITH (%[5]s)",
				table, from.Format("20060102"), message.FirstID(from), message.FirstID(from.AddDate(0, 0, 1)), storage))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// dropIndexes drops the indexes of messages and returns what makes them again: that takes a
// fraction of what entering each row takes.
func (f *filler) dropIndexes(ctx context.Context) (again []string, err error) {
	rows, err := f.conn.Query(ctx, "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'messages'")
	if err != nil {
		return nil, err
	}
	var name, def string
	var names []string
	if _, err := pgx.ForEachRow(rows, []any{&name, &def}, func() error {
		names = append(names, name)
		again = append(again, strings.Replace(def, " ON ONLY ", " ON ", 1))
		return nil
	}); err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, err := f.conn.Exec(ctx, "DROP INDEX "+name); err != nil {
			return nil, err
		}
	}
	return again, nil
}

// copy stores n messages that came one after the other.
func (f *filler) copy(ctx context.Context, from time.Time, n int) error {
	id := message.FirstID(from) | fillNode<<12
	step := message.ID(1) << 21 // a millisecond
	i := 0
	_, err := f.conn.CopyFrom(ctx, pgx.Identifier{"messages"}, f.columns, pgx.CopyFromFunc(func() ([]any, error) {
		if i == n {
			return nil, nil
		}
		i++
		id += step
		return f.row(f.message(id))
	}))
	if err != nil {
		return err
	}
	_, err = f.conn.CopyFrom(ctx, pgx.Identifier{"receipts"}, []string{"id", "account", "connector", "smsc_id", "part", "open"}, pgx.CopyFromRows(f.awaiting))
	f.awaiting = nil
	return err
}

// message makes one; most are delivered.
func (f *filler) message(id message.ID) *message.Message {
	of := f.b.accounts[len(f.b.accounts)-1]
	for i, at := 0, f.random.Float64(); i < len(f.b.accounts); i++ {
		if at -= f.b.accounts[i].share; at < 0 {
			of = f.b.accounts[i]
			break
		}
	}
	status := message.Delivered
	switch n := f.random.IntN(1000); {
	case n < 40:
		status = message.Failed
	case n < 55:
		status = message.Expired
	case n < 60:
		status = message.Rejected
	case n < 80:
		status = message.Sent
	}
	at := id.Time().UnixMilli()
	m := &message.Message{
		ID: id, Account: of.ID, Batch: id &^ 0xfffff, Source: message.Address{TON: 5, Addr: fmt.Sprintf("Shop%d", f.random.IntN(20))},
		Dest:     message.Address{TON: 1, NPI: 1, Addr: fmt.Sprintf("+9677%08d", f.random.IntN(recipients))},
		Priority: message.Normal, Flags: message.WantReceipt | message.NotifyFinal, DLRURL: "http://127.0.0.1:9/dlr", ClientRef: fmt.Sprintf("order-%d", f.random.Uint32()),
		SubmittedAt: at, Connector: 1, Payload: []byte("Your parcel is at the door. Show the code 123456 to the driver. Thank you for your order!"),
		Status: status, DoneAt: at + 2000, Notify: message.NotifyDone,
	}
	m.SetParts(1)
	m.Parts[0] = message.Part{End: uint32(len(m.Payload)), Status: status, Attempts: 1, SMSCID: fmt.Sprintf("%016x", f.random.Uint64()), SentAt: at + 100, DoneAt: m.DoneAt}
	if status == message.Sent {
		m.DoneAt, m.Parts[0].DoneAt, m.Notify = 0, 0, message.NotifyNone
		f.awaiting = append(f.awaiting, []any{int64(id), int64(of.ID), int16(m.Connector), m.Parts[0].SMSCID, int16(0), true})
	}
	if f.ledgers[of.ID] == nil {
		f.ledgers[of.ID] = &store.Ledger{}
	}
	f.ledgers[of.ID][status]++
	f.seen[of]++
	s := stored{id, m.Dest.Addr, of}
	if list := f.known[of]; len(list) < keep {
		f.known[of] = append(list, s)
	} else if n := f.random.IntN(f.seen[of]); n < keep {
		list[n] = s
	}
	return m
}

// row returns the columns of a message's row.
func (f *filler) row(m *message.Message) ([]any, error) {
	rare := int16(m.Status)
	if m.Status == message.Delivered || m.Status == message.Sent { // all await their receipts
		rare = 0
	}
	values := map[string]any{
		"id": int64(m.ID), "account": int64(m.Account), "connector": int16(m.Connector), "priority": int16(m.Priority), "status": int16(m.Status), "rare": rare,
		"version": int32(2), "due": int64(0), "campaign": int64(0), "ordinal": int64(0), "batch": int64(m.Batch),
		"source": m.Source.Addr, "dest": m.Dest.Addr, "body": store.AppendMessage(nil, m),
	}
	all := make([]any, len(f.columns))
	for i, name := range f.columns {
		v, ok := values[name]
		if !ok {
			return nil, errors.New("table messages has a column that this program does not know: " + name)
		}
		all[i] = v
	}
	return all, nil
}

// count enters the messages into the books, as another node's.
func (f *filler) count(ctx context.Context) error {
	for account, l := range f.ledgers {
		var names, values []string
		sum := int64(0)
		for status, n := range l {
			names, values = append(names, fmt.Sprintf("s%d", status)), append(values, fmt.Sprint(n))
			sum += n
		}
		_, err := f.conn.Exec(ctx, fmt.Sprintf("INSERT INTO ledger (account, campaign, node, writer, accepted, top, %s) VALUES (%d, 0, %d, 1, %d, 0, %s)",
			strings.Join(names, ", "), account, fillNode, sum, strings.Join(values, ", ")))
		if err != nil {
			return err
		}
	}
	return nil
}
