package jsonpointer

import "testing"

func TestJoin(t *testing.T) {
	for _, test := range [][3]string{
		{"", "foo", "/foo"}, {"statuses", "0x45", "statuses/0x45"}, {"/headers", "a/b~c", "/headers/a~1b~0c"}, {"", "~1", "/~01"}, {"", "", "/"},
	} {
		if got := Join(test[0], test[1]); got != test[2] {
			t.Errorf("Join(%q, %q) = %q, want %q", test[0], test[1], got, test[2])
		}
	}
}
