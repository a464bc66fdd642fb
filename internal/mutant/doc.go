// Package mutant names the bugs that are seeded into chatd on purpose, so that tests can show that the
// proofs in docs/PROMISES.md would fail if the code had them.
//
// Without the build tag mutants, On is false for each of them and the compiler leaves nothing of
// their code. With it, the environment variable MUTANT names the one that is on. A server built
// with the tag loses data: it is for tests alone.
package mutant
