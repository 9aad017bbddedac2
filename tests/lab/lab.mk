# SPDX-License-Identifier: MIT
# The labs (tests/lab/README.md).  LAB_SCRIPTS: what runs on each of their hosts, called with
# HOST:CPU.  LAB_PROGRAMS: what must be built for that, besides the static programs.

LAB := python3 tests/lab/lab.py
LAB_KINDS := arm64 svm vtx
LAB_SCRIPTS += tests/lab/selftest.py tests/gdb/run tests/lab/transports.py tests/lab/facts.py

include tests/lab/facts.mk

.PHONY: lab-programs
lab-programs: static $(LAB_PROGRAMS)

# What is not for this machine's architecture is cross-compiled, in a folder of its own.
LAB_BUILDS := $(addprefix lab-build-,x86 arm64)
.PHONY: lab-build $(LAB_BUILDS)
$(LAB_BUILDS): lab-build-%:
	@$(MAKE) --no-print-directory $(JOBS) ARCH=$* \
		$(if $(filter $*,$(HOST_ARCH)),O=$(O),O=$(O)/$* CC=$(LAB_CC_$*)) lab-programs
LAB_CC_arm64 := aarch64-linux-gnu-gcc
LAB_CC_x86 := x86_64-linux-gnu-gcc
lab-build: $(LAB_BUILDS)

# make lab-arm64: the tests on one kind of host; make lab: on all of them
.PHONY: lab $(addprefix lab-,$(LAB_KINDS))
lab $(addprefix lab-,$(LAB_KINDS)):
	@tests/deps.sh build lab
	@$(MAKE) --no-print-directory lab-build
	@O=$(O) LAB_SCRIPTS="$(LAB_SCRIPTS)" tests/check $(if $(filter lab,$@),$(addprefix lab-,$(LAB_KINDS)),$@)

# Files to copy inside: make lab-shell-arm64 FILES="build/arm64/static/vmgdb-run ..."
LAB_SHELLS := $(addprefix lab-shell-,$(LAB_KINDS))
.PHONY: $(LAB_SHELLS)
$(LAB_SHELLS): lab-shell-%:
	@$(LAB) shell $* $(FILES)
