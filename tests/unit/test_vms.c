// SPDX-License-Identifier: MIT
/*
 * VMs with stubs as a VMM builds them (core/include/vmgdb/vmgdb.h), software vCPUs in threads, and debuggers that
 * connect: what comes, goes and ends while one is there.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/softvm.h"
#include "tests/unit/transport_help.h"

enum { CPUS = 4 };

struct machine;

struct driven {
	struct softcpu cpu;
	struct vmgdb_vcpu *vcpu;
	struct machine *m;
	pthread_t thread;
};

struct machine {
	struct vmgdb *stub;
	uint8_t *mem;
	char path[128];
	unsigned int ncpus;
	struct driven cpus[CPUS];
	atomic_bool hang, hangs; /* exits are kept by the VMM; one is */
	atomic_uint killed;
};

/* ---- the VMM ----------------------------------------------------------------------------- */

static void serve(struct driven *d)
{
	while (atomic_load(&d->m->hang)) {
		d->m->hangs = true;
		poll(NULL, 0, 1);
	}
}

static void *drive(void *opaque)
{
	struct driven *d = opaque;

	while (vmgdb_vcpu_enter(d->vcpu) == 0) {
		int ret = softcpu_run(&d->cpu);

		if (!vmgdb_vcpu_exit(d->vcpu) && !ret && d->cpu.exit == SOFT_EXIT_IO)
			serve(d);
	}
	return NULL;
}

static struct softcpu *add_cpu(struct machine *m, unsigned int index)
{
	struct driven *d = &m->cpus[m->ncpus++];
	const struct soft_mem mem = { m->mem, SOFTVM_MEM };

	cr_assert_eq(softcpu_init(&d->cpu, &soft8_ops, index, mem, NULL), 0);
	d->cpu.regs = (struct soft_regs){ .pc = loop_of(index),
					  .vector = VECTOR,
					  .r[1] = data_of(index) };
	d->m = m;
	cr_assert_eq(vmgdb_add_vcpu(m->stub, index, &soft8_ops, &soft8_caps, &d->cpu, &d->vcpu), 0);
	cr_assert_eq(pthread_create(&d->thread, NULL, drive, d), 0);
	return &d->cpu;
}

static void on_kill(void *opaque)
{
	((struct machine *)opaque)->killed++;
}

static void write_code(struct machine *m)
{
	const struct soft_insn loop[] = { I(ADDI, 0, 0, 1), I(ST, 0, 1, 0), I(OUT, 0, 0, 0),
					  JMP(-4) };
	const struct soft_insn handler[] = { I(ADDI, 7, 0, 1), I(IRET, 0, 0, 0) };
	unsigned int i;

	memset(m->mem, 0, SOFTVM_MEM);
	memcpy(m->mem + VECTOR, handler, sizeof(handler));
	for (i = 0; i < SOFTVM_CPUS; i++)
		memcpy(m->mem + loop_of(i), loop, sizeof(loop));
}

/* A VM that runs, with a socket of this name and options. */
static void boot(struct machine *m, const char *name, const char *options, unsigned int ncpus)
{
	const struct vmgdb_config config = { .opaque = m,
					     .kick_signal = SIGRTMIN,
					     .kill = on_kill };
	unsigned int i;

	memset(m, 0, sizeof(*m));
	snprintf(m->path, sizeof(m->path), "%s/%s", temp_dir(), name);
	m->mem = aligned_alloc(4096, SOFTVM_MEM);
	cr_assert(m->mem);
	write_code(m);
	cr_assert_eq(vmgdb_create(&m->stub, &config), 0);
	cr_assert_eq(vmgdb_add_memory(m->stub, 0, m->mem, SOFTVM_MEM), 0);
	cr_assert_eq(vmgdb_add_endpoint(m->stub,
					open_endpoint(VMGDB_STUB, "unix:%s%s", m->path, options)),
		     0);
	for (i = 0; i < ncpus; i++)
		add_cpu(m, i);
	cr_assert_eq(vmgdb_start(m->stub), 0);
}

