#!/usr/bin/env bash
# Runs every fuzz target: ci/fuzz.sh [20000x] so many times under Go's engine, which is guided by coverage, and twenty
# times as often on mutations in the test's own process, which is fast (internal/fuzzing). ci/fuzz.sh --long [100000000]
# divides that many executions over the targets. Seeds are printed; SEED=n sets them. What fails stays under testdata/fuzz
# of the package. The last lines are one for each target and "N executions over M targets, K failures".
source "$(dirname "$0")/lib.sh"

# Package, target, thousandths of a long run, and percent of a short run: those that take more than 20 µs each get less.
# What strangers reach gets most.
targets='
rpcserver            FuzzCodec         220 100
rpcserver            FuzzStream         10  10
api                  FuzzDispatch      220 100
api                  FuzzEvent         100 100
api                  FuzzAppendJSON     80 100
api                  FuzzStrings        50 100
chat                 FuzzMethods        80  25
chat/search          FuzzQuery          40 100
chat                 FuzzHistory        60  25
cmd/chatd/config     FuzzConfig         20  15
sdk/go/chatclient    FuzzParseMessage   60 100
sdk/go/chatclient    FuzzHostileServer  20  15
internal/termsafe    FuzzText           30 100
internal/termsafe    FuzzAppendJSON     10 100
'
listed=$(awk 'NF { print $1, $2 }' <<<"$targets" | sort)
present=$(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z]+' . | sed -E 's|^\./(.*)/[^/]*:func |\1 |' | sort)
if [ "$listed" != "$present" ]; then
	diff <(echo "$listed") <(echo "$present") >&2 || true
	say "ci/fuzz.sh does not list the targets that there are"
	exit 1
fi

case ${1:-20000x} in
--long) total=${2:-100000000} guided=0 ;;
*x) total=0 guided=${1:-20000x} guided=${guided%x} ;;
*) say "want a count such as 20000x, or --long [TOTAL]" && exit 2 ;;
esac
seed=${SEED:-$RANDOM}
shards=$(nproc)
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
module=$(go list -m) cache=$(go env GOCACHE)/fuzz
all=0 failures=0 count=0

# engine PACKAGE TARGET N: N executions under go test -fuzz; sets ran and bad.
engine() {
	bad=0
	go test -run '^$' -fuzz "^$2\$" -fuzztime "$3x" -fuzzminimizetime 1x "./$1" 2>&1 | tee "$work/engine" || bad=1
	ran=$(grep -Eo 'execs: [0-9]+' "$work/engine" | tail -n 1 | grep -Eo '[0-9]+' || echo 0)
}

# process PACKAGE TARGET N: N executions in a process for each processor; sets ran and bad.
process() {
	local i pids=()
	bad=0 ran=0
	go test -c -o "$work/test" "./$1"
	for ((i = 0; i < shards; i++)); do
		(cd "$1" && exec "$work/test" -test.run "^$2\$" -test.timeout 0 -executions $(($3 / shards)) -fuzzseed $((seed + i)) -fuzzcorpus "$cache/$module/$1/$2") >"$work/shard$i" 2>&1 &
		pids+=($!)
	done
	tail -q -n +1 -F "$work"/shard* 2>/dev/null --pid "${pids[0]}" | grep --line-buffered -E ': [0-9]+ of [0-9]+, ' &
	local watch=$!
	for i in "${!pids[@]}"; do
		if ! wait "${pids[i]}"; then
			bad=1
			cat "$work/shard$i"
		fi
	done
	wait "$watch" || true
	ran=$(sed -nE 's/^[A-Za-z]+: ([0-9]+) executions in process.*/\1/p; s/^[A-Za-z]+: execution ([0-9]+) of seed.*/\1/p' "$work"/shard* | awk '{ n += $1 } END { print n + 0 }')
	rm -f "$work"/shard* "$work/test"
}

while read -r pkg target long short; do
	[ -n "$pkg" ] || continue
	start=$SECONDS failed=0
	if [ "$total" -gt 0 ]; then
		n=$((total / 1000 * long)) by_engine=$((n / 20 < 200000 ? n / 20 : 200000))
		n=$((n - by_engine))
	else
		by_engine=$((guided * short / 100)) n=$((guided * short / 100 * 20))
	fi
	say "$target in $pkg: $by_engine guided by coverage, then $n in process from seed $seed"
	engine "$pkg" "$target" "$by_engine"
	failed=$((failed + bad)) sum=$ran
	process "$pkg" "$target" "$n"
	failed=$((failed + bad))
	printf '%-18s %-18s %10d executions, %8d of them guided by coverage, %d failures, %4d s\n' "$pkg" "$target" $((sum + ran)) "$sum" "$failed" $((SECONDS - start)) | tee -a "$work/table"
	all=$((all + sum + ran)) failures=$((failures + failed)) count=$((count + 1))
done <<<"$targets"

say "seeds $seed to $((seed + shards - 1))"
cat "$work/table"
printf '%d executions over %d targets, %d failures\n' "$all" "$count" "$failures"
[ "$failures" -eq 0 ]
