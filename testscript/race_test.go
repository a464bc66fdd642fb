//go:build race

package testscript

// raceFlag builds the binaries under test with the race detector when the tests themselves have it.
const raceFlag = "-race"
