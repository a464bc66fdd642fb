package chat

import (
	"context"

	"github.com/chatd-dev/chatd/api"
)

// maxBots bounds the bots of one user.
const maxBots = 100

// ownBot finds a bot of the caller's. Another's is as one that is not there.
func (s *Session) ownBot(ctx context.Context, ref string) (*Account, error) {
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	a, err := s.svc.userBy(ctx, "bot", ref)
	if err != nil {
		return nil, err
	}
	if a.OwnerID != user.ID || a.DeletedAt != 0 {
		return nil, noUser("bot")
	}
	return a, nil
}

// botsOf are all bots of a user.
func (s *Service) botsOf(ctx context.Context, user api.UserID) (bots []*Account, err error) {
	for q := (&AccountQuery{Owner: user, Limit: listLimit}); ; {
		page, err := s.store.ListAccounts(ctx, q)
		if err != nil {
			return nil, err
		}
		bots = append(bots, page...)
		if len(page) < listLimit {
			return bots, nil
		}
		q.After = page[len(page)-1].Username
	}
}

// BotCreate implements bot.create.
func (s *Session) BotCreate(ctx context.Context, p *api.BotCreateParams) (*api.BotCreateResult, error) {
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	bot, err := s.newAccount(ctx, api.MethodBotCreate, Account{Username: p.Username, DisplayName: p.DisplayName, OwnerID: user.ID})
	if err != nil {
		return nil, err
	}
	return &api.BotCreateResult{Bot: bot.view()}, nil
}

// BotList implements bot.list. The cursor is the last username of the page before.
func (s *Session) BotList(ctx context.Context, p *api.BotListParams) (*api.BotListResult, error) {
	user, _ := s.who()
	if user == nil {
		return nil, signInFirst()
	}
	bots, next, err := s.svc.accountPage(ctx, &AccountQuery{Owner: user.ID, After: p.Cursor}, p.Limit)
	if err != nil {
		return nil, err
	}
	return &api.BotListResult{Bots: views(bots), NextCursor: next}, nil
}

// BotUpdate implements bot.update.
func (s *Session) BotUpdate(ctx context.Context, p *api.BotUpdateParams) (*api.BotUpdateResult, error) {
	rec := s.begins(api.MethodBotUpdate).named(p.Bot)
	bot, err := s.ownBot(ctx, p.Bot)
	if err != nil {
		return nil, err
	}
	if err := s.svc.spendSignal(s.UserID()); err != nil {
		return nil, err
	}
	now, err := s.svc.rename(ctx, bot.ID, p.DisplayName, rec)
	if err != nil {
		return nil, err
	}
	return &api.BotUpdateResult{Bot: now.view()}, nil
}

// BotDelete implements bot.delete.
func (s *Session) BotDelete(ctx context.Context, p *api.BotDeleteParams) (*api.BotDeleteResult, error) {
	rec := s.begins(api.MethodBotDelete).named(p.Bot)
	bot, err := s.ownBot(ctx, p.Bot)
	if err != nil {
		return nil, err
	}
	left, err := s.svc.remove(ctx, bot, rec.of(bot), s, func(t AccountTx) error {
		_, err := present(t, bot.ID)
		return err
	})
	if err != nil {
		return nil, s.svc.coded(err)
	}
	return &api.BotDeleteResult{UserID: bot.ID, RoomsLeft: left}, nil
}
