/* SPDX-License-Identifier: MIT */
/*
 * The guest-physical address map of an arm64 machine. vmgdb-run and the guests share this file;
 * other guests find the addresses in the device tree. For C, assembly and linker scripts.
 */
#ifndef VMGDB_GUESTS_ARM64_LAYOUT_H
#define VMGDB_GUESTS_ARM64_LAYOUT_H

/* Interrupt controller: version 3 has the distributor and a redistributor of 128 KiB for each CPU,
 * version 2 the distributor and a CPU interface. */
#define GICD_ADDR 0x08000000
#define GICD_SIZE 0x10000
#define GICC_ADDR 0x08010000
#define GICC_SIZE 0x2000
#define GICR_ADDR 0x080a0000
#define GICR_SIZE 0x20000

/* A 16550A, its eight registers a byte apart, on an SPI. */
#define UART_ADDR 0x09000000
#define UART_SIZE 0x1000
#define UART_SPI  1

/* A byte written here ends vmgdb-run with that status. */
#define EXIT_ADDR 0x09010000
#define EXIT_SIZE 0x1000

/* The virtual timer's interrupt, a PPI. */
#define TIMER_PPI   11

#define RAM_ADDR    0x40000000
#define DTB_ADDR    RAM_ADDR
#define DTB_SIZE    0x10000
#define KERNEL_ADDR 0x40080000

/* used by the guests alone */
#define GUEST_CPUS 64
#define STACK_SIZE 4096
#define NOWHERE	   0x0a000000 /* neither memory nor a device */

#endif
