package target

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"protei-bulk/load/stats"
)

// redisSeries are what a Redis server says about itself, in the order of redisSource.values.
func redisSeries() []stats.SeriesInfo {
	return []stats.SeriesInfo{
		{Name: "memory", Unit: stats.UnitBytes, Label: "memory", Level: true},
		{Name: "clients", Unit: stats.UnitCount, Label: "clients", Level: true},
		{Name: "blocked_clients", Unit: stats.UnitCount, Label: "clients blocked", Level: true},
		{Name: "commands", Unit: stats.UnitRate, Label: "commands", More: true},
		{Name: "evictions", Unit: stats.UnitRate, Label: "evictions"},
	}
}

// redisKey is a key whose length is watched.
type redisKey struct{ alias, kind, key string }

// parseRedisKey reads [ALIAS=]stream:KEY, list:KEY or zset:KEY; stream=KEY means the same.
func parseRedisKey(text string) (redisKey, error) {
	var k redisKey
	rest := text
	if m := aliasName.FindStringSubmatch(text); m != nil && !redisKind(m[1]) {
		k.alias, rest = m[1], text[len(m[0]):]
	}
	at := strings.IndexAny(rest, ":=")
	if at < 0 || !redisKind(rest[:at]) || at == len(rest)-1 {
		return k, fmt.Errorf("%q: want stream:KEY, list:KEY or zset:KEY", text)
	}
	k.kind = rest[:at]
	key, err := url.PathUnescape(rest[at+1:])
	if err != nil {
		return k, fmt.Errorf("%q: a %% in a key is written %%25", text)
	}
	k.key = key
	return k, nil
}

func redisKind(s string) bool { return s == "stream" || s == "list" || s == "zset" }

func (k *redisKey) series() []stats.SeriesInfo {
	name := k.alias
	info := stats.SeriesInfo{Name: name, Label: k.kind + " " + k.key, Unit: stats.UnitCount, Level: true}
	if name == "" {
		name = k.kind + "." + clean(k.key)
		info.Name = name + ".length"
	}
	if k.kind != "stream" {
		return []stats.SeriesInfo{info}
	}
	return []stats.SeriesInfo{info, {Name: name + ".pending", Label: info.Label + ", pending", Unit: stats.UnitCount, Level: true}}
}

// redisSource is a connection to one server, made again when it broke.
type redisSource struct {
	spec     *Spec
	addr     string
	password string
	tls      *tls.Config // nil: plain

	conn   net.Conn
	reader respReader

	commands, evictions counter
}

func newRedis(s *Spec, opts WatchOptions) *redisSource {
	r := &redisSource{spec: s, addr: s.url.Host}
	if s.url.Port() == "" {
		r.addr = net.JoinHostPort(s.url.Hostname(), "6379")
	}
	if r.password, _ = s.url.User.Password(); r.password == "" {
		r.password = opts.Getenv("REDISCLI_AUTH")
		if len(r.password) > 2 {
			s.secrets = append(s.secrets, r.password)
		}
	}
	if strings.EqualFold(s.url.Scheme, "rediss") {
		r.tls = opts.TLS.Clone()
		if r.tls == nil {
			r.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		r.tls.ServerName = s.url.Hostname()
	}
	return r
}

func (r *redisSource) settle([]stats.SeriesInfo) {}

func (r *redisSource) close() {
	if r.conn != nil {
		_ = r.conn.Close()
		r.conn = nil
	}
}

func (r *redisSource) connect(ctx context.Context) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return err
	}
	if r.tls != nil {
		secured := tls.Client(conn, r.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return err
		}
		conn = secured
	}
	r.conn, r.reader = conn, respReader{Reader: bufio.NewReaderSize(conn, 16<<10)}
	return nil
}

