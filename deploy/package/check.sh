#!/usr/bin/env bash
# Are the release files what they should be? Builds them twice for this machine's processor and
# compares every byte, looks into the .deb and the .rpm, and has systemd read the unit.
set -euo pipefail
cd "$(dirname "$0")/../.."
fail() {
	echo "$*" >&2
	exit 1
}
arch=$(go env GOHOSTARCH)
VERSION=1.2.3 deploy/package/build.sh "$arch" >/dev/null
first=$(cat dist/SHA256SUMS)
VERSION=1.2.3 deploy/package/build.sh "$arch" >/dev/null
[ "$first" = "$(cat dist/SHA256SUMS)" ] || fail "two builds of one commit differ:"$'\n'"$first"$'\n'"$(cat dist/SHA256SUMS)"
echo "reproducible: $(wc -l <dist/SHA256SUMS) files are the same twice"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
deb=dist/protei-bulk_1.2.3_linux_$arch.deb
dpkg-deb -x "$deb" "$root"
[ "$(dpkg-deb -f "$deb" Version)" = 1.2.3 ] || fail "the .deb has version $(dpkg-deb -f "$deb" Version)"
dpkg-deb --ctrl-tarfile "$deb" | tar -xO ./conffiles | grep /etc/protei-bulk/bulk.yaml >/dev/null || fail "the settings would be overwritten by an upgrade"
"$root/usr/bin/protei-bulk" version | grep '^protei-bulk 1.2.3 ' >/dev/null || fail "the program has another version"
"$root/usr/bin/protei-bulk" config check --config "$root/etc/protei-bulk/bulk.yaml" >/dev/null || fail "the settings it installs are refused"
for file in usr/lib/systemd/system/protei-bulk.service usr/share/bash-completion/completions/protei-bulk \
	usr/share/zsh/vendor-completions/_protei-bulk usr/share/fish/vendor_completions.d/protei-bulk.fish \
	usr/share/man/man1/protei-bulk.1.gz usr/share/man/man1/protei-bulk-load.1.gz usr/share/doc/protei-bulk/docs/adr/0002-events-are-the-unit-of-change.md; do
	[ -s "$root/$file" ] || fail "$file is missing"
done
if command -v systemd-analyze >/dev/null; then
	unit=$root/protei-bulk.service
	sed "s#^ExecStart=/usr/bin#ExecStart=$root/usr/bin#; /^User=/d; /^Group=/d; /^Documentation=/d" "$root/usr/lib/systemd/system/protei-bulk.service" >"$unit"
	systemd-analyze verify "$unit" 2>&1 | { ! grep -F protei-bulk.service; } || fail "systemd does not like the unit"
	echo "systemd reads the unit"
fi
if command -v rpm >/dev/null; then
	rpm=dist/protei-bulk_1.2.3_linux_$arch.rpm
	rpm -qp --scripts "$rpm" | grep useradd >/dev/null || fail "the .rpm does not make the account"
	rpm -qpc "$rpm" | grep /etc/protei-bulk/bulk.yaml >/dev/null || fail "the .rpm's settings would be overwritten by an upgrade"
	rpm -qpl "$rpm" | grep /usr/bin/protei-bulk >/dev/null || fail "the .rpm lacks the program"
	echo "rpm reads the package"
fi
echo "packages hold what they should"
