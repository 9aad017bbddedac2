/* SPDX-License-Identifier: MIT */
/* The guests' files as data of vmgdb-run. */
#ifdef __x86_64__
#define GUEST_LIST "host-tools/vmgdb-run/guests/x86/list.h"
#else
#define GUEST_LIST "host-tools/vmgdb-run/guests/arm64/list.h"
#endif

#define GUEST(name, file, what) \
	.balign 16; .global guest_##name; guest_##name: .incbin file; \
	.global guest_##name##_end; guest_##name##_end: .byte 0;

	.section .rodata, "a"
#include GUEST_LIST

	.section .note.GNU-stack, "", %progbits
