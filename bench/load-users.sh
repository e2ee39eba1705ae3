#!/bin/sh
# 5,000 users of the built-in scenario, each with a connection and a wait of 0.1 to 0.5 s,
# against the minimal server: requests a second, lateness and memory of the generator.
#
#   bench/load-users.sh [USERS [SECONDS]]
set -eu
cd "$(dirname "$0")/.."
users=${1:-5000}
seconds=${2:-20}

tmp=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server"; rm -rf "$tmp"' EXIT INT TERM
go build -o "$tmp/minserver" ./bench/minserver
go build -o "$tmp/protei-bulk" ./cmd/protei-bulk
"$tmp/minserver" >"$tmp/url" &
server=$!
while ! test -s "$tmp/url"; do sleep 0.1; done

bash -c 'TIMEFORMAT="%U %S"; time "$@" >"$0/out" 2>&1' "$tmp" \
	"$tmp/protei-bulk" load --headless -H "$(cat "$tmp/url")" -u "$users" -r $((users / 3)) -t "${seconds}s" --no-receipts \
	--warmup 2 --only-summary --html "$tmp/report.html" MessagingUser 2>"$tmp/cpu"
grep -E 'TPS|P95|P99|late' "$tmp/out"
grep -o 'Peak memory.*[0-9] MB' "$tmp/report.html" | sed 's/<[^>]*>/ /g'
awk '/Total Requests:/ {gsub(",",""); n=$3} END {print n}' "$tmp/out" >"$tmp/n"
awk -v n="$(cat "$tmp/n")" '{printf "%.1f us of CPU a request\n", ($1+$2)*1e6/n}' "$tmp/cpu"
