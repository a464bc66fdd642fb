package config

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// FileVariable is the environment variable that names the configuration file, as --config does.
const FileVariable = "CHATD_CONFIG"

// kubernetesLink matches what Kubernetes sets in every pod beside a service that is called chatd.
// They are no settings, and the operator cannot take them away.
var kubernetesLink = regexp.MustCompile(`^CHATD_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// readEnv reads and checks the variables whose names begin with CHATD_. An empty one counts as not set.
func (s *schema) readEnv(environ []string) (*layer, Problems) {
	l, problems := newLayer(), Problems(nil)
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "CHATD_") || name == FileVariable || text == "" || kubernetesLink.MatchString(name) {
			continue
		}
		set := s.byEnv[name]
		if set == nil {
			problems = append(problems, s.unknownVariable(name))
			continue
		}
		v, err := set.parse(text)
		if err != nil {
			problems = append(problems, Problem{name, set.key + " " + err.Error()})
			continue
		}
		l.values[set.key], l.where[set.key] = v, name
	}
	sort.Slice(problems, func(i, j int) bool { return problems[i].Where < problems[j].Where })
	return l, problems
}

// parse reads and checks text. Errors are to be read after the key; they never hold a secret.
func (s *setting) parse(text string) (any, error) {
	v, err := s.kind.parse(text)
	if err != nil {
		return nil, fmt.Errorf("is %q: %w", text, err)
	}
	return v, s.check(v)
}

func (s *schema) unknownVariable(name string) Problem {
	// In the form of a key, so that a slip in one word of it is seen.
	key := strings.ToLower(strings.TrimPrefix(name, "CHATD_"))
	for section := range s.sections {
		if rest, ok := strings.CutPrefix(key, section+"_"); ok {
			key = section + "." + rest
		}
	}
	hint := suggest(key, append(s.names(), "config"))
	if set := s.byKey[hint]; set != nil {
		return Problem{name, "unknown environment variable (did you mean " + set.env + "?)"}
	}
	if hint == "config" {
		return Problem{name, "unknown environment variable (did you mean " + FileVariable + "?)"}
	}
	return Problem{name, "unknown environment variable; chatd config show --origin lists the settings"}
}

// lookup finds a variable; the last one counts.
func lookup(environ []string, name string) string {
	value := ""
	for _, entry := range environ {
		if k, v, ok := strings.Cut(entry, "="); ok && k == name {
			value = v
		}
	}
	return value
}
