#!/usr/bin/env bash
# The figures of bench/README.md, measured on this machine. About 6 minutes; with
# LONG=1 also five minutes of sustained load. Run it on an otherwise idle machine.
set -euo pipefail
cd "$(dirname "$0")/.."
e2e=$(mktemp -d)/e2e
trap 'rm -rf "$(dirname "$e2e")"' EXIT
go build -o "$e2e" ./bench/e2e
say() { printf '\n== %s\n' "$*"; }

say "smpp: codec and sessions over loopback"
go test ./smpp -run '^$' -bench 'SubmitSM|Loopback' -benchtime 2s -benchmem | grep -E '^Benchmark|ns/op'
say "gsm: segmentation"
go test ./gsm -run '^$' -bench . -benchtime 500ms -benchmem | grep '^Benchmark'
say "load: recorder and ledger"
go test ./load/stats -run '^$' -bench 'Record|Ledger' -benchtime 500ms -benchmem | grep '^Benchmark'
say "api: handlers without net/http"
go test ./bulk/api -run '^$' -bench 'Handler|List' -benchtime 500ms -benchmem | grep '^Benchmark'
say "journal: groups with fdatasync on this disk"
go test ./bulk/journal -run '^$' -bench Append -benchtime 500ms -benchmem | grep '^Benchmark'

say "platform end to end (durability fsync, every receipt returned)"
"$e2e" -mode single
"$e2e" -mode bulk
"$e2e" -mode smpp
say "a campaign of 1,000,000 recipients, from its upload to the last receipt"
"$e2e" -mode campaign -messages 1000000
say "the same with 1,000 rules, prices, a prepaid balance and quotas"
"$e2e" -mode single -features
"$e2e" -mode bulk -features
"$e2e" -mode smpp -features
say "receipts of messages that are only in the database, after a restart"
"$e2e" -mode restart
say "webhooks from the outbox to one endpoint"
"$e2e" -mode webhooks
say "the calls that read, with 5 million messages stored, while 5,000 messages/s arrive"
"$e2e" -mode reads -prefill 5000000

say "load tester against wrk, 64 busy users (CPU a request)"
if command -v wrk >/dev/null; then
  ./bench/load-vs-wrk.sh
else
  echo "wrk is not installed: apt-get install wrk"
fi
say "load tester with 5,000 waiting users"
./bench/load-users.sh 5000 20

say "demo"
./bin/protei-bulk demo --html "$(dirname "$e2e")/report.html" | tail -45

if [ -n "${LONG:-}" ]; then
  say "five minutes of bulk requests from an empty store on"
  "$e2e" -mode bulk -duration 300s -report 15s
fi
