//go:build !mutants

package mutant

// Enabled tells that the build has the bugs in it.
const Enabled = false

// On tells whether a bug is on.
func On(Name) bool { return false }
