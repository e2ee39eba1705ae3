package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"protei-bulk/bulk/cdr"
	"protei-bulk/bulk/cluster"
	"protei-bulk/bulk/message"
	"protei-bulk/internal/nearest"
)

// Config is everything an operator can set. Each field has the same name in the YAML
// file (the yaml tag, nested by dots) and in the environment (PROTEI_BULK_ and the
// name in upper case with underscores). Defaults stand in DefaultConfig alone.
type Config struct {
	Data       string   `yaml:"data" doc:"folder of the journal, the database, CDRs and logs"`
	HTTP       string   `yaml:"http" doc:"listen address of the REST API"`
	SMPP       string   `yaml:"smpp" doc:"listen address of the SMPP server; \"off\" closes it"`
	Store      string   `yaml:"store" doc:"embedded, or postgres://user:password@host/database, which several nodes share"`
	Queue      string   `yaml:"queue" doc:"memory, or redis://:password@host:6379/0, which tells nodes of new messages at once"`
	Upstream   string   `yaml:"upstream" doc:"default connector, smpp://system_id:password@host:port?binds=2&window=100"`
	Connectors Seeds    `yaml:"connectors" doc:"connectors that a new data folder begins with: name=URL, or sections with the settings of REST"`
	Routes     Seeds    `yaml:"routes" doc:"routing rules that a new data folder begins with: sections as REST takes them"`
	Durability string   `yaml:"durability" doc:"fsync, or none: accepted messages may be lost in a crash"`
	Node       int      `yaml:"node" doc:"node number in message ids, 0 to 511; -1: a free one of the nodes of the store, 0 with the embedded one"`
	Roles      []string `yaml:"roles" doc:"what this node of several does: api (REST), esme (SMPP for customers), dispatch (connectors and campaigns)"`
	// SecretKeyFile lets several nodes open what one of them sealed.
	SecretKeyFile string   `yaml:"secret_key_file" doc:"file with the 32 octets that seal connector passwords and webhook keys; empty: secret.key in the data folder, or kept in PostgreSQL"`
	Drain         Duration `yaml:"drain" doc:"how long a node that stops says so to balancers, and still takes everything, before its doors close"`
	Retention     Duration `yaml:"retention" doc:"how long settled messages are kept, such as 30d"`
	// MinFreeDisk stops acceptance (503) before the disk is full.
	MinFreeDisk Size `yaml:"min_free_disk" doc:"free space below which nothing more is accepted"`
	// TrustedProxies are believed when they say whom a request is from.
	TrustedProxies []string `yaml:"trusted_proxies" doc:"reverse proxies and balancers in front, addresses and networks (CIDR), whose X-Forwarded-For and X-Forwarded-Proto are believed; empty: nobody's"`
	// SMPPProxyProtocol makes what the trusted proxies say in front of SMPP count.
	SMPPProxyProtocol bool `yaml:"smpp_proxy_protocol" doc:"connections to the SMPP server from trusted_proxies begin with a PROXY header (version 1 or 2) that says whom they are from; others have none, and none is believed of them"`

	Limits   Limits         `yaml:"limits"`
	Webhooks WebhookConfig  `yaml:"webhooks"`
	CDR      CDRConfig      `yaml:"cdr"`
	Log      LogConfig      `yaml:"log"`
	TLS      TLSConfig      `yaml:"tls"`
	Validity ValidityConfig `yaml:"validity"`
	Inbound  InboundConfig  `yaml:"inbound"`
	Compat   CompatConfig   `yaml:"compat"`
	OptOut   OptOutConfig   `yaml:"opt_out"`
	Money    MoneyConfig    `yaml:"money"`
	Audit    AuditConfig    `yaml:"audit"`
	Postgres PostgresConfig `yaml:"postgres"`
	Cluster  ClusterConfig  `yaml:"cluster"`
	Tracing  TracingConfig  `yaml:"tracing"`
}

