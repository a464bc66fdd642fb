#!/usr/bin/env bash
# Benchmarks of all packages or of those named. Arguments go to go test: ci/bench.sh -bench Fanout ./rpcserver
# Compare two outputs with benchstat; docs/PERFORMANCE.md has the figures that count.
source "$(dirname "$0")/lib.sh"

args=("$@")
case " $* " in *" -bench"*) ;; *) args=(-bench . "${args[@]}") ;; esac
case " $* " in *" ."*) ;; *) args+=(./...) ;; esac
go test -run '^$' -benchmem "${args[@]}"
