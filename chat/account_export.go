package chat

import (
	"context"
	"strconv"
	"strings"

	"github.com/chatd-dev/chatd/api"
)

const (
	exportLimit = 200
	exportScan  = 50_000 // events of others' that one page passes over

	exportedThreads = "t" // begins a cursor that goes on among threads; the others are the store's, among events
)

// AccountExport implements account.export: what there is of the caller on the first page, then threads, then events.
func (s *Session) AccountExport(ctx context.Context, p *api.AccountExportParams) (*api.AccountExportResult, error) {
	user, login := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	limit := int(orElse(p.Limit, exportLimit))
	res := &api.AccountExportResult{
		User: user.view(), Sessions: []api.LoginSession{}, Tokens: []api.MadeToken{}, Bots: []api.User{}, Invites: []api.Invite{},
		Rooms: []api.Room{}, Threads: []api.Thread{}, Events: []api.Event{},
	}
	key, among := strings.CutPrefix(p.Cursor, exportedThreads)
	after := int64(0)
	switch {
	case p.Cursor == "":
		rec := s.begins(api.MethodAccountExport)
		if err := s.svc.store.ChangeAccounts(ctx, func(t AccountTx) error { return t.Audit(rec) }); err != nil {
			return nil, s.svc.coded(err)
		}
		if err := s.exportOwn(ctx, user, res); err != nil {
			return nil, s.svc.coded(err)
		}
	case among && key == "":
		return nil, notACursor()
	case !among:
		var err error
		if after, err = strconv.ParseInt(p.Cursor, 10, 64); err != nil || after < 0 {
			return nil, notACursor()
		}
	}
	if p.Cursor == "" || among {
		q := &ThreadQuery{User: user.ID, Covers: login.Scope.covers, Limit: limit + 1}
		var err error
		if q.After, err = parseThreadKey(key); err != nil {
			return nil, err
		}
		if err := s.exportThreads(ctx, q, limit, res); err != nil || res.NextCursor != "" {
			return res, s.svc.coded(err)
		}
	}
	if limit -= len(res.Threads); limit == 0 {
		res.NextCursor = "0" // of the store: from the first event on
		return res, nil
	}
	events, next, err := s.svc.store.SentEvents(ctx, &SentQuery{User: user.ID, After: after, Scan: exportScan, Limit: limit})
	if err != nil {
		return nil, s.svc.coded(err)
	}
	for i := range events {
		res.Events = append(res.Events, api.Event{Raw: events[i].Bytes})
	}
	if next > 0 {
		res.NextCursor = strconv.FormatInt(next, 10)
	}
	return res, nil
}

// exportOwn puts in what is the caller's own, but for threads and events.
func (s *Session) exportOwn(ctx context.Context, user *Account, res *api.AccountExportResult) (err error) {
	if res.Sessions, err = s.logins(ctx); err != nil {
		return err
	}
	bots, err := s.svc.botsOf(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, a := range append([]*Account{user}, bots...) {
		made, err := s.svc.store.ListSessions(ctx, a.ID, true)
		if err != nil {
			return err
		}
		for _, l := range made {
			res.Tokens = append(res.Tokens, l.view())
		}
		if a != user {
			res.Bots = append(res.Bots, a.view())
		}
	}
	for q := (&InviteQuery{Creator: user.ID, Now: s.svc.timestamp(), Limit: listLimit}); ; {
		page, err := s.svc.store.ListInvites(ctx, q)
		if err != nil {
			return err
		}
		for _, inv := range page {
			res.Invites = append(res.Invites, inv.view())
			q.After = inv.ID
		}
		if len(page) < listLimit {
			break
		}
	}
	return s.svc.eachRoom(ctx, user.ID, func(v *RoomView) error {
		res.Rooms = append(res.Rooms, v.view(s.svc))
		return nil
	})
}

// exportThreads puts in up to limit of the threads that the caller follows, and where it goes on, if there are more. What stands
// above them is not the caller's.
func (s *Session) exportThreads(ctx context.Context, q *ThreadQuery, limit int, res *api.AccountExportResult) error {
	return s.svc.store.Snapshot(ctx, func(r Reader) error {
		keys, err := r.FollowedThreads(ctx, q)
		if err != nil {
			return err
		}
		if len(keys) > limit {
			keys = keys[:limit]
			res.NextCursor = exportedThreads + keys[limit-1].cursor()
		}
		res.Threads, err = threads(ctx, r, q.User, keys, true)
		return err
	})
}
