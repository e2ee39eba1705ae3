package bulk

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// The stores and queues of a node that is alone.
const (
	storeEmbedded = "embedded"
	queueMemory   = "memory"
)

// The roles of a node.
const (
	roleAPI      = "api"
	roleESME     = "esme"
	roleDispatch = "dispatch"
)

func roles() []string { return []string{roleAPI, roleESME, roleDispatch} }

// PostgresConfig bounds what a node asks of PostgreSQL.
type PostgresConfig struct {
	MaxConns         int      `yaml:"max_conns" doc:"connections of this node to PostgreSQL, at least 6"`
	StatementTimeout Duration `yaml:"statement_timeout" doc:"time after which PostgreSQL gives up a statement"`
}

// ClusterConfig says how nodes see each other.
type ClusterConfig struct {
	TTL  Duration `yaml:"ttl" doc:"time after which others take over from a node that is not seen, 2s to 5m"`
	Name string   `yaml:"name" doc:"what this node is called in lists; empty: host name and pid"`
}

// Shared reports whether the store is one that several nodes use.
func (c *Config) Shared() bool { return c.Store != storeEmbedded }

func (c *Config) has(role string) bool { return !c.Shared() || slices.Contains(c.Roles, role) }

func (c *Config) validateShared(bad func(key, format string, args ...any)) {
	switch u, err := url.Parse(c.Store); {
	case !c.Shared():
	case err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "":
		bad("store", "%q is neither embedded nor postgres://user:password@host/database", redactURL(c.Store))
	case strings.Count(authority(c.Store), "@") > 1: // PostgreSQL's driver would take the rest of the password for a host, and show it
		bad("store", "%q has more than one @: in a password it is written %%40", redactURL(c.Store))
	}
	if c.Queue != queueMemory {
		switch u, err := url.Parse(c.Queue); {
		case err != nil || !strings.HasPrefix(u.Scheme, "redis") || u.Host == "":
			bad("queue", "%q is neither memory nor redis://host:6379/0 (rediss:// for TLS)", redactURL(c.Queue))
		case !c.Shared():
			bad("queue", "Redis tells nodes of each other's messages: it needs a store that they share (store: postgres://…)")
		}
	}
	if len(c.Roles) == 0 {
		bad("roles", "a node without a role does nothing: %s", strings.Join(roles(), ", "))
	}
	for _, role := range c.Roles {
		if !slices.Contains(roles(), role) {
			bad("roles", "%q is none of %s", role, strings.Join(roles(), ", "))
		}
	}
	if n := c.Postgres.MaxConns; n < 6 {
		bad("postgres.max_conns", "%d: at least 6", n)
	}
	if d := time.Duration(c.Cluster.TTL); d < 2*time.Second || d > 5*time.Minute {
		bad("cluster.ttl", "%v is outside 2s to 5m", d)
	}
	if c.Drain < 0 || c.Postgres.StatementTimeout < 0 {
		bad("drain", "a time cannot be negative")
	}
}

// authority is what stands between the slashes of an address: user, password, hosts and ports.
func authority(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}
