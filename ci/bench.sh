#!/usr/bin/env bash
# Measures a whole chatd from outside, beside a floor and a hub (bench/doc.go says what they are):
#   ci/bench.sh [NAME…]         some minutes; prints a table and writes nothing; --list names the scenarios
#   ci/bench.sh --full          all at length, about an hour; writes docs/performance.json and docs/performance.svg
#   ci/bench.sh --smoke         only sees that every scenario works: for CI
#   ci/bench.sh go [ARG…]       the Go benchmarks of the packages; arguments go to go test: go -bench Fanout ./rpcserver
#   ci/bench.sh ./PACKAGE…      the same of these packages
# Figures count only on a machine that does nothing else. docs/PERFORMANCE.md has those that were found.
source "$(dirname "$0")/lib.sh"

if [[ "${1:-}" == go || "${1:-}" == ./* ]]; then
	[ "$1" != go ] || shift
	args=("$@")
	case " $* " in *" -bench"*) ;; *) args=(-bench . "${args[@]}") ;; esac
	case " $* " in *" ."*) ;; *) args+=(./...) ;; esac
	exec go test -run '^$' -benchmem "${args[@]}"
fi

mkdir -p "$tools/bin"
(cd bench && go build -o "$tools/bin/bench" .)
cd bench
exec "$tools/bin/bench" "$@"
