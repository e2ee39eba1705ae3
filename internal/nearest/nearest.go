// Package nearest finds what a misspelt name was probably meant to be.
package nearest

import "strings"

// maxName bounds the names that are looked at: a longer one is no slip of the pen.
const maxName = 64

// Name is the known name with the fewest changes from name: at most one for names of up
// to three letters, two for longer ones, three from nine letters on. When none is so near
// it is the shortest known name that holds name, from four letters on; "" when there is
// none. The order of known does not matter.
func Name(name string, known []string) string {
	if len(name) > maxName {
		return ""
	}
	best, fewest := "", allowed(name)+1
	for _, k := range known {
		if n := changes(name, k); n < fewest || n == fewest && best != "" && k < best {
			best, fewest = k, n
		}
	}
	if best != "" || len(name) < 4 {
		return best
	}
	for _, k := range known {
		if strings.Contains(k, name) && (best == "" || len(k) < len(best) || len(k) == len(best) && k < best) {
			best = k
		}
	}
	return best
}

// Meant is ", did you mean X?", or nothing.
func Meant(name string, known []string) string {
	if near := Name(name, known); near != "" {
		return ", did you mean " + near + "?"
	}
	return ""
}

func allowed(name string) int {
	switch n := len(name); {
	case n < 4:
		return 1
	case n < 9:
		return 2
	}
	return 3
}

// changes counts the bytes to insert, delete, replace or swap with the next one that make
// b of a.
func changes(a, b string) int {
	var older []int
	above := make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			differs := 1
			if a[i] == b[j] {
				differs = 0
			}
			row[j+1] = min(above[j+1]+1, row[j]+1, above[j]+differs)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], older[j-1]+1)
			}
		}
		older, above = above, row
	}
	return above[len(b)]
}
