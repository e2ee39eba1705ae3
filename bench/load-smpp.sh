#!/bin/sh
# submit_sm a second of the SMPPUsers on one core against a minimal SMSC on the other: first
# without receipts, then with a receipt for each message, followed in the ledger. The SMSC
# counts too: its figure, less the canary, and the ledger's must be the same.
#
#   bench/load-smpp.sh [BINDS [SECONDS [WINDOW]]]        needs python3
set -eu
cd "$(dirname "$0")/.."
binds=${1:-4}
seconds=${2:-8}
window=${3:-500}
. bench/lib.sh
build ./bench/minsmsc ./cmd/protei-bulk

for receipts in off on; do
	if test $receipts = on; then smsc=-receipts load=; else smsc=-receipts=false load=--no-receipts; fi
	serve "smsc-$receipts" "$tmp/minsmsc" $smsc
	# shellcheck disable=SC2086
	cpu_of env GOMAXPROCS=1 "$tmp/protei-bulk" load --headless -H http://127.0.0.1:1 --api-key x --smpp "a:b@$address" \
		-u "$binds" -r 1000 -t "${seconds}s" --warmup 1 $load --set smpp_rate=1e9 --set "smpp_window=$window" \
		--only-summary --json-file "$tmp/run.json" SMPPUser
	kill "${servers##* }"
	wait "${servers##* }" || true
	json '"receipts '$receipts': %.0f submit_sm/s, service time p50 %.2f p99 %.2f ms; sent %d, counted by the SMSC %d, delivered %d" % (
		d["measured"]["requests_per_second"], d["measured"]["aggregate"]["service_ms"]["percentiles"]["50%"],
		d["measured"]["aggregate"]["service_ms"]["percentiles"]["99%"], d["ledger"]["issued"],
		'"$(awk '/submit_sm/ {print $1 - 1}' "$tmp/smsc-$receipts.addr")"', d["ledger"]["delivered"])'
	awk -v n="$(json 'd["ledger"]["issued"]')" '{printf "  %.2f us of CPU a submit_sm; %.0f MB\n", ($1+$2)*1e6/n, $3/1e3}' "$tmp/cpu"
done
