// Package load is the process that makes the load and measures: it gets a Job on stdin and prints a
// Result. Everything it measures of the server it sees from outside: what arrives when, and what the kernel
// says about the server's process.
//
// Posts are due on a schedule that nothing delays, and latency counts from the time at which a post
// was due, so a server that stalls cannot hide it by receiving less.
package load