static void end(struct machine *m)
{
	unsigned int i;

	m->hang = false;
	vmgdb_shutdown(m->stub);
	for (i = 0; i < m->ncpus; i++)
		pthread_join(m->cpus[i].thread, NULL);
	vmgdb_destroy(m->stub);
	for (i = 0; i < m->ncpus; i++) {
		cr_expect_eq(m->cpus[i].cpu.calls.release, 1);
		softcpu_fini(&m->cpus[i].cpu);
	}
	free(m->mem);
}

Test(vms, kick_signal, .description = "a signal that means something else kicks no vCPU")
{
	const int wrong[] = { -1,      0,	SIGSEGV, SIGBUS,  SIGFPE,	SIGILL,
			      SIGTRAP, SIGKILL, SIGSTOP, SIGCONT, SIGRTMIN - 1, SIGRTMAX + 1 };
	const int right[] = { SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMAX };
	struct vmgdb_config config = { 0 };
	struct vmgdb *stub;
	size_t i;

	for (i = 0; i < sizeof(right) / sizeof(*right); i++) {
		config.kick_signal = right[i];
		cr_assert_eq(vmgdb_create(&stub, &config), 0);
		vmgdb_destroy(stub);
	}
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		config.kick_signal = wrong[i];
		cr_expect_eq(vmgdb_create(&stub, &config), -EINVAL, "signal %d", wrong[i]);
	}
}

static bool runs(struct machine *m, unsigned int cpu)
{
	unsigned long from = m->cpus[cpu].cpu.retired;
	unsigned int i;

	for (i = 0; i < 2000 && m->cpus[cpu].cpu.retired < from + 20; i++)
		poll(NULL, 0, 1);
	return m->cpus[cpu].cpu.retired >= from + 20;
}

static bool stands(struct machine *m, unsigned int cpu)
{
	unsigned long from = m->cpus[cpu].cpu.retired;

	poll(NULL, 0, 30);
	return m->cpus[cpu].cpu.retired == from;
}

/* ---- the debugger ------------------------------------------------------------------------ */

struct debugger {
	int fd;
	char got[8192]; /* what came and was not looked at */
	char reply[4096];
};

static void put(struct debugger *d, const char *packet)
{
	char frame[256];
	unsigned char sum = 0;
	const char *p;

	for (p = packet; *p; p++)
		sum += (unsigned char)*p;
	snprintf(frame, sizeof(frame), "$%s#%02x", packet, sum);
	cr_assert_eq(write(d->fd, frame, strlen(frame)), (ssize_t)strlen(frame));
}

/* More bytes; false: none in five seconds, or the stub has gone. */
static bool hear(struct debugger *d)
{
	struct pollfd p = { .fd = d->fd, .events = POLLIN };
	size_t len = strlen(d->got);
	ssize_t n;

	if (poll(&p, 1, 5000) <= 0)
		return false;
	n = read(d->fd, d->got + len, sizeof(d->got) - 1 - len);
	if (n <= 0)
		return false;
	d->got[len + (size_t)n] = '\0';
	return true;
}

/* The next packet, or "(gone)". */
static const char *get(struct debugger *d)
{
	char *start, *hash;

	while (!(start = strchr(d->got, '$')) || !(hash = strchr(start, '#')) || strlen(hash) < 3)
		if (!hear(d))
			return "(gone)";
	*hash = '\0';
	snprintf(d->reply, sizeof(d->reply), "%s", start + 1);
	memmove(d->got, hash + 3, strlen(hash + 3) + 1);
	return d->reply;
}

static const char *ask(struct debugger *d, const char *packet)
{
	put(d, packet);
	return get(d);
}

static void join(struct debugger *d, const struct machine *m)
{
	*d = (struct debugger){ .fd = dial_unix(m->path) };
	cr_assert_geq(d->fd, 0);
	cr_assert(strstr(ask(d, "qSupported:swbreak+"), "PacketSize="));
	cr_assert_str_eq(ask(d, "QStartNoAckMode"), "OK");
	cr_assert_eq(write(d->fd, "+", 1), 1);
}

