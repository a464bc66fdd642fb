package chat

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/internal/mutant"
)

// Options configure a Service. The zero value of each field means its default.
type Options struct {
	Fanout       Fanout           // nil: nobody follows anything
	Limits       api.Limits       // told by server.info; the text, data and history bounds are enforced here
	Registration api.Registration // "" means closed
	SetupToken   string           // makes the first account, an administrator's, unless registration is open; "" means none
	Version      string           // of the server, for server.info
	SessionTTL   time.Duration    // how long a token lives unused; 0 means 90 days
	Lanes        int              // commit lanes; 0 means 1, which is right for SQLite

	Retention         Rule          // what is kept of rooms that have no rule of their own
	RetentionInterval time.Duration // how often what is not to be kept is looked for; 0 means an hour, less never

	PresenceGrace   time.Duration // how long a user without connections still counts as online; 0 means not at all
	PresenceMembers int64         // rooms with more members get no signals; 0 means 500

	HashTime      uint32 // argon2id passes; 0 means 2
	HashMemoryKiB uint32 // argon2id memory; 0 means 19456

	Now    func() time.Time // the wall clock, which may be set at any time; nil means time.Now
	Rand   io.Reader        // nil means crypto/rand
	Logger *slog.Logger     // nil means none
	Broken func(error)      // called once when the store is broken: the process has to end
}

// Service is the chat: what all sessions share.
type Service struct {
	// Static after construction.

	store   Store
	opts    Options
	begun   time.Time // by the monotonic clock, when it started
	started time.Time // the same by the wall clock
	logger  *slog.Logger
	hasher  *hasher
	logins  *throttle
	lanes   []*lane
	tender  *tender
	worker  *worker
	eraser  *eraser

	brokenOnce  sync.Once
	stats       counters
	revocations atomic.Int64  // of what tokens and users may, counted before their connections are told
	refusals    *rate.Limiter // that the audit log is told of
	strangers   *rate.Limiter // likewise, of who is not signed in

	postRate atomic.Int64 // posts a minute, as of the tender's last round

	ratesMu sync.Mutex
	rates   map[api.SessionID]*rate.Limiter // of tokens with a rate of their own, as met

	seenMu sync.Mutex
	seen   map[api.SessionID]seen // sessions in use, to be written down

	namesMu sync.RWMutex
	names   map[string]api.RoomID // public rooms by name, as met

	namesAsOf atomic.Int64 // counts changes of names; written with namesMu held

	liveMu sync.RWMutex
	live   map[api.RoomID]*liveRoom // rooms that a session follows or is about to

	typing [32]typists // by user

	altering [32]sync.Mutex // by user: held while what others see of one is changed, and that is told
	telling  [32]sync.Mutex // by user: held while an event of the account is handed to all its connections

	usersMu sync.Mutex
	users   map[api.UserID]*onlineUser // users with connections, or within their grace
	said    map[api.UserID]*said       // what users say of themselves, with connections or without

	countsMu sync.Mutex
	counts   map[api.RoomID]*counted // of large rooms, as asked for of late

	exportKey func() []byte // signs cursors of exports; made when it is first needed
	importing sync.Mutex    // held while an import goes on by a step
}

// maxNames bounds the memory of Service.names; beyond it the cache starts anew.
const maxNames = 100_000

