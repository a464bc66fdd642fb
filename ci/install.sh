#!/usr/bin/env bash
# Installs what the other scripts need and is not there yet, into .tools: with "tests" only what the tests
# need (a WebSocket library for the Python examples), with nothing the linters too.
# Go, git, Node 20 and Python 3 are expected.
source "$(dirname "$0")/lib.sh"

for program in go git node python3; do
	command -v "$program" >/dev/null || { echo "ci/install.sh: $program is missing; install it first" >&2; exit 1; }
done

if ! "$tools/venv/bin/python3" -c 'import websockets' 2>/dev/null; then
	say "Python: websockets"
	python3 -m venv --clear "$tools/venv"
	"$tools/venv/bin/python3" -m pip install --quiet --disable-pip-version-check -r ci/requirements.txt
fi
go mod download
[ "${1:-}" != tests ] || exit 0

if ! golangci-lint version 2>/dev/null | grep -qF "version $GOLANGCI_LINT "; then
	say "golangci-lint $GOLANGCI_LINT (takes some minutes)"
	GOBIN=$tools/bin go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$GOLANGCI_LINT"
fi
if ! gofumpt --version 2>/dev/null | grep -qF "v$GOFUMPT "; then
	say "gofumpt $GOFUMPT"
	GOBIN=$tools/bin go install "mvdan.cc/gofumpt@v$GOFUMPT"
fi
