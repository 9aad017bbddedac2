# SPDX-License-Identifier: MIT
# The labs (tests/lab/README.md).  What is to run in them: LAB_SCRIPTS += a script that is called
# with HOST:CPU; what must be built before, by architecture: LAB_NEEDS_x86 and LAB_NEEDS_arm64.

LAB := python3 tests/lab/lab.py
LAB_SCRIPTS += tests/lab/selftest.py

include tests/lab/arm64/probe/probe.mk

.PHONY: lab lab-arm64 lab-svm lab-vtx
lab-arm64: $(LAB_NEEDS_arm64)
	$(LAB) suite arm64 -- $(LAB_SCRIPTS)

lab-svm: $(LAB_NEEDS_x86)
	$(LAB) suite svm -- $(LAB_SCRIPTS)

lab-vtx: $(LAB_NEEDS_x86)
	$(LAB) suite vtx -- $(LAB_SCRIPTS)

# The slowest first, so that two at a time end together
lab: $(LAB_NEEDS_arm64) $(LAB_NEEDS_x86)
	$(LAB) suite --jobs 2 vtx svm arm64 -- $(LAB_SCRIPTS)

# Files to take along: make lab-shell-arm64 FILES="build/arm64/static/vmgdb-run ..."
.PHONY: lab-shell-arm64 lab-shell-svm lab-shell-vtx
lab-shell-arm64 lab-shell-svm lab-shell-vtx: lab-shell-%:
	@$(LAB) shell $* $(FILES)