// Limits bounds what the platform holds in memory.
type Limits struct {
	MaxParts           int `yaml:"max_parts" doc:"parts of a long message, 1 to 255"`
	LaneMemory         int `yaml:"lane_memory" doc:"unsent messages kept in memory for each connector"`
	MaxBacklog         int `yaml:"max_backlog" doc:"messages not yet in the database before new ones are refused"`
	MaxUnsyncedSettles int `yaml:"max_unsynced_settles" doc:"answers of the SMSC not yet durable before sending pauses"`
	ReceiptCache       int `yaml:"receipt_cache" doc:"messages awaiting a receipt kept in memory"`
	MaxBinds           int `yaml:"max_binds" doc:"SMPP connections of all customers together"`
}

// WebhookConfig says where webhooks may go.
type WebhookConfig struct {
	Allow       []string `yaml:"allow" doc:"private networks (CIDR) that webhooks may reach"`
	Concurrency int      `yaml:"concurrency" doc:"requests at the same time to one endpoint"`
	GiveUp      Duration `yaml:"give_up" doc:"age at which an undelivered webhook or SMPP receipt is given up"`
}

// CDRConfig says how CDR files are written and kept.
type CDRConfig struct {
	Format      string   `yaml:"format" doc:"csv, or json: one object on each line"`
	Compress    string   `yaml:"compress" doc:"what is done to closed CDR files: none, gzip or zstd"`
	RotateBytes Size     `yaml:"rotate_bytes" doc:"size at which a CDR file is closed"`
	RotateEvery Duration `yaml:"rotate_every" doc:"age at which a CDR file is closed"`
	Keep        Duration `yaml:"keep" doc:"age at which a closed CDR file is deleted; 0 keeps all"`
	KeepBytes   Size     `yaml:"keep_bytes" doc:"size of all closed CDR files above which the oldest are deleted; 0 keeps all"`
}

// LogConfig says what is logged where.
type LogConfig struct {
	Level    string `yaml:"level" doc:"debug, info, warn or error"`
	File     string `yaml:"file" doc:"log file, under the data folder unless absolute"`
	MaxBytes Size   `yaml:"max_bytes" doc:"size at which the log file is rotated"`
	Keep     int    `yaml:"keep" doc:"rotated log files kept"`
	Access   string `yaml:"access" doc:"file with a line for each HTTP request, under the data folder unless absolute, such as logs/access.log; empty: none. Rotated as the log file is"`
}

// TLSConfig names certificate and key for HTTP and SMPP; both empty: plain.
type TLSConfig struct {
	Cert string `yaml:"cert" doc:"certificate file (PEM) for HTTP and SMPP"`
	Key  string `yaml:"key" doc:"private key file (PEM)"`
}

// ValidityConfig bounds how long a message is tried.
type ValidityConfig struct {
	Default Duration `yaml:"default" doc:"validity of a message that names none"`
	Max     Duration `yaml:"max" doc:"longest validity a customer may ask for"`
}

// InboundConfig says whose the messages from mobiles are.
type InboundConfig struct {
	Routes []string `yaml:"routes" doc:"inbound routes of an empty store, such as to=1000&keyword=JOIN&account=acme"`
}

// CompatConfig says which HTTP APIs of other products are answered.
type CompatConfig struct {
	APIs   []string `yaml:"apis" doc:"HTTP APIs of other products that are answered: legacy, jasmin, kannel; or none"`
	Listen []string `yaml:"listen" doc:"more addresses that answer them and nothing else, such as 0.0.0.0:13013"`
}

