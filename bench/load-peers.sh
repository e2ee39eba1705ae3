#!/bin/sh
# CPU for 1,000 HTTP requests of the load tester and of its peers, on the same minimal
# server, 64 busy connections, each generator in turn in every round. Ours renders a new
# message for each request, checks the answer, records it and follows it in the ledger; the
# others send one fixed request, Locust and k6 from their usual scripts.
#
#   bench/load-peers.sh [ROUNDS [SECONDS]]        needs python3
#
# Peers are taken from PATH and bin/peers. What is missing is named and left out:
#   apt-get install wrk python3-locust
#   GOBIN=$PWD/bin/peers go install github.com/rakyll/hey@v0.1.5
#   GOBIN=$PWD/bin/peers go install github.com/tsenart/vegeta/v12@v12.13.0
#   GOBIN=$PWD/bin/peers go install fortio.org/fortio@v1.65.0
#   GOBIN=$PWD/bin/peers go install go.k6.io/k6@v1.8.1
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-3}
seconds=${2:-4}
PATH=$PWD/bin/peers:$PATH
. bench/lib.sh
build ./bench/minserver ./cmd/protei-bulk

body='{"from":"LoadTest","to":"966512345678","text":"Protei_Bulk load test, message 123456","client_ref":"abcdef01-0-123456"}'
printf '%s' "$body" >"$tmp/body.json"
cat >"$tmp/post.lua" <<LUA
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-API-Key"] = "dev-api-key"
wrk.body = '$body'
LUA
cat >"$tmp/script.js" <<JS
import http from 'k6/http';
export const options = { discardResponseBodies: true, summaryTrendStats: ['p(99)'] };
const params = { headers: { 'Content-Type': 'application/json', 'X-API-Key': 'dev-api-key' } };
export default function () { http.post(__ENV.URL, '$body', params); }
JS
cat >"$tmp/locustfile.py" <<PY
from locust import FastHttpUser, task
class Sender(FastHttpUser):
    @task
    def send(self):
        self.client.post("/api/v1/messages", data='$body', headers={"Content-Type": "application/json", "X-API-Key": "dev-api-key"})
PY

serve minserver "$tmp/minserver"
url=$address/api/v1/messages
printf 'POST %s\nContent-Type: application/json\nX-API-Key: dev-api-key\n@%s\n' "$url" "$tmp/body.json" >"$tmp/targets"

# shot NAME: runs one generator and prints how many requests it made.
shot() {
	case $1 in
	protei-bulk)
		cpu_of "$tmp/protei-bulk" load --headless -H "$address" -u 64 -r 100000 -t "${seconds}s" --no-receipts --warmup 0 \
			--set smpp_users=0 --set wait=0 --set mix=1:0:0:0:0 --only-summary --json-file "$tmp/run.json" MessagingUser
		json 'd["whole"]["aggregate"]["requests"]'
		;;
	wrk)
		cpu_of wrk -t1 -c64 -d"${seconds}s" -s "$tmp/post.lua" "$url"
		awk '/requests in/ {print $1}' "$tmp/out"
		;;
	hey)
		cpu_of hey -z "${seconds}s" -c 64 -m POST -T application/json -H 'X-API-Key: dev-api-key' -D "$tmp/body.json" "$url"
		awk '/^Status code/ {in_codes=1; next} in_codes && /responses/ {n+=$2} END {print n+0}' "$tmp/out"
		;;
	vegeta)
		cpu_of vegeta attack -targets "$tmp/targets" -rate 0 -workers 64 -max-workers 64 -duration "${seconds}s" -output "$tmp/results"
		cp "$tmp/cpu" "$tmp/cpu-attack" # the report's CPU does not count
		vegeta report -type json "$tmp/results" | python3 -c 'import json,sys; print(json.load(sys.stdin)["requests"])'
		;;
	fortio)
		cpu_of fortio load -quiet -qps 0 -c 64 -t "${seconds}s" -H 'X-API-Key: dev-api-key' -content-type application/json \
			-payload-file "$tmp/body.json" -json "$tmp/fortio.json" "$url"
		python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["DurationHistogram"]["Count"])' "$tmp/fortio.json"
		;;
	k6)
		cpu_of env URL="$url" k6 run --quiet --vus 64 --duration "${seconds}s" --no-usage-report --summary-export "$tmp/k6.json" "$tmp/script.js"
		python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["metrics"]["http_reqs"]["count"])' "$tmp/k6.json"
		;;
	locust)
		cpu_of locust -f "$tmp/locustfile.py" --headless -u 64 -r 1000 -t "${seconds}s" -H "$address" --only-summary --csv "$tmp/locust"
		awk -F, '$2 == "Aggregated" {print $3}' "$tmp/locust_stats.csv"
		;;
	esac
}

peers=
for peer in wrk hey vegeta fortio k6 locust; do
	if command -v $peer >/dev/null; then peers="$peers $peer"; else echo "$peer is not installed: left out"; fi
done

round=0
while test $round -lt "$rounds"; do
	round=$((round + 1))
	for name in protei-bulk $peers; do
		n=$(shot "$name")
		awk -v name="$name" -v n="${n:-0}" -v s="$seconds" -v file="$tmp/cpu-of-$name" '{
			if (n < 1) { printf "%-12s failed\n", name; exit }
			ms = ($1 + $2) * 1e6 / n
			printf "round '$round'  %-12s %9.0f requests/s  %7.2f ms of CPU for 1,000 requests  %6.0f MB\n", name, n / s, ms, $3 / 1e3
			print ms >> file }' "$tmp/cpu"
	done
done

# Paired: each round's ratio, then the median of those.
for peer in $peers; do
	test -s "$tmp/cpu-of-$peer" || continue
	paste "$tmp/cpu-of-protei-bulk" "$tmp/cpu-of-$peer" | python3 -c '
import statistics, sys
rows = [tuple(map(float, l.split())) for l in sys.stdin if len(l.split()) == 2]
print("%-8s median %7.2f ms of CPU for 1,000 requests; protei-bulk / %s = %.2f (%d rounds)" % (
    sys.argv[1], statistics.median(b for _, b in rows), sys.argv[1], statistics.median(a / b for a, b in rows), len(rows)))' "$peer"
done
