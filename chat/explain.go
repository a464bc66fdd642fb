package chat

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"

	"github.com/chatd-dev/chatd/api"
)

// tryable are the methods that an act in a room decides on, by more than who may be in it. A method belongs here if all that
// it changes goes by Session.commit or Session.try: permission.explain calls it.
var tryable = map[string]bool{
	api.MethodRoomJoin: true, api.MethodRoomLeave: true, api.MethodRoomUpdate: true, api.MethodRoomArchive: true, api.MethodRoomUnarchive: true, api.MethodRoomDelete: true,
	api.MethodMessagePost: true, api.MethodMessageEdit: true, api.MethodMessageDelete: true, api.MethodReadMark: true, api.MethodTypingSet: true,
	api.MethodThreadFollow: true, api.MethodThreadUnfollow: true,
	api.MethodReactionAdd: true, api.MethodReactionRemove: true, api.MethodPinAdd: true, api.MethodPinRemove: true,
	api.MethodMemberInvite: true, api.MethodMemberRemove: true, api.MethodMemberSetRole: true, api.MethodMemberMute: true, api.MethodMemberUnmute: true,
	api.MethodMemberBan: true, api.MethodMemberUnban: true, api.MethodMemberListBans: true, api.MethodInviteCreate: true,
	api.MethodRetentionSet: true,
}

// PermissionExplain implements permission.explain.
func (s *Session) PermissionExplain(ctx context.Context, p *api.PermissionExplainParams) (*api.PermissionExplainResult, error) {
	m := api.Lookup(p.Method)
	if m == nil {
		return nil, api.Errorf(api.CodeNotFound, "no such method").WithField("method")
	}
	call, room, err := callOf(p)
	if err != nil {
		return nil, err
	}
	user, login, err := s.subject(ctx, p)
	if err != nil {
		return nil, err
	}
	r := ruling{api.PermissionRuleSuspended, s.svc.usable(ctx, user)}
	if m.Authz == api.AuthzAnyone || r.err == nil {
		r = s.svc.mayCall(user, login, m)
	}
	res := &api.PermissionExplainResult{}
	if r.err == nil && room != "" {
		if r, res.Role, err = s.explainIn(ctx, m, room, call, user, login); err != nil {
			return nil, s.svc.coded(err)
		}
	}
	var refusal *api.Error
	if r.err != nil && !errors.As(r.err, &refusal) {
		return nil, s.svc.coded(r.err)
	}
	res.Allowed, res.Rule = r.err == nil, r.rule
	if refusal != nil {
		res.Message = refusal.Message
	}
	return res, nil
}

// callOf gives the parameters of the call that is asked about, and the room in which it would be.
func callOf(p *api.PermissionExplainParams) (call map[string]json.RawMessage, room string, err error) {
	call = map[string]json.RawMessage{}
	if p.Params != nil {
		if err := json.Unmarshal(p.Params, &call); err != nil {
			return nil, "", api.Errorf(api.CodeInvalidParams, "params: not an object").WithField("params")
		}
	}
	if raw := call["room"]; raw != nil {
		if err := json.Unmarshal(raw, &room); err != nil {
			return nil, "", api.Errorf(api.CodeInvalidParams, "params.room: not a string").WithField("params.room")
		}
	}
	if room != "" && p.Room != "" && room != p.Room {
		return nil, "", api.Errorf(api.CodeInvalidParams, "room: params name another").WithField("room")
	}
	if room == "" {
		room = p.Room
	}
	return call, room, nil
}

// subject finds who permission.explain is about, and with what they would be signed in.
func (s *Session) subject(ctx context.Context, p *api.PermissionExplainParams) (*Account, *LoginSession, error) {
	user, login := s.who()
	if user == nil {
		return nil, nil, signInFirst()
	}
	if p.User != "" {
		other, err := s.svc.userBy(ctx, "user", p.User)
		if err != nil {
			return nil, nil, err
		}
		if other.ID != user.ID {
			if !user.Admin && other.OwnerID != user.ID {
				return nil, nil, api.Errorf(api.CodePermissionDenied, "only about oneself and one's bots").WithField("user")
			}
			user, login = other, &LoginSession{ExpiresAt: math.MaxInt64}
		}
	}
	if p.Token == "" {
		return user, login, nil
	}
	made, err := s.svc.store.ListSessions(ctx, user.ID, true)
	if err != nil {
		return nil, nil, s.svc.coded(err)
	}
	i := slices.IndexFunc(made, func(l *LoginSession) bool { return l.named(p.Token) })
	if i < 0 {
		return nil, nil, noToken()
	}
	return user, made[i], nil
}

