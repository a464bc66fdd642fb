package main

import (
	"log/slog"
	"syscall"

	"github.com/chatd-dev/chatd/cmd/chatd/config"
)

// spareFiles are those that are no connections: the database, its log, the listener, the standard streams.
const spareFiles = 64

// maxConnections is limits.max_connections, or as many as there may be open files if those are
// fewer: a connection too many is refused with a reason rather than left hanging. Who chose the
// number is told.
func maxConnections(cfg *config.Config, logger *slog.Logger) int {
	want, files := cfg.Limits.MaxConnections, maxOpenFiles()
	if want == 0 || files == 0 || want+spareFiles <= files {
		return int(want)
	}
	have := max(1, files-spareFiles)
	if want != config.Default().Limits.MaxConnections {
		logger.Warn("fewer connections than configured: so many files may be open; raise that limit (ulimit -n, LimitNOFILE=)",
			"limits.max_connections", want, "connections", have, "open_files", files)
	}
	return int(have)
}

// maxOpenFiles is how many files the process may open, 0 if unknown. The Go runtime has raised the
// soft limit to the hard one at the start.
func maxOpenFiles() int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<62 {
		return 0
	}
	return int64(limit.Cur)
}
