#!/usr/bin/env bash
# Runs the proofs of docs/PROMISES.md, those that measure first, one at a time, and says how far they are:
#   ci/torture.sh [--long] [--seed N] [--rounds N] [NAME…]
# NAME is a part of a test's name: ci/torture.sh --long kill drain. Without --long it takes minutes, with it hours.
# What has to be root is skipped elsewhere. The last lines are each proof's figures and a total.
source "$(dirname "$0")/lib.sh"

args=() names=() packages=()
while [ $# -gt 0 ]; do
	case $1 in
	--long) args+=(-long) ;;
	--seed) args+=(-seed "$2"); shift ;;
	--rounds) args+=(-rounds "$2"); packages=(./torture); shift ;;
	-*) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	*) names+=("$1") ;;
	esac
	shift
done
# Every package with a long form; that of the binary comes before the simulation, which measures nothing.
[ ${#packages[@]} -gt 0 ] || mapfile -t packages < <(git grep -l --untracked 'flag.Bool("long"' -- '*_test.go' | xargs -n1 dirname | sort -ru | sed 's,^,./,')
run=()
if [ ${#names[@]} -gt 0 ]; then
	run=(-run "(?i)($(IFS='|'; echo "${names[*]}"))") # the parentheses keep (?i) for all of them
fi
[ "$(id -u)" = 0 ] || say "NOT ROOT: some proofs will be skipped"
say "$(go version), $(nproc) processors, $(uname -sr), $(git log -1 --format='%h of %cs')"
for package in "${packages[@]}"; do
	go test -json -v -count=1 -timeout 0 -parallel "$(($(nproc) + 1))" "${run[@]}" "$package" -args "${args[@]}" || true # torture.py counts what failed
done | python3 ci/torture.py
