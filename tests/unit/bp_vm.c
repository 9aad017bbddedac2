// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <criterion/criterion.h>

#include "tests/unit/bp_vm.h"

struct bp_vm bp_vm;

static void count_sync(void *hva, size_t len)
{
	(void)hva;
	(void)len;
	bp_vm.synced++;
}

const struct breakpoints_host bp_soft8_bare = { .cpu = &soft8_cpu, .sync_icache = count_sync };
const struct breakpoints_host bp_soft32_bare = { .cpu = &soft32_cpu, .sync_icache = count_sync };
const struct breakpoints_host bp_soft8_host = {
	.cpu = &soft8_cpu,
	.caps = { .shared_slots = 4 },
};
const struct breakpoints_host bp_soft32_host = {
	.cpu = &soft32_cpu,
	.caps = { .exec_slots = 3, .watch_slots = 2 },
};

static int translate(void *opaque, unsigned int vcpu, uint64_t va, struct xlat *out,
		     const char **no_brk)
{
	(void)opaque;
	(void)vcpu;
	bp_vm.translations++;
	if (va / BP_PAGE >= BP_VAS || bp_vm.map[va / BP_PAGE] == UNMAPPED)
		return -EFAULT;
	if (no_brk)
		*no_brk = bp_vm.no_brk;
	out->gpa = (uint64_t)bp_vm.map[va / BP_PAGE] * BP_PAGE + va % BP_PAGE;
	out->tables = bp_vm.tables;
	return 0;
}

void bp_vm_init(const struct breakpoints_host *host, size_t max)
{
	const struct breakpoints_config config = {
		.mem = &bp_vm.mem,
		.translate = translate,
		.max = max,
	};
	int i;

	memset(&bp_vm, 0, sizeof(bp_vm));
	bp_vm.cpu = host->cpu;
	cr_assert_eq(memory_init(&bp_vm.mem), 0);
	bp_vm.host = mmap(NULL, BP_MEM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(bp_vm.host, MAP_FAILED);
	for (i = 0; i < BP_MEM; i++)
		bp_vm.host[i] = (uint8_t)(i * 31 + 1) & 0x7f; /* never a breakpoint */
	memcpy(bp_vm.before, bp_vm.host, BP_MEM);
	for (i = 0; i < BP_VAS; i++)
		bp_vm.map[i] = i < BP_PAGES ? i : UNMAPPED;
	cr_assert_eq(memory_add(&bp_vm.mem, 0, bp_vm.host, BP_MEM), 0);
	cr_assert_eq(breakpoints_create(&bp_vm.b, &config), 0);
	breakpoints_set_host(bp_vm.b, host);
}

void bp_vm_fini(void)
{
	breakpoints_destroy(bp_vm.b);
	memory_fini(&bp_vm.mem);
	munmap(bp_vm.host, BP_MEM);
}

void bp_set(uint64_t va)
{
	const char *why = "no reason";
	int ret = breakpoints_insert(bp_vm.b, 0, BP_SOFTWARE, va, bp_vm.cpu->brk_kind, false, &why);

	cr_assert_eq(ret, 0, "%#llx: %d, %s", (unsigned long long)va, ret, why);
}

void bp_clear(uint64_t va)
{
	breakpoints_remove(bp_vm.b, BP_SOFTWARE, va, bp_vm.cpu->brk_kind);
}

void bp_sync_run(void)
{
	cr_assert_eq(breakpoints_sync(bp_vm.b, BP_SYNC_RUN, false), 0);
}

const char *bp_refused(enum bp_type type, uint64_t addr, uint64_t kind, int *err)
{
	const char *why = NULL;

	*err = breakpoints_insert(bp_vm.b, 0, type, addr, kind, false, &why);
	cr_assert_neq(*err, 0);
	cr_assert_not_null(why, "a refusal has a reason");
	return why;
}

bool bp_inserted_at(uint64_t gpa)
{
	return !memcmp(bp_vm.host + gpa, bp_vm.cpu->brk, bp_vm.cpu->brk_size);
}

bool bp_untouched(void)
{
	return !memcmp(bp_vm.host, bp_vm.before, BP_MEM);
}

bool bp_reads_as_before(uint64_t gpa, size_t len)
{
	uint8_t buf[64];

	cr_assert_leq(len, sizeof(buf));
	return breakpoints_read(bp_vm.b, gpa, buf, len) == len &&
	       !memcmp(buf, bp_vm.before + gpa, len);
}

void bp_guest_writes(uint64_t gpa, uint8_t seed)
{
	unsigned int i;

	for (i = 0; i < SOFT_INSN; i++)
		bp_vm.before[gpa + i] = bp_vm.host[gpa + i] = (uint8_t)(seed + i) & 0x7f;
}

const char *bp_state_of(enum bp_type type, uint64_t addr)
{
	struct bp_info info;
	unsigned int i;

	for (i = 0; !breakpoints_info(bp_vm.b, i, &info); i++)
		if (info.type == type && info.addr == addr)
			return info.state;
	return NULL;
}

bool bp_is_listed(enum bp_type type, uint64_t addr, bool removed)
{
	struct bp_info info;
	unsigned int i, n = 0, other = 0;

	for (i = 0; !breakpoints_info(bp_vm.b, i, &info); i++) {
		n += info.type == type && info.addr == addr && info.removed == removed;
		other += info.type == type && info.addr == addr && info.removed != removed;
	}
	return n == 1 && !other;
}

bool bp_notice_is(const char *text)
{
	char line[128] = "";
	bool any = breakpoints_notice(bp_vm.b, line, sizeof(line));

	if (!text)
		cr_expect_not(any, "a notice: %s", line);
	else
		cr_expect_str_eq(line, text);
	return text ? any && !strcmp(line, text) : !any;
}
