package panel

import (
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// FuzzForm: a form that can be read is the same when it is trimmed again, and what it wants of a
// running test lies in its bounds.
func FuzzForm(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", "user_count=10&spawn_rate=2.5&host=http://h&user_classes=A&user_classes=B&set=a%3D1%0A%0Ab%3D2")
	f.Add("application/json", `{"user_count":"10","spawn_rate":"NaN","rate":"5/s","target":["p95<1s\n\n"]}`)
	f.Add("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"shape_class\"\r\n\r\nDefault\r\n--x--\r\n")
	f.Add("", "user_count=-1;x")
	f.Fuzz(func(t *testing.T, kind, body string) {
		r := httptest.NewRequest("POST", "/swarm", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		form, given, err := readForm(r)
		if err != nil {
			return
		}
		if again := form.trimmed(); !reflect.DeepEqual(form, again) {
			t.Fatalf("%+v is trimmed to %+v", form, again)
		}
		from := Form{Users: "1", Host: "h", Classes: []string{"A"}}
		filled := form
		if filled.fill(from, given); given("user_count") && filled.Users != form.Users || !given("host") && filled.Host != "h" {
			t.Fatalf("%+v is filled to %+v", form, filled)
		}
		e, err := editOf(form)
		if err != nil {
			if a := refusal(err); len(a.Errors) == 0 {
				t.Fatalf("%v names no field", err)
			}
			return
		}
		if e.Users != nil && (*e.Users < 0 || *e.Users > MaxUsers) || e.SpawnRate != nil && !(*e.SpawnRate > 0 && *e.SpawnRate <= MaxUsers) {
			t.Fatalf("%+v wants %+v", form, e)
		}
	})
}
