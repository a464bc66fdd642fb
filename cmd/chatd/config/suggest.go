package config

import "strings"

// suggest finds the name that was probably meant by given, or "". Names are dotted keys or
// environment variables; a slip in one word of a name is enough, and so is a wrong section.
func suggest(given string, names []string) string {
	best, bestScore := "", 1000
	for _, name := range names {
		if score := likeness(given, name); score < bestScore {
			best, bestScore = name, score
		}
	}
	return best
}

// likeness is a distance, 1000 if the names have nothing to do with each other.
func likeness(given, name string) int {
	a, b := strings.ToLower(given), strings.ToLower(name)
	if d := distance(a, b); d <= 1+len(a)/6 {
		return 2 * d
	}
	section, leaf := split(a)
	otherSection, otherLeaf := split(b)
	penalty := 0
	if section != otherSection {
		penalty = 3
	}
	if d := distance(leaf, otherLeaf); d <= 1+len(leaf)/6 {
		return 2*d + penalty + 1
	}
	if section != otherSection {
		return 1000
	}
	// One word of the name, or the name without some of its words.
	score := 1000
	for _, word := range strings.Split(otherLeaf, "_") {
		if d := distance(leaf, word); len(word) > 2 && d <= 1+len(leaf)/6 {
			score = min(score, 2*d+5)
		}
	}
	if len(leaf) > 3 && strings.Contains(otherLeaf, leaf) {
		score = min(score, 6)
	}
	return score
}

func split(key string) (section, leaf string) {
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		return key[:i], key[i+1:]
	}
	return "", key
}

// distance counts the letters to insert, delete, replace or swap with their neighbour (Damerau, restricted).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
