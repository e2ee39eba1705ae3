#!/bin/sh
# CPU of the load tester per 1,000 HTTP requests against that of wrk, on the same minimal
# server, 64 busy connections, rounds interleaved. Ours renders a fresh message for each
# request, follows it in the ledger and records it; wrk sends one fixed request.
#
#   bench/load-vs-wrk.sh [ROUNDS [SECONDS]]        needs wrk and a POSIX shell with bash's time
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-3}
seconds=${2:-5}
command -v wrk >/dev/null || { echo "wrk is not installed (apt-get install wrk)" >&2; exit 2; }

tmp=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server"; rm -rf "$tmp"' EXIT INT TERM
go build -o "$tmp/minserver" ./bench/minserver
go build -o "$tmp/protei-bulk" ./cmd/protei-bulk
"$tmp/minserver" >"$tmp/url" &
server=$!
while ! test -s "$tmp/url"; do sleep 0.1; done
url=$(cat "$tmp/url")

cat >"$tmp/post.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-API-Key"] = "dev-api-key"
wrk.body = '{"from":"LoadTest","to":"966512345678","text":"Protei_Bulk load test, message 123456","client_ref":"abcdef01-0-123456"}'
LUA

# cpu_of COMMAND...: runs it, its output in $tmp/out, and leaves user and system seconds in $tmp/cpu.
cpu_of() { bash -c 'TIMEFORMAT="%U %S"; time "$@" >"$0/out" 2>&1' "$tmp" "$@" 2>"$tmp/cpu"; }

# line NAME REQUESTS: prints and keeps the microseconds of CPU a request.
line() {
	awk -v name="$1" -v n="$2" -v s="$seconds" '{ us = ($1+$2)*1e6/n; printf "%-12s %9.0f requests/s  %6.2f us of CPU a request\n", name, n/s, us; print us >> "'"$tmp/us-$1"'" }' "$tmp/cpu"
}

round=0
while test $round -lt "$rounds"; do
	round=$((round + 1))
	cpu_of wrk -t1 -c64 -d"${seconds}s" -s "$tmp/post.lua" "$url/api/v1/messages"
	line wrk "$(awk '/requests in/ {print $1}' "$tmp/out")"
	cpu_of "$tmp/protei-bulk" load --headless -H "$url" -u 64 -r 100000 -t "${seconds}s" --no-receipts \
		--set wait=0 --set mix=1:0:0:0:0 --only-summary --json-file "$tmp/run.json" MessagingUser
	line protei-bulk "$(awk '/Total Requests:/ {gsub(",",""); print $3}' "$tmp/out")"
done
paste "$tmp/us-protei-bulk" "$tmp/us-wrk" | awk '{print $1/$2}' | sort -n |
	awk '{r[NR]=$1} END {printf "ratio protei-bulk / wrk, median of %d rounds: %.2f (target 1.8)\n", NR, (r[int((NR+1)/2)]+r[int(NR/2)+1])/2}'
