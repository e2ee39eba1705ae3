#!/usr/bin/env bash
# Fuzz targets with many cases each, and write how many each really had into docs/fuzzing.md.
#   test/fuzz-deep.sh [package/FuzzTarget...]   all targets without arguments
# FUZZ_CASES    cases of each target (10000000)
# FUZZ_SECONDS  a target ends after so long even with fewer cases (no bound)
# FUZZ_PARALLEL workers of a target (1)
# FUZZ_TABLE    the file with the table (docs/fuzzing.md)
# A failure leaves its input under testdata/fuzz, where the next `go test` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
cases=${FUZZ_CASES:-10000000} seconds=${FUZZ_SECONDS:-0} parallel=${FUZZ_PARALLEL:-1} table=${FUZZ_TABLE:-docs/fuzzing.md}
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT

targets() { # package/FuzzTarget, one a line
  git ls-files '*_test.go' | xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' | sed -E 's,/[^/:]*:func ,/,' | sort
}

# record name cases inputs seconds: replaces the row of a target between the marks of the table, in order.
record() {
  local row="| \`$1\` | $(sed -E ':a; s/([0-9])([0-9]{3})($|,)/\1,\2\3/; ta' <<<"$2") | $3 | $4 | $(git rev-parse --short HEAD) | $(date +%F) |"
  awk -v row="$row" -v key="| \`$1\` |" '
    /^<!-- cases -->$/ { print; inside = 1; n = 0; next }
    /^<!-- end -->$/ { rows[n++] = row; for (i = 1; i < n; i++) for (j = i; j > 0 && rows[j-1] > rows[j]; j--) { t = rows[j]; rows[j] = rows[j-1]; rows[j-1] = t }
      for (i = 0; i < n; i++) print rows[i]; inside = 0 }
    inside && index($0, "| `") == 1 { if (index($0, key) != 1) rows[n++] = $0; next }
    { print }' "$table" >"$built/table" && cat "$built/table" >"$table"
}

known=$(targets)
failed=0
for name in "${@:-$known}"; do for name in $name; do
  grep -qxF "$name" <<<"$known" || { echo "no fuzz target $name; they are: $known"; exit 2; }
  dir=${name%/*} target=${name##*/}
  binary=$built/${dir//\//_}.test
  [ -x "$binary" ] || go test -c -gcflags="$(go list -m)/...=-d=libfuzzer" -o "$binary" "./$dir"
  log=$built/log begin=$SECONDS
  echo "fuzz $name: $cases cases"
  # SIGINT ends a target as the end of its cases does. Each new input is made smaller with at most 100 tries: the 60 s that
  # are usual would take nearly all the time.
  (cd "$dir" && timeout --foreground --preserve-status -s INT "$seconds" "$binary" -test.run '^$' -test.fuzz "^$target\$" \
    -test.fuzztime "${cases}x" -test.fuzzminimizetime 100x -test.parallel "$parallel" -test.fuzzcachedir "$(go env GOCACHE)/fuzz/protei-bulk/$dir") >"$log" 2>&1 || { cat "$log"; failed=1; }
  done_=$(grep -oE 'execs: [0-9]+' "$log" | tail -1 | tr -dc 0-9 || true)
  new=$(grep -oE 'new interesting: [0-9]+' "$log" | tail -1 | tr -dc 0-9 || true)
  echo "fuzz $name: ${done_:-0} cases, ${new:-0} new inputs in $((SECONDS - begin)) s"
  [ -z "$done_" ] || record "$name" "$done_" "${new:-0}" "$((SECONDS - begin))"
done; done
[ "$failed" = 0 ] || { echo "a target failed: see above"; exit 1; }
