# SPDX-License-Identifier: MIT
#
# make          everything, into build/
# make demo     a debugging session of a real guest by a real gdb, shown as it goes
# make check    all tests
# make help     the other targets

# V=1 shows the commands
ifndef V
MAKEFLAGS += -s
endif
say = @printf '  %-8s %s\n' $(1) $(patsubst $(CURDIR)/%,%,$@)

ARCH ?= $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(shell uname -m)))
HOST_ARCH := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(shell uname -m)))
ifneq ($(ARCH),$(HOST_ARCH))
CROSS_COMPILE ?= $(if $(filter arm64,$(ARCH)),aarch64-linux-gnu-,x86_64-linux-gnu-)
O ?= build/$(ARCH)
endif
O ?= build
ifeq ($(origin CC),default)
CC := $(CROSS_COMPILE)gcc
endif
OBJCOPY := $(CROSS_COMPILE)objcopy
AR := $(CROSS_COMPILE)ar

CFLAGS ?= -O2 -g
INCLUDES := -I. -Icore/include
WARN := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wwrite-strings -Wvla
ALL_CFLAGS = -std=gnu11 $(INCLUDES) -fPIC -fvisibility=hidden -pthread $(WARN) $(CFLAGS) -MMD -MP

# A source belongs to the library of one architecture; all but kvm*.c of the others is built for the
# unit tests as well.
OTHER_ARCH := $(filter-out $(ARCH),x86 arm64)
CORE_SRC := $(wildcard core/*.c core/*/*.c core/*/*/*.c)
LIB_SRC := $(CORE_SRC) $(wildcard transport/*.c arch/*.c arch/$(ARCH)/*.c)
PURE_SRC := $(filter-out $(wildcard arch/$(OTHER_ARCH)/kvm*.c),$(wildcard arch/$(OTHER_ARCH)/*.c))
RUN_SRC := $(wildcard host-tools/*.c host-tools/vmgdb-run/*.c host-tools/vmgdb-run/$(ARCH)/*.c)
CONNECT_SRC := $(wildcard host-tools/*.c host-tools/vmgdb-connect/*.c)
# What it shares with the library, where these symbols are hidden
CONNECT_LIB_SRC := core/rsp/packet.c core/lib/buf.c core/lib/hex.c core/lib/time.c
C_FILES := $(shell git ls-files -co --exclude-standard '*.c' '*.h' 2>/dev/null)

obj = $(patsubst %.c,$(O)/obj/%.o,$(1))

PROGRAMS := $(O)/vmgdb-run $(if $(CONNECT_SRC),$(O)/vmgdb-connect)
LIBS := $(O)/libvmgdb.a $(O)/libvmgdb.so.0

.PHONY: all
all: $(LIBS) $(PROGRAMS)

$(O)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# One object in which everything but the public functions is local, so that a VMM's names and those
# of the library never collide. It is machine code even when CFLAGS ask for link-time optimisation:
# objcopy knows nothing of a compiler's own format. GCC has to be told, clang does so by itself.
NO_LTO = $(shell $(CC) -flinker-output=nolto-rel -E -x c /dev/null >/dev/null 2>&1 && \
	echo -flinker-output=nolto-rel)
$(O)/libvmgdb.a: $(call obj,$(LIB_SRC))
	$(call say,AR)
	$(CC) $(CFLAGS) -r -nostdlib $(NO_LTO) -o $(O)/obj/libvmgdb.o $^
	$(OBJCOPY) --localize-hidden $(O)/obj/libvmgdb.o
	rm -f $@ && $(AR) rcs $@ $(O)/obj/libvmgdb.o

$(O)/libvmgdb.so.0: $(call obj,$(LIB_SRC))
	$(call say,LD)
	$(CC) $(CFLAGS) -shared -pthread -Wl,-soname,$(@F) -Wl,-z,defs -o $@ $^ $(LDFLAGS)

include host-tools/vmgdb-run/guests/guests.mk

include host-tools/vmgdb-run/libfdt.mk

$(O)/vmgdb-run: $(call obj,$(RUN_SRC)) $(GUEST_OBJ) $(O)/libvmgdb.a
	$(call say,LD)
	$(CC) $(CFLAGS) -pthread -o $@ $^ $(LDFLAGS) $(RUN_LIBS)

# What vmgdb-connect --version prints
VERSION ?= $(or $(shell git describe --always --tags 2>/dev/null),unknown)
OPTIONS_OBJ := $(O)/obj/host-tools/vmgdb-connect/options.o
$(OPTIONS_OBJ): ALL_CFLAGS += -DVMGDB_VERSION='"$(VERSION)"'
$(OPTIONS_OBJ): $(O)/version

.PHONY: FORCE
$(O)/version: FORCE
	@mkdir -p $(@D)
	echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@

$(O)/vmgdb-connect: $(call obj,$(CONNECT_SRC) $(CONNECT_LIB_SRC)) $(O)/libvmgdb.a
	$(call say,LD)
	$(CC) $(CFLAGS) -pthread -o $@ $^ $(LDFLAGS)

# The same without shared libraries, for initial RAM disks
.PHONY: static
static: $(patsubst $(O)/%,$(O)/static/%,$(PROGRAMS))

$(O)/static/vmgdb-run: $(call obj,$(RUN_SRC)) $(GUEST_OBJ) $(O)/libvmgdb.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(CC) $(CFLAGS) -static -pthread -o $@ $^ $(LDFLAGS) $(RUN_LIBS)

$(O)/static/vmgdb-connect: $(call obj,$(CONNECT_SRC) $(CONNECT_LIB_SRC)) $(O)/libvmgdb.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(CC) $(CFLAGS) -static -pthread -o $@ $^ $(LDFLAGS)

include tests/tests.mk
include tests/lab/lab.mk
include tests/bench/bench.mk
include tests/fuzz/fuzz.mk

.PHONY: fmt lint clean help
fmt:
	clang-format -i $(C_FILES)

lint: all
	tests/deps.sh lint
	clang-format --dry-run -Werror $(C_FILES)
	cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 $(INCLUDES) $(filter %.c,$(filter-out tests/%,$(C_FILES)))
	tests/layers.sh
	O=$(O) tests/circles.py

clean:
	rm -rf build

help:
	@sed -n '3,6s/^# //p' Makefile
	@echo 'make fuzz     fuzz the sessions for FUZZ_SECONDS'
	@echo 'make lab      the tests in emulated hosts: lab-arm64, lab-svm, lab-vtx; lab-shell-HOST'
	@echo 'make bench    times beside QEMU and gdbserver'
	@echo 'make static   vmgdb-run and vmgdb-connect without shared libraries'
	@echo 'make fmt      format the sources; make lint: check format, layers and the rest'
	@echo 'make clean    remove build/'
	@echo 'ARCH=arm64    cross-compiles; CC=clang, CFLAGS=..., O=DIR work as usual'

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)