// DefaultConfig returns the settings of a platform that was told nothing.
func DefaultConfig() Config {
	return Config{
		Data: "data", HTTP: "127.0.0.1:8080", SMPP: "127.0.0.1:2775",
		Store: storeEmbedded, Queue: queueMemory, Connectors: Seeds{}, Routes: Seeds{}, Durability: "fsync", Node: -1, Roles: roles(),
		Retention: Duration(30 * 24 * time.Hour), MinFreeDisk: 1 << 30, TrustedProxies: []string{},
		Limits: Limits{
			MaxParts: 10, LaneMemory: 200_000, MaxBacklog: 400_000,
			MaxUnsyncedSettles: 10_000, ReceiptCache: 1_000_000, MaxBinds: 10_000,
		},
		OptOut:   OptOutConfig{Stop: []string{}, Start: []string{}, Scope: optOutAccount},
		Audit:    AuditConfig{Keep: Duration(400 * 24 * time.Hour)},
		Webhooks: WebhookConfig{Concurrency: 4, GiveUp: Duration(72 * time.Hour)},
		CDR: CDRConfig{
			Format: string(cdr.CSV), Compress: string(cdr.NoCompression),
			RotateBytes: 256 << 20, RotateEvery: Duration(time.Hour), Keep: Duration(90 * 24 * time.Hour),
		},
		Compat:   CompatConfig{APIs: compatAPIs(), Listen: []string{}},
		Log:      LogConfig{Level: "info", File: "logs/system.log", MaxBytes: 100 << 20, Keep: 10},
		Validity: ValidityConfig{Default: Duration(24 * time.Hour), Max: Duration(7 * 24 * time.Hour)},
		Money:    MoneyConfig{Currency: "EUR"},
		Postgres: PostgresConfig{MaxConns: 16, StatementTimeout: Duration(30 * time.Second)},
		Cluster:  ClusterConfig{TTL: Duration(cluster.DefaultTTL)},
		Tracing:  TracingConfig{Sample: 0.01},
	}
}

// Setting is one line of the configuration, for help, `config print` and the docs.
type Setting struct {
	Key, Env, Doc string
	Value         string
}

// Settings lists every setting with its value, in the order of the struct.
func (c *Config) Settings() []Setting {
	var all []Setting
	c.walk(func(key, doc string, v reflect.Value) {
		all = append(all, Setting{Key: key, Env: envName(key), Doc: doc, Value: show(v)})
	})
	return all
}

// LoadFile reads a YAML file over c. An unknown key is an error that names the nearest
// known one, with line and column.
func (c *Config) LoadFile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	next := *c
	dec := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := dec.Decode(&next); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("configuration %s: %s", path, c.explain(withoutSource(err, text)))
	}
	keepEmptied(reflect.ValueOf(&next).Elem(), reflect.ValueOf(c).Elem())
	*c = next
	return nil
}

// keepEmptied gives sections that a file names without a value (or a file of comments
// only) what they held before: an empty section is not a wish for zeroes.
func keepEmptied(next, old reflect.Value) {
	if next.IsZero() {
		next.Set(old)
		return
	}
	for i := range next.NumField() {
		if next.Field(i).Kind() == reflect.Struct {
			keepEmptied(next.Field(i), old.Field(i))
		}
	}
}

var (
	unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)
	wrongType    = regexp.MustCompile(`cannot unmarshal (.+?) into Go (?:struct field \S+|value) of type (\S+)`)
)

// typeWords names a type of Config as its readers do.
func typeWords(goType string) string {
	switch strings.TrimPrefix(goType, "bulk.") {
	case "int":
		return "a whole number"
	case "uint64", "int64", "float64":
		return "a number"
	case "bool":
		return "true or false"
	case "Duration":
		return "a duration such as 30d, 12h or 90s"
	case "Size":
		return "a size such as 500MiB"
	case "Price":
		return "an amount such as 0.045"
	case "Share":
		return "a share from 0 to 1"
	case "string", "Headers":
		return "text"
	case "[]string", "[]interface {}", "Seeds":
		return "a list"
	default:
		return "a section with keys of its own"
	}
}

var (
	yamlPlace = regexp.MustCompile(`^\[(\d+):\d+\] `)
	yamlKey   = regexp.MustCompile(`^[\s{-]*"?([a-z_]+)"?\s*:`)
)

