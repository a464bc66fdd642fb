package chatclient

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ParseURL turns what a person types for a server into the URL of its WebSocket: ws, wss, http and https URLs or
// host:port, with or without /rpc. A secret in the URL is refused, because URLs end up in logs.
func ParseURL(server string) (string, error) {
	server = strings.TrimSpace(server)
	if server == "" {
		return "", errors.New("chatclient: no server given")
	}
	if !strings.Contains(server, "://") {
		server = "ws://" + server
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", fmt.Errorf("chatclient: the server's address is not a URL: %w", errors.Unwrap(err))
	}
	switch u.Scheme {
	case "ws", "wss":
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	default:
		return "", fmt.Errorf("chatclient: the server's address begins with %s://, not ws, wss, http or https", u.Scheme)
	}
	switch {
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("chatclient: the server's address has a user, query or fragment; tokens and passwords go into Options")
	case u.Hostname() == "":
		return "", errors.New("chatclient: the server's address has no host")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	if !strings.HasSuffix(u.Path, "/rpc") {
		u.Path += "/rpc"
	}
	return u.String(), nil
}
