#!/bin/sh
# The load tester's percentiles against those that the server kept itself: a handler of 20
# ms, 1,000 users, about 3,000 requests a second, in the closed and in the open model. Then
# a server that stands still for 1 s every 5 s: what each model says of it.
#
#   bench/load-accuracy.sh [ROUNDS [SECONDS]]        needs python3
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-3}
seconds=${2:-10}
. bench/lib.sh
build ./bench/truth ./cmd/protei-bulk

# measure NAME ARGUMENTS...: one run, and a line with its error against the truth.
measure() {
	name=$1
	shift
	python3 -c 'import sys,urllib.request; urllib.request.urlopen(sys.argv[1] + "/reset").read()' "$address"
	cpu_of "$tmp/protei-bulk" load --headless -H "$address" -t "${seconds}s" --no-receipts --warmup 0 --only-summary \
		--set smpp_users=0 --set mix=1:0:0:0:0 --json-file "$tmp/run.json" "$@" MessagingUser
	python3 - "$name" "$tmp" "$address" <<'PY'
import json, sys, urllib.request
name, tmp, address = sys.argv[1:]
truth = json.load(urllib.request.urlopen(address + "/truth"))
run = json.load(open(tmp + "/run.json"))["whole"]
ours = run["aggregate"]["response_ms"]["percentiles"]
service = run["aggregate"]["service_ms"]["percentiles"]
keys = ("50", "95", "99")
row = " ".join("p%s %.2f (truth %.2f, %+.2f)" % (k, ours[k + "%"], truth["p" + k], ours[k + "%"] - truth["p" + k]) for k in keys)
print("%-12s %.0f requests/s (server counted %d of %d): %s; service p99 %.2f" % (
    name, run["requests_per_second"], truth["requests"] - 1, run["aggregate"]["requests"], row, service["99%"]))
with open("%s/errors-%s" % (tmp, name), "a") as f:
    f.write(" ".join("%.3f" % (ours[k + "%"] - truth["p" + k]) for k in keys) + "\n")
PY
}

# medians NAME: of the errors of all rounds.
medians() {
	python3 - "$1" "$tmp" <<'PY'
import statistics, sys
name, tmp = sys.argv[1:]
rows = [[float(x) for x in line.split()] for line in open("%s/errors-%s" % (tmp, name))]
print("%-12s error, median of %d: p50 %+.2f p95 %+.2f p99 %+.2f ms" % ((name, len(rows)) + tuple(statistics.median(c) for c in zip(*rows))))
PY
}

serve truth "$tmp/truth"
round=0
while test $round -lt "$rounds"; do
	round=$((round + 1))
	measure closed -u 1000 -r 1000 --set wait=0.2-0.43
	measure open -u 1000 --rate 3000/s
done
medians closed
medians open

serve stalling "$tmp/truth" -stall 1s -every 5s
measure stall-closed -u 50 -r 1000 --set wait=0
measure stall-open -u 4000 --rate 2000/s
