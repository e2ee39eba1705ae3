#!/usr/bin/env bash
# Release files in dist/: a program, a .deb, a .rpm and a bill of materials (CycloneDX, of the very
# program that is packed) for linux on amd64 and arm64, and their SHA-256. The same commit and the
# same Go give the same bytes: paths, times and names come from the commit.
#
#   deploy/package/build.sh [ARCH…]      all by default; NFPM and CYCLONEDX name the tools, VERSION
#                                        the version, SIGN_KEY the SSH key that signs SHA256SUMS
set -euo pipefail
cd "$(dirname "$0")/../.."
nfpm=${NFPM:-bin/tools/nfpm}
cyclonedx=${CYCLONEDX:-bin/tools/cyclonedx-gomod}
version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo 0.0.0)}
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
out=dist
mkdir -p "$out"
rm -f "$out"/protei-bulk* "$out"/SHA256SUMS "$out"/SHA256SUMS.sig
build=$out/stage # as nfpm.yaml names it
rm -rf "$build"
mkdir -p "$build/man" "$build/completion"
trap 'rm -rf "$build"' EXIT
export SOURCE_DATE_EPOCH=$epoch CGO_ENABLED=0 LC_ALL=C

compile() { # ARCH FILE
	GOOS=linux GOARCH=$1 go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$version" -o "$2" ./cmd/protei-bulk
}

# Pages and completions are the same everywhere, so the machine's own program writes them.
compile "$(go env GOHOSTARCH)" "$build/native"
"$build/native" man "$build/man"
gzip -9n "$build"/man/*
for shell in bash zsh fish; do "$build/native" completion $shell >"$build/completion/$shell"; done

# Packages want a version that begins with a digit; a bare commit becomes 0.0.0~COMMIT.
package=${version#v}
case $package in [0-9]*.*) ;; *) package="0.0.0~$package" ;; esac
package=${package//-/.}
[ $# -gt 0 ] || set -- amd64 arm64
for arch in "$@"; do
	compile "$arch" "$build/protei-bulk"
	cp "$build/protei-bulk" "$out/protei-bulk_${package}_linux_$arch"
	# What the linker wrote into the program, not what go.mod lists; GOARCH is for the names in it.
	GOARCH=$arch "$cyclonedx" bin -json -std -noserial -notimestamp -version "$version" \
		-output "$out/protei-bulk_${package}_linux_$arch.cdx.json" "$build/protei-bulk"
	for kind in deb rpm; do
		ARCH=$arch PKG_VERSION=$package "$nfpm" package --config deploy/package/nfpm.yaml --packager $kind \
			--target "$out/protei-bulk_${package}_linux_$arch.$kind"
	done
done
(cd "$out" && sha256sum protei-bulk* >SHA256SUMS && cat SHA256SUMS)
if [ -n "${SIGN_KEY:-}" ]; then
	ssh-keygen -q -Y sign -f "$SIGN_KEY" -n protei-bulk-release "$out/SHA256SUMS"
	echo "signed: $out/SHA256SUMS.sig"
else
	echo "unsigned: $out/SHA256SUMS has no signature, for SIGN_KEY names no key"
fi
