package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/cmd/chatd/config"
)

// setup is the one-time token that makes the first account, the administrator's, where registration is not open.
type setup struct {
	has   bool   // there is an account already
	token string // "" means that there is an account already, or that none is needed
	path  string // the file that keeps a token made here over restarts; "" means that the operator gave the token
}

// setupFile is the token's file in the data directory.
const setupFile = "setup-token"

// prepareSetup finds or makes the setup token if the store holds no account, and forgets it otherwise.
func prepareSetup(ctx context.Context, cfg *config.Config, store chat.Store) (*setup, error) {
	path := filepath.Join(cfg.DataDir, setupFile)
	has, err := store.HasAccounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for accounts: %w", err)
	}
	if has {
		return &setup{has: true}, removeIfThere(path)
	}
	if cfg.RegistrationInEffect() == config.RegistrationOpen {
		return &setup{}, nil
	}
	given, err := cfg.ReadSetupToken()
	if err != nil {
		return nil, err
	}
	if given != "" {
		return &setup{token: given}, nil
	}
	token, err := keepToken(path)
	if err != nil {
		return nil, fmt.Errorf("setup token: %w", err)
	}
	return &setup{token: token, path: path}, nil
}

// keepToken reads the token of an earlier start that nobody has used yet, or makes one.
func keepToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if token := string(bytes.TrimSpace(text)); err == nil && len(token) >= config.MinSetupToken {
		return token, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := removeIfThere(path); err != nil { // cut short by a crash
		return "", err
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the process rather
	token := "setup_" + base64.RawURLEncoding.EncodeToString(secret)
	return token, writeNew(path, []byte(token+"\n"))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// setupStore is a store whose first account makes the setup token's file go.
type setupStore struct {
	chat.Store
	path string
}

func (s *setupStore) CreateAccount(ctx context.Context, a *chat.NewAccount) (*chat.Account, error) {
	account, err := s.Store.CreateAccount(ctx, a)
	if err == nil {
		// The token is void by now, whether or not its file can be removed: see chat.NewAccount.OnlyFirst.
		_ = removeIfThere(s.path)
	}
	return account, err
}