// New starts a service on store. Close ends it; the store stays the caller's.
func New(store Store, opts *Options) *Service {
	s := &Service{store: store, refusals: newRefusals(), strangers: newRefusals(), seen: map[api.SessionID]seen{}, rates: map[api.SessionID]*rate.Limiter{}, names: map[string]api.RoomID{}, live: map[api.RoomID]*liveRoom{}, users: map[api.UserID]*onlineUser{}, said: map[api.UserID]*said{}, counts: map[api.RoomID]*counted{}}
	if opts != nil {
		s.opts = *opts
	}
	o := &s.opts
	s.exportKey = sync.OnceValue(func() []byte { return []byte(NewSecret("", o.Rand)) })
	if o.Fanout == nil {
		o.Fanout = noFanout{}
	}
	if o.Registration == "" {
		o.Registration = api.RegistrationClosed
	}
	if o.SessionTTL == 0 {
		o.SessionTTL = 90 * 24 * time.Hour
	}
	if o.PresenceMembers == 0 {
		o.PresenceMembers = 500
	}
	if o.RetentionInterval == 0 {
		o.RetentionInterval = time.Hour
	}
	if o.HashTime == 0 {
		o.HashTime = 2
	}
	if o.HashMemoryKiB == 0 {
		o.HashMemoryKiB = 19456
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s.begun, s.logger = time.Now(), o.Logger
	s.started = o.Now()
	s.hasher = newHasher(o.HashTime, o.HashMemoryKiB, o.Rand)
	s.logins = newThrottle(int(o.Limits.LoginsPerMinute), s.now)
	for i := range max(1, o.Lanes) {
		s.lanes = append(s.lanes, startLane(s, i))
	}
	s.tender = startTender(s)
	s.worker = startWorker(s)
	s.eraser = startEraser(s)
	return s
}

// Close commits what is queued, answers it, and ends the service's goroutines. Sessions are to be
// closed before; what they ask for afterwards is refused as draining.
func (s *Service) Close() {
	s.worker.close()
	for _, l := range s.lanes {
		l.close()
	}
	s.tender.close()
	s.eraser.close()
	s.writeSeen(context.Background())
}

// Check reports whether the service can serve: nil, or why not.
func (s *Service) Check(ctx context.Context) error {
	err := s.store.Check(ctx)
	if errors.Is(err, ErrBroken) {
		s.broken(err)
	}
	return err
}

// broken tells the process, once, that it has to end.
func (s *Service) broken(err error) {
	s.brokenOnce.Do(func() {
		s.logger.Error("store broken: nothing more can be promised", "err", err)
		if s.opts.Broken != nil {
			s.opts.Broken(err)
		}
	})
}

// now is the time by a clock that goes on evenly from the service's start, whatever is done to the
// wall clock: what expires is judged by it. Only a restart believes the wall clock again.
func (s *Service) now() time.Time {
	if mutant.On(mutant.OrderByClock) {
		return s.opts.Now()
	}
	return s.started.Add(time.Since(s.begun))
}

func (s *Service) timestamp() api.Timestamp { return api.TimestampOf(s.now()) }

// wallTime is what the wall clock says: events carry it for people to read, and nothing is decided by it.
func (s *Service) wallTime() api.Timestamp { return api.TimestampOf(s.opts.Now()) }

func (s *Service) newID(prefix string) string { return NewID(prefix, s.now(), s.opts.Rand) }

// Stats are counters since the start, and gauges.
type Stats struct {
	Sessions    int64 // open now, signed in or not
	UsersOnline int64 // with a connection now
	RoomsLive   int64 // followed now

	Posts         int64 // committed
	Duplicates    int64 // answered from the log
	Commits       int64 // transactions of the lanes
	CommitEntries int64 // acts in them
	CommitErrors  int64 // transactions whose fate is unknown
	Replayed      int64 // events sent as replay
	Gaps          int64 // announced
	Purged        int64 // events removed
	Logins        int64 // by password
	LoginFailures int64
	Resumes       int64 // by token
}

type counters struct {
	sessions, posts, duplicates, commits, commitEntries, commitErrors, replayed, gaps, purged, logins, loginFailures, resumes atomic.Int64
}

// Stats reads the counters.
func (s *Service) Stats() Stats {
	s.liveMu.RLock()
	live := len(s.live)
	s.liveMu.RUnlock()
	s.usersMu.Lock()
	online := 0
	for _, u := range s.users {
		if len(u.sessions) > 0 {
			online++
		}
	}
	s.usersMu.Unlock()
	c := &s.stats
	return Stats{
		Sessions: c.sessions.Load(), UsersOnline: int64(online), RoomsLive: int64(live),
		Posts: c.posts.Load(), Duplicates: c.duplicates.Load(), Commits: c.commits.Load(), CommitEntries: c.commitEntries.Load(), CommitErrors: c.commitErrors.Load(),
		Replayed: c.replayed.Load(), Gaps: c.gaps.Load(), Purged: c.purged.Load(), Logins: c.logins.Load(), LoginFailures: c.loginFailures.Load(), Resumes: c.resumes.Load(),
	}
}

type noFanout struct{}

// Publish implements Fanout.
func (noFanout) Publish(api.RoomID, api.Seq, []byte) {}

// Signal implements Fanout.
func (noFanout) Signal(api.RoomID, []byte) {}
