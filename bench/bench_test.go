package main

import (
	"slices"
	"testing"
)

func TestBenchmarkTimes(t *testing.T) {
	got := benchmarkTimes([]byte("goos: linux\nBenchmarkRequest/chatd-2   \t  350000\t      3400 ns/op\t   10 B/op\nBenchmarkRequest/stock\t 1 \t 7400.5 ns/op\nPASS\n"))
	if len(got) != 2 || got["Request/chatd"] != 3400 || got["Request/stock"] != 7400.5 {
		t.Error(got)
	}
}

func TestChoose(t *testing.T) {
	all, err := choose(nil)
	if err != nil || len(all) < 10 {
		t.Fatal(len(all), err)
	}
	names := func(s []scenario) (n []string) {
		for i := range s {
			n = append(n, s[i].name)
		}
		return n
	}
	if len(slices.Compact(slices.Sorted(slices.Values(names(all))))) != len(all) {
		t.Error("two scenarios have one name")
	}
	some, err := choose([]string{"idle", "rooms*"})
	if err != nil || !slices.Equal(names(some), []string{"idle", "rooms", "rooms-60k"}) {
		t.Error(names(some), err)
	}
	if _, err := choose([]string{"nothing"}); err == nil {
		t.Error("an unknown name is taken")
	}
}

func TestParse(t *testing.T) {
	o, err := parse([]string{"--full"})
	if err != nil || !o.size.large || o.out == "" {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := parse([]string{"--full", "idle"}); err != nil || o.out != "" {
		t.Errorf("a part of the figures would be published: %+v, %v", o, err)
	}
	if _, err := parse([]string{"--full", "--smoke"}); err == nil {
		t.Error("both are taken")
	}
}
