// Command chatd is the chat server.
//
// It owns the process: command line, configuration (package config beneath it; viper lives there),
// logs, metrics, signals, the listening socket, TLS and the setup token. run.go wires the floors by
// hand, top to bottom: store, fan-out, chat, rpcserver, HTTP. Nothing imports it, it may import
// everything but the SDK.
//
// Goroutines: run starts one that serves the listener and ends with it; main's signal relay lives as
// long as the process.
package main
