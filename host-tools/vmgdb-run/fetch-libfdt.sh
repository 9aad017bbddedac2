#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetch Debian's arm64 libfdt-dev and unpack it into DIR, for cross-compiling: DIR/usr/include and
# DIR/usr/lib/aarch64-linux-gnu/libfdt.a. apt works in folders of its own: nothing is installed, no
# architecture is added to dpkg.
set -eu

dir=$(realpath -m "${1:?usage: fetch-libfdt.sh DIR}")
mkdir -p "$(dirname "$dir")"
work=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/root"
: >"$work/status"

apt() {
	command=$1
	shift
	apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User= \
		-o Acquire::Languages=none -o Dir::State="$work" -o Dir::State::Lists="$work/lists" \
		-o Dir::State::status="$work/status" -o Dir::Cache="$work" "$command" "$@"
}

echo "fetching Debian's libfdt-dev for arm64 into $dir" >&2
apt update
(cd "$work" && apt download libfdt-dev)
dpkg-deb -x "$work"/libfdt-dev_*.deb "$work/root"
chmod 755 "$work/root"
rm -rf "$dir"
mv "$work/root" "$dir"
