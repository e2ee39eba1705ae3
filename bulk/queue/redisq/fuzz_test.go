package redisq

import (
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"protei-bulk/bulk/message"
)

// FuzzURL: an address of Redis that can be read names servers with host and port; an error
// shows no password.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"redis://:%s@h:6379/0", "rediss://u:%s@[::1]", "redis+sentinel://u:%s@h:1,h2/3?sentinel_user=a&sentinel_password=x", "redis+sentinel://h,/0?sentinel_password=%s",
		"redis://u:%s@h/x", "redis://a,b/%s", "http://u:%s@h/", "redis://u:%s@h/%zz", "redis://h]x",
	} {
		f.Add(seed)
	}
	const secret = "hunter2hunter2"
	inUser := regexp.MustCompile(`^rediss?(\+sentinel)?://[^/?#@:\s]*:%s@`)
	inQuery := regexp.MustCompile(`^rediss?(\+sentinel)?://[^?#]*\?([^#]*&)?sentinel_password=%s`)
	f.Fuzz(func(t *testing.T, shape string) {
		if strings.Contains(shape, "ca=") {
			return // reads a file
		}
		text := strings.Replace(shape, "%s", secret, 1)
		o, err := ParseURL(text)
		if err != nil {
			if (inUser.MatchString(shape) || inQuery.MatchString(shape)) && strings.Contains(err.Error(), secret) {
				t.Fatalf("%q: %v shows the password", text, err)
			}
			return
		}
		if len(o.InitAddress) == 0 || o.SelectDB < 0 {
			t.Fatalf("%q: %v, database %d", text, o.InitAddress, o.SelectDB)
		}
		for _, address := range o.InitAddress {
			if host, _, err := net.SplitHostPort(address); err != nil || host == "" {
				t.Fatalf("%q: server %q, %v", text, address, err)
			}
		}
	})
}

// FuzzEntry: an entry of a stream is refused, or has the ids that were written into it, of a
// lane that there is.
func FuzzEntry(f *testing.F) {
	f.Add(stream(message.Lane{Connector: 7, Priority: message.High}), string(pack([]message.ID{1, 1 << 62})))
	f.Add(streamPrefix+"{65536}:0", "1234567")
	f.Add(streamPrefix+"{-1}:9", "")
	f.Fuzz(func(t *testing.T, key, payload string) {
		if lane, err := laneOf(key); err == nil {
			if again, err := laneOf(stream(lane)); err != nil || again != lane || lane.Priority >= message.NumPriorities {
				t.Fatalf("%q is lane %+v, written and read again %+v, %v", key, lane, again, err)
			}
		}
		ids, err := unpack(payload)
		if err != nil {
			return
		}
		if len(ids) == 0 || len(ids) > maxIDs || string(pack(ids)) != payload {
			t.Fatalf("%x became %d ids", payload, len(ids))
		}
		if again, err := unpack(string(pack(ids))); err != nil || !slices.Equal(again, ids) {
			t.Fatalf("%v are read again as %v, %v", ids, again, err)
		}
	})
}
