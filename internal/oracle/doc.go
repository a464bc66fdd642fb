// Package oracle judges a server by what its clients saw: writers say what they send and what was
// acknowledged, followers what came, and afterwards a room's log is held against all of it.
//
//	o := oracle.New()
//	send := o.Sent("lobby", "ada", key, text)  // before the first attempt
//	send.Acked(result)                         // each acknowledgement, also of a retry
//	report, err := o.CheckRoom(ctx, client, "lobby")
//
// The rules, by the names that a violation has:
//
//	lost       what was acknowledged is in the log, with the seq, number, time and text of the answer
//	doubled    no key and no post is in the log twice
//	hole       seq and msg_no are dense, from 1 or from where the server says that a purged log begins
//	foreign    nothing is in the log that nobody sent
//	refused    what was refused for good is not in the log
//	retry      all answers to one post agree, and at most one says that it was the first
//	real-time  what was acknowledged before another was sent stands before it
//	fifo       what one pipeline posted stands in its order
//	stream     a follower's stream is a slice of the log: the same bytes, each once, in order
//	state      members and head, folded from the events, are what the server tells
//
// A post that nobody heard the end of may be in the log once, or not. Of what was purged nothing is judged but that it is gone.
//
// A check reads the log once and keeps 28 bytes an event, and a post costs 56 bytes: ten million
// operations fit into one process. It starts no goroutines; api is all that it imports of ours.
package oracle
