# SPDX-License-Identifier: MIT
# The guests that vmgdb-run carries: built freestanding, each linked at its own address,
# left as ELF files in $(O)/guests and embedded in one object, GUEST_OBJ.

GUEST_SRC := host-tools/vmgdb-run/guests
GUEST_OBJ := $(O)/obj/$(GUEST_SRC)/embed.o

# Not optimized and with frame pointers, so that gdb shows variables and frames exactly.
GUEST_CFLAGS := -std=gnu11 -I. -g -O0 -ffreestanding -fno-pic -fno-pie -fno-omit-frame-pointer \
	-fno-stack-protector -fno-asynchronous-unwind-tables $(WARN) -MMD -MP
GUEST_LDFLAGS := -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack

include $(GUEST_SRC)/$(ARCH)/guests.mk

GUEST_FILES := $(addprefix $(O)/guests/,$(shell sed -n 's/^GUEST[^"]*"\([^"]*\)".*/\1/p' \
	$(GUEST_SRC)/$(ARCH)/list.h))

$(GUEST_OBJ): $(GUEST_SRC)/embed.S $(GUEST_SRC)/$(ARCH)/list.h $(GUEST_FILES)
	@mkdir -p $(@D)
	$(call say,AS)
	$(CC) -I. -Wa,-I$(O)/guests -c -o $@ $<

guests: $(GUEST_FILES)
.PHONY: guests
