package chat

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/chatd-dev/chatd/api"
)

// hasher turns passwords into argon2id hashes, few at a time: each takes tens of milliseconds of
// CPU and its memory, so a storm of logins must neither take the machine nor wait without end.
type hasher struct {
	time, memoryKiB uint32
	random          io.Reader
	running         chan struct{} // one slot a hash under way: half of the processors
	waiting         chan struct{} // one slot a caller, running or waiting; beyond it: unavailable
	dummy           string        // checked for unknown users, so that they cost the same time
}

const (
	hashWaiting = 64
	saltBytes   = 16
	keyBytes    = 32
)

func newHasher(time, memoryKiB uint32, random io.Reader) *hasher {
	h := &hasher{
		time: time, memoryKiB: memoryKiB, random: random,
		running: make(chan struct{}, max(1, runtime.NumCPU()/2)),
		waiting: make(chan struct{}, hashWaiting),
	}
	// Not a hash of anything: no password leads to an all-zero key.
	h.dummy = h.format(make([]byte, saltBytes), make([]byte, keyBytes))
	return h
}

// hash returns the PHC string of password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, saltBytes)
	readRandom(h.random, salt)
	return h.format(salt, argon2.IDKey([]byte(password), salt, h.time, h.memoryKiB, 1, keyBytes)), nil
}

// verify tells whether password leads to phc; "" stands for an unknown user.
func (h *hasher) verify(ctx context.Context, password, phc string) (bool, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	known := phc != ""
	if !known {
		phc = h.dummy
	}
	var version int
	var memory, passes uint32
	var threads uint8
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errors.New("password hash: unknown form")
	}
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, fmt.Errorf("password hash: unknown version %q", parts[2])
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil {
		return false, fmt.Errorf("password hash: parameters %q: %w", parts[3], err)
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("password hash: salt: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		return false, fmt.Errorf("password hash: key: %w", err)
	}
	if len(want) == 0 {
		return false, errors.New("password hash: no key")
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

func (h *hasher) format(salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, h.memoryKiB, h.time, b64.EncodeToString(salt), b64.EncodeToString(key))
}

func (h *hasher) enter(ctx context.Context) (leave func(), err error) {
	select {
	case h.waiting <- struct{}{}:
	default:
		return nil, api.Errorf(api.CodeUnavailable, "too many logins at once").WithRetryAfter(time.Second)
	}
	select {
	case h.running <- struct{}{}:
		return func() { <-h.running; <-h.waiting }, nil
	case <-ctx.Done():
		<-h.waiting
		return nil, ctx.Err()
	}
}
