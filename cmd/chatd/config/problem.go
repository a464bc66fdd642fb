package config

import "strings"

// Problem is one fault of the configuration and where it stands.
type Problem struct {
	// Where is chatd.yaml:14, an environment variable or a flag; "" if it stands nowhere in particular.
	Where   string
	Message string
}

func (p Problem) String() string {
	if p.Where == "" {
		return p.Message
	}
	return p.Where + ": " + p.Message
}

// Problems is all that is wrong with a configuration, one fault a line. It is never empty when returned as an error.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}
