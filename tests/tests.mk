# SPDX-License-Identifier: MIT
# Tests: each tests/unit/test_*.c is a criterion program linked with every object of the library
# and with the pure part of the other architecture.

UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_HELP_SRC := $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c))
UNIT := $(patsubst tests/unit/%.c,$(O)/tests/%,$(UNIT_SRC))
.SECONDARY: $(call obj,$(UNIT_SRC))

$(O)/tests/test_%: $(O)/obj/tests/unit/test_%.o $(call obj,$(UNIT_HELP_SRC) $(LIB_SRC) $(PURE_SRC))
	@mkdir -p $(@D)
	$(CC) -pthread -o $@ $^ $(LDFLAGS) -lcriterion

.PHONY: unit
unit: $(UNIT)