static void quit(struct debugger *d)
{
	close(d->fd);
}

/* A VM that runs, with a socket of these options, and a debugger there. */
static void boot_joined(struct machine *m, const char *options, unsigned int ncpus,
			struct debugger *d)
{
	boot(m, "m", options, ncpus);
	join(d, m);
}

/* The VM is taken down under its debugger. */
static void end_under(struct machine *m, struct debugger *d)
{
	end(m);
	cr_expect_str_eq(get(d), "(gone)");
	quit(d);
}

static void expect_hit(struct debugger *d, unsigned int vcpu)
{
	char want[32];

	snprintf(want, sizeof(want), "thread:%x;", vcpu + 1);
	get(d);
	cr_assert(strstr(d->reply, "swbreak") && strstr(d->reply, want), "%s", d->reply);
}

static void interrupt(struct debugger *d)
{
	cr_assert_eq(write(d->fd, "\3", 1), 1);
}

static void set_break(struct debugger *d, uint64_t at)
{
	char packet[64];

	snprintf(packet, sizeof(packet), "Z0,%llx,1", (unsigned long long)at);
	cr_assert_str_eq(ask(d, packet), "OK");
}

#define VMS_TEST(NAME, WHAT) \
	Test(vms, NAME, .description = WHAT, .timeout = 60, .fini = remove_temp_dir)

/* ---- two VMs ----------------------------------------------------------------------------- */

VMS_TEST(two, "two VMs in one process, each with its debugger, know nothing of each other")
{
	static struct machine a, b;
	struct debugger da, db;
	unsigned int i;

	boot(&a, "a", "", 2);
	boot(&b, "b", "", 2);
	join(&da, &a);
	cr_expect(stands(&a, 0));
	cr_expect(runs(&b, 0), "it has no debugger yet");
	join(&db, &b);
	set_break(&da, loop_of(0));
	set_break(&db, loop_of(1));
	for (i = 0; i < 20; i++) {
		put(&da, "vCont;c");
		put(&db, "vCont;c");
		expect_hit(&db, 1);
		expect_hit(&da, 0);
	}
	put(&da, "vCont;c");
	expect_hit(&da, 0);
	end(&a); /* under its debugger */
	cr_expect_str_eq(get(&da), "(gone)");
	put(&db, "vCont;c");
	expect_hit(&db, 1);
	cr_expect_str_eq(ask(&db, "D"), "OK");
	cr_expect(runs(&b, 0) && runs(&b, 1));
	end(&b);
	quit(&da);
	quit(&db);
}

/* ---- vCPUs that come later --------------------------------------------------------------- */

VMS_TEST(added_stopped,
	 "a vCPU added while all are stopped is a thread, stands, and runs with the rest")
{
	static struct machine m;
	struct debugger d;

	boot_joined(&m, "", 2, &d);
	cr_expect_str_eq(ask(&d, "qfThreadInfo"), "m1,2");
	add_cpu(&m, 3);
	cr_expect(stands(&m, 2));
	cr_expect_str_eq(ask(&d, "qfThreadInfo"), "m1,2,4");
	cr_expect_str_eq(ask(&d, "T4"), "OK");
	set_break(&d, loop_of(3) + 4);
	put(&d, "vCont;c");
	expect_hit(&d, 3);
	end_under(&m, &d);
}

VMS_TEST(added_running, "a vCPU added while all run hits breakpoints, and stops with the others")
{
	static struct machine m;
	struct debugger d;

	boot_joined(&m, "", 1, &d);
	set_break(&d, loop_of(2) + 4);
	put(&d, "vCont;c");
	add_cpu(&m, 2);
	expect_hit(&d, 2);
	cr_expect(stands(&m, 0));
	cr_expect_str_eq(ask(&d, "qfThreadInfo"), "m1,3");
	end_under(&m, &d);
}

