/* SPDX-License-Identifier: MIT */
/*
 * A guest whose x87 and vector registers hold known values while it loops in fpu_loop: st0 is pi,
 * st1 is 1, xmm0 the bytes 0 to 15, xmm1 the doubles 1.5 and -2; with AVX the upper half of ymm0 is
 * the bytes 16 to 31, and fpu_has_avx is 1.
 */
#define CR4_OSFXSR     0x200
#define CR4_OSXMMEXCPT 0x400
#define CR4_OSXSAVE    0x40000
#define XCR0_AVX       0x7

	.text
	.global	main
	.type	main, @function
main:
	mov	%cr4, %rax
	or	$(CR4_OSFXSR | CR4_OSXMMEXCPT), %rax
	mov	%rax, %cr4
	fninit
	fld1
	fldpi
	movdqa	fpu_bytes(%rip), %xmm0
	movapd	fpu_doubles(%rip), %xmm1
	call	load_avx
	lea	message(%rip), %rdi
	call	print

	.global	fpu_loop
fpu_loop:
	incq	fpu_count(%rip)
	jmp	fpu_loop
	.size	main, . - main

	.type	load_avx, @function
load_avx:
	mov	$1, %eax
	xor	%ecx, %ecx
	cpuid
	and	$0x14000000, %ecx		/* AVX and XSAVE */
	cmp	$0x14000000, %ecx
	jne	1f
	mov	%cr4, %rax
	or	$CR4_OSXSAVE, %rax
	mov	%rax, %cr4
	mov	$XCR0_AVX, %eax
	xor	%edx, %edx
	xor	%ecx, %ecx
	xsetbv
	vmovdqa	fpu_bytes(%rip), %ymm0
	movl	$1, fpu_has_avx(%rip)
1:	ret
	.size	load_avx, . - load_avx

	.section .rodata
	.balign	32
	.global	fpu_bytes, fpu_doubles
fpu_bytes:
	.byte	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	.byte	16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
fpu_doubles:
	.double	1.5, -2
message:
	.asciz	"fpu: loaded\n"

	.bss
	.balign	8
	.global	fpu_count, fpu_has_avx
fpu_count:
	.skip	8
fpu_has_avx:
	.skip	4

	.section .note.GNU-stack, "", @progbits
