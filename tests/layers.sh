#!/bin/bash
# SPDX-License-Identifier: MIT
# layers.sh [DIR]: who includes whom (docs/architecture.md), and what library code never calls, in
# the tree at DIR. layers.sh --self-check shows that each rule can fail. One line a rule:
#	ok NAME
#	not ok NAME: FILE:LINE: TEXT; ...

# rule NAME FILES BAD [GOOD]: in FILES (globs) no line matches BAD, but for those that match GOOD.
# Patterns are extended regular expressions. BAD and GOOD see lines without comments.
rules()
{
	local inc='^[[:space:]]*#[[:space:]]*include[[:space:]]*'
	local call='(^|[^[:alnum:]_.>])'

	rule 'core knows no KVM and no arch' 'core/**' "$inc(<linux/kvm|\"arch/)"
	rule 'core knows of transport only the stream' 'core/**' "$inc\"transport/" \
		"$inc\"transport/stream\.h\""
	rule 'core/lib knows of core only itself' 'core/lib/**' "$inc(\"core/|<vmgdb/)" \
		"$inc\"core/lib/[^/\"]+\""
	rule 'core/rsp knows no engine, server, breakpoints' 'core/rsp/**' \
		"$inc\"core/(engine|server|breakpoints)/"
	rule 'core/engine knows no rsp, server' 'core/engine/**' "$inc\"core/(rsp|server)/"
	rule 'core/breakpoints knows no rsp, engine, server' 'core/breakpoints/**' \
		"$inc\"core/(rsp|engine|server)/"
	rule 'core/server knows no breakpoints' 'core/server/**' "$inc\"core/breakpoints/"
	rule 'transport knows of core only lib, no arch, no KVM' 'transport/*' \
		"$inc(<linux/kvm|\"(core|arch)/)" "$inc\"core/lib/[^/\"]+\""
	rule 'arch knows no transport' 'arch/**' "$inc\"transport/"
	rule 'what architectures share knows none of them' 'arch/*' "$inc\"arch/(x86|arm64)/"
	rule 'x86 knows no arm64' 'arch/x86/*' "$inc\"arch/arm64/"
	rule 'arm64 knows no x86' 'arch/arm64/*' "$inc\"arch/x86/"
	rule 'KVM is known to kvm files alone' 'arch/!(kvm*) arch/*/!(kvm*)' "$inc<linux/kvm"
	rule 'vmgdb-run uses the public headers alone' \
		'host-tools/* host-tools/vmgdb-run/* host-tools/vmgdb-run/*/* host-tools/vmgdb-run/*/*/*' \
		"$inc\"(core|transport|arch)/"
	rule 'vmgdb-connect uses the codec, the streams and the public headers' \
		'host-tools/vmgdb-connect/*' "$inc(<linux/kvm|\"(core|transport|arch)/)" \
		"$inc\"(core/lib/[^/\"]+|core/rsp/packet\.h|transport/stream\.h)\""
	rule 'includes are written from the top' \
		'core/** transport/* arch/** host-tools/* host-tools/*/* host-tools/*/*/*' \
		"$inc\"([^/\"]+|\.\.?/[^\"]*)\""
	rule 'the library neither ends nor prints' 'core/** transport/* arch/**' \
		"$call(_?exit|abort|assert|v?f?printf|f?puts|putchar|perror|v?errx?|v?warnx?|v?syslog|system)[[:space:]]*\("
}

