package main

import (
	"net"
	"strings"
)

// notifySystemd tells the service manager how the service is doing (sd_notify(3)): READY=1 or
// STOPPING=1. Without a manager that asks for it nothing is done.
func notifySystemd(environ []string, state string) error {
	path := ""
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, "NOTIFY_SOCKET="); ok {
			path = value
		}
	}
	if path == "" {
		return nil
	}
	// A leading @ names an abstract socket; package net knows that form.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(state))
	return err
}
