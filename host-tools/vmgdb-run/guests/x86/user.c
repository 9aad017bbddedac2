/* SPDX-License-Identifier: MIT */
/*
 * A kernel and a user program: the kernel is mapped in the upper half for ring 0 alone, the program
 * (userland.c) in the lower half, each page with the access rights of its section. After start the
 * kernel runs only when the program calls, by int 0x80 or syscall.
 */
#include "host-tools/vmgdb-run/guests/userland.h"
#include "host-tools/vmgdb-run/guests/x86/gdt.h"
#include "host-tools/vmgdb-run/guests/x86/insn.h"
#include "host-tools/vmgdb-run/guests/x86/traps.h"
#include "host-tools/vmgdb-run/guests/x86/usercall.h"

enum {
	VECTOR_UNDEFINED = 6,
	PAGE = 4096,
	ENTRIES = 512,

	MSR_EFER = 0xc0000080,
	MSR_STAR = 0xc0000081,
	MSR_LSTAR = 0xc0000082,
	MSR_SFMASK = 0xc0000084,
	EFER_SCE = 1 << 0,
	EFER_NXE = 1 << 11,
	RFLAGS_IF = 1 << 9,

	PTE_PRESENT = 1 << 0,
	PTE_WRITE = 1 << 1,
	PTE_USER = 1 << 2,
	DIRECTORY = PTE_PRESENT | PTE_WRITE | PTE_USER,
};

#define PTE_NX (1UL << 63)

/* symbols of the linker script */
extern unsigned char kernel_base[], text_start[], rodata_start[], data_start[], data_end[];
extern unsigned char user_text_start[], user_text_end[], user_text_phys[];
extern unsigned char user_data_start[], user_data_end[], user_data_phys[];

extern unsigned char kernel_stack_end[];

_Noreturn void enter_user(void (*rip)(void), void *rsp);
void syscall_entry(void);

typedef uint64_t page_table[ENTRIES] __attribute__((aligned(4096)));

static page_table pml4, pdpt_high, pdpt_low, pd_high, pd_low, pt_kernel, pt_user_text, pt_user_data;

/* ---- memory ---- */

static uint64_t phys(const void *kernel_address)
{
	return (uint64_t)kernel_address - (uint64_t)kernel_base;
}

/* [from, to) is within the 2 MiB that pt maps. */
static void map(uint64_t *pt, const unsigned char *from, const unsigned char *to, uint64_t pa,
		uint64_t rights)
{
	for (uint64_t va = (uint64_t)from; va < (uint64_t)to; va += PAGE, pa += PAGE)
		pt[va / PAGE % ENTRIES] = pa | rights | PTE_PRESENT;
}

static void map_kernel(void)
{
	pml4[511] = phys(pdpt_high) | DIRECTORY;
	pdpt_high[511] = phys(pd_high) | DIRECTORY;
	pd_high[1] = phys(pt_kernel) | DIRECTORY;
	map(pt_kernel, text_start, rodata_start, phys(text_start), 0);
	map(pt_kernel, rodata_start, data_start, phys(rodata_start), PTE_NX);
	map(pt_kernel, data_start, data_end, phys(data_start), PTE_WRITE | PTE_NX);
}

static void map_user(void)
{
	pml4[0] = phys(pdpt_low) | DIRECTORY;
	pdpt_low[0] = phys(pd_low) | DIRECTORY;
	pd_low[2] = phys(pt_user_text) | DIRECTORY;
	pd_low[3] = phys(pt_user_data) | DIRECTORY;
	map(pt_user_text, user_text_start, user_text_end, (uint64_t)user_text_phys, PTE_USER);
	map(pt_user_data, user_data_start, user_data_end, (uint64_t)user_data_phys,
	    PTE_USER | PTE_WRITE | PTE_NX);
}

/* ---- system calls ---- */

static void int80(struct frame *frame)
{
	frame->rax = do_syscall(frame->rdi);
}

/*
 * A KVM that emulates its guests knows no int in ring 3, and its syscall does not enter ring
 * 0: the handler serves the call instead.
 */
static void undefined(struct frame *frame)
{
	const unsigned char *insn = (const unsigned char *)frame->rip;

	if (insn[0] != 0xcd || insn[1] != INT_SYSCALL)
		trap_unexpected(frame);
	user_has_syscall = 0;
	int80(frame);
	frame->rip += 2;
}

static void init_syscalls(void)
{
	idt_init();
	idt_handle(INT_SYSCALL, int80);
	idt_allow_user(INT_SYSCALL);
	idt_handle(VECTOR_UNDEFINED, undefined);
	tss_load((uint64_t)kernel_stack_end);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | EFER_NXE);
	wrmsr(MSR_STAR, (uint64_t)KERNEL_CS << 32 | (uint64_t)(USER_DS - 8) << 48);
	wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
	wrmsr(MSR_SFMASK, RFLAGS_IF);
}

int main(void)
{
	init_syscalls();
	map_kernel();
	map_user();
	write_cr3(phys(pml4));
	enter_user(user_main, user_stack + sizeof(user_stack));
}
