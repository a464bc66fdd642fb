// Package readmetest runs what the README shows: every fenced block, in order, as a newcomer would
// type it, in terminals of its own, against a fresh server.
//
// The second word of a fence says what becomes of a block:
//
//   - ```console NAME is a terminal. Lines that begin with "$ " are typed into its shell, those that begin
//     with "> " into the program that runs there, "^C" interrupts; all others have to appear, in
//     this order. After a prompt for a password one is typed. Blocks of one NAME are one terminal.
//   - ```js FILE, ```python FILE, ```go FILE and so on is a file that later lines run.
//
// A block without a second word fails the test: nothing is shown that is not run. Addresses,
// ids, tokens, times and paths may differ from what is printed in the README.
//
// It has no code but tests, and imports nothing of ours.
package readmetest
