/* SPDX-License-Identifier: MIT */
/*
 * A kernel and a user program: the kernel is mapped in the upper half for EL1 alone, the program
 * (userland.c) in the lower half, each page with the access rights of its section. After start the
 * kernel runs only when the program calls, by svc.
 */
#include "host-tools/vmgdb-run/guests/arm64/insn.h"
#include "host-tools/vmgdb-run/guests/arm64/mmu.h"
#include "host-tools/vmgdb-run/guests/arm64/serial.h"
#include "host-tools/vmgdb-run/guests/arm64/traps.h"
#include "host-tools/vmgdb-run/guests/userland.h"

enum { SHIFT = 12, PAGE_LEVEL = 3, VA_BITS = 48, RAM_LEVEL = 1 };

/* Linker symbols, whose values are in starthigh.S. The kernel's are virtual addresses. */
struct user_layout {
	uint64_t kernel_base;
	uint64_t text_start, rodata_start, data_start, data_end;
	uint64_t user_text_start, user_text_end, user_text_phys;
	uint64_t user_data_start, user_data_end, user_data_phys;
	uint64_t user_main, user_stack_end;
};

extern const struct user_layout user_layout;

void low_main(void);
_Noreturn void enter_user(uint64_t pc, uint64_t sp);

static struct mmu_half low, user, high;

static void map_pages(struct mmu_half *half, uint64_t from, uint64_t to, uint64_t pa,
		      uint64_t attrs)
{
	uint64_t page = mmu_size(half, PAGE_LEVEL);

	for (uint64_t va = from; va < to; va += page, pa += page)
		mmu_map(half, va, pa, PAGE_LEVEL, attrs);
}

static void map_kernel(const struct user_layout *l, uint64_t from, uint64_t to, uint64_t attrs)
{
	map_pages(&high, from, to, from - l->kernel_base, PTE_NORMAL | PTE_UXN | attrs);
}

static void map_device(const struct user_layout *l, uint64_t pa)
{
	mmu_map(&high, l->kernel_base + pa, pa, PAGE_LEVEL, PTE_DEVICE | PTE_XN);
}

static void map_high(const struct user_layout *l)
{
	mmu_init(&high, SHIFT, VA_BITS);
	map_kernel(l, l->text_start, l->rodata_start, PTE_READ_ONLY);
	map_kernel(l, l->rodata_start, l->data_start, PTE_READ_ONLY | PTE_PXN);
	map_kernel(l, l->data_start, l->data_end, PTE_PXN);
	map_device(l, UART_ADDR);
	map_device(l, EXIT_ADDR);
}

static void map_user(const struct user_layout *l)
{
	mmu_init(&user, SHIFT, VA_BITS);
	map_pages(&user, l->user_text_start, l->user_text_end, l->user_text_phys,
		  PTE_NORMAL | PTE_USER | PTE_READ_ONLY | PTE_PXN);
	map_pages(&user, l->user_data_start, l->user_data_end, l->user_data_phys,
		  PTE_NORMAL | PTE_USER | PTE_XN);
}

/* Runs at physical addresses: makes the tables, and enables those of the upper half. */
void low_main(void)
{
	mmu_init(&low, SHIFT, VA_BITS);
	mmu_map(&low, RAM_ADDR, RAM_ADDR, RAM_LEVEL, PTE_NORMAL | PTE_UXN);
	map_high(&user_layout);
	map_user(&user_layout);
	mmu_use(&low, &high);
}

static void svc(struct frame *frame)
{
	frame->x[0] = do_syscall(frame->x[0]);
}

int main(void)
{
	device_base = user_layout.kernel_base;
	trap_handle(EC_SVC, svc);
	write_sysreg(ttbr0_el1, user.root);
	__asm__ volatile("isb; tlbi vmalle1; dsb nsh; isb" : : : "memory");
	enter_user(user_layout.user_main, user_layout.user_stack_end);
}
