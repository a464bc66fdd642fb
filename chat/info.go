package chat

import (
	"context"

	"github.com/chatd-dev/chatd/api"
)

// RPCDiscover implements rpc.discover.
func (s *Session) RPCDiscover(context.Context, *api.RPCDiscoverParams) (api.Document, error) {
	return api.DocumentJSON(), nil
}

// ServerInfo implements server.info.
func (s *Session) ServerInfo(context.Context, *api.ServerInfoParams) (*api.ServerInfoResult, error) {
	svc := s.svc
	return &api.ServerInfoResult{
		Name: "chatd", Version: svc.opts.Version, APILevel: api.APILevel, Epoch: svc.store.Epoch(), Durability: svc.store.Durability(),
		Features: []string{"history", "presence", "resume"},
		Auth:     api.AuthInfo{Methods: []string{"password", "token"}, Registration: svc.opts.Registration},
		Limits:   svc.opts.Limits,
	}, nil
}

// ServerPing implements server.ping.
func (s *Session) ServerPing(context.Context, *api.ServerPingParams) (*api.ServerPingResult, error) {
	return &api.ServerPingResult{At: s.svc.wallTime()}, nil
}
