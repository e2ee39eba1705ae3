#!/bin/sh
# 10,000 users of the built-in scenario, each with a connection and a wait of 0.1 to 0.5 s,
# on one core, against the minimal server on the other: requests a second, lateness, and
# memory for 1,000 users.
#
#   bench/load-users.sh [USERS [SECONDS]]        needs python3
set -eu
cd "$(dirname "$0")/.."
users=${1:-10000}
seconds=${2:-20}
. bench/lib.sh
build ./bench/minserver ./cmd/protei-bulk
serve minserver "$tmp/minserver"

cpu_of env GOMAXPROCS=1 "$tmp/protei-bulk" load --headless -H "$address" -u "$users" -r $((users / 3)) -t "${seconds}s" \
	--no-receipts --warmup 3 --only-summary --set smpp_users=0 --set mix=1:0:0:0:0 --json-file "$tmp/run.json" MessagingUser
json '"%d users, %.0f requests/s of %.0f offered, p50 %.1f p99 %.1f ms, lateness p95 %.1f ms, %d of %d seconds late" % (
	d["measured"]["peak_users"], d["measured"]["requests_per_second"], '"$users"' / 0.3, d["measured"]["aggregate"]["response_ms"]["percentiles"]["50%"],
	d["measured"]["aggregate"]["response_ms"]["percentiles"]["99%"], d["measured"]["lateness_p95_ms"], d["measured"]["late_seconds"], d["measured"]["seconds_with_iterations"])'
awk -v n="$(json 'd["whole"]["aggregate"]["requests"]')" -v users="$users" '{
	printf "%.1f us of CPU a request; %.0f MB, %.1f MB for 1,000 users\n", ($1+$2)*1e6/n, $3/1e3, $3/users }' "$tmp/cpu"
