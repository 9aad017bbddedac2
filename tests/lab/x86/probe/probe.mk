# SPDX-License-Identifier: MIT
# x86-kvm-probe: what arch/x86 relies on, on KVM itself, for tests/lab/x86_facts.py

X86_PROBE_DIR := tests/lab/x86/probe
LAB_SCRIPTS += tests/lab/x86_facts.py

ifeq ($(ARCH),x86)
LAB_PROGRAMS += $(O)/static/x86-kvm-probe

$(O)/static/x86-kvm-probe: $(call obj,$(wildcard $(X86_PROBE_DIR)/*.c))
	@mkdir -p $(@D)
	$(call say,LD)
	$(CC) -static -o $@ $^ $(LDFLAGS)
endif
