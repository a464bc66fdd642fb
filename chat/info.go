package chat

import (
	"context"
	"time"

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
		Features: []string{"history", "presence", "resume", "typing"},
		Auth:     api.AuthInfo{Methods: []string{"password", "token"}, Registration: svc.opts.Registration},
		Limits:   svc.opts.Limits,
	}, nil
}

// ServerPing implements server.ping. The time is that by which what ends at one is judged: who wants it to end in an hour adds to it.
func (s *Session) ServerPing(context.Context, *api.ServerPingParams) (*api.ServerPingResult, error) {
	return &api.ServerPingResult{At: s.svc.timestamp()}, nil
}

// ServerStats implements server.stats.
func (s *Session) ServerStats(ctx context.Context, _ *api.ServerStatsParams) (*api.ServerStatsResult, error) {
	svc := s.svc
	totals, err := svc.store.Totals(ctx)
	if err != nil {
		return nil, svc.coded(err)
	}
	now := svc.Stats()
	return &api.ServerStatsResult{
		Version: svc.opts.Version, StartedAt: api.TimestampOf(svc.started), UptimeS: int64(svc.now().Sub(svc.started) / time.Second),
		Users: totals.Users, Bots: totals.Bots, Rooms: totals.Rooms, Messages: totals.Messages, StoreBytes: totals.Bytes,
		Connections: now.Sessions, UsersOnline: now.UsersOnline, RoomsLive: now.RoomsLive,
		PostsTotal: now.Posts, PostsPerMinute: svc.postRate.Load(),
		LoginsTotal: now.Logins, LoginFailuresTotal: now.LoginFailures, ResumesTotal: now.Resumes,
	}, nil
}
