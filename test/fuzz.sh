#!/usr/bin/env bash
# Fuzz every fuzz target of the module for the time given (default 2s each).
# A failure leaves its input under testdata/fuzz, where the next `go test` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
each=${1:-2s} count=0 begin=$SECONDS built=''
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
while read -r dir target; do
  echo "fuzz $dir/$target for $each"
  if [ "$built" != "$dir" ]; then
    go test -c -fuzz . -o "$work/test" "./$dir"
    built=$dir
  fi
  # Each new input is made smaller with at most 100 tries: the 60 s that are usual would take all the time.
  (cd "$dir" && "$work/test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$each" -test.fuzzminimizetime 100x -test.parallel 2 \
    -test.fuzzcachedir "$(go env GOCACHE)/fuzz/protei-bulk/$dir") >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  count=$((count + 1))
done < <(git ls-files '*_test.go' | xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' | sed -E 's,/[^/:]*:func , ,' | sort)
[ "$count" -gt 0 ] || { echo "no fuzz target found"; exit 1; }
echo "$count targets fuzzed in $((SECONDS - begin)) s, nothing found"
