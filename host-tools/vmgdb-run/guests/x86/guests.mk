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

GUEST64_COMMON := $(call guest64,x86/start64 x86/platform x86/tables x86/traps print)

$(O)/guests/demo.elf: $(call guest64,demo) $(GUEST64_COMMON)

$(O)/guests/demo.elf: $(GUEST_X86)/guest64.ld
	@mkdir -p $(@D)
	$(CC) -m64 $(GUEST_LDFLAGS) -Wl,-T,$(GUEST_X86)/guest64.ld -o $@ $(filter %.o,$^)
