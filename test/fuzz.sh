#!/usr/bin/env bash
# Fuzz every fuzz target of the module for the time given (default 5s each).
# A failure leaves its input under testdata/fuzz, where the next `go test` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
each=${1:-5s}
count=0
while IFS=: read -r file target; do
  dir=./$(dirname "$file")
  echo "fuzz $dir $target for $each"
  go test "$dir" -run '^$' -fuzz "^${target}\$" -fuzztime "$each" -parallel 2 >/tmp/fuzz.$$ 2>&1 ||
    { cat /tmp/fuzz.$$; rm -f /tmp/fuzz.$$; exit 1; }
  count=$((count + 1))
done < <(git ls-files '*_test.go' | xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' | sed 's/func //')
rm -f /tmp/fuzz.$$
[ "$count" -gt 0 ] || { echo "no fuzz target found"; exit 1; }
echo "$count targets fuzzed, nothing found"
