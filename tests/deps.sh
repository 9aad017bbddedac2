#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh NAME...: sees to it that Debian packages are installed. A NAME is a package or one of the
# groups below. As root, or where sudo asks for nothing, it installs what is missing; otherwise it
# prints the one line that does, and exits 1.

group()
{
	case $1 in
	build) echo make gcc libc6-dev ;;
	demo) echo python3 gdb ;;
	test) echo python3 gdb lldb-14 libcriterion-dev socat ;;
	bench) echo python3 gdbserver strace qemu-system-x86 ;;
	lint) echo clang-format cppcheck ;;
	lab) echo gdb gdb-multiarch "$(python3 "$(dirname "$0")/lab/lab.py" deps)" ;;
	*) echo "$1" ;;
	esac
}

if ! command -v dpkg-query >/dev/null; then
	echo "deps.sh: no dpkg here; on Debian this would look for: $*" >&2
	exit 0
fi
wanted=$(for name; do group "$name"; done | tr ' ' '\n' | sort -u)
# shellcheck disable=SC2016,SC2086 # dpkg's variables; a list of words
missing=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null |
	awk -v wanted="$wanted" '$2 == "installed" { have[$1] = 1 }
		END { n = split(wanted, w); for (i = 1; i <= n; i++) if (!(w[i] in have)) print w[i] }' |
	tr '\n' ' ')
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then
	if ! sudo -n true 2>/dev/null; then
		echo "Packages are missing. Run:" \
			"sudo apt-get install --no-install-recommends $missing" >&2
		exit 1
	fi
	sudo="sudo -n"
fi

apt()
{
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

install()
{
	# shellcheck disable=SC2086 # a list of words
	apt install --no-install-recommends $missing
}

# What apt and the packages' scripts print matters only when it fails. The lists of what
# there is may be old, or not there yet: hence the second try.
echo "deps.sh: installing $missing" >&2
install >/dev/null 2>&1 && exit 0
said=$( (apt update && install) 2>&1) && exit 0
printf '%s\n' "$said" >&2
echo "deps.sh: could not install $missing" >&2
exit 1
