package callback

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"
)

// EndpointState is one account's URL that has something to be told.
type EndpointState struct {
	Account  uint32
	URL      string
	Inbound  bool      // inbound messages, else final states
	Pending  int       // notices in memory
	Failures int       // in a row; above 0 the breaker lets one request at a time through
	RetryAt  time.Time // nothing is sent before; zero: it may be now
	Fault    string    // of the last failure, while there are any
}

// Endpoints returns the endpoints with work, those that fail most first, at most limit of
// them, of one account or of all for 0.
func (s *Sender) Endpoints(account uint32, limit int) []EndpointState {
	s.mu.Lock()
	all := make([]EndpointState, 0, len(s.endpoints))
	for _, e := range s.endpoints {
		if account != 0 && e.account != account {
			continue
		}
		st := EndpointState{Account: e.account, URL: e.url, Inbound: e.inbound, Pending: e.size(), Failures: e.failures}
		for _, b := range e.retry {
			st.Pending += len(b.notices)
		}
		if e.failures > 0 {
			st.RetryAt, st.Fault = e.resume, e.fault
		}
		all = append(all, st)
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b EndpointState) int {
		return cmp.Or(-cmp.Compare(a.Failures, b.Failures), cmp.Compare(a.Account, b.Account), strings.Compare(a.URL, b.URL))
	})
	return all[:min(len(all), limit)]
}

const maxFault = 200

// faultText is an error as people and logs see it: bounded, without control characters and without
// the address, which may hold a secret.
func faultText(err error) string {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, err.Error())
	return text[:min(len(text), maxFault)]
}
