package main

import (
	"fmt"
	"regexp"
	"strconv"
)

// patterns are the forms of the contract's patterns, and what people call what they describe. A number in it is
// how many more characters there may be than the first.
var patterns = []struct {
	form *regexp.Regexp
	says func(n int, word string) string
}{
	{regexp.MustCompile(`must match \^\[a-z0-9\]\[a-z0-9\._-\]\{0,(\d+)\}\$`), func(n int, _ string) string {
		return fmt.Sprintf("must be 1 to %d of a-z, 0-9, dot, hyphen and underscore, and begin with a letter or digit", n+1)
	}},
	{regexp.MustCompile(`must match \^\[!-~\]\{1,(\d+)\}\$`), func(n int, _ string) string {
		return fmt.Sprintf("must be 1 to %d letters, digits and signs of ASCII, no space", n)
	}},
	{regexp.MustCompile(`must match \^()([a-z]+)_\[0-7\]\[0-9a-hjkmnp-tv-z\]\{25\}\$`), func(_ int, word string) string {
		return fmt.Sprintf("must be an id, %s_ and 26 letters and digits", word)
	}},
}

// inWords is what the server says with its patterns in words.
func inWords(message string) string {
	for _, p := range patterns {
		found := p.form.FindStringSubmatch(message)
		if found == nil {
			continue
		}
		n, _ := strconv.Atoi(found[1]) // digits, or nothing
		word := ""
		if len(found) > 2 {
			word = found[2]
		}
		at := p.form.FindStringIndex(message)
		return message[:at[0]] + p.says(n, word) + message[at[1]:]
	}
	return message
}
