package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"

	"github.com/chatd-dev/chatd/cmd/chatd/config"
)

// reloadable is what SIGHUP may change while the server runs.
type reloadable struct {
	// Static after construction.

	cfg    *config.Config // as at the start; only what is marked reload may differ later
	reread func() (*config.Config, error)

	// Swapped by reload, read by anybody.

	level slog.LevelVar
	cert  atomic.Pointer[tls.Certificate]
}

func newReloadable(cfg *config.Config, reread func() (*config.Config, error)) (*reloadable, error) {
	r := &reloadable{cfg: cfg, reread: reread}
	cert, err := readCertificate(cfg)
	if err != nil {
		return nil, err
	}
	r.cert.Store(cert)
	r.level.Set(logLevel(cfg))
	return r, nil
}

// readCertificate gives nil if there is to be no TLS.
func readCertificate(cfg *config.Config) (*tls.Certificate, error) {
	if !cfg.HasTLS() {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(cfg.TLS.CertFile, cfg.TLS.KeyFile)
	if err != nil {
		return nil, config.Problems{{Message: "tls: " + err.Error()}}
	}
	return &cert, nil
}

// reload reads everything anew and changes all that may change, or nothing, and logs which.
func (r *reloadable) reload(logger *slog.Logger) {
	if err := r.tryReload(); err != nil {
		var problems config.Problems
		if !errors.As(err, &problems) {
			problems = config.Problems{{Message: err.Error()}}
		}
		for _, problem := range problems {
			logger.Error("reload refused, nothing is changed", "problem", problem.String())
		}
		return
	}
	logger.Info("reloaded", "log_level", r.level.Level().String(), "tls", r.cert.Load() != nil)
}

func (r *reloadable) tryReload() error {
	cfg, err := r.reread()
	if err != nil {
		return err
	}
	if keys := config.FixedDifferences(r.cfg, cfg); len(keys) > 0 {
		return fmt.Errorf("%s cannot change while the server runs; restart it", strings.Join(keys, ", "))
	}
	cert, err := readCertificate(cfg)
	if err != nil {
		return err
	}
	r.cert.Store(cert)
	r.level.Set(logLevel(cfg))
	return nil
}

// wrapTLS makes l speak TLS with the certificate that holds at each handshake, if there is one.
func (r *reloadable) wrapTLS(l net.Listener) net.Listener {
	if r.cert.Load() == nil {
		return l
	}
	return tls.NewListener(l, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return r.cert.Load(), nil },
	})
}
