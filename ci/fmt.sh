#!/usr/bin/env bash
# Formats and generates. With --check nothing may be left to do: for CI.
source "$(dirname "$0")/lib.sh"

# Generated files look as their generator writes them.
files() { git ls-files --cached --others --exclude-standard -- '*.go' ':!:*_gen.go' ':!:*_gen_test.go' ':!:**/testdata/**'; }

if [ "${1:-}" != --check ]; then
	go generate ./...
	files | xargs gofumpt -w -modpath github.com/chatd-dev/chatd
	exit 0
fi

unformatted=$(files | xargs gofumpt -l -modpath github.com/chatd-dev/chatd)
if [ -n "$unformatted" ]; then
	printf 'not formatted, run ci/fmt.sh:\n%s\n' "$unformatted" >&2
	exit 1
fi
state() { git status --porcelain; git diff; } # what is being worked on may differ from the last commit; generating must not change it
before=$(state)
go generate ./...
if [ "$before" != "$(state)" ]; then
	echo "generated files differ from what generates them; run ci/fmt.sh and commit:" >&2
	git diff --stat >&2
	exit 1
fi
