package target

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"protei-bulk/load/stats"
)

// kind of a source.
type kind uint8

const (
	kindPrometheus kind = iota
	kindPostgres
	kindRedis
	kindPID
	kindPIDFile
	kindProcess
)

// Spec says what is watched beside the requests; [ParseSpec] makes it. It is read-only.
type Spec struct {
	// Name is the first part of the names of its series.
	Name string

	kind    kind
	text    string     // of the source, without name
	masked  string     // the whole, secrets hidden
	secrets []string   // that no text may show
	url     *url.URL   // of Prometheus and Redis; without fragment
	metrics []selector // of Prometheus
	keys    []redisKey
	pid     int32
	process string // path of a pid file, or name
	series  []stats.SeriesInfo
}

const (
	maxSpec   = 4096 // bytes of a spec
	maxSeries = 120  // bytes of a series' name
)

var prefixed = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_-]{0,39})=(.*)$`)

// ParseSpec reads what --watch takes:
//
//	[NAME=]http://HOST/metrics[#SELECTION]    a Prometheus page; without a selection CPU, memory and open files of its process
//	[NAME=]postgres://USER:PASSWORD@HOST/DB
//	[NAME=]redis://:PASSWORD@HOST/DB[#SELECTION]
//	[NAME=]pid:NUMBER, pidfile:PATH, process:EXECUTABLE
//
// A selection has parts between semicolons, each [ALIAS=]METRIC{label="value"}, rate(…), value(…), p99(…), or for Redis
// stream:KEY, list:KEY, zset:KEY. Secrets do not stand in its errors.
func ParseSpec(text string) (*Spec, error) {
	s := &Spec{text: strings.TrimSpace(text), masked: Mask(text)}
	if len(text) > maxSpec {
		return nil, fmt.Errorf("watch: more than %d bytes", maxSpec)
	}
	if m := prefixed.FindStringSubmatch(s.text); m != nil {
		s.Name, s.text = m[1], m[2]
	}
	if err := s.parse(); err != nil {
		return nil, fmt.Errorf("watch %q: %w", s.masked, s.scrubbed(err))
	}
	return s, s.checkNames()
}

// parse tells the kinds apart.
func (s *Spec) parse() error {
	scheme, rest, ok := strings.Cut(s.text, ":")
	switch scheme = strings.ToLower(scheme); {
	case !ok:
	case scheme == "http", scheme == "https":
		return s.parsePrometheus()
	case scheme == "postgres", scheme == "postgresql":
		return s.parsePostgres()
	case scheme == "redis", scheme == "rediss":
		return s.parseRedis()
	case scheme == "pid":
		return s.parsePID(rest)
	case scheme == "pidfile" && rest != "":
		s.kind, s.process = kindPIDFile, rest
		s.add("process", processSeries()...)
		return nil
	case scheme == "process" && rest != "":
		s.kind, s.process = kindProcess, rest
		s.add(clean(rest), processSeries()...)
		return nil
	}
	return errors.New("want http://…, postgres://…, redis://…, pid:NUMBER, pidfile:PATH or process:EXECUTABLE")
}

func (s *Spec) parsePID(text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n <= 0 {
		return fmt.Errorf("%q is no process id", text)
	}
	s.kind, s.pid = kindPID, int32(n)
	s.add("process", processSeries()...)
	return nil
}

func (s *Spec) parsePostgres() error {
	u, err := s.parseURL()
	if err != nil {
		return err
	}
	// Its driver would take what follows the first @ of a password for a host, and show it.
	if user, _, _ := strings.Cut(s.text, "@"+u.Host); strings.Contains(user, "@") {
		return errors.New("this has more than one @; in a password it is written %40")
	}
	if fragmentOf(s.text) != "" {
		return errors.New("a PostgreSQL source has no selection; a # in a password is written %23")
	}
	if _, err := pgx.ParseConfig(s.text); err != nil {
		return err
	}
	s.kind = kindPostgres
	s.add("postgres", postgresSeries()...)
	return nil
}

func (s *Spec) parseRedis() error {
	u, err := s.parseURL()
	if err != nil {
		return err
	}
	if db := strings.Trim(u.Path, "/"); db != "" {
		if n, err := strconv.Atoi(db); err != nil || n < 0 {
			return fmt.Errorf("%q is no number of a Redis database", db)
		}
	}
	s.kind = kindRedis
	infos := redisSeries()
	for _, part := range splitSelection(fragmentOf(s.text)) {
		k, err := parseRedisKey(part)
		if err != nil {
			return err
		}
		s.keys = append(s.keys, k)
		infos = append(infos, k.series()...)
	}
	s.add("redis", infos...)
	return nil
}

func (s *Spec) parsePrometheus() error {
	u, err := s.parseURL()
	if err != nil {
		return err
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/metrics"
	}
	s.kind = kindPrometheus
	for _, part := range splitSelection(fragmentOf(s.text)) {
		m, err := parseSelector(part)
		if err != nil {
			return err
		}
		s.metrics = append(s.metrics, m)
	}
	if len(s.metrics) == 0 {
		s.metrics = processMetrics()
	}
	infos := make([]stats.SeriesInfo, len(s.metrics))
	for i := range s.metrics {
		infos[i] = s.metrics[i].series(s.metrics[i].counts(""))
	}
	s.add("prometheus", infos...)
	return nil
}

// parseURL reads the address and keeps its secrets.
func (s *Spec) parseURL() (*url.URL, error) {
	u, _, ok := parseAddress(s.text)
	if !ok {
		return nil, errors.New("this is no URL; the signs # @ / ? in a password are written %23 %40 %2F %3F")
	}
	s.secrets = secretsOf(u)
	s.url = u
	return u, nil
}

// add gives the series their names.
func (s *Spec) add(name string, infos ...stats.SeriesInfo) {
	if s.Name == "" {
		s.Name = name
	}
	for _, info := range infos {
		info.Name, info.Source = s.Name+"."+info.Name, s.Source()
		s.series = append(s.series, info)
	}
}

func (s *Spec) checkNames() error {
	for i, info := range s.series {
		if len(info.Name) > maxSeries {
			return fmt.Errorf("watch %q: the name of series %.40s… is longer than %d bytes: give it one, as NAME=…", s.masked, info.Name, maxSeries)
		}
		if slices.ContainsFunc(s.series[:i], func(o stats.SeriesInfo) bool { return o.Name == info.Name }) {
			return fmt.Errorf("watch %q: two series are called %s: give one another name, as NAME=…", s.masked, info.Name)
		}
	}
	return nil
}

// Source is what is asked, secrets hidden.
func (s *Spec) Source() string {
	source := s.masked
	if m := prefixed.FindStringSubmatch(source); m != nil {
		source = m[2]
	}
	source, _, _ = strings.Cut(source, "#")
	return source
}

// String is the spec with its secrets hidden.
func (s *Spec) String() string { return s.masked }

// Series are what the source says. Units of Prometheus metrics are settled by its first page: see [Watcher.Series].
func (s *Spec) Series() []stats.SeriesInfo { return slices.Clone(s.series) }

// CheckSpecs refuses names that are taken, and more series than a run has.
func CheckSpecs(specs []*Spec) error {
	n := 0
	for i, s := range specs {
		n += len(s.series)
		if slices.ContainsFunc(specs[:i], func(o *Spec) bool { return o.Name == s.Name }) {
			return fmt.Errorf("watch: two sources are called %s: name one of them, as %s2=%s", s.Name, s.Name, s.Source())
		}
	}
	if n > stats.MaxSeries {
		return fmt.Errorf("watch: %d series, %d at most: choose fewer metrics or sources", n, stats.MaxSeries)
	}
	return nil
}

// SeriesOf are the series of all specs, in their order.
func SeriesOf(specs []*Spec) (all []stats.SeriesInfo) {
	for _, s := range specs {
		all = append(all, s.series...)
	}
	return all
}

// clean makes a part of a series' name: what could be taken for something else becomes "_".
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("_-.:/", r):
			return r
		}
		return '_'
	}, s)
}

func fragmentOf(text string) string {
	_, fragment, _ := strings.Cut(text, "#")
	return fragment
}

// splitSelection cuts at semicolons outside quotes.
func splitSelection(text string) (parts []string) {
	start, quoted := 0, false
	for i := 0; i <= len(text); i++ {
		switch {
		case i == len(text) || text[i] == ';' && !quoted:
			if part := strings.TrimSpace(text[start:i]); part != "" {
				parts = append(parts, part)
			}
			start = i + 1
		case text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		}
	}
	return parts
}
