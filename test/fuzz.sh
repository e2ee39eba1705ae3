#!/usr/bin/env bash
# Fuzz every fuzz target of the module for the time given (default 2s each), as many packages at once as there are cores.
# A failure leaves its input under testdata/fuzz, where the next `go test` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
begin=$SECONDS each=${1:-2s} work=$(mktemp -d) cache=$(go env GOCACHE)/fuzz/protei-bulk
trap 'rm -rf "$work"' EXIT
export each work cache

# package PACKAGE TARGET...: one target after the other, on one worker. xargs starts nothing more after a 255.
package() {
  local dir=$1 binary=$work/${1//\//_} target cases
  shift
  go test -c -gcflags="$(go list -m)/...=-d=libfuzzer" -o "$binary" "./$dir" || exit 255
  cd "$dir"
  for target; do
    # Each new input is made smaller with at most 100 tries: the 60 s that are usual would take all the time.
    "$binary" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$each" -test.fuzzminimizetime 100x -test.parallel 1 \
      -test.fuzzcachedir "$cache/$dir" >"$binary.log" 2>&1 || over "$binary.log" || { echo "fuzz $dir/$target"; cat "$binary.log"; exit 255; }
    cases=$(grep -oE 'execs: [0-9]+' "$binary.log" | tail -1 | tr -dc 0-9 || true) # none: the time went into its seeds
    echo "fuzz $dir/$target for $each: ${cases:-0} cases" | tee -a "$work/done"
  done
}

# over LOG: nothing failed but the time was over, which Go before 1.27 may call a failure: go.dev/issue/75804.
over() { grep -qx '    context deadline exceeded' "$1" && ! grep -qiE 'failing input|seed corpus|panic' "$1"; }
export -f package over

git ls-files '*_test.go' | xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' | sed -E 's,/[^/:]*:func , ,' | sort |
  awk '{ of[$1] = of[$1] " " $2 } END { for (dir in of) print dir of[dir] }' | sort |
  xargs -L 1 -P "$(nproc)" bash -c 'set -euo pipefail; package "$@"' fuzz
[ -s "$work/done" ] || { echo "no fuzz target found"; exit 1; }
late=$(grep -c ': 0 cases$' "$work/done" || true)
echo "$(wc -l <"$work/done") targets fuzzed in $((SECONDS - begin)) s ($late of them had no time for more than their seeds), nothing found"
