package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatd-dev/chatd/api"
)

func TestEventLogFindsItsEnd(t *testing.T) {
	record := func(seq, size string) string {
		return `{"room_id":"room_01kb1z3c8efyvs6tjv5vz0q7xr","seq":` + seq + `,"type":"message.posted","at":"2026-11-22T09:30:01.000Z","data":{"text":"` + size + `"}}`
	}
	long := strings.Repeat("x", 300<<10)
	for _, tc := range []struct {
		name, text, kept string
		last             api.Seq
	}{
		{"new", "", "", 0},
		{"one", record("1", "") + "\n", record("1", "") + "\n", 1},
		{"two, the second torn", record("1", "") + "\n" + record("2", "")[:40], record("1", "") + "\n", 1},
		{"torn just before its newline", record("1", "") + "\n" + record("2", ""), record("1", "") + "\n", 1},
		{"nothing but a torn one", record("1", "")[:40], "", 0},
		{"long records", record("1", long) + "\n" + record("2", long) + "\n", record("1", long) + "\n" + record("2", long) + "\n", 2},
		{"a long torn one", record("1", "") + "\n" + record("2", long)[:200<<10], record("1", "") + "\n", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			l, err := openEventLog(path)
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			var last api.Seq
			if l.last != nil {
				last = l.last.Seq
			}
			if err := l.append(&api.Event{Raw: []byte("next")}); err != nil {
				t.Fatal(err)
			}
			if err := l.flush(); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil || string(got) != tc.kept+"next\n" || last != tc.last {
				t.Errorf("after %d: %.200q, %v", last, got, err)
			}
		})
	}
}

func TestEventLogLeavesOtherFilesAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "diary")
	const text = "dear diary\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openEventLog(path); err == nil {
		t.Error("opened")
	}
	if got, _ := os.ReadFile(path); string(got) != text {
		t.Errorf("changed to %q", got)
	}
}
