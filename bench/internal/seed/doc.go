// Package seed fills data directories before chatd opens them: thousands of users, whose passwords
// would take minutes to hash, and rooms of up to 10^7 events. It uses chatd's own store, so what is there is
// what chatd would have written.
package seed
