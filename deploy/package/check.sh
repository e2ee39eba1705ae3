#!/usr/bin/env bash
# Are the release files what they should be? Builds them twice for this machine's processor and
# compares every byte, looks into the .deb, the .rpm and the bill of materials, verifies the
# signature as a stranger would, and has systemd read the unit.
set -euo pipefail
cd "$(dirname "$0")/../.."
fail() {
	echo "$*" >&2
	exit 1
}
arch=$(go env GOHOSTARCH)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
VERSION=1.2.3 SIGN_KEY='' deploy/package/build.sh "$arch" | grep '^unsigned: ' >/dev/null || fail "a build without a key does not say that it is unsigned"
[ ! -e dist/SHA256SUMS.sig ] || fail "a build without a key left a signature"
first=$(cat dist/SHA256SUMS)
ssh-keygen -q -t ed25519 -N '' -C releases@example.com -f "$root/key"
VERSION=1.2.3 SIGN_KEY=$root/key deploy/package/build.sh "$arch" >/dev/null
[ "$first" = "$(cat dist/SHA256SUMS)" ] || fail "two builds of one commit differ:"$'\n'"$first"$'\n'"$(cat dist/SHA256SUMS)"
echo "reproducible: $(wc -l <dist/SHA256SUMS) files are the same twice"

# The commands of docs/operations.md.
echo "releases@example.com $(cat "$root/key.pub")" >"$root/allowed_signers"
verify() { # FOLDER
	(cd "$1" && ssh-keygen -q -Y verify -f "$root/allowed_signers" -I releases@example.com -n protei-bulk-release \
		-s SHA256SUMS.sig <SHA256SUMS && sha256sum --quiet --check SHA256SUMS) >/dev/null 2>&1
}
verify dist || fail "what was signed cannot be verified"
refused() { # WHAT: $root/bad is no release; back to one
	! verify "$root/bad" || fail "$1 is accepted"
	rm -rf "$root/bad" && cp -r dist "$root/bad"
}
cp -r dist "$root/bad"
sed -i '1s/^./x/' "$root/bad/SHA256SUMS" && refused "a changed byte in SHA256SUMS"
printf x | dd of="$root/bad/protei-bulk_1.2.3_linux_$arch" bs=1 seek=4096 conv=notrunc status=none && refused "a changed byte in the program"
rm "$root/bad/SHA256SUMS.sig" && refused "a release without its signature"
ssh-keygen -q -t ed25519 -N '' -f "$root/other" && rm "$root/bad/SHA256SUMS.sig" &&
	ssh-keygen -q -Y sign -f "$root/other" -n protei-bulk-release "$root/bad/SHA256SUMS" 2>/dev/null && refused "a signature by another key"
rm "$root/bad/SHA256SUMS.sig" && ssh-keygen -q -Y sign -f "$root/key" -n git "$root/bad/SHA256SUMS" 2>/dev/null && refused "a signature that the key made for something else"
echo "signature: good, and refused for a changed byte, another key, another purpose"

program=$PWD/dist/protei-bulk_1.2.3_linux_$arch
(cd deploy/package/sbom && go run . "$program.cdx.json" "$program") || fail "the bill of materials is not that of the program"
sed 's#"version": "v1\.#"version": "v99.#' "$program.cdx.json" >"$root/bad.json"
! (cd deploy/package/sbom && go run . "$root/bad.json" "$program" 2>/dev/null) || fail "a bill of materials with other versions is accepted"

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
