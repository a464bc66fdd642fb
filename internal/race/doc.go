// Package race tells tests whether they run under the race detector, where SQLite (translated to Go) is ten times slower: what is
// one caller after the other on it is left to the run without.
package race
