# SPDX-License-Identifier: MIT
# Fuzzers: tests/fuzz/fuzz_NAME.c becomes build/fuzz/fuzz_NAME, a libFuzzer program.
#
# make fuzz              each of them for FUZZ_SECONDS
# build/fuzz/fuzz_session -dict=tests/fuzz/session.dict DIR    as long as you like

FUZZ_CC ?= clang
FUZZ_SECONDS ?= 20
FUZZ := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_LIB := $(LIB_SRC) tests/unit/fake_target.c

$(O)/fuzz/%: tests/fuzz/%.c $(FUZZ_LIB)
	@mkdir -p $(@D)
	$(FUZZ_CC) -std=gnu11 $(INCLUDES) -O1 -g -pthread -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ $^

.PHONY: fuzz
fuzz: $(FUZZ)
	@for f in $(FUZZ); do \
		dict=tests/fuzz/$$(basename $$f | sed s/^fuzz_//).dict; \
		$$f -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -artifact_prefix=$(O)/fuzz/ \
			$$([ -f $$dict ] && echo -dict=$$dict) || exit 1; \
	done
