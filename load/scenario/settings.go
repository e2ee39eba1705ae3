package scenario

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"protei-bulk/load"
)

// Settings are what --set changes in the messaging scenario.
type Settings struct {
	BulkMin, BulkMax int // messages in a bulk request
	WaitMin, WaitMax time.Duration
	Mix              [5]int  // weights of MessagingUser's tasks: single, bulk, status, list, campaign
	SMPPUsers        int     // exact number of SMPPUsers; -1: one for every 100 users
	SMPPRate         float64 // submit_sm a second and SMPPUser
	SMPPWindow       int
	SMPPBind         BindMode
	SMPPThrottle     ThrottleMode
	// SMPPRebindMin and SMPPRebindMax bound the pause between attempts to bind.
	SMPPRebindMin, SMPPRebindMax time.Duration
	SMPPEnquireLink              time.Duration // silence after which a bind is tested; negative: never
	From                         string        // sender
	ToPrefix                     string        // numbers are this and eight random digits
	Text                         string        // of the messages, a number is appended
}

// DefaultSettings are the scenario's own.
func DefaultSettings() Settings {
	return Settings{
		BulkMin: 5, BulkMax: 15,
		WaitMin: 100 * time.Millisecond, WaitMax: 500 * time.Millisecond,
		Mix:       [5]int{10, 5, 3, 2, 1},
		SMPPUsers: -1, SMPPRate: 200, SMPPWindow: 50,
		SMPPRebindMin: time.Second, SMPPRebindMax: 30 * time.Second, SMPPEnquireLink: 30 * time.Second,
		From: "LoadTest", ToPrefix: "9665", Text: "Protei_Bulk load test, message ",
	}
}

// settingNames are the keys of --set.
var settingNames = []string{
	"bulk", "from", "mix", "smpp_bind", "smpp_enquire_link", "smpp_rate", "smpp_rebind",
	"smpp_throttle", "smpp_users", "smpp_window", "text", "to", "wait",
}

// SettingNames are the keys that Set knows.
func SettingNames() []string { return slices.Clone(settingNames) }

// Set changes one setting from KEY=VALUE.
func (s *Settings) Set(pair string) error {
	key, value, ok := strings.Cut(pair, "=")
	if !ok {
		return fmt.Errorf("--set %q: want KEY=VALUE", pair)
	}
	key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
	var err error
	switch key {
	case "bulk":
		err = s.setBulk(value)
	case "wait":
		s.WaitMin, s.WaitMax, err = timespans(value)
	case "mix":
		err = s.setMix(value)
	case "smpp_users":
		s.SMPPUsers, err = whole(value, 0, 100_000)
	case "smpp_window":
		s.SMPPWindow, err = whole(value, 1, 10_000)
	case "smpp_rate":
		s.SMPPRate, err = strconv.ParseFloat(value, 64)
		if err != nil || !(s.SMPPRate > 0) || math.IsInf(s.SMPPRate, 0) {
			err = errors.New("want a number above 0")
		}
	case "smpp_bind":
		s.SMPPBind, err = parseBind(value)
	case "smpp_throttle":
		s.SMPPThrottle, err = parseThrottle(value)
	case "smpp_rebind":
		s.SMPPRebindMin, s.SMPPRebindMax, err = timespans(value)
		if err == nil && s.SMPPRebindMin <= 0 {
			err = errors.New("want a time above 0")
		}
	case "smpp_enquire_link":
		if s.SMPPEnquireLink, err = load.ParseTimespan(value); err == nil && s.SMPPEnquireLink == 0 {
			s.SMPPEnquireLink = -1
		}
	case "from":
		s.From, err = plain(value, 1, 20)
	case "to":
		s.ToPrefix, err = plain(value, 1, 12)
	case "text":
		s.Text, err = plain(value, 0, 140)
	default:
		return fmt.Errorf("--set %s: no such setting; there are %s", key, strings.Join(settingNames, ", "))
	}
	if err != nil {
		return fmt.Errorf("--set %s=%s: %w", key, value, err)
	}
	return nil
}