// withoutSource is an error of the YAML parser that names line, column and key instead of showing the
// lines around them, which may hold passwords.
func withoutSource(err error, source []byte) error {
	said := yaml.FormatError(err, false, false)
	place := yamlPlace.FindStringSubmatch(said)
	if place == nil {
		return errors.New(said)
	}
	lines := bytes.Split(source, []byte{'\n'})
	if n, err := strconv.Atoi(place[1]); err == nil && n >= 1 && n <= len(lines) {
		if key := yamlKey.FindSubmatch(lines[n-1]); key != nil {
			said = place[0] + string(key[1]) + ": " + said[len(place[0]):]
		}
	}
	return errors.New(said)
}

func (c *Config) explain(err error) string {
	text := wrongType.ReplaceAllStringFunc(err.Error(), func(m string) string {
		parts := wrongType.FindStringSubmatch(m)
		return fmt.Sprintf("is %s where %s is needed", typeWords(parts[1]), typeWords(parts[2]))
	})
	m := unknownField.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	var known []string
	for _, s := range c.Settings() {
		known = append(known, strings.Split(s.Key, ".")...)
	}
	if near := nearest.Name(m[1], known); near != "" {
		return fmt.Sprintf("unknown key %q, did you mean %q?\n%s", m[1], near, text)
	}
	return fmt.Sprintf("unknown key %q\n%s", m[1], text)
}

// LoadEnv sets every field whose variable is set. Those of OpenTelemetry hold where neither a
// variable of ours nor the file says anything.
func (c *Config) LoadEnv(getenv func(string) string) error {
	var errs []error
	c.walk(func(key, _ string, v reflect.Value) {
		if text := getenv(envName(key)); text != "" {
			if err := parseInto(v, text); err != nil {
				if _, secret := v.Interface().(Seeds); secret {
					text = "…"
				}
				errs = append(errs, fmt.Errorf("%s=%q: %w", envName(key), text, err))
			}
		}
	})
	c.Tracing.loadEnv(getenv)
	return errors.Join(errs...)
}

// Validate names every fault at once.
func (c *Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	for key, addr := range map[string]string{"http": c.HTTP, "smpp": c.SMPP} {
		if _, _, err := net.SplitHostPort(addr); err != nil && (key != "smpp" || addr != "off") {
			bad(key, "%q is not host:port", addr)
		}
	}
	c.validateShared(bad)
	if c.Durability != "fsync" && c.Durability != "none" {
		bad("durability", "%q: fsync or none", c.Durability)
	}
	if c.Node < -1 || c.Node > message.MaxNode {
		bad("node", "%d is outside 0 to 511; -1 takes a free one", c.Node)
	}
	c.Money.validate(bad)
	c.Tracing.validate(bad)
	c.validateLimits(bad)
	if err := checkSeeds(c.Connectors, parseConnector); err != nil {
		bad("connectors", "%s", err)
	}
	if err := checkSeeds(c.Routes, parseRoute); err != nil {
		bad("routes", "%s", err)
	}
	if _, err := parseProxies(c.TrustedProxies); err != nil {
		bad("trusted_proxies", "%v", err)
	}
	if c.SMPPProxyProtocol && len(c.TrustedProxies) == 0 {
		bad("smpp_proxy_protocol", "names no balancer: put its addresses into trusted_proxies")
	}
	for _, text := range c.Webhooks.Allow {
		if _, err := netip.ParsePrefix(text); err != nil {
			bad("webhooks.allow", "%q is not a network such as 10.0.0.0/8", text)
		}
	}
	if c.OptOut.Scope != optOutAccount && c.OptOut.Scope != optOutNumber {
		bad("opt_out.scope", "%q is none of account, number", c.OptOut.Scope)
	}
	for _, text := range c.Inbound.Routes {
		if _, _, err := parseInboundRoute(text); err != nil {
			bad("inbound.routes", "%v", err)
		}
	}
	if _, err := cdr.ParseFormat(c.CDR.Format); err != nil {
		bad("cdr.format", "%v", err)
	}
	if _, err := cdr.ParseCompression(c.CDR.Compress); err != nil {
		bad("cdr.compress", "%v", err)
	}
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		bad("log.level", "%q: debug, info, warn or error", c.Log.Level)
	}
	for _, name := range c.Compat.APIs {
		if name != compatNone && !slices.Contains(compatAPIs(), name) {
			bad("compat.apis", "%q: %s, or none", name, strings.Join(compatAPIs(), ", "))
		}
	}
	for _, addr := range c.Compat.Listen {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			bad("compat.listen", "%q is not host:port", addr)
		}
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		bad("tls", "cert and key belong together")
	}
	for key, name := range map[string]string{"tls.cert": c.TLS.Cert, "tls.key": c.TLS.Key} {
		if strings.Contains(name, "-----BEGIN") {
			bad(key, "is the name of a file, not what stands in it")
		}
	}
	sort.Slice(errs, func(i, j int) bool { return errs[i].Error() < errs[j].Error() })
	return errors.Join(errs...)
}

