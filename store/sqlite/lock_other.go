//go:build !unix

package sqlite

import "errors"

// ErrInUse refuses a database that a running process has open. Nothing finds that out here.
var ErrInUse = errors.New("another chatd is using it")

type lock struct{}

func takeLock(string) (*lock, error) { return &lock{}, nil }

func (*lock) release() error { return nil }

func syncDir(string) error { return nil }