# The C sources that the globs name, as FILE:LINE:TEXT without comments.
sources()
{
	local file files=()

	for file in $1; do
		case $file in *.[chS]) files+=("$file") ;; esac
	done
	[ ${#files[@]} -gt 0 ] && awk '
	FNR == 1 { inside = 0 }
	{
		text = ""
		for (rest = $0; rest != ""; ) {
			at = index(rest, inside ? "*/" : "/*")
			if (!inside)
				text = text (at ? substr(rest, 1, at - 1) : rest)
			rest = at ? substr(rest, at + 2) : ""
			if (at)
				inside = !inside
		}
		print FILENAME ":" FNR ":" text
	}' "${files[@]}"
}

rule()
{
	local name=$1 lines found

	lines=$(sources "$2")
	found=$(awk -v bad="${3//\\/\\\\}" -v good="${4//\\/\\\\}" '{
		match($0, /^[^:]*:[0-9]*:/)
		text = substr($0, RLENGTH + 1)
		if (text ~ bad && !(good != "" && text ~ good))
			print
	}' <<<"$lines" | head -n 5 | paste -sd ';')
	[ -z "$lines" ] && [ "$fixture" = no ] && found="no file is $2"
	result "$name" "$found"
}

# result NAME WHY: passed if there is no WHY.
result()
{
	if [ -z "$2" ]; then
		echo "ok layers, $1"
	else
		echo "not ok layers, $1: $2"
		failed=1
	fi
}

check()
{
	cd "$1" || return
	rules
	return $failed
}

# in_tree FILE TEXT: what the rules say against a tree with that TEXT in that FILE alone.
in_tree()
{
	local tree

	tree=$(mktemp -d) || return
	mkdir -p "$tree/$(dirname "$1")"
	printf '%b\n' "$2" >"$tree/$1"
	"$0" "$tree" | grep '^not ok'
	rm -rf "$tree"
}

# breaks RULE FILE TEXT: that TEXT in that FILE breaks RULE and no other.
breaks()
{
	local said

	said=$(in_tree "$2" "$3")
	count=$((count + 1))
	if [[ $said == "not ok layers, $1: $2:"* && $said != *$'\n'* ]]; then
		result "can fail $count, $1"
	else
		result "can fail $count, $1" "$3 in $2: said '$said'"
	fi
}

self_check()
{
	local folder never='the library neither ends nor prints'

	breaks 'core knows no KVM and no arch' core/a.c '#include <linux/kvm.h>'
	breaks 'core knows no KVM and no arch' core/a.h '# include "arch/x86/x86.h"'
	breaks 'core knows of transport only the stream' core/a.c '#include "transport/transport.h"'
	breaks 'core/lib knows of core only itself' core/lib/a.c '#include "core/target.h"'
	breaks 'core/lib knows of core only itself' core/lib/a.h '#include <vmgdb/vmgdb.h>'
	result 'core/lib may use core/lib' "$(in_tree core/lib/a.c '#include "core/lib/b.h"')"
	for folder in engine server breakpoints; do
		breaks 'core/rsp knows no engine, server, breakpoints' core/rsp/commands/a.c \
			"#include \"core/$folder/a.h\""
	done
	for folder in rsp server; do
		breaks 'core/engine knows no rsp, server' core/engine/a.c "#include \"core/$folder/a.h\""
	done
	for folder in rsp engine server; do
		breaks 'core/breakpoints knows no rsp, engine, server' core/breakpoints/a.h \
			"#include \"core/$folder/a.h\""
	done
	breaks 'core/server knows no breakpoints' core/server/a.c '#include "core/breakpoints/a.h"'
	breaks 'transport knows of core only lib, no arch, no KVM' transport/a.c '#include "core/target.h"'
	breaks 'transport knows of core only lib, no arch, no KVM' transport/a.c '#include <linux/kvm.h>'
	result 'transport may use core/lib' "$(in_tree transport/a.c '#include "core/lib/time.h"')"
	breaks 'arch knows no transport' arch/arm64/a.c '#include "transport/stream.h"'
	breaks 'what architectures share knows none of them' arch/kvm_a.c '#include "arch/x86/cpu.h"'
	breaks 'x86 knows no arm64' arch/x86/a.c '#include "arch/arm64/arm64.h"'
	breaks 'arm64 knows no x86' arch/arm64/a.c '#include "arch/x86/x86.h"'
	breaks 'KVM is known to kvm files alone' arch/x86/walk.c '#include <linux/kvm.h>'
	breaks 'KVM is known to kvm files alone' arch/walk.c '#include <linux/kvm.h>'
	breaks 'vmgdb-run uses the public headers alone' host-tools/vmgdb-run/x86/a.c \
		'#include "core/engine/engine.h"'
	local connect='vmgdb-connect uses the codec, the streams and the public headers'

	breaks "$connect" host-tools/vmgdb-connect/a.c '#include "core/rsp/session.h"'
	breaks "$connect" host-tools/vmgdb-connect/a.c '#include "transport/spec.h"'
	result 'vmgdb-connect may use the codec and core/lib' "$(in_tree host-tools/vmgdb-connect/a.c \
		'#include "core/rsp/packet.h"\n#include "core/lib/time.h"\n#include <vmgdb/endpoint.h>')"
	breaks 'includes are written from the top' core/a.c '#include "engine.h"'
	breaks 'includes are written from the top' core/a.c '#include "../core/engine.h"'
	breaks "$never" core/a.c '\texit(1);'
	breaks "$never" arch/x86/a.c '\tx = a; assert (x);'
	breaks "$never" transport/a.c '/* one\n two */ printf("x");'
	breaks "$never" core/a.c '\tfprintf(stderr, "x");'
	result 'good code passes' "$(in_tree core/a.c '#include "transport/stream.h"
		snprintf(a, n, b);\n\tops->exit(x);\n\tvm_exit();\n/* exit(1);\n * printf( */')"
	return $failed
}

shopt -s extglob globstar nullglob
failed=0
count=0
fixture=no
if [ "$1" = --self-check ]; then
	self_check
else
	[ $# -eq 0 ] || fixture=yes
	check "${1:-$(dirname "$0")/..}"
fi
