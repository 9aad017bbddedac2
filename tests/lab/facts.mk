# SPDX-License-Identifier: MIT
# ARCH-kvm-probe, for tests/lab/facts.py: what arch/ relies on, and the engine on real vCPUs

PROBE := $(O)/static/$(ARCH)-kvm-probe
PROBE_DIR := tests/lab/$(ARCH)/probe
PROBE_SRC := tests/lab/facts.c tests/lab/vms.c $(wildcard $(PROBE_DIR)/*.c) $(LIB_SRC)
LAB_PROGRAMS += $(PROBE)

$(O)/obj/$(PROBE_DIR)/%.o: $(PROBE_DIR)/%.S
	@mkdir -p $(@D)
	$(call say,AS)
	$(CC) -c -o $@ $<

$(PROBE): $(call obj,$(PROBE_SRC)) $(patsubst %.S,$(O)/obj/%.o,$(wildcard $(PROBE_DIR)/*.S))
	@mkdir -p $(@D)
	$(call say,LD)
	$(CC) $(CFLAGS) -static -pthread -o $@ $^ $(LDFLAGS)
