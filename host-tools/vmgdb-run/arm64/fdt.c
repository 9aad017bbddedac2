/* SPDX-License-Identifier: MIT */
/* The device tree (Devicetree Specification; bindings as in Linux), by libfdt's sequential writer. */
#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "host-tools/vmgdb-run/arm64/arm64.h"

enum {
	GIC_PHANDLE = 1,
	UART_CLOCK = 1843200,

	/* interrupt cells of the GIC: kind, number, trigger */
	IRQ_SPI = 0,
	IRQ_PPI = 1,
	LEVEL_HIGH = 4,
	LEVEL_LOW = 8,

	PPI_SECURE_TIMER = 13,
	PPI_PHYSICAL_TIMER = 14,
	PPI_HYP_TIMER = 10,
};

/* A tree being written. After an error nothing more is. */
struct tree {
	void *fdt;
	int err; /* libfdt's */
};

static void begin(struct tree *t, const char *name)
{
	if (!t->err)
		t->err = fdt_begin_node(t->fdt, name);
}

static void end(struct tree *t)
{
	if (!t->err)
		t->err = fdt_end_node(t->fdt);
}

static void bytes(struct tree *t, const char *name, const void *value, size_t len)
{
	if (!t->err)
		t->err = fdt_property(t->fdt, name, value, (int)len);
}

static void string(struct tree *t, const char *name, const char *value)
{
	bytes(t, name, value, strlen(value) + 1);
}

static void cells(struct tree *t, const char *name, const uint32_t *values, size_t n)
{
	fdt32_t be[16];

	for (size_t i = 0; i < n && i < sizeof(be) / sizeof(be[0]); i++)
		be[i] = cpu_to_fdt32(values[i]);
	bytes(t, name, be, n * sizeof(be[0]));
}

#define CELLS(t, name, ...)                               \
	cells(t, name, (const uint32_t[]){ __VA_ARGS__ }, \
	      sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

/* A 64-bit number is two cells. */
#define U64(value) (uint32_t)((uint64_t)(value) >> 32), (uint32_t)(value)

static void begin_at(struct tree *t, const char *name, uint64_t addr)
{
	char full[32];

	snprintf(full, sizeof(full), "%s@%" PRIx64, name, addr);
	begin(t, full);
}

static void chosen(struct tree *t)
{
	char path[32];

	snprintf(path, sizeof(path), "/serial@%x", UART_ADDR);
	begin(t, "chosen");
	string(t, "stdout-path", path);
	end(t);
}

static void memory(struct tree *t, const struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nram; i++) {
		begin_at(t, "memory", vm->ram[i].gpa);
		string(t, "device_type", "memory");
		CELLS(t, "reg", U64(vm->ram[i].gpa), U64(vm->ram[i].size));
		end(t);
	}
}

static int cpus(struct tree *t, const struct vm *vm)
{
	uint64_t affinity;
	int ret = 0;

	begin(t, "cpus");
	CELLS(t, "#address-cells", 2);
	CELLS(t, "#size-cells", 0);
	for (unsigned int i = 0; i < vm->ncpus && ret == 0; i++) {
		ret = arm64_cpu_affinity(&vm->vcpus[i], &affinity);
		begin_at(t, "cpu", affinity);
		string(t, "device_type", "cpu");
		string(t, "compatible", "arm,armv8");
		string(t, "enable-method", "psci");
		CELLS(t, "reg", U64(affinity));
		end(t);
	}
	end(t);
	return ret;
}

static void psci(struct tree *t)
{
	static const char compatible[] = "arm,psci-0.2\0arm,psci";

	begin(t, "psci");
	bytes(t, "compatible", compatible, sizeof(compatible));
	string(t, "method", "hvc");
	end(t);
}

static void gic(struct tree *t, const struct vm *vm)
{
	begin_at(t, "interrupt-controller", GICD_ADDR);
	if (vm->machine->gic_version == 3) {
		string(t, "compatible", "arm,gic-v3");
		CELLS(t, "reg", U64(GICD_ADDR), U64(GICD_SIZE), U64(GICR_ADDR),
		      U64((uint64_t)GICR_SIZE * vm->ncpus));
	} else {
		string(t, "compatible", "arm,cortex-a15-gic");
		CELLS(t, "reg", U64(GICD_ADDR), U64(GICD_SIZE), U64(GICC_ADDR), U64(GICC_SIZE));
	}
	bytes(t, "interrupt-controller", NULL, 0);
	CELLS(t, "#interrupt-cells", 3);
	CELLS(t, "#address-cells", 0);
	CELLS(t, "phandle", GIC_PHANDLE);
	end(t);
}

static void timer(struct tree *t)
{
	begin(t, "timer");
	string(t, "compatible", "arm,armv8-timer");
	CELLS(t, "interrupts", IRQ_PPI, PPI_SECURE_TIMER, LEVEL_LOW, IRQ_PPI, PPI_PHYSICAL_TIMER,
	      LEVEL_LOW, IRQ_PPI, TIMER_PPI, LEVEL_LOW, IRQ_PPI, PPI_HYP_TIMER, LEVEL_LOW);
	bytes(t, "always-on", NULL, 0);
	end(t);
}

static void serial(struct tree *t)
{
	begin_at(t, "serial", UART_ADDR);
	string(t, "compatible", "ns16550a");
	CELLS(t, "reg", U64(UART_ADDR), U64(UART_SIZE));
	CELLS(t, "clock-frequency", UART_CLOCK);
	CELLS(t, "interrupts", IRQ_SPI, UART_SPI, LEVEL_HIGH);
	end(t);
}

static int root(struct tree *t, const struct vm *vm)
{
	int ret;

	begin(t, "");
	string(t, "compatible", "linux,dummy-virt");
	CELLS(t, "#address-cells", 2);
	CELLS(t, "#size-cells", 2);
	CELLS(t, "interrupt-parent", GIC_PHANDLE);
	chosen(t);
	memory(t, vm);
	ret = cpus(t, vm);
	psci(t);
	gic(t, vm);
	timer(t);
	serial(t);
	end(t);
	return ret;
}

int arm64_device_tree(struct vm *vm)
{
	struct tree t = { .fdt = vm_memory(vm, DTB_ADDR, DTB_SIZE) };
	int ret;

	t.err = fdt_create(t.fdt, DTB_SIZE);
	if (!t.err)
		t.err = fdt_finish_reservemap(t.fdt);
	ret = root(&t, vm);
	if (!t.err)
		t.err = fdt_finish(t.fdt);
	if (ret < 0)
		return vm_fail(vm, -ret, "device tree: MPIDR_EL1");
	if (t.err)
		return vm_fail(vm, 0, "device tree: %s", fdt_strerror(t.err));
	return 0;
}
