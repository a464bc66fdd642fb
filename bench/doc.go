// Bench measures a whole chatd from outside, over loopback, beside two baselines in the same run.
//
//	bench [--full | --smoke] [NAME…]   measures; --list names the scenarios
//	bench load | floor | hub           its own processes: the load, and the baselines
//
// It builds and starts the real chatd, each time on a data directory of its own, and makes the load from
// another process. A scenario repeats its measurements in turn, chatd, floor, hub, chatd, …, so that what else
// the machine does meets all of them; medians are compared. Processes are not pinned to processors: with
// two of them that would decide how the server's threads and the load share them, and the floor, which is one
// thread, would be flattered.
//
// The module is its own because the hub needs a library that chatd does not.
package main
