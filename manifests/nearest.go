package manifests

import (
	"fmt"
	"strings"
)

// Bounds of the search for a near word: beyond them a suggestion is worth less than the time it takes.
const (
	maxWord  = 80
	maxKnown = 5000
)

// Nearest returns the known word that is the fewest edits away from word, or "" if none is near. An edit is
// a letter put in, taken out, changed, or swapped with the next; case does not count. Of equally near words
// the first wins.
func Nearest(word string, known []string) string {
	if len(word) > maxWord || len(known) > maxKnown {
		return ""
	}
	best, limit := "", min(len(word), max(2, (len(word)+2)/3+1))
	for _, k := range known {
		if len(k)-len(word) >= limit || len(word)-len(k) >= limit {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < limit {
			best, limit = k, d
		}
	}
	return best
}

// didYouMean is the end of a message about an unknown word. A file with too many errors gets none.
func (p *parser) didYouMean(word string, known []string) string {
	if len(p.errs) > maxErrors {
		return ""
	}
	if n := Nearest(word, known); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}

// distance is the optimal string alignment distance, over bytes.
func distance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := above[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(above[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
