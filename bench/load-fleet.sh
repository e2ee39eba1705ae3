#!/bin/sh
# Two workers on this machine against one process at the same load, in turn: requests a second, p50, p95 and p99 of
# 1,000 users (about 3,000 requests a second) and of a rate of 2,000 a second. A server that answers after 20 ms. Wants a
# machine that has nothing else to do; the two should be within 5 %.
#
#   bench/load-fleet.sh [ROUNDS [SECONDS]]        needs python3
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-3}
seconds=${2:-20}
. bench/lib.sh
build ./bench/truth ./cmd/protei-bulk
serve truth "$tmp/truth"

# measure NAME ARGUMENTS...: one run, its figures as a line of $tmp/NAME.
measure() {
	name=$1
	shift
	"$tmp/protei-bulk" load --headless -H "$address" -t "${seconds}s" --no-receipts --warmup 3 --only-summary \
		--set smpp_users=0 --set mix=1:0:0:0:0 --json-file "$tmp/run.json" "$@" MessagingUser >"$tmp/out" 2>&1 || true
	python3 - "$tmp/run.json" >>"$tmp/$name" <<'PY'
import json, sys
w = json.load(open(sys.argv[1]))["measured"]
p = w["aggregate"]["response_ms"]["percentiles"]
print(w["requests_per_second"], p["50%"], p["95%"], p["99%"])
PY
	echo "$name: $(tail -n 1 "$tmp/$name")"
}

i=0
while [ "$i" -lt "$rounds" ]; do
	measure closed-one -u 1000 -r 1000
	measure closed-two -u 1000 -r 1000 --processes 2
	measure open-one --rate 2000/s
	measure open-two --rate 2000/s --processes 2
	i=$((i + 1))
done
python3 - "$tmp" <<'PY'
import statistics, sys
def median(name):
    rows = [list(map(float, line.split())) for line in open(sys.argv[1] + "/" + name)]
    return [statistics.median(column) for column in zip(*rows)]
for model in ("closed", "open"):
    one, two = median(model + "-one"), median(model + "-two")
    print(model + ", two workers against one process:", ", ".join(
        "%s %.2f / %.2f (%+.1f %%)" % (what, b, a, 100 * (b / a - 1)) for what, a, b in zip(("requests/s", "p50", "p95", "p99"), one, two)))
PY
