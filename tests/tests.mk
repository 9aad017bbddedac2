# SPDX-License-Identifier: MIT
# Tests: each tests/unit/test_*.c is a criterion program linked with every object of the library
# and with the pure part of the other architecture.

UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_HELP_SRC := $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c))
UNIT := $(patsubst tests/unit/%.c,$(O)/tests/%,$(UNIT_SRC))
.SECONDARY: $(call obj,$(UNIT_SRC))

$(O)/tests/test_%: $(O)/obj/tests/unit/test_%.o $(call obj,$(UNIT_HELP_SRC) $(LIB_SRC) $(PURE_SRC))
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -pthread -o $@ $^ $(LDFLAGS) -lcriterion

# What of vmgdb-run needs no KVM
$(O)/tests/test_run_console: $(call obj,host-tools/vmgdb-run/console.c)
$(O)/tests/test_run_load: $(call obj,host-tools/vmgdb-run/load_elf.c)
$(O)/tests/test_run_options: $(call obj,host-tools/command_line.c host-tools/vmgdb-run/options.c)

.PHONY: unit
unit: $(UNIT)

# Threads of this one take turns: tests/unit/fibers.h.
FIBERS_WRAP := $(foreach f,create join mutex_lock mutex_unlock cond_wait cond_timedwait cond_signal \
	cond_broadcast rwlock_rdlock rwlock_wrlock rwlock_unlock,-Wl,--wrap=pthread_$(f)) \
	$(foreach f,time_ms time_us sched_yield,-Wl,--wrap=$(f))
$(O)/tests/test_engine_random: override LDFLAGS += $(FIBERS_WRAP)

# The same under AddressSanitizer and UndefinedBehaviorSanitizer.
ASAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
.PHONY: asan
asan:
	@$(MAKE) --no-print-directory O=$(O)/asan CFLAGS='-O1 -g $(ASAN)' LDFLAGS='$(ASAN)' unit

# The engine's tests under ThreadSanitizer, with what of core/ the engine needs; the random one has no
# threads.
TSAN := $(patsubst tests/unit/%.c,$(O)/tsan/%,$(filter-out %_random.c,$(wildcard tests/unit/test_engine*.c)))
TSAN_SRC := $(wildcard core/*/*.h core/*.h core/include/vmgdb/*.h tests/unit/softcpu.[ch] tests/unit/softvm.[ch]) \
	$(wildcard core/engine/*.c core/breakpoints/*.c core/lib/*.c core/memory.c core/regs.c)
$(TSAN): $(O)/tsan/%: tests/unit/%.c $(TSAN_SRC) tests/tsan/criterion/criterion.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -Itests/tsan $(INCLUDES) -pthread $(WARN) -O1 -g -fsanitize=thread -o $@ \
		$(filter %.c,$^)

.PHONY: tsan
tsan: $(TSAN)

# What this machine's KVM can do (tests/gdb/hosts.py), and what it is relied on for
TEST_TOOLS := $(if $(filter x86,$(ARCH)),$(O)/tests/kvmtraits) $(O)/static/$(ARCH)-kvm-probe
$(O)/tests/kvmtraits: $(O)/obj/tests/gdb/kvmtraits.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS)

# The commands for users: each sees to the packages that it needs, then to the build.
.PHONY: check demo
JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
BUILD_FOR = $(MAKE) --no-print-directory $(JOBS) all $(TEST_TOOLS)
RUN_CHECK = O=$(O) LAB_SCRIPTS="$(LAB_SCRIPTS)" TSAN="$(notdir $(TSAN))" tests/check

check:
	@tests/deps.sh build test
	@$(BUILD_FOR) unit asan tsan $(BENCH)
	@if tests/deps.sh lab; then $(MAKE) --no-print-directory lab-build; fi
	@$(RUN_CHECK)

# One part of it: check-unit, check-gdb, ...
check-%:
	@$(BUILD_FOR) $(filter unit asan tsan,$*)
	@$(RUN_CHECK) $*

demo:
	@tests/deps.sh build demo
	@$(BUILD_FOR)
	@if [ -n "$$(tests/demo --why-no-kvm)" ] && tests/deps.sh lab; then \
		$(MAKE) --no-print-directory lab-build-arm64; fi
	@O=$(O) tests/demo
