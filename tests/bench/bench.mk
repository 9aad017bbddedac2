# SPDX-License-Identifier: MIT
# make bench: vmgdb beside QEMU's stub and gdbserver, in one run. Times are shown, never asserted.

$(O)/bench/rspbench: tests/bench/rspbench.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(CC) $(ALL_CFLAGS) -o $@ $<

.PHONY: bench
bench: all $(O)/bench/rspbench
	python3 tests/bench/bench.py $(O)
