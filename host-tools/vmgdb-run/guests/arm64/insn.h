/* SPDX-License-Identifier: MIT */
/* Instructions and device accesses that C can't express. */
#ifndef VMGDB_GUESTS_ARM64_INSN_H
#define VMGDB_GUESTS_ARM64_INSN_H

#include <stdint.h>

/* name: the assembler's name, or a macro that expands to it */
#define read_sysreg(name) read_sysreg_(name)
#define read_sysreg_(name)                                         \
	({                                                         \
		uint64_t value_;                                   \
		__asm__ volatile("mrs %0, " #name : "=r"(value_)); \
		value_;                                            \
	})

#define write_sysreg(name, value) write_sysreg_(name, value)
#define write_sysreg_(name, value) \
	__asm__ volatile("msr " #name ", %0" : : "r"((uint64_t)(value)) : "memory")

static inline void isb(void)
{
	__asm__ volatile("isb" : : : "memory");
}

/* One load or store of exactly this form, which KVM can describe in an MMIO exit. */
static inline uint32_t read32(uint64_t addr)
{
	uint32_t value;

	__asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(addr) : "memory");
	return value;
}

static inline void write32(uint64_t addr, uint32_t value)
{
	__asm__ volatile("str %w0, [%1]" : : "r"(value), "r"(addr) : "memory");
}

static inline uint8_t read8(uint64_t addr)
{
	uint32_t value;

	__asm__ volatile("ldrb %w0, [%1]" : "=r"(value) : "r"(addr) : "memory");
	return (uint8_t)value;
}

static inline void write8(uint64_t addr, uint8_t value)
{
	__asm__ volatile("strb %w0, [%1]" : : "r"((uint32_t)value), "r"(addr) : "memory");
}

/* PSCI functions (Arm DEN 0022) */
enum { PSCI_SYSTEM_OFF = 0x84000008 };

#define PSCI_CPU_ON 0xc4000003UL

static inline int64_t psci(uint64_t function, uint64_t arg1, uint64_t arg2, uint64_t arg3)
{
	register uint64_t x0 __asm__("x0") = function;
	register uint64_t x1 __asm__("x1") = arg1;
	register uint64_t x2 __asm__("x2") = arg2;
	register uint64_t x3 __asm__("x3") = arg3;

	__asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
	return (int64_t)x0;
}

#endif
