/* SPDX-License-Identifier: MIT */
/* vmgdb-run: a small VMM with the stub linked in. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vmgdb/vmgdb.h>
#include "host-tools/message.h"
#include "host-tools/vmgdb-run/attach_hint.h"
#include "host-tools/vmgdb-run/guests.h"
#include "host-tools/vmgdb-run/load.h"
#include "host-tools/vmgdb-run/machine.h"
#include "host-tools/vmgdb-run/options.h"
#include "host-tools/vmgdb-run/outlive.h"
#include "host-tools/vmgdb-run/run.h"
#include "host-tools/vmgdb-run/terminal.h"
#include <vmgdb/endpoint.h>

const char program_name[] = "vmgdb-run";

static void log_line(void *opaque, enum vmgdb_log_level level, const char *line)
{
	const struct vm *vm = opaque;

	if (level <= VMGDB_LOG_INFO || vm->verbose)
		message("%s", line);
}

static void log_stopped(void *opaque)
{
	(void)opaque;
	message("all vCPUs have stopped");
}

static void log_resumed(void *opaque)
{
	(void)opaque;
	message("the vCPUs run");
}

static void kill_vm(void *opaque)
{
	vm_end(opaque, 128 + 9, NULL);
}

static void console_irq(void *opaque, bool level)
{
	machine_console_irq(opaque, level);
}

/* ---- the stub ---- */

static int open_endpoints(struct vm *vm, const struct options *o, struct vmgdb_endpoint **eps)
{
	char err[256];

	for (unsigned int i = 0; i < o->ngdb; i++) {
		if (vmgdb_endpoint_open(o->gdb[i], VMGDB_STUB, &eps[i], err, sizeof(err)) == 0)
			continue;
		while (i > 0)
			vmgdb_endpoint_close(eps[--i]);
		return vm_fail(vm, 0, "--gdb: %s", err);
	}
	return 0;
}

/* Hints are printed when all endpoints are open: a VM that does not start has no way to it. */
static int add_endpoints(struct vm *vm, const struct options *o)
{
	struct vmgdb_endpoint *eps[GDB_SPECS_MAX];
	char elf[PATH_MAX];
	int ret = open_endpoints(vm, o, eps);

	if (ret < 0)
		return ret;
	attach_hint_elf(o, elf, sizeof(elf));
	for (unsigned int i = 0; i < o->ngdb; i++)
		attach_hint_print(eps[i], elf);
	for (unsigned int i = 0; i < o->ngdb; i++) { /* the stub takes each, also on failure */
		int err = vmgdb_add_endpoint(vm->stub, eps[i]);

		if (err < 0)
			ret = vm_fail(vm, -err, "--gdb %s", o->gdb[i]);
	}
	return ret;
}

static int add_machine(struct vm *vm)
{
	int ret = 0;

	for (unsigned int i = 0; i < vm->nram && ret == 0; i++)
		ret = vmgdb_add_memory(vm->stub, vm->ram[i].gpa, vm->ram[i].hva, vm->ram[i].size);
	for (unsigned int i = 0; i < vm->ncpus && ret == 0; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];

		ret = vmgdb_add_kvm_vcpu(vm->stub, i, vcpu->fd, vcpu->run, &vcpu->stub);
	}
	return ret < 0 ? vm_fail(vm, -ret, "--gdb: the debug stub") : 0;
}

/* Whether an endpoint of this kind has an option, which begins with a comma. */
static bool endpoint_has(const struct options *o, const char *kind, const char *option)
{
	for (unsigned int i = 0; i < o->ngdb; i++) {
		const char *at = strstr(o->gdb[i], option);

		if (at && strncmp(o->gdb[i], kind, strlen(kind)) == 0 &&
		    strchr(",", at[strlen(option)]))
			return true;
	}
	return false;
}

static int start_stub(struct vm *vm, const struct options *o)
{
	const struct vmgdb_config config = {
		.opaque = vm,
		.kick_signal = VM_KICK_SIGNAL,
		.log = log_line,
		.kill = kill_vm,
		.stopped = o->verbose ? log_stopped : NULL,
		.resumed = o->verbose ? log_resumed : NULL,
	};
	int ret;

	vm->verbose = o->verbose;
	ret = vmgdb_create(&vm->stub, &config);
	if (ret < 0)
		return vm_fail(vm, -ret, "--gdb: the debug stub");
	ret = add_machine(vm);
	if (ret == 0)
		ret = add_endpoints(vm, o);
	if (ret < 0)
		return ret;
	if (o->gdb_wait)
		vmgdb_hold(vm->stub);
	if (o->gdb_wait || endpoint_has(o, "", ",wait"))
		message("the VM is held until a debugger attaches");
	ret = vmgdb_start(vm->stub);
	return ret < 0 ? vm_fail(vm, -ret, "--gdb: the debug stub's thread") : 0;
}

