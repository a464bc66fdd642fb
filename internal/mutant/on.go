//go:build mutants

package mutant

import (
	"os"
	"slices"
)

// Enabled tells that the build has the bugs in it.
const Enabled = true

var chosen = func() Name {
	name := Name(os.Getenv("MUTANT"))
	if name != "" && !slices.Contains(All, name) {
		panic("MUTANT: there is no " + string(name))
	}
	return name
}()

// On tells whether a bug is on.
func On(name Name) bool { return chosen == name }
