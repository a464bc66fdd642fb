#!/usr/bin/env bash
# Runs every fuzz target for a while: ci/fuzz.sh [60000x]. What it finds stays under testdata/fuzz of the package.
source "$(dirname "$0")/lib.sh"

failed=0
for pkg in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
		say "$target in $pkg"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${1:-60000x}" -fuzzminimizetime 1x "$pkg" || failed=1
	done
done
exit $failed
