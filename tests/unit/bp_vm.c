// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <criterion/criterion.h>

#include "tests/unit/bp_vm.h"

struct bp_vm vm;

static void count_sync(void *hva, size_t len)
{
	(void)hva;
	(void)len;
	vm.synced++;
}

const struct breakpoints_host soft8_bare = { .cpu = &soft8_cpu, .sync_icache = count_sync };
const struct breakpoints_host soft32_bare = { .cpu = &soft32_cpu, .sync_icache = count_sync };
const struct breakpoints_host soft8_host = {
	.cpu = &soft8_cpu,
	.caps = { .shared_slots = 4 },
};
const struct breakpoints_host soft32_host = {
	.cpu = &soft32_cpu,
	.caps = { .exec_slots = 3, .watch_slots = 2 },
};

static int translate(void *opaque, unsigned int vcpu, uint64_t va, uint64_t *gpa)
{
	(void)opaque;
	(void)vcpu;
	vm.translations++;
	if (va / BP_PAGE >= BP_VAS || vm.map[va / BP_PAGE] == UNMAPPED)
		return -EFAULT;
	*gpa = (uint64_t)vm.map[va / BP_PAGE] * BP_PAGE + va % BP_PAGE;
	return 0;
}

void bp_vm_init(const struct breakpoints_host *host, size_t max)
{
	const struct breakpoints_config config = {
		.mem = &vm.mem,
		.translate = translate,
		.max = max,
	};
	int i;

	memset(&vm, 0, sizeof(vm));
	vm.cpu = host->cpu;
	cr_assert_eq(memory_init(&vm.mem), 0);
	vm.host = mmap(NULL, BP_MEM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(vm.host, MAP_FAILED);
	for (i = 0; i < BP_MEM; i++)
		vm.host[i] = (uint8_t)(i * 31 + 1) & 0x7f; /* never a breakpoint */
	memcpy(vm.before, vm.host, BP_MEM);
	for (i = 0; i < BP_VAS; i++)
		vm.map[i] = i < BP_PAGES ? i : UNMAPPED;
	cr_assert_eq(memory_add(&vm.mem, 0, vm.host, BP_MEM), 0);
	cr_assert_eq(breakpoints_create(&vm.b, &config), 0);
	breakpoints_set_host(vm.b, host);
}

void bp_vm_fini(void)
{
	breakpoints_destroy(vm.b);
	memory_fini(&vm.mem);
	munmap(vm.host, BP_MEM);
}

void set(uint64_t va)
{
	const char *why = "no reason";
	int ret = breakpoints_insert(vm.b, 0, BP_SOFTWARE, va, vm.cpu->brk_kind, false, &why);

	cr_assert_eq(ret, 0, "%#llx: %d, %s", (unsigned long long)va, ret, why);
}

void clear(uint64_t va)
{
	breakpoints_remove(vm.b, BP_SOFTWARE, va, vm.cpu->brk_kind);
}

void sync_run(void)
{
	cr_assert_eq(breakpoints_sync(vm.b, BP_SYNC_RUN, false), 0);
}

const char *refused(enum bp_type type, uint64_t addr, uint64_t kind, int *err)
{
	const char *why = NULL;

	*err = breakpoints_insert(vm.b, 0, type, addr, kind, false, &why);
	cr_assert_neq(*err, 0);
	cr_assert_not_null(why, "a refusal has a reason");
	return why;
}

bool inserted_at(uint64_t gpa)
{
	return !memcmp(vm.host + gpa, vm.cpu->brk, vm.cpu->brk_size);
}

bool untouched(void)
{
	return !memcmp(vm.host, vm.before, BP_MEM);
}

bool reads_as_before(uint64_t gpa, size_t len)
{
	uint8_t buf[64];

	cr_assert_leq(len, sizeof(buf));
	return breakpoints_read(vm.b, gpa, buf, len) == len && !memcmp(buf, vm.before + gpa, len);
}

void guest_writes(uint64_t gpa, uint8_t seed)
{
	unsigned int i;

	for (i = 0; i < SOFT_INSN; i++)
		vm.before[gpa + i] = vm.host[gpa + i] = (uint8_t)(seed + i) & 0x7f;
}

const char *state_of(enum bp_type type, uint64_t addr)
{
	struct bp_info info;
	unsigned int i;

	for (i = 0; !breakpoints_info(vm.b, i, &info); i++)
		if (info.type == type && info.addr == addr)
			return info.state;
	return NULL;
}

bool notice_is(const char *text)
{
	char line[128] = "";
	bool any = breakpoints_notice(vm.b, line, sizeof(line));

	if (!text)
		cr_expect_not(any, "a notice: %s", line);
	else
		cr_expect_str_eq(line, text);
	return text ? any && !strcmp(line, text) : !any;
}
