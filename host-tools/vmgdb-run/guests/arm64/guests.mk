# SPDX-License-Identifier: MIT
# The arm64 guests: which objects each is linked from.

GUEST_ARM64 := $(GUEST_SRC)/arm64
GUEST64_CFLAGS := $(GUEST_CFLAGS) -mgeneral-regs-only -mstrict-align \
	-include $(GUEST_ARM64)/layout.h
guest64 = $(patsubst %,$(O)/obj/guest64/%.o,$(1))

$(O)/obj/guest64/%.o: $(GUEST_SRC)/%.c
	@mkdir -p $(@D)
	$(call say,GUEST)
	$(CC) $(GUEST64_CFLAGS) -c -o $@ $<

$(O)/obj/guest64/%.o: $(GUEST_SRC)/%.S
	@mkdir -p $(@D)
	$(call say,GUEST)
	$(CC) $(GUEST64_CFLAGS) -c -o $@ $<

GUEST64_COMMON := $(call guest64,arm64/start arm64/vectors arm64/traps arm64/serial print)
GUEST64_IDENTITY := $(GUEST64_COMMON) $(call guest64,arm64/identity)
GUEST64_SMP := $(GUEST64_IDENTITY) $(call guest64,arm64/platform arm64/gic arm64/secondary)

$(O)/guests/demo.elf: $(call guest64,demo) $(GUEST64_SMP)
$(O)/guests/exit.elf: $(call guest64,exit) $(GUEST64_IDENTITY)
$(O)/guests/off.elf: $(call guest64,off) $(GUEST64_IDENTITY)
$(O)/guests/odd.elf: $(call guest64,odd) $(GUEST64_IDENTITY)
$(O)/guests/brk.elf: $(call guest64,arm64/brk) $(GUEST64_IDENTITY)
$(O)/guests/ldxr.elf: $(call guest64,arm64/ldxr) $(GUEST64_IDENTITY)
$(O)/guests/step.elf: $(call guest64,step arm64/step_traps arm64/step_list) $(GUEST64_SMP)

GUEST64_MMU := $(call guest64,arm64/mmu arm64/mmu_switch)

$(O)/guests/walk4k.elf: $(call guest64,arm64/walk4k)
$(O)/guests/walk16k.elf: $(call guest64,arm64/walk16k)
$(O)/guests/walk64k.elf: $(call guest64,arm64/walk64k)
$(patsubst %,$(O)/guests/%.elf,walk4k walk16k walk64k): \
	$(call guest64,arm64/walk) $(GUEST64_IDENTITY) $(GUEST64_MMU)

GUESTS64 := $(patsubst %,$(O)/guests/%.elf,demo exit off odd brk ldxr step walk4k walk16k walk64k)
$(GUESTS64): $(GUEST_ARM64)/flat.ld
	@mkdir -p $(@D)
	$(call say,LD)
	$(CC) $(GUEST_LDFLAGS) -Wl,-T,$(GUEST_ARM64)/flat.ld -o $@ $(filter %.o,$^)

$(O)/guests/user.elf: $(call guest64,arm64/starthigh arm64/user arm64/usercall userland syscalls \
		arm64/vectors arm64/traps arm64/serial arm64/identity print) $(GUEST64_MMU) \
		$(GUEST_ARM64)/user.ld
	@mkdir -p $(@D)
	$(call say,LD)
	$(CC) $(GUEST_LDFLAGS) -Wl,-T,$(GUEST_ARM64)/user.ld -o $@ $(filter %.o,$^)
