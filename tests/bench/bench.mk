# SPDX-License-Identifier: MIT
# make bench: vmgdb beside QEMU's stub, gdbserver and, with BASELINE=DIR, the vmgdb-run that was
# built in DIR. Times are shown, never asserted.

BENCH := $(addprefix $(O)/bench/,rspbench freerun spin $(if $(filter x86,$(ARCH)),guest.bin))

$(O)/bench/rspbench: $(call obj,tests/bench/rspbench.c tests/bench/client.c)
	@mkdir -p $(@D)
	$(call say,LD)
	$(CC) -o $@ $^ $(LDFLAGS)

$(O)/bench/freerun: $(call obj,tests/bench/freerun.c tests/unit/softcpu.c $(LIB_SRC))
	@mkdir -p $(@D)
	$(call say,LD)
	$(CC) -pthread -o $@ $^ $(LDFLAGS)

# leaf() and other() stay calls of one address each.
$(O)/bench/spin: tests/bench/spin.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(CC) $(WARN) -O0 -g -static -no-pie -o $@ $<

$(O)/bench/guest.elf: tests/bench/guest.S
	@mkdir -p $(@D)
	$(call say,AS)
	$(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-Ttext,0x7c00 -o $@ $<

$(O)/bench/guest.bin: $(O)/bench/guest.elf
	$(call say,OBJCOPY)
	$(OBJCOPY) -O binary -j .text $< $@

.PHONY: bench
bench:
	-@tests/deps.sh build bench
	@$(BUILD_FOR) $(BENCH)
	@python3 tests/bench/bench.py $(O) $(BASELINE)
