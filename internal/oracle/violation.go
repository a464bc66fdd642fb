package oracle

import (
	"fmt"
	"strings"
)

// Rule is the name of what was broken.
type Rule string

// The rules; the package's comment says what they ask.
const (
	RuleLost     Rule = "lost"
	RuleDoubled  Rule = "doubled"
	RuleHole     Rule = "hole"
	RuleForeign  Rule = "foreign"
	RuleRefused  Rule = "refused"
	RuleRetry    Rule = "retry"
	RuleRealTime Rule = "real-time"
	RuleFIFO     Rule = "fifo"
	RuleStream   Rule = "stream"
	RuleState    Rule = "state"
)

// Violation is one case of a broken rule.
type Violation struct {
	Rule   Rule
	Detail string
}

// Violations are what a check found. The first hundred of each rule have a Detail that is kept.
type Violations struct {
	Room   string
	Kept   []Violation
	Counts map[Rule]int
}

const (
	keptEach = 100 // violations of a rule
	shown    = 20  // of all, by Error
)

func (v *Violations) add(rule Rule, format string, args ...any) {
	if v.Counts == nil {
		v.Counts = make(map[Rule]int)
	}
	if v.Counts[rule]++; v.Counts[rule] <= keptEach {
		v.Kept = append(v.Kept, Violation{rule, fmt.Sprintf(format, args...)})
	}
}

// Total is how many there are.
func (v *Violations) Total() int {
	total := 0
	for _, n := range v.Counts {
		total += n
	}
	return total
}

// Error lists the first of them, each with its rule's name.
func (v *Violations) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "room %s: %d violations", v.Room, v.Total())
	for i, one := range v.Kept {
		if i == shown {
			fmt.Fprintf(&b, "\n\t… and more")
			break
		}
		fmt.Fprintf(&b, "\n\t%s: %s", one.Rule, one.Detail)
	}
	return b.String()
}

// orNil is v as an error, or nil if there is nothing in it.
func (v *Violations) orNil() error {
	if len(v.Counts) == 0 {
		return nil
	}
	return v
}

// breachLocked notes what is wrong before any check; the next one tells it.
func (r *room) breachLocked(rule Rule, format string, args ...any) {
	if len(r.breaches) < keptEach {
		r.breaches = append(r.breaches, Violation{rule, fmt.Sprintf(format, args...)})
	}
}

// String names a post: who sent it, and the how manieth of theirs it is.
func (s *Send) String() string {
	kind := "post"
	if !s.line.loose {
		kind = "pipelined post"
	}
	return fmt.Sprintf("%s's %s %d", s.line.sender, kind, s.nth)
}
