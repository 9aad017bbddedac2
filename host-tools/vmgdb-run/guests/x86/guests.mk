# SPDX-License-Identifier: MIT
# The x86 guests: which objects, of which mode, make which.

GUEST_X86 := $(GUEST_SRC)/x86
GUEST64_CFLAGS := $(GUEST_CFLAGS) -m64 -mgeneral-regs-only -mno-red-zone -fcf-protection=none \
	-include $(GUEST_X86)/layout.h
guest64 = $(patsubst %,$(O)/obj/guest64/%.o,$(1))

$(O)/obj/guest64/%.o: $(GUEST_SRC)/%.c
	@mkdir -p $(@D)
	$(CC) $(GUEST64_CFLAGS) -c -o $@ $<

$(O)/obj/guest64/%.o: $(GUEST_SRC)/%.S
	@mkdir -p $(@D)
	$(CC) $(GUEST64_CFLAGS) -c -o $@ $<

GUEST64_COMMON := $(call guest64,x86/start64 x86/gdt x86/serial print)
GUEST64_TRAPS := $(call guest64,x86/traps x86/trapentry)
GUEST64_SMP := $(GUEST64_TRAPS) $(call guest64,x86/apic x86/smp x86/trampoline)

$(O)/guests/demo.elf: $(call guest64,demo) $(GUEST64_COMMON) $(GUEST64_SMP)
$(O)/guests/exit.elf: $(call guest64,exit) $(GUEST64_COMMON)
$(O)/guests/triple.elf: $(call guest64,x86/triple) $(GUEST64_COMMON)
$(O)/guests/int3.elf: $(call guest64,x86/int3) $(GUEST64_COMMON) $(GUEST64_TRAPS)

GUESTS64 := $(addprefix $(O)/guests/,demo.elf exit.elf triple.elf int3.elf)
$(GUESTS64): $(GUEST_X86)/guest64.ld
	@mkdir -p $(@D)
	$(CC) -m64 $(GUEST_LDFLAGS) -Wl,-T,$(GUEST_X86)/guest64.ld -o $@ $(filter %.o,$^)
