package chat_test

import (
	"testing"

	"github.com/chatd-dev/chatd/api"
)

// Each act on accounts, sessions, tokens, bots and by administrators is one record of the audit log.
func TestEachActIsOneRecord(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	groot := w.user("groot")
	rocket := w.user("rocket")
	seen := 0
	records := func() []api.AuditRecord {
		all := must[*api.AuditListResult](t)(groot.AuditList(ctx, &api.AuditListParams{Limit: ptr(int64(200))})).Records
		news := all[:len(all)-seen]
		seen = len(all)
		return news
	}
	records()
	for _, act := range []struct {
		method string
		do     func() error
	}{
		{api.MethodTokenCreate, func() error {
			_, err := rocket.TokenCreate(ctx, &api.TokenCreateParams{Name: "ci"})
			return err
		}},
		{api.MethodTokenRevoke, func() error { _, err := rocket.TokenRevoke(ctx, &api.TokenRevokeParams{Token: "ci"}); return err }},
		{api.MethodBotCreate, func() error { _, err := rocket.BotCreate(ctx, &api.BotCreateParams{Username: "bot"}); return err }},
		{api.MethodBotDelete, func() error { _, err := rocket.BotDelete(ctx, &api.BotDeleteParams{Bot: "bot"}); return err }},
		{api.MethodAuthLogin, func() error {
			_, err := w.connect().AuthLogin(ctx, &api.AuthLoginParams{Username: "rocket", Password: "password of rocket"})
			return err
		}},
		{api.MethodSessionRevoke, func() error {
			_, err := rocket.SessionRevoke(ctx, &api.SessionRevokeParams{Others: ptr(true)})
			return err
		}},
		{api.MethodAccountSetPassword, func() error {
			_, err := rocket.AccountSetPassword(ctx, &api.AccountSetPasswordParams{OldPassword: "password of rocket", NewPassword: "another password"})
			return err
		}},
		{api.MethodUserSetPassword, func() error {
			_, err := groot.UserSetPassword(ctx, &api.UserSetPasswordParams{User: "rocket", Password: "yet another one"})
			return err
		}},
		{api.MethodUserCreate, func() error { _, err := groot.UserCreate(ctx, &api.UserCreateParams{Username: "drax"}); return err }},
		{api.MethodUserSuspend, func() error { _, err := groot.UserSuspend(ctx, &api.UserSuspendParams{User: "drax"}); return err }},
		{api.MethodUserRestore, func() error { _, err := groot.UserRestore(ctx, &api.UserRestoreParams{User: "drax"}); return err }},
		{api.MethodInviteCreate, func() error { _, err := groot.InviteCreate(ctx, &api.InviteCreateParams{}); return err }},
		{api.MethodAuthRegister, func() error {
			rocket = w.connect()
			_, err := rocket.AuthRegister(ctx, &api.AuthRegisterParams{Username: "mantis", Password: "password of mantis"})
			return err
		}},
		{api.MethodAuthLogout, func() error { _, err := rocket.AuthLogout(ctx, &api.AuthLogoutParams{}); return err }},
		{api.MethodAccountDelete, func() error {
			mantis := w.connect()
			if _, err := mantis.AuthLogin(ctx, &api.AuthLoginParams{Username: "mantis", Password: "password of mantis"}); err != nil {
				return err
			}
			records() // the login's
			_, err := mantis.AccountDelete(ctx, &api.AccountDeleteParams{Password: "password of mantis"})
			return err
		}},
	} {
		if err := act.do(); err != nil {
			t.Errorf("%s: %v", act.method, err)
			continue
		}
		if news := records(); len(news) != 1 || news[0].Action != act.method || news[0].Outcome != "ok" {
			t.Errorf("%s: %+v", act.method, news)
		}
	}
}
