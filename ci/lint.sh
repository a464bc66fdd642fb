#!/usr/bin/env bash
# go vet, golangci-lint (.golangci.yml), and the syntax of the shell scripts.
source "$(dirname "$0")/lib.sh"

for script in ci/*.sh .ci/run; do bash -n "$script"; done
for module in . bench; do
	(cd "$module" && go vet ./... && golangci-lint run ./...)
done
go vet -tags mutants ./...
