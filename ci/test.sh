#!/usr/bin/env bash
# Installs what the tests need and runs all of them. Arguments go to go test: ci/test.sh -race ./chat/...
# The last line is "N passed, N failed".
source "$(dirname "$0")/lib.sh"

ci/install.sh tests
args=("$@")
case " $* " in *" ."*) ;; *) args+=(./...) ;; esac
# SQLite is C translated to Go, which guards its memory itself: watched by the race detector too, it is eight times slower.
case " $* " in *" -race "*) args=("-gcflags=modernc.org/...=-race=false" "${args[@]}") ;; esac
{
	go test -json -count=1 -timeout "${TEST_TIMEOUT:-20m}" "${args[@]}" || true # report.py counts what failed
	[ $# -gt 0 ] || (cd bench && go test -json -count=1 ./...) # a module of its own
} | python3 ci/report.py
