# SPDX-License-Identifier: MIT
# The x86 guests: which objects, for which mode, each is linked from.

GUEST_X86 := $(GUEST_SRC)/x86
GUEST64_CFLAGS := $(GUEST_CFLAGS) -m64 -mgeneral-regs-only -mno-red-zone -fcf-protection=none \
	-include $(GUEST_X86)/layout.h
guest64 = $(patsubst %,$(O)/obj/guest64/%.o,$(1))

$(O)/obj/guest64/%.o: $(GUEST_SRC)/%.c
	@mkdir -p $(@D)
	$(call say,GUEST)
	$(CC) $(GUEST64_CFLAGS) -c -o $@ $<

$(O)/obj/guest64/%.o: $(GUEST_SRC)/%.S
	@mkdir -p $(@D)
	$(call say,GUEST)
	$(CC) $(GUEST64_CFLAGS) -c -o $@ $<

GUEST64_COMMON := $(call guest64,x86/start64 x86/gdt x86/serial print)
GUEST64_TRAPS := $(call guest64,x86/traps x86/trapentry)
GUEST64_SMP := $(GUEST64_TRAPS) $(call guest64,x86/apic x86/smp x86/trampoline)

$(O)/guests/demo.elf: $(call guest64,demo) $(GUEST64_COMMON) $(GUEST64_SMP)
$(O)/guests/exit.elf: $(call guest64,exit) $(GUEST64_COMMON)
$(O)/guests/off.elf: $(call guest64,off) $(GUEST64_COMMON)
$(O)/guests/odd.elf: $(call guest64,odd) $(GUEST64_COMMON)
$(O)/guests/triple.elf: $(call guest64,x86/triple) $(GUEST64_COMMON)
$(O)/guests/int3.elf: $(call guest64,x86/int3) $(GUEST64_COMMON) $(GUEST64_TRAPS)
$(O)/guests/fpu.elf: $(call guest64,x86/fpu) $(GUEST64_COMMON)
$(O)/guests/step.elf: $(call guest64,step x86/step_traps x86/step_list x86/apic) $(GUEST64_COMMON) \
	$(GUEST64_TRAPS)

GUESTS64 := $(patsubst %,$(O)/guests/%.elf,demo exit off odd triple int3 fpu step)
$(GUESTS64): $(GUEST_X86)/flat.ld
	@mkdir -p $(@D)
	$(call say,LD)
	$(CC) -m64 $(GUEST_LDFLAGS) -Wl,-T,$(GUEST_X86)/flat.ld -o $@ $(filter %.o,$^)

# A kernel in the upper half: the same sources, compiled for its addresses

guest64k = $(patsubst %,$(O)/obj/guest64k/%.o,$(1))

$(O)/obj/guest64k/%.o: $(GUEST_SRC)/%.c
	@mkdir -p $(@D)
	$(call say,GUEST)
	$(CC) $(GUEST64_CFLAGS) -mcmodel=kernel -c -o $@ $<

$(O)/obj/guest64k/%.o: $(GUEST_SRC)/%.S
	@mkdir -p $(@D)
	$(call say,GUEST)
	$(CC) $(GUEST64_CFLAGS) -c -o $@ $<

$(O)/guests/user.elf: $(call guest64k,x86/starthigh x86/user x86/usercall x86/gdt x86/serial \
		x86/traps x86/trapentry userland syscalls print) $(GUEST_X86)/user.ld
	@mkdir -p $(@D)
	$(call say,LD)
	$(CC) -m64 $(GUEST_LDFLAGS) -Wl,-T,$(GUEST_X86)/user.ld -o $@ $(filter %.o,$^)

# 32-bit guests, and those that start in 16-bit real mode

GUEST32_CFLAGS := $(GUEST_CFLAGS) -m32 -mgeneral-regs-only -fcf-protection=none \
	-include $(GUEST_X86)/layout.h
guest32 = $(patsubst %,$(O)/obj/guest32/%.o,$(1))

$(O)/obj/guest32/%.o: $(GUEST_SRC)/%.c
	@mkdir -p $(@D)
	$(call say,GUEST)
	$(CC) $(GUEST32_CFLAGS) -c -o $@ $<

$(O)/obj/guest32/%.o: $(GUEST_SRC)/%.S
	@mkdir -p $(@D)
	$(call say,GUEST)
	$(CC) $(GUEST32_CFLAGS) -c -o $@ $<

GUEST32_COMMON := $(call guest32,x86/start32 x86/prot32 x86/serial print)

$(O)/guests/prot32.elf: $(call guest32,x86/nopaging) $(GUEST32_COMMON)
$(O)/guests/page32.elf: $(call guest32,x86/page32) $(GUEST32_COMMON)
$(O)/guests/pae32.elf: $(call guest32,x86/pae32) $(GUEST32_COMMON)

GUESTS32 := $(patsubst %,$(O)/guests/%.elf,prot32 page32 pae32)
$(GUESTS32): $(GUEST_X86)/flat.ld
	@mkdir -p $(@D)
	$(call say,LD)
	$(CC) -m32 $(GUEST_LDFLAGS) -Wl,-T,$(GUEST_X86)/flat.ld -o $@ $(filter %.o,$^)

$(O)/guests/realmode.elf: $(call guest32,x86/realmode) $(GUEST_X86)/real.ld
	@mkdir -p $(@D)
	$(call say,LD)
	$(CC) -m32 $(GUEST_LDFLAGS) -Wl,-T,$(GUEST_X86)/real.ld -o $@ $(filter %.o,$^)

$(O)/guests/%.bin: $(O)/guests/%.elf
	$(call say,OBJCOPY)
	$(OBJCOPY) -O binary $< $@
