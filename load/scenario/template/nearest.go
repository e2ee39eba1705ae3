package template

// Nearest returns the known name with the fewest changes from name, at most two (one for
// short names); "" when none is near.
func Nearest(name string, known []string) string {
	if len(name) > 64 {
		return ""
	}
	best, fewest := "", 3
	if len(name) < 4 {
		fewest = 2
	}
	for _, k := range known {
		if n := changes(name, k); n < fewest {
			best, fewest = k, n
		}
	}
	return best
}

// changes counts the letters to insert, delete, replace or swap that make b of a.
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