func (c *Config) validateLimits(bad func(key, format string, args ...any)) {
	if c.Limits.MaxParts < 1 || c.Limits.MaxParts > 255 {
		bad("limits.max_parts", "%d is outside 1 to 255", c.Limits.MaxParts)
	}
	for key, n := range map[string]int{
		"limits.lane_memory": c.Limits.LaneMemory, "limits.max_backlog": c.Limits.MaxBacklog,
		"limits.max_unsynced_settles": c.Limits.MaxUnsyncedSettles, "limits.receipt_cache": c.Limits.ReceiptCache,
		"limits.max_binds": c.Limits.MaxBinds, "webhooks.concurrency": c.Webhooks.Concurrency,
	} {
		if n < 1 {
			bad(key, "%d: at least 1", n)
		}
	}
	for key, d := range map[string]Duration{
		"retention": c.Retention, "webhooks.give_up": c.Webhooks.GiveUp, "audit.keep": c.Audit.Keep, "cdr.rotate_every": c.CDR.RotateEvery,
		"validity.default": c.Validity.Default, "validity.max": c.Validity.Max,
	} {
		if d <= 0 {
			bad(key, "%s: longer than nothing", d)
		}
	}
	if c.Validity.Default > c.Validity.Max {
		bad("validity.default", "%s is above validity.max, %s", c.Validity.Default, c.Validity.Max)
	}
}

// walk calls f for every leaf field.
func (c *Config) walk(f func(key, doc string, v reflect.Value)) {
	var into func(prefix string, v reflect.Value)
	into = func(prefix string, v reflect.Value) {
		for i := range v.NumField() {
			field := v.Type().Field(i)
			key := prefix + field.Tag.Get("yaml")
			if field.Type.Kind() == reflect.Struct {
				into(key+".", v.Field(i))
				continue
			}
			f(key, field.Tag.Get("doc"), v.Field(i))
		}
	}
	into("", reflect.ValueOf(c).Elem())
}

func envName(key string) string {
	return "PROTEI_BULK_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func parseInto(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("not a whole number")
		}
		*p = n
	case *[]string:
		*p = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	case *Seeds:
		if strings.HasPrefix(text, "[") { // sections, as JSON
			if err := yaml.Unmarshal([]byte(text), p); err != nil {
				return withoutSource(err, []byte(text))
			}
			return nil
		}
		*p = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	case *Duration:
		return p.UnmarshalText([]byte(text))
	case *Size:
		return p.UnmarshalText([]byte(text))
	case *Price:
		return p.UnmarshalText([]byte(text))
	case *Share:
		return p.UnmarshalText([]byte(text))
	case *Headers:
		*p = Headers(text)
	default:
		panic("bulk: setting of an unknown type: " + v.Type().String())
	}
	return nil
}

func show(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case string:
		return redactURL(x)
	case []string:
		return strings.Join(redactAll(x), ",")
	case Seeds:
		return strings.Join(x.redacted(), ",")
	case Headers:
		return string(x.redacted())
	default:
		return fmt.Sprint(x)
	}
}
