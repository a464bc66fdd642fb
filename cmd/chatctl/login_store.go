package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/chatd-dev/chatd/api"
)

// savedLogin is what register and login leave behind: a token for one user of one server.
type savedLogin struct {
	Server    string        `json:"server"`
	UserID    api.UserID    `json:"user_id"`
	Username  string        `json:"username"`
	SessionID api.SessionID `json:"session_id"`
	Token     string        `json:"token"`
	ExpiresAt api.Timestamp `json:"expires_at"`
}

// loginStore keeps saved logins: a file each, DIR/logins/SERVER/NAME.json, readable by its owner
// alone. NAME is the profile or, without one, the username. DIR/logins/SERVER/current holds the
// name that is used when no profile is given: the last one to register or sign in without any.
type loginStore struct {
	dir    string // of this server
	server string
}

var errNoLogin = errors.New("no saved login")

var loginName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func newLoginStore(configDir, server string) (*loginStore, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("reading the server's address: %w", err)
	}
	// Escaping is injective, so two servers never share a directory.
	name := u.Scheme + "-" + url.QueryEscape(u.Host+u.Path)
	return &loginStore{dir: filepath.Join(configDir, "logins", name), server: server}, nil
}

func (s *loginStore) path(name string) string { return filepath.Join(s.dir, name+".json") }

// load finds the login called name, or the current one if name is "". It returns errNoLogin if
// there is none.
func (s *loginStore) load(name string) (*savedLogin, error) {
	if name == "" {
		raw, err := os.ReadFile(filepath.Join(s.dir, "current"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errNoLogin
		}
		if err != nil {
			return nil, fmt.Errorf("reading which login is current: %w", err)
		}
		name = strings.TrimSpace(string(raw))
	}
	if !loginName.MatchString(name) {
		return nil, usagef("", "profile %q: letters, digits, dot, hyphen and underscore only", name)
	}
	raw, err := readSecretFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoLogin
	}
	if err != nil {
		return nil, err
	}
	var l savedLogin
	if err := json.Unmarshal(raw, &l); err != nil || l.Token == "" {
		return nil, &signedOutError{fmt.Sprintf("%s is damaged; sign in again", s.path(name))}
	}
	return &l, nil
}

// elsewhere gives the other servers for which there is a login called name, or a current one if name is "".
func (s *loginStore) elsewhere(name string) (servers []string) {
	all := filepath.Dir(s.dir)
	dirs, _ := os.ReadDir(all) // this is only for a hint
	for _, d := range dirs {
		other := &loginStore{dir: filepath.Join(all, d.Name())}
		if l, err := other.load(name); err == nil && l.Server != s.server {
			servers = append(servers, l.Server)
		}
	}
	return servers
}

// save keeps l under name; current makes it the one that is used when no profile is given.
func (s *loginStore) save(name string, l *savedLogin, current bool) error {
	if !loginName.MatchString(name) {
		return usagef("", "profile %q: letters, digits, dot, hyphen and underscore only", name)
	}
	raw, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the login: %w", err)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("saving the login: %w", err)
	}
	if err := writeSecretFile(s.path(name), append(raw, '\n')); err != nil {
		return fmt.Errorf("saving the login: %w", err)
	}
	if !current {
		return nil
	}
	if err := writeSecretFile(filepath.Join(s.dir, "current"), []byte(name+"\n")); err != nil {
		return fmt.Errorf("saving which login is current: %w", err)
	}
	return nil
}

// remove forgets every saved login that holds token, under whatever name.
func (s *loginStore) remove(token string) error {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for saved logins: %w", err)
	}
	current, _ := os.ReadFile(filepath.Join(s.dir, "current")) // absent: there is nothing to forget
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok {
			continue
		}
		var l savedLogin
		raw, err := os.ReadFile(s.path(name))
		if err != nil || json.Unmarshal(raw, &l) != nil || l.Token != token {
			continue
		}
		if err := os.Remove(s.path(name)); err != nil {
			return fmt.Errorf("forgetting a saved login: %w", err)
		}
		if strings.TrimSpace(string(current)) == name {
			if err := os.Remove(filepath.Join(s.dir, "current")); err != nil {
				return fmt.Errorf("forgetting which login is current: %w", err)
			}
		}
	}
	return nil
}

// readSecretFile reads a file that chatctl wrote for its owner alone, and refuses one that others can read.
func readSecretFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if wide := tooWide(info); wide != "" {
		return nil, &signedOutError{fmt.Sprintf("%s %s, so its token is not used; type: chmod 600 %s", path, wide, path)}
	}
	return os.ReadFile(path)
}

// writeSecretFile writes a file that its owner alone may read, all of it or nothing.
func writeSecretFile(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			_ = os.Remove(f.Name()) // the first error says it all
		}
	}()
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