VMS_TEST(added_locked,
	 "a vCPU added while one alone was let run waits; the next resume includes it")
{
	static struct machine m;
	struct debugger d;

	boot_joined(&m, "", 2, &d);
	put(&d, "vCont;c:2");
	cr_expect(runs(&m, 1));
	add_cpu(&m, 2);
	cr_expect(stands(&m, 2) && stands(&m, 0) && runs(&m, 1));
	interrupt(&d);
	cr_expect(strstr(get(&d), "T02"));
	put(&d, "vCont;c:2;t");
	add_cpu(&m, 3);
	cr_expect(stands(&m, 2) && stands(&m, 3) && runs(&m, 1));
	interrupt(&d);
	cr_expect(strstr(get(&d), "T02"));
	put(&d, "vCont;c");
	cr_expect(runs(&m, 0) && runs(&m, 2) && runs(&m, 3));
	end_under(&m, &d);
}

/* ---- the end ----------------------------------------------------------------------------- */

VMS_TEST(torn_down_running, "a VM that is taken down under a debugger that waits for a stop")
{
	static struct machine m;
	struct debugger d;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		boot_joined(&m, "", 3, &d);
		if (i % 2)
			set_break(&d, 0x800);
		if (i < 2)
			put(&d, "vCont;c");
		else
			put(&d, "vCont;r100,110:1;c");
		cr_expect(runs(&m, 1));
		end_under(&m, &d);
	}
}

VMS_TEST(ended_running, "one that ends by itself says so first")
{
	static struct machine m;
	struct debugger d;

	boot_joined(&m, "", 2, &d);
	put(&d, "vCont;c");
	cr_expect(runs(&m, 1));
	vmgdb_exited(m.stub, 7);
	end(&m);
	cr_expect_str_eq(get(&d), "W07");
	cr_expect_str_eq(get(&d), "(gone)");
	quit(&d);
}

VMS_TEST(torn_down_in_step_over, "one that is taken down in the middle of a step over a breakpoint")
{
	static struct machine m;
	struct debugger d;

	boot_joined(&m, "", 3, &d);
	set_break(&d, loop_of(0) + 8);
	put(&d, "vCont;c");
	expect_hit(&d, 0);
	m.hang = true;
	put(&d, "vCont;c:1");
	while (!atomic_load(&m.hangs))
		poll(NULL, 0, 1);
	cr_expect_eq(m.mem[loop_of(0) + 8], SOFT_OUT, "in the middle of it");
	end_under(&m, &d);
}

/* ---- kicks that are lost ---------------------------------------------------------------------- */

/* vCPU 0 is with the VMM, vCPU 1 in the guest, which it does not leave by itself, and this is its next kick. */
static void run_to_lost_kick(struct machine *m, struct debugger *d)
{
	static const struct soft_insn spin[] = { JMP(-1), JMP(-1), JMP(-1), JMP(-1) };

	memcpy(m->mem + loop_of(1), spin, sizeof(spin));
	m->hang = true;
	put(d, "vCont;c");
	while (!atomic_load(&m->hangs))
		poll(NULL, 0, 1);
	cr_assert(runs(m, 1));
	m->cpus[1].cpu.lose_kicks = 1;
}

VMS_TEST(hit_with_lost_kick, "a hit is reported though the other vCPU's kick is lost")
{
	static struct machine m;
	struct debugger d;

	boot_joined(&m, "", 2, &d);
	set_break(&d, loop_of(0) + 12);
	run_to_lost_kick(&m, &d);
	m.hang = false;
	expect_hit(&d, 0);
	cr_expect_eq(m.cpus[1].cpu.lose_kicks, 0);
	end_under(&m, &d);
}

