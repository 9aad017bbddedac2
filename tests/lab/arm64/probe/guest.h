/* SPDX-License-Identifier: MIT */
/* The labels of guest.S. */
#ifndef TESTS_LAB_ARM64_PROBE_GUEST_H
#define TESTS_LAB_ARM64_PROBE_GUEST_H

#include <stdint.h>

extern const uint8_t guest_begin[], guest_end[];
extern const uint8_t s_nops[];
extern const uint8_t s_spin[];
extern const uint8_t s_wfi[];
extern const uint8_t s_brk[];
extern const uint8_t s_access[];
extern const uint8_t s_ldaddal[];
extern const uint8_t s_exclusive[];
extern const uint8_t s_compare[];
extern const uint8_t s_mmio[];
extern const uint8_t s_daif[];
extern const uint8_t s_svc[];
extern const uint8_t s_eret[];
extern const uint8_t s_user[];
extern const uint8_t s_wait[];
extern const uint8_t s_undefined[];
extern const uint8_t s_unaligned[];
extern const uint8_t s_psci[];
extern const uint8_t s_sysregs[];
extern const uint8_t s_power_off[];
extern const uint8_t s_patched[];
extern const uint8_t s_timer[];
extern const uint8_t s_vector[];
extern const uint8_t s_sve[];
extern const uint8_t s_sign[];
extern const uint8_t s_touch[];
extern const uint8_t s_translate[];
extern const uint8_t s_counts[];

#endif
