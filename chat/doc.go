// Package chat is the domain: accounts, sessions, rooms, members, messages, the timeline of each
// room, presence, typing. It speaks the types of package api and knows no SQL and no socket; Store, Port
// and Fanout are what it needs from the floors above that implement them.
//
// A Service holds what all callers share; a Session is one caller's view of it and implements
// api.Server, so who acts is the receiver.
//
// The life of a post: Session.MessagePost checks and builds an Entry; the room's lane commits it
// together with everything else that waits (the store numbers it, one sync for all) and answers;
// the lane's applier publishes the records in log order to the Fanout. Store first, publish second.
//
// Following: a session attaches to the room's live state, then reads the head, then replays from
// the store until it has reached what was applied, and goes live under the room's lock: nothing
// falls between, and nothing comes twice.
//
// Goroutines: each lane has a committer and an applier, ended by Service.Close; the service has a
// tender for presence, profiles and expiry and a worker for jobs, ended likewise; a session has at most one replayer at a time,
// which Session.Close waits for.
package chat
