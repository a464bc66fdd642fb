// Package storetest is one suite of tests for every chat.Store: what the interface promises, each
// promise with a test, and a state machine that compares a store with the reference in
// store/memory act by act.
//
// A store's own package calls Run; what only that store can show (crashes, full disks, versions of
// its schema) it tests itself, with the drafts and entries of this package. It imports chat, api
// and store/memory. Goroutines it starts end before the test that started them.
package storetest
