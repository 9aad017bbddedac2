# SPDX-License-Identifier: MIT
# libfdt makes the arm64 guest's device tree; x86 needs none. Sets RUN_LIBS.
#
# LIBFDT_DIR: where Debian's arm64 libfdt-dev lies unpacked, fetched there when it is missing. Empty:
# the compiler finds libfdt by itself, as it does on arm64.

LIBFDT_DIR ?= $(if $(filter-out $(HOST_ARCH),$(ARCH)),build/libfdt-arm64)

RUN_LIBS :=
ifeq ($(ARCH),arm64)
ifeq ($(LIBFDT_DIR),)
RUN_LIBS := -lfdt
else
RUN_LIBS := $(LIBFDT_DIR)/usr/lib/aarch64-linux-gnu/libfdt.a

$(RUN_LIBS):
	host-tools/vmgdb-run/fetch-libfdt.sh $(LIBFDT_DIR)

$(O)/obj/host-tools/vmgdb-run/arm64/%.o: ALL_CFLAGS += -I$(LIBFDT_DIR)/usr/include
$(call obj,$(wildcard host-tools/vmgdb-run/arm64/*.c)): | $(RUN_LIBS)
endif
endif