func (s *Settings) setBulk(value string) error {
	low, high, ranged := strings.Cut(value, "-")
	if !ranged {
		high = low
	}
	var err1, err2 error
	s.BulkMin, err1 = whole(low, 1, 10_000)
	s.BulkMax, err2 = whole(high, 1, 10_000)
	if err := cmpErr(err1, err2); err != nil {
		return err
	}
	if s.BulkMax < s.BulkMin {
		return errors.New("want LEAST-MOST")
	}
	return nil
}

// timespans reads LEAST-MOST, or one time for both.
func timespans(value string) (least, most time.Duration, err error) {
	low, high, ranged := strings.Cut(value, "-")
	if !ranged {
		high = low
	}
	least, err1 := load.ParseTimespan(low)
	most, err2 := load.ParseTimespan(high)
	if err := cmpErr(err1, err2); err != nil {
		return 0, 0, err
	}
	if most < least {
		return 0, 0, errors.New("want LEAST-MOST, as 0.1-0.5")
	}
	return least, most, nil
}

func (s *Settings) setMix(value string) error {
	fields := strings.Split(value, ":")
	if len(fields) != len(s.Mix) {
		return errors.New("want five weights, single:bulk:status:list:campaign, as 10:5:3:2:1")
	}
	sum := 0
	for i, f := range fields {
		n, err := whole(f, 0, 1000)
		if err != nil {
			return err
		}
		s.Mix[i] = n
		sum += n
	}
	if sum == 0 {
		return errors.New("all weights are 0")
	}
	return nil
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func whole(s string, least, most int) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("want a whole number from %d to %d", least, most)
	}
	return n, nil
}

// plain refuses what would have to be escaped in JSON or in GSM 7 bit.
func plain(s string, least, most int) (string, error) {
	if len(s) < least || len(s) > most || strings.ContainsAny(s, "\"\\[]{}^~|`") ||
		strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", fmt.Errorf("want %d to %d plain characters", least, most)
	}
	return s, nil
}

// SMPPAddress is where and as whom SMPPUsers bind.
type SMPPAddress struct {
	Addr               string // host:port
	TLS                bool
	SystemID, Password string
}

// ParseSMPP reads [smpps://]id:password@host:port.
func ParseSMPP(s string) (SMPPAddress, error) {
	bad := func(why string) (SMPPAddress, error) {
		return SMPPAddress{}, fmt.Errorf("SMPP address: %s; want [smpps://]id:password@host:port", why)
	}
	rest, secure := strings.CutPrefix(s, "smpps://")
	if !secure {
		rest = strings.TrimPrefix(rest, "smpp://")
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return bad("no id:password@")
	}
	user, host := rest[:at], strings.TrimRight(rest[at+1:], "/")
	id, password, ok := strings.Cut(user, ":")
	if !ok || id == "" {
		return bad("no id:password")
	}
	if p, err := url.PathUnescape(password); err == nil {
		password = p
	}
	if len(id) > 15 {
		return bad("the id has more than 15 characters")
	}
	if h, port, err := net.SplitHostPort(host); err != nil || h == "" || port == "" {
		return bad("no host:port after the @")
	}
	return SMPPAddress{Addr: host, TLS: secure, SystemID: id, Password: password}, nil
}

// The credentials of `serve --dev`, never used against anything but loopback.
const (
	devAPIKey   = "dev-api-key"
	devSystemID = "dev"
	devPassword = "devpass1"
	smppPort    = "2775"
)

// DevAPIKey is the API key to use when none was given: that of `serve --dev` for a base
// URL on loopback, otherwise an error.
func DevAPIKey(base string) (string, error) {
	if loopback(base) {
		return devAPIKey, nil
	}
	return "", errors.New("--api-key is needed: the key of serve --dev is used only against loopback")
}

// DevSMPP is the SMPP address to use when none was given; ok is false off loopback.
func DevSMPP(base string) (a SMPPAddress, ok bool) {
	u, err := url.Parse(base)
	if err != nil || !loopback(base) {
		return a, false
	}
	return SMPPAddress{Addr: net.JoinHostPort(u.Hostname(), smppPort), SystemID: devSystemID, Password: devPassword}, true
}

func loopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	if strings.EqualFold(u.Hostname(), "localhost") {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}