// explainIn decides on a call in a room. Its error refuses the question.
func (s *Session) explainIn(ctx context.Context, m *api.Method, room string, call map[string]json.RawMessage, user *Account, login *LoginSession) (r ruling, role api.Role, err error) {
	if err := s.mayAsk(ctx, m, room, user, login); err != nil {
		return ruling{}, "", err
	}
	v, err := s.svc.roomBy(ctx, room, user.ID)
	if r = mayEnter(login, "room", v, err, m.Authz == api.AuthzMember); r.err != nil || v == nil {
		return r, "", nil
	}
	if tryable[m.Name] {
		r, err = s.tryCall(ctx, m, room, call, r.rule, &Session{svc: s.svc, peer: s.peer, trial: &trial{}, user: user, login: login})
	}
	return r, v.Role, err
}

// mayAsk refuses who would learn by the answer about another what they could not by their own.
func (s *Session) mayAsk(ctx context.Context, m *api.Method, room string, user *Account, login *LoginSession) error {
	me, mine := s.who()
	switch {
	case me == nil:
		return signInFirst()
	case login.same(mine):
		return nil
	}
	if _, err := s.room(ctx, "room", room); err != nil || !tryable[m.Name] {
		return err
	}
	if err := s.svc.mayCall(me, mine, m).err; err != nil {
		return err
	}
	if user.ID == me.ID || user.OwnerID == me.ID {
		return nil
	}
	_, err := s.memberRoom(ctx, "room", room)
	return err
}

// tryCall lets a session on trial make the call; entered is what decides if nothing in the room does.
func (s *Session) tryCall(ctx context.Context, m *api.Method, room string, call map[string]json.RawMessage, entered api.PermissionRule, on *Session) (ruling, error) {
	// What is said decides nothing: who only asks whether they may say something need not make it up.
	for name, value := range map[string]any{"room": room, "text": "?", "emoji": "?", "typing": true} {
		if call[name] == nil && slices.Contains(m.Params, name) {
			raw, err := json.Marshal(value)
			if err != nil {
				return ruling{}, err
			}
			call[name] = raw
		}
	}
	raw, err := json.Marshal(call)
	if err != nil {
		return ruling{}, err
	}
	_, err = m.Dispatch(ctx, onTrial{on}, raw, nil)
	var refusal *api.Error
	switch {
	case err == nil || errors.Is(err, errAllowed):
		if rule := on.trial.rule; rule != "" {
			entered = rule
		}
		return ruling{entered, nil}, nil
	case !errors.As(err, &refusal) || refusal.Code == api.CodeUnavailable || refusal.Code == api.CodeDraining:
		return ruling{}, err
	case refusal.Code == api.CodeInvalidParams:
		return ruling{}, api.Errorf(api.CodeInvalidParams, "params.%s", refusal.Message).WithField("params." + refusal.Data.Field)
	}
	rule := on.trial.rule
	switch refusal.Data.Field {
	case "user":
		rule = api.PermissionRulePerson
	case "seq", "if_seq", "thread", "reply_to":
		rule = api.PermissionRuleMessage
	}
	switch {
	case rule != "":
	case refusal.Code == api.CodePermissionDenied:
		rule = api.PermissionRuleRole
	default:
		rule = api.PermissionRuleState
	}
	return ruling{rule, err}, nil
}

// onTrial is a session on trial, which may call what it is asked about: that was decided before.
type onTrial struct{ *Session }

// Authorize implements api.Server.
func (onTrial) Authorize(context.Context, *api.Method) error { return nil }

// Refused implements api.Server.
func (onTrial) Refused(context.Context, *api.Method, error) {}
