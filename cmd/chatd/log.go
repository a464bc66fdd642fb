package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/chatd-dev/chatd/cmd/chatd/config"
)

// newLogger logs to w from level on, in the format of cfg.
func newLogger(cfg *config.Config, w io.Writer, level slog.Leveler) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Log.Format == config.LogJSON {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

func logLevel(cfg *config.Config) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		panic(err) // config takes slog's names only
	}
	return level
}

// greet tells the operator where the server is and what to type next: in plain lines, or as a line of
// the log where the log is for machines. A setup token that chatd made is shown only in plain lines.
func (p *process) greet(cfg *config.Config, logger *slog.Logger, addr net.Addr, first *setup) {
	url := publicURL(cfg, addr)
	dir, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		dir = cfg.DataDir
	}
	if cfg.Log.Format == config.LogJSON {
		logger.Info("listening on "+url, "version", version, "data_dir", dir, "registration", cfg.RegistrationInEffect(), "setup_token_file", first.path)
		return
	}
	reach := ""
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		reach = " and all other addresses"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "chatd %s listening on %s%s\n", version, url, reach)
	fmt.Fprintf(&b, "  data          %s\n", dir)
	fmt.Fprintf(&b, "  registration  %s\n", registrationInWords(cfg, first))
	server := ""
	if url != "http://127.0.0.1:8080" {
		server = " --server " + url
	}
	invite := ""
	if first.path != "" {
		fmt.Fprintf(&b, "  setup token   %s\n", first.token)
		invite = " --invite-file " + shellWord(filepath.Join(dir, setupFile))
	}
	fmt.Fprintf(&b, "  next          chatctl%s register NAME%s\n", server, invite)
	fmt.Fprint(p.stderr, b.String())
}

// shellWord quotes a path that a shell would take apart.
func shellWord(path string) string {
	if !strings.ContainsFunc(path, func(r rune) bool {
		return !strings.ContainsRune("/._-+:@%", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

func registrationInWords(cfg *config.Config, first *setup) string {
	r := cfg.RegistrationInEffect()
	switch {
	case first.token != "":
		return string(r) + "; the setup token makes the administrator, once"
	case r == config.RegistrationOpen && first.has:
		return "open: anyone may register"
	case r == config.RegistrationOpen:
		return "open: anyone may register, and the first is the administrator"
	default:
		return string(r)
	}
}

// publicURL is how to reach addr: from this machine if it stands for all addresses.
func publicURL(cfg *config.Config, addr net.Addr) string {
	scheme := "http"
	if cfg.HasTLS() {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return scheme + "://" + addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if host = "127.0.0.1"; cfg.HasTLS() {
			if name, err := os.Hostname(); err == nil {
				host = name // a certificate is for a name
			}
		}
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
