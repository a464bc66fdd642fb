# Sourced by the scripts beside it: where the tools are, and their versions.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

GOLANGCI_LINT=2.15.0
GOFUMPT=0.12.0

tools=$PWD/.tools # git-ignored
PATH=$tools/bin:$(go env GOPATH)/bin:$PATH
export PATH

say() { printf '\n== %s\n' "$*" >&2; }