VMS_TEST(step_over_with_lost_kick,
	 "a vCPU that steps over a breakpoint gets on though the other one's kick is lost")
{
	static struct machine m;
	struct debugger d;
	char packet[64];

	boot_joined(&m, "", 2, &d);
	/* monitor set guest-slots on */
	cr_assert_str_eq(ask(&d, "qRcmd,7365742067756573742d736c6f7473206f6e"), "OK");
	/* its condition is never true */
	snprintf(packet, sizeof(packet), "Z0,%llx,1;X3,220027",
		 (unsigned long long)loop_of(0) + 12);
	cr_assert_str_eq(ask(&d, packet), "OK");
	run_to_lost_kick(&m, &d);
	m.hang = false;
	cr_expect(runs(&m, 0));
	cr_expect_eq(m.cpus[1].cpu.lose_kicks, 0);
	end_under(&m, &d);
}

VMS_TEST(torn_down_with_lost_kick, "a vCPU whose kick is lost leaves a VM that is taken down")
{
	static struct machine m;
	struct debugger d;

	boot_joined(&m, "", 2, &d);
	run_to_lost_kick(&m, &d);
	end_under(&m, &d);
	cr_expect_eq(m.cpus[1].cpu.lose_kicks, 0);
}

/* ---- held for a debugger ----------------------------------------------------------------- */

VMS_TEST(held_for_one_that_asks,
	 "wait: one that only asks and is lost, or withdraws, lets nothing run")
{
	static const char *const options[] = { ",wait", ",wait,on-disconnect=kill",
					       ",wait,on-disconnect=stay" };
	static struct machine m;
	struct debugger d;
	unsigned int i, way;

	for (i = 0; i < 3; i++) {
		boot(&m, "m", options[i], 2);
		for (way = 0; way < 4; way++) {
			join(&d, &m);
			cr_expect(strstr(ask(&d, "?"), "T05"));
			cr_expect_neq(*ask(&d, "m100,4"), 'E');
			if (way % 2)
				cr_expect_str_eq(ask(&d, "QVmgdb.Withdraw"), "OK");
			quit(&d);
			cr_expect(stands(&m, 0) && stands(&m, 1));
			cr_expect_eq(m.cpus[0].cpu.retired, 0);
		}
		join(&d, &m);
		cr_expect_str_eq(ask(&d, "D"), "OK");
		cr_expect(runs(&m, 0) && runs(&m, 1), "who detaches lets it go");
		cr_expect_eq(m.killed, 0);
		quit(&d);
		end(&m);
	}
}

VMS_TEST(held_for_one_that_acts, "wait: one that has set a breakpoint, or resumed, is a debugger")
{
	static const char *const packets[] = { "Z0,800,1", "M1000,1:00", "P2=0000000000000000" };
	static struct machine m;
	struct debugger d;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		boot_joined(&m, ",wait", 1, &d);
		cr_expect_str_eq(ask(&d, packets[i]), "OK", "%s", packets[i]);
		quit(&d);
		cr_expect(runs(&m, 0), "%s", packets[i]);
		end(&m);
	}
	boot_joined(&m, ",wait,on-disconnect=kill", 1, &d);
	put(&d, "vCont;c");
	cr_expect(runs(&m, 0));
	quit(&d);
	for (i = 0; i < 2000 && !m.killed; i++)
		poll(NULL, 0, 1);
	cr_expect_eq(m.killed, 1);
	end(&m);
}

VMS_TEST(asked_while_it_runs,
	 "one that withdraws from a VM that ran, or was left stopped, leaves it so")
{
	static struct machine m;
	struct debugger d;

	boot_joined(&m, ",on-disconnect=stay", 1, &d);
	cr_expect(stands(&m, 0));
	cr_expect_str_eq(ask(&d, "QVmgdb.Withdraw"), "OK");
	cr_expect(runs(&m, 0));
	quit(&d);
	join(&d, &m);
	quit(&d); /* the policy: it stays stopped */
	poll(NULL, 0, 30);
	cr_expect(stands(&m, 0));
	join(&d, &m);
	cr_expect_str_eq(ask(&d, "QVmgdb.Withdraw"), "OK");
	cr_expect(stands(&m, 0));
	quit(&d);
	end(&m);
}
