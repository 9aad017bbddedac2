# SPDX-License-Identifier: MIT
# arm64-kvm-probe: arch/arm64's KVM layer against KVM, for tests/lab/arm64_facts.py

PROBE_DIR := tests/lab/arm64/probe
LAB_NEEDS_arm64 += build/arm64/static/arm64-kvm-probe
LAB_SCRIPTS += tests/lab/arm64_facts.py

ifeq ($(ARCH),arm64)
$(O)/obj/$(PROBE_DIR)/guest.o: $(PROBE_DIR)/guest.S
	@mkdir -p $(@D)
	$(CC) -c -o $@ $<

$(O)/static/arm64-kvm-probe: $(call obj,$(wildcard $(PROBE_DIR)/*.c) $(LIB_SRC)) \
		$(O)/obj/$(PROBE_DIR)/guest.o
	@mkdir -p $(@D)
	$(CC) -static -pthread -o $@ $^ $(LDFLAGS)
else
.PHONY: build/arm64/static/arm64-kvm-probe
build/arm64/static/arm64-kvm-probe:
	$(MAKE) ARCH=arm64 O=build/arm64 CC=aarch64-linux-gnu-gcc $@
endif