func (r *redisSource) read(ctx context.Context) ([]stats.SeriesValue, error) {
	fresh := r.conn == nil
	if fresh {
		if err := r.connect(ctx); err != nil {
			return nil, err
		}
	}
	conn := r.conn
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	values, err := r.ask(fresh)
	if err != nil {
		r.close()
		r.commands, r.evictions = counter{}, counter{}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	return values, nil
}

// ask sends all commands at once and reads their answers.
func (r *redisSource) ask(fresh bool) ([]stats.SeriesValue, error) {
	if fresh {
		if err := r.greet(); err != nil {
			return nil, err
		}
	}
	request := appendCommand(nil, "INFO")
	for _, k := range r.spec.keys {
		switch k.kind {
		case "stream":
			request = appendCommand(appendCommand(request, "XLEN", k.key), "XINFO", "GROUPS", k.key)
		case "list":
			request = appendCommand(request, "LLEN", k.key)
		case "zset":
			request = appendCommand(request, "ZCARD", k.key)
		}
	}
	if _, err := r.conn.Write(request); err != nil {
		return nil, err
	}
	answer, err := r.reader.answer()
	if err != nil {
		return nil, err
	}
	info, ok := answer.(string)
	if !ok {
		return nil, refusal(answer)
	}
	values, err := r.info(info, time.Now())
	for i := 0; err == nil && i < len(r.spec.keys); i++ {
		values, err = r.length(values, r.spec.keys[i].kind)
	}
	return values, err
}

// greet signs in and chooses the database.
func (r *redisSource) greet() error {
	if r.password != "" {
		words := []string{"AUTH", r.password}
		if user := r.spec.url.User.Username(); user != "" {
			words = []string{"AUTH", user, r.password}
		}
		if err := r.command(words...); err != nil {
			return fmt.Errorf("sign in: %w", err)
		}
	}
	if db := strings.Trim(r.spec.url.Path, "/"); db != "" && db != "0" {
		if err := r.command("SELECT", db); err != nil {
			return fmt.Errorf("choose database %s: %w", db, err)
		}
	}
	return nil
}

func (r *redisSource) command(words ...string) error {
	if _, err := r.conn.Write(appendCommand(nil, words...)); err != nil {
		return err
	}
	answer, err := r.reader.answer()
	if err != nil {
		return err
	}
	if answer != "OK" {
		return refusal(answer)
	}
	return nil
}

func refusal(answer any) error {
	if e, ok := answer.(redisError); ok {
		return e
	}
	return errRESP
}

// info reads the lines `name:number` of INFO.
func (r *redisSource) info(text string, now time.Time) ([]stats.SeriesValue, error) {
	figures := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			figures[name] = v
		}
	}
	if _, ok := figures["used_memory"]; !ok {
		return nil, errors.New("INFO says nothing of memory")
	}
	level := func(name string) stats.SeriesValue {
		if v, ok := figures[name]; ok {
			return stats.SeriesValue{Value: v}
		}
		return stats.NotMeasured("INFO has no " + name)
	}
	rate := func(c *counter, name string) stats.SeriesValue {
		if v, ok := figures[name]; ok {
			return c.rate(v, now)
		}
		return stats.NotMeasured("INFO has no " + name)
	}
	return []stats.SeriesValue{
		level("used_memory"), level("connected_clients"), level("blocked_clients"),
		rate(&r.commands, "total_commands_processed"), rate(&r.evictions, "evicted_keys"),
	}, nil
}

// length appends what Redis says of a key.
func (r *redisSource) length(values []stats.SeriesValue, kind string) ([]stats.SeriesValue, error) {
	answer, err := r.reader.answer()
	if err != nil {
		return nil, err
	}
	values = append(values, numberOf(answer))
	if kind != "stream" {
		return values, nil
	}
	if answer, err = r.reader.answer(); err != nil {
		return nil, err
	}
	return append(values, pendingOf(answer)), nil
}

func numberOf(answer any) stats.SeriesValue {
	switch v := answer.(type) {
	case int64:
		return stats.SeriesValue{Value: float64(v)}
	case redisError:
		return stats.NotMeasured(v.Error())
	}
	return stats.NotMeasured(errRESP.Error())
}

// pendingOf adds up what the groups of a stream have taken and not acknowledged. A stream that is not there has none.
func pendingOf(answer any) stats.SeriesValue {
	if e, ok := answer.(redisError); ok {
		if strings.Contains(string(e), "no such key") {
			return stats.SeriesValue{}
		}
		return stats.NotMeasured(string(e))
	}
	groups, ok := answer.([]any)
	if !ok && answer != nil {
		return stats.NotMeasured(errRESP.Error())
	}
	sum := 0.0
	for _, g := range groups {
		fields, _ := g.([]any)
		for i := 0; i+1 < len(fields); i += 2 {
			if n, ok := fields[i+1].(int64); ok && fields[i] == "pending" {
				sum += float64(n)
			}
		}
	}
	return stats.SeriesValue{Value: sum}
}
