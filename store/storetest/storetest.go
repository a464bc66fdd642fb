package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/chat"
)

// Options tell what a store can do beyond the interface.
type Options struct {
	// Reopen closes s and opens what it stored again. Nil means that nothing outlives Close.
	Reopen func(t testing.TB, s chat.Store) chat.Store
	// Indexed waits until what is committed is in the index of words. Nil means that there is none.
	Indexed func(ctx context.Context, s chat.Store) error
}

// Run runs the suite. open makes an empty store; the suite closes it.
func Run(t *testing.T, open func(t testing.TB) chat.Store, opts *Options) {
	if opts == nil {
		opts = &Options{}
	}
	for _, group := range [][]test{accountTests, roomTests, commitTests, keyTests, historyTests, messageTests, restrictionTests, readTests, threadTests, purgeTests, jobTests, searchTests, deletionTests, directTests, inviteTests, importTests, concurrencyTests, reopenTests} {
		for _, tt := range group {
			t.Run(tt.name, func(t *testing.T) {
				f := &fixture{T: t, Store: open(t), open: open, reopen: opts.Reopen, indexed: opts.Indexed}
				t.Cleanup(func() {
					if err := f.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				})
				tt.run(f)
			})
		}
	}
	t.Run("SameAsMemory", func(t *testing.T) { sameAsMemory(t, open, opts.Reopen) })
	t.Run("SearchSameAsMemory", func(t *testing.T) { searchSameAsMemory(t, open, opts.Indexed) })
}

type test struct {
	name string
	run  func(f *fixture)
}

// fixture is a store under test with the shorthands of the suite.
type fixture struct {
	*testing.T
	chat.Store
	open   func(t testing.TB) chat.Store
	reopen func(t testing.TB, s chat.Store) chat.Store

	indexed func(ctx context.Context, s chat.Store) error
}

// now is when everything happens; the store does not care.
const now api.Timestamp = 1_764_000_000_000

func (f *fixture) ctx() context.Context { return f.T.Context() }

// user makes an account and gives its id.
func (f *fixture) user(name string) api.UserID {
	f.Helper()
	a, err := f.CreateAccount(f.ctx(), NewAccount(name))
	if err != nil {
		f.Fatalf("create account %s: %v", name, err)
	}
	return a.ID
}

// room makes a public room with its owner in it.
func (f *fixture) room(name string, owner api.UserID) api.RoomID {
	f.Helper()
	e := Create(name, owner)
	f.commit(e)
	f.wantErr(e.Err, nil)
	return e.RoomID
}

func (f *fixture) commit(entries ...*chat.Entry) {
	f.Helper()
	if err := f.Commit(f.ctx(), entries); err != nil {
		f.Fatalf("commit: %v", err)
	}
}

// history gives a room's whole log.
func (f *fixture) history(room api.RoomID) []chat.Record {
	f.Helper()
	return f.page(&chat.HistoryQuery{Room: room, Limit: 1 << 30})
}

func (f *fixture) page(q *chat.HistoryQuery) []chat.Record {
	f.Helper()
	page, err := f.History(f.ctx(), q)
	if err != nil {
		f.Fatalf("history %+v: %v", *q, err)
	}
	return page
}

func (f *fixture) head(room api.RoomID) api.Head {
	f.Helper()
	h, err := f.Head(f.ctx(), room)
	if err != nil {
		f.Fatalf("head: %v", err)
	}
	return h
}

func (f *fixture) byID(room api.RoomID, user api.UserID) *chat.RoomView {
	f.Helper()
	v, err := f.RoomByID(f.ctx(), room, user)
	if err != nil {
		f.Fatalf("room by id: %v", err)
	}
	return v
}

func (f *fixture) wantErr(err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Fatalf("error %v, want %v", err, want)
	}
}

func (f *fixture) want(what string, got, want any) {
	f.Helper()
	if d := cmp.Diff(want, got); d != "" {
		f.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// wantDone checks that e was stored, each draft at the next seq from first on.
func (f *fixture) wantDone(e *chat.Entry, first api.Seq, firstMsgNo api.MsgNo) {
	f.Helper()
	f.wantErr(e.Err, nil)
	drafts := ActingOf(e).Drafts
	if e.Plain != nil {
		drafts = []chat.Draft{e.Plain}
	}
	if e.Duplicate || e.Unchanged || len(e.Records) != len(drafts) {
		f.Fatalf("duplicate %t, unchanged %t, %d records of %d drafts", e.Duplicate, e.Unchanged, len(e.Records), len(drafts))
	}
	for i, d := range drafts {
		want := chat.Record{Seq: first + api.Seq(i), Type: d.Type(), At: e.At}
		if want.Type == api.EventTypeMessagePosted {
			want.MsgNo = firstMsgNo
			firstMsgNo++
		}
		want.Bytes = d.Append(nil, want.Seq, want.MsgNo)
		f.want(fmt.Sprintf("record %d", i), e.Records[i], want)
	}
	last := e.Records[len(e.Records)-1]
	if e.Head.Seq != last.Seq {
		f.Fatalf("head %v after record %d", e.Head, last.Seq)
	}
}

// wantLog checks that the room's log is dense and that its head is its end.
func (f *fixture) wantLog(room api.RoomID, n int) []chat.Record {
	f.Helper()
	log := f.history(room)
	if err := Dense(log); err != nil {
		f.Fatal(err)
	}
	if len(log) != n {
		f.Fatalf("%d events, want %d", len(log), n)
	}
	head := api.Head{}
	for _, r := range log {
		head.Seq = r.Seq
		head.MsgNo = max(head.MsgNo, r.MsgNo)
	}
	f.want("head", f.head(room), head)
	f.want("head of the room", f.byID(room, "").Head, head)
	return log
}

// Dense checks that log begins at seq 1 and msg_no 1 and has no hole.
func Dense(log []chat.Record) error { return DenseAfter(api.Head{}, log) }

// DenseAfter is Dense of a log of which the beginning was purged.
func DenseAfter(gone api.Head, log []chat.Record) error {
	msgNo := gone.MsgNo
	for i, r := range log {
		if r.Seq != gone.Seq+api.Seq(i+1) {
			return fmt.Errorf("event %d after %d has seq %d", i+1, gone.Seq, r.Seq)
		}
		switch {
		case r.Type != api.EventTypeMessagePosted:
			if r.MsgNo != 0 {
				return fmt.Errorf("seq %d is %s and has msg_no %d", r.Seq, r.Type, r.MsgNo)
			}
		case r.MsgNo != msgNo+1:
			return fmt.Errorf("seq %d has msg_no %d after %d", r.Seq, r.MsgNo, msgNo)
		default:
			msgNo = r.MsgNo
		}
	}
	return nil
}
