package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

var concurrencyTests = []test{
	{"OneAdministratorStays", func(f *fixture) { // whoever looks before they take it, within the change, however many do at once
		const n = 8
		all := f.register(n, func(na *chat.NewAccount) { na.Admin = true })
		f.want("administrators", f.admins(all, n), n)
		last := errors.New("the last one")
		errs := make([]error, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				errs[i] = f.ChangeAccounts(f.ctx(), func(t chat.AccountTx) error {
					a, err := t.Account(all[i].account.ID)
					if err != nil {
						return err
					}
					others, err := t.OtherAdmins(a.ID, now)
					if err != nil {
						return err
					}
					if others == 0 {
						return last
					}
					a.Admin = false
					return t.PutAccount(a)
				})
			})
		}
		wg.Wait()
		refused := 0
		for _, err := range errs {
			if err != nil {
				f.wantErr(err, last)
				refused++
			}
		}
		f.want("refused", refused, 1)
		left := 0
		for _, r := range all {
			a, err := f.AccountByID(f.ctx(), r.account.ID)
			f.wantErr(err, nil)
			if a.Admin {
				left++
			}
		}
		f.want("administrators left", left, 1)
	}},

	// What a reader sees is always a dense log that reaches at least to what was acknowledged
	// before it looked.
	{"ReadersDuringCommits", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		batches := 60
		if testing.Short() {
			batches = 15
		}
		var acked atomic.Int64
		done := make(chan struct{})
		var wg sync.WaitGroup
		for range 3 { // they end when the writer has
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					if err := readerSees(f, room, groot, api.Seq(acked.Load())); err != nil {
						f.Error(err)
						return
					}
				}
			})
		}
		for b := range batches {
			var entries []*chat.Entry
			for i := range 20 {
				entries = append(entries, Post(room, groot, fmt.Sprintf("%d.%d", b, i)))
			}
			if err := f.Commit(f.ctx(), entries); err != nil {
				f.Error(err)
				break
			}
			acked.Store(int64(entries[19].Records[0].Seq))
		}
		close(done)
		wg.Wait()
		if !f.Failed() {
			f.wantLog(room, 2+20*batches)
		}
	}},

	{"CommitsAtOnce", func(f *fixture) {
		groot := f.user("groot")
		room := f.room("lobby", groot)
		const writers, each = 8, 10
		var wg sync.WaitGroup
		all := make([][]*chat.Entry, writers)
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					// Everyone retries the same posts: one of them stores each.
					e := Keyed(room, groot, fmt.Sprintf("line %d", i), fmt.Sprint(i))
					if err := errors.Join(f.Commit(f.ctx(), []*chat.Entry{e}), e.Err); err != nil {
						f.Error(err)
						return
					}
					all[w] = append(all[w], e)
				}
			})
		}
		wg.Wait()
		if f.Failed() {
			return
		}
		f.wantLog(room, 2+each)
		for i := range each {
			stored := 0
			for w := range writers {
				f.want("record", all[w][i].Records, all[0][i].Records)
				if !all[w][i].Duplicate {
					stored++
				}
			}
			f.want("times stored", stored, 1)
		}
	}},
}

func readerSees(f *fixture, room api.RoomID, user api.UserID, acked api.Seq) error {
	page, err := f.History(f.ctx(), &chat.HistoryQuery{Room: room, Limit: 1 << 30})
	if err != nil {
		return err
	}
	if err := Dense(page); err != nil {
		return err
	}
	if end := page[len(page)-1].Seq; end < acked {
		return fmt.Errorf("history ends at %d; %d was acknowledged", end, acked)
	}
	v, err := f.RoomByID(f.ctx(), room, user)
	if err != nil {
		return err
	}
	if v.Head.Seq < page[len(page)-1].Seq || int64(v.Head.MsgNo) != int64(v.Head.Seq)-2 {
		return fmt.Errorf("head %v after history up to %d", v.Head, page[len(page)-1].Seq)
	}
	return nil
}

var reopenTests = []test{
	{"Reopen", func(f *fixture) {
		if f.reopen == nil {
			f.Skip("this store keeps nothing")
		}
		groot, thanos := f.user("groot"), f.user("thanos")
		room := f.room("lobby", groot)
		post := Keyed(room, groot, "hello", "k")
		f.commit(Join(room, thanos), post, Post(room, thanos, "bye"), Leave(room, thanos))
		l := &chat.LoginSession{ID: "session_1", TokenHash: [32]byte{1}, UserID: groot, DeviceName: "laptop", CreatedAt: now, ExpiresAt: now}
		f.change(nil, func(t chat.AccountTx) error { return t.CreateSession(l) })
		f.invite("inv", groot, 1, now+1)
		epoch, log, view := f.Epoch(), f.wantLog(room, 6), f.byID(room, groot)

		f.Store = f.reopen(f.T, f.Store)
		f.want("epoch", f.Epoch(), epoch)
		f.want("log", f.wantLog(room, 6), log)
		f.want("room", f.byID(room, groot), view)
		f.wantSession(l)
		a, err := f.AccountByName(f.ctx(), "thanos")
		f.wantErr(err, nil)
		f.want("account", a, &NewAccount("thanos").Account)
		na := NewAccount("hulk")
		na.InviteHash, na.FirstIsAdmin = []byte("inv"), true
		a, err = f.CreateAccount(f.ctx(), na)
		f.wantErr(err, nil)
		f.want("administrator after reopening", a.Admin, false)

		same, changed, refused, next := Keyed(room, groot, "hello", "k"), Keyed(room, groot, "else", "k"), Post(room, thanos, "x"), Post(room, groot, "next")
		f.commit(same, changed, refused, next)
		f.wantDuplicate(same, post)
		f.wantErr(changed.Err, chat.ErrKeyConflict)
		f.wantErr(refused.Err, chat.ErrNotMember)
		f.wantDone(next, 7, 3)
	}},

	{"EpochsDiffer", func(f *fixture) {
		other := f.open(f.T)
		defer func() { f.wantErr(other.Close(), nil) }()
		if f.Epoch() == other.Epoch() {
			f.Fatalf("two stores have the epoch %s", f.Epoch())
		}
	}},
}

func cancelled(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}
