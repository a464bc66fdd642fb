// Command chatctl talks to a chatd server from a terminal or a script.
//
// A file a command, all on sdk/go/chatclient: stdout is data, stderr is talk, and whatever others
// wrote goes through internal/termsafe before a human sees it. root.go says what all commands
// share; exit.go how they end. It imports api, sdk/go/chatclient and internal/termsafe.
//
// Goroutines: main.go's signal watcher lives as long as the process; a command's own end with it.
package main
