#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh PACKAGE...: sees to it that these Debian packages are installed.  As root, or where sudo
# asks for nothing, it installs what is missing; otherwise it says which line does, and exits 1.
absent=
for package; do
	dpkg -s "$package" 2>/dev/null | grep -q '^Status: install ok installed' ||
		absent="$absent $package"
done
[ -n "$absent" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
	sudo -n true 2>/dev/null && sudo="sudo -n"
	if [ -z "$sudo" ]; then
		echo "missing packages; run: sudo apt-get install --no-install-recommends$absent" >&2
		exit 1
	fi
fi

export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # words of a list
install="$sudo apt-get -qq install -y --no-install-recommends $absent"
echo "deps.sh: $install" >&2
$install >/dev/null && exit 0
# the list of packages may be older than the archive, or not there yet
$sudo apt-get -qq update && $install >/dev/null && exit 0
echo "deps.sh: could not install$absent" >&2
exit 1
