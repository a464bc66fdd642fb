// Package archtest holds the house in shape: who may import whom, how long a file may be, and that
// nothing of the machine on which something was written stays in the tree.
//
// It has no code but tests. They ask the go command for the imports and git for the files.
package archtest
