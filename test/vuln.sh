#!/usr/bin/env bash
# Known vulnerabilities in what the module calls, by govulncheck. The database is vuln.go.dev;
# where that cannot be reached, the same entries as the module golang.org/x/vulndb has them in
# the Go module proxy, which may be some weeks older: its version says when.
#
#   test/vuln.sh [DATABASE]      DATABASE: a URL as govulncheck -db takes it, https or file
#
# Exits 3 when there is a finding, 1 when there is no verdict.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
check=${GOVULNCHECK:-bin/tools/govulncheck}
echo "judged as built with $("$go" env GOVERSION)"
[ $# -eq 0 ] || exec "$check" -db "$1" ./...

rc=0
out=$("$check" ./... 2>&1) || rc=$?
if [ "$rc" -eq 0 ] || [ "$rc" -eq 3 ]; then
	echo "$out"
	exit "$rc"
fi
echo "vuln.go.dev gives no verdict: $(tail -1 <<<"$out")"
module=$("$go" mod download -json golang.org/x/vulndb@latest) ||
	{ echo "nor can the Go module proxy be reached: name a copy of the database, make vuln VULNDB=file:///…"; exit 1; }
field() { sed -n "s/^\t\"$1\": \"\(.*\)\",\{0,1\}$/\1/p" <<<"$module"; }
version=$(field Version)
copy=$PWD/bin/vulndb/$version
if [ ! -e "$copy" ]; then
	"$go" run "golang.org/x/vulndb/cmd/indexdb@$version" -vulns "$(field Dir)/data/osv" -out "$copy.part"
	mv "$copy.part" "$copy"
fi
echo "with the database of golang.org/x/vulndb@$version"
exec "$check" -db "file://$copy" ./...
