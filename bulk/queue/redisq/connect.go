package redisq

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

const (
	// callTimeout bounds a call that does not block by itself.
	callTimeout = 2 * time.Second
	dialTimeout = 2 * time.Second
)

// ParseURL reads the address of Redis:
//
//	redis://user:password@host:6379/0             (rediss: with TLS; ?ca=FILE: signed by that CA)
//	redis+sentinel://user:password@host:26379,host:26379/0?master=NAME
//
// With rediss+sentinel, Sentinels and Redis speak TLS. sentinel_user and sentinel_password are
// parameters for Sentinels that want them.
func ParseURL(text string) (rueidis.ClientOption, error) {
	// No tracking: nothing is cached. No retry: the caller knows what a repetition means.
	o := rueidis.ClientOption{
		ClientName: "protei-bulk", DisableCache: true, DisableRetry: true, PipelineMultiplex: -1,
		ConnWriteTimeout: callTimeout, Dialer: net.Dialer{Timeout: dialTimeout},
	}
	u, err := url.Parse(text)
	if err != nil {
		return o, errors.New("the address of Redis is no URL such as redis://host:6379/0") // err has the password
	}
	shown := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String() // user and parameters have passwords
	kind, sentinel := strings.CutSuffix(u.Scheme, "+sentinel")
	if kind != "redis" && kind != "rediss" || u.Hostname() == "" {
		return o, fmt.Errorf("%s is none of redis://host:6379/0, rediss://…, redis+sentinel://host:26379,host:26379/0?master=NAME", shown)
	}
	port := "6379"
	if sentinel {
		port = "26379"
	}
	for address := range strings.SplitSeq(u.Host, ",") {
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(strings.Trim(address, "[]"), port)
		}
		switch host, _, err := net.SplitHostPort(address); {
		case err != nil: // a bracket without its other one
			return o, fmt.Errorf("%s names a server that is none: %w", shown, err)
		case host == "":
			return o, fmt.Errorf("%s names a server without a host", shown)
		}
		o.InitAddress = append(o.InitAddress, address)
	}
	if len(o.InitAddress) > 1 && !sentinel {
		return o, fmt.Errorf("%s names several servers: use redis+sentinel, or one of them", shown)
	}
	o.Username = u.User.Username()
	o.Password, _ = u.User.Password()
	if db := strings.Trim(u.Path, "/"); db != "" {
		if o.SelectDB, err = strconv.Atoi(db); err != nil || o.SelectDB < 0 {
			return o, fmt.Errorf("%s: the database %q is no number", shown, db)
		}
	}
	query := u.Query()
	if kind == "rediss" {
		if o.TLSConfig, err = tlsOf(query.Get("ca")); err != nil {
			return o, err
		}
	}
	if sentinel {
		o.Sentinel = rueidis.SentinelOption{
			MasterSet: query.Get("master"), Username: query.Get("sentinel_user"), Password: query.Get("sentinel_password"),
			TLSConfig: o.TLSConfig, Dialer: o.Dialer, ClientName: o.ClientName,
		}
		if o.Sentinel.MasterSet == "" {
			return o, fmt.Errorf("%s does not say which master the Sentinels watch: add ?master=NAME", shown)
		}
	}
	return o, nil
}

func tlsOf(ca string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca == "" {
		return c, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("read the CA of Redis: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate of a CA in PEM", ca)
	}
	return c, nil
}

// Connect returns a client of a Redis that can be used: it answers, is 6.2 or newer, and evicts
// nothing.
func Connect(ctx context.Context, address string) (rueidis.Client, error) {
	o, err := ParseURL(address)
	if err != nil {
		return nil, err
	}
	client, err := rueidis.NewClient(o)
	if err != nil {
		return nil, fmt.Errorf("reach Redis at %s: %w", strings.Join(o.InitAddress, ", "), err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := check(ctx, client); err != nil {
		client.Close()
		return nil, fmt.Errorf("the Redis at %s: %w", strings.Join(o.InitAddress, ", "), err)
	}
	return client, nil
}

// XAUTOCLAIM, and IDLE of XPENDING, came with 6.2.
const minMajor, minMinor = 6, 2

func check(ctx context.Context, client rueidis.Client) error {
	info, err := client.Do(ctx, client.B().Info().Section("server").Build()).ToString()
	if err != nil {
		return err
	}
	version := field(info, "redis_version")
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil || major < minMajor || major == minMajor && minor < minMinor {
		return fmt.Errorf("version %q is too old: %d.%d or newer is needed", version, minMajor, minMinor)
	}
	policy, err := evictionPolicy(ctx, client)
	if err != nil {
		return err
	}
	if policy != "noeviction" {
		return fmt.Errorf("maxmemory-policy is %s, so that it may throw streams away: set it to noeviction (in redis.conf, or CONFIG SET maxmemory-policy noeviction)", policy)
	}
	return nil
}

// evictionPolicy asks for the setting; where CONFIG is forbidden, INFO tells.
func evictionPolicy(ctx context.Context, client rueidis.Client) (string, error) {
	settings, err := client.Do(ctx, client.B().ConfigGet().Parameter("maxmemory-policy").Build()).AsStrMap()
	if err == nil && settings["maxmemory-policy"] != "" {
		return settings["maxmemory-policy"], nil
	}
	info, err := client.Do(ctx, client.B().Info().Section("memory").Build()).ToString()
	return field(info, "maxmemory_policy"), err
}

// field returns a line of INFO.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
