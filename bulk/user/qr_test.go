package user_test

import (
	"fmt"
	"strings"
	"testing"

	"protei-bulk/bulk/user"
)

// TestQR: the path has the three finder patterns and the timing patterns of ISO/IEC 18004 §6.3, and other texts look otherwise.
func TestQR(t *testing.T) {
	draw := func(text string) (int, [][]bool) {
		q, err := user.NewQR(text)
		if err != nil {
			t.Fatal(err)
		}
		dark := make([][]bool, q.Size)
		for i := range dark {
			dark[i] = make([]bool, q.Size)
		}
		for _, run := range strings.Split(strings.TrimSuffix(q.Path, "z"), "z") {
			var x, y, w, back int
			if n, err := fmt.Sscanf(run, "M%d %dh%dv1h-%d", &x, &y, &w, &back); n != 4 || err != nil || w != back {
				t.Fatalf("%q is no run: %v", run, err)
			}
			for i := range w {
				dark[y][x+i] = true
			}
		}
		return q.Size, dark
	}
	size, dark := draw(user.TOTPURL("Protei_Bulk", "ann", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"))
	if size < 21 || size%4 != 1 {
		t.Fatalf("%d modules are no size of a QR code", size)
	}
	finder := []string{"#######", "#.....#", "#.###.#", "#.###.#", "#.###.#", "#.....#", "#######"}
	for _, corner := range [][2]int{{0, 0}, {size - 7, 0}, {0, size - 7}} {
		for y, row := range finder {
			for x, want := range row {
				if got := dark[corner[1]+y][corner[0]+x]; got != (want == '#') {
					t.Fatalf("the finder pattern at %v is wrong at %d, %d", corner, x, y)
				}
			}
		}
	}
	for i := 8; i < size-8; i++ {
		if dark[6][i] != (i%2 == 0) || dark[i][6] != (i%2 == 0) {
			t.Fatalf("the timing pattern is wrong at %d", i)
		}
	}
	_, other := draw(user.TOTPURL("Protei_Bulk", "bob", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"))
	if fmt.Sprint(dark) == fmt.Sprint(other) {
		t.Error("two texts look alike")
	}
	if _, err := user.NewQR(strings.Repeat("x", 5000)); err == nil {
		t.Error("a text of 5,000 octets fits into no QR code")
	}
}
