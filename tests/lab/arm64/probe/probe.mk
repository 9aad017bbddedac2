# SPDX-License-Identifier: MIT
# arm64-kvm-probe: arch/arm64's KVM layer against KVM, for tests/lab/arm64_facts.py

PROBE_DIR := tests/lab/arm64/probe
LAB_SCRIPTS += tests/lab/arm64_facts.py

ifeq ($(ARCH),arm64)
LAB_PROGRAMS += $(O)/static/arm64-kvm-probe

$(O)/obj/$(PROBE_DIR)/guest.o: $(PROBE_DIR)/guest.S
	@mkdir -p $(@D)
	$(CC) -c -o $@ $<

$(O)/static/arm64-kvm-probe: $(call obj,$(wildcard $(PROBE_DIR)/*.c) $(LIB_SRC)) \
		$(O)/obj/$(PROBE_DIR)/guest.o
	@mkdir -p $(@D)
	$(call say,LD)
	$(CC) -static -pthread -o $@ $^ $(LDFLAGS)
endif
