package mutant

// Name is a bug's name, as MUTANT has it.
type Name string

// The bugs. Each comment says which promise of docs/PROMISES.md the bug breaks.
const (
	// AckBeforeCommit answers a post when it has its number, before it is on disk (P1).
	AckBeforeCommit Name = "ack-before-commit"
	// SynchronousNormal commits without waiting for the disk (P1).
	SynchronousNormal Name = "synchronous-normal"
	// IgnoredSyncError takes a transaction that could not be committed for one that was (P1, P2).
	IgnoredSyncError Name = "ignored-sync-error"
	// SurvivedSyncError goes on writing after a failed sync (P12).
	SurvivedSyncError Name = "survived-sync-error"
	// NoUniqueKey forgets idempotency keys (P3).
	NoUniqueKey Name = "no-unique-key"
	// KeyForAnyBody answers a second body under a key as if it were the first (P3).
	KeyForAnyBody Name = "key-for-any-body"
	// LaneReorders commits what waits in the wrong order (P4).
	LaneReorders Name = "lane-reorders"
	// PublishBeforeCommit shows events to followers before they are on disk (P5).
	PublishBeforeCommit Name = "publish-before-commit"
	// ReplayLiveRace ends a replay at the head that it began with, whatever was published since (P5, P6).
	ReplayLiveRace Name = "replay-live-race"
	// ResumeOffByOne resumes one event too late (P6).
	ResumeOffByOne Name = "resume-off-by-one"
	// QueueDropped drops what a slow reader's queue has no room for, and goes on (P5, P7).
	QueueDropped Name = "queue-dropped"
	// UnboundedBacklog queues whatever a slow reader does not take (P7, P8).
	UnboundedBacklog Name = "unbounded-backlog"
	// UnboundedMessage reads a message of any size before anybody has signed in (P8).
	UnboundedMessage Name = "unbounded-message"
	// RateLimiterOff takes requests as fast as they come (P8).
	RateLimiterOff Name = "rate-limiter-off"
	// DrainSilent goes down without telling anybody (P9).
	DrainSilent Name = "drain-silent"
	// OrderByClock believes a clock that was set back: logins end, limits bite (P11).
	OrderByClock Name = "order-by-clock"
)

// All is every one of them.
var All = []Name{
	AckBeforeCommit, SynchronousNormal, IgnoredSyncError, SurvivedSyncError, NoUniqueKey, KeyForAnyBody, LaneReorders, PublishBeforeCommit,
	ReplayLiveRace, ResumeOffByOne, QueueDropped, UnboundedBacklog, UnboundedMessage, RateLimiterOff, DrainSilent, OrderByClock,
}