/* ---- the machine ---- */

static int boot(struct vm *vm, const struct options *o)
{
	const struct guest *g = o->kernel ? NULL : guest_find(o->guest);
	struct image image = { 0 };
	int ret = 0;

	if (g)
		image = (struct image){ .name = g->name,
					.data = g->data,
					.size = (size_t)(g->end - g->data) };
	else
		ret = map_image(vm, o->kernel, &image);
	if (ret == 0)
		ret = load_image(vm, &image);
	if (ret == 0)
		ret = machine_boot(vm, &image);
	if (!g)
		unmap_image(&image);
	return ret;
}

static bool outlives_stdio(const struct options *o)
{
	return endpoint_has(o, "stdio", ",on-disconnect=resume") ||
	       endpoint_has(o, "stdio", ",on-disconnect=stay");
}

static void console_command(void *opaque, char key)
{
	if (key == 'x')
		vm_end(opaque, 0, NULL);
	else
		message("Ctrl-A x ends the VM, Ctrl-A Ctrl-A sends a Ctrl-A, Ctrl-A h prints this; all "
			"other keys, also Ctrl-C, go to the guest");
}

/* A debugger on stdin and stdout leaves stderr to the guest. */
static int open_console(struct vm *vm, const struct options *o, struct terminal *term)
{
	if (o->stdio)
		term->fd = -1;
	else
		terminal_open(term, STDIN_FILENO);
	vm->console =
		console_create(term->fd, o->stdio ? STDERR_FILENO : STDOUT_FILENO, console_irq, vm);
	if (!vm->console)
		return vm_fail(vm, errno, "the console");
	if (term->has_jobs)
		console_set_commands(vm->console, console_command);
	vm_follow_terminal(vm, term);
	vm->debuggable = o->ngdb > 0;
	if (!vm->debuggable)
		message("no debugger can attach: there is no --gdb, see --help; %s ends the VM",
			term->has_jobs ? "Ctrl-A x" : "Ctrl-C");
	return 0;
}

static int run(struct vm *vm, const struct options *o, int signal_fd)
{
	struct terminal term = { 0 };
	int status = 1;

	if (vm_create(vm, (unsigned int)o->cpus, o->mem_mib << 20) == 0 && boot(vm, o) == 0 &&
	    open_console(vm, o, &term) == 0 && start_stub(vm, o) == 0)
		status = vm_run(vm, signal_fd, &term);
	vmgdb_destroy(vm->stub);
	terminal_restore(&term);
	if (vm->error[0])
		message("%s", vm->error);
	console_destroy(vm->console);
	vm_destroy(vm);
	return status;
}

/* Puts /dev/null in the place of each standard descriptor that is closed, so that no other file gets
 * its number. Returns the first one, or -1. */
static int fill_standard(void)
{
	int fd, first = -1;

	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO) {
		if (first < 0)
			first = fd;
	}
	if (fd > STDERR_FILENO)
		close(fd);
	return first;
}

int main(int argc, char **argv)
{
	static struct vm vm;
	struct options o = { 0 };
	char err[256];
	int fd, status, closed = fill_standard();

	if (options_parse(&o, argc, argv, err, sizeof(err)) < 0) {
		message("%s", err);
		return 1;
	}
	if (o.help) {
		options_help();
		return fflush(stdout) == 0 ? 0 : 1;
	}
	if (o.stdio && (closed == STDIN_FILENO || closed == STDOUT_FILENO)) {
		message("--gdb stdio: standard %s: %s", closed == STDIN_FILENO ? "input" : "output",
			strerror(EBADF));
		return 1;
	}
	status = outlives_stdio(&o) ? outlive_debugger() : OUTLIVE_RUN_VM;
	if (status != OUTLIVE_RUN_VM)
		return status;
	fd = signals_open();
	if (fd < 0) {
		message("signals: %s", strerror(errno));
		return 1;
	}
	return run(&vm, &o, fd);
}
