// Package disks makes file systems for tests on Linux: small ones that fill up, and some that break or lose
// their power. A test without the rights or the tools for that is skipped. It imports nothing of ours.
package disks
