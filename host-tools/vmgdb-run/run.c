/* SPDX-License-Identifier: MIT */
/* Running the machine: a thread for each vCPU, and the main thread for signals and the console. */
#define _GNU_SOURCE /* pthread_timedjoin_np */
#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <vmgdb/vmgdb.h>
#include "host-tools/message.h"
#include "host-tools/vmgdb-run/machine.h"
#include "host-tools/vmgdb-run/run.h"

enum { KICK_MS = 10, DRAIN_MS = 1000 };

/* ---- vCPU threads ---- */

static void system_event(struct vcpu *vcpu)
{
	uint32_t type = vcpu->run->system_event.type;

	if (type == KVM_SYSTEM_EVENT_SHUTDOWN || type == KVM_SYSTEM_EVENT_RESET)
		vm_end(vcpu->vm, 0, NULL);
	else
		vm_end(vcpu->vm, 1, "vCPU %u: system event %u at pc %#" PRIx64, vcpu->index, type,
		       machine_pc(vcpu));
}

static void serve_exit(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct kvm_run *run = vcpu->run;

	if (machine_exit(vcpu))
		return;
	switch (run->exit_reason) {
	case KVM_EXIT_INTR: break;
	case KVM_EXIT_SYSTEM_EVENT: system_event(vcpu); break;
	case KVM_EXIT_FAIL_ENTRY:
		vm_end(vm, 1,
		       "vCPU %u can't be run: KVM_EXIT_FAIL_ENTRY, reason %#llx, at pc %#" PRIx64,
		       vcpu->index, run->fail_entry.hardware_entry_failure_reason,
		       machine_pc(vcpu));
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		vm_end(vm, 1, "vCPU %u can't go on: KVM_EXIT_INTERNAL_ERROR %u at pc %#" PRIx64,
		       vcpu->index, run->internal.suberror, machine_pc(vcpu));
		break;
	default:
		vm_end(vm, 1, "vCPU %u: KVM exit %u, which is not handled, at pc %#" PRIx64,
		       vcpu->index, run->exit_reason, machine_pc(vcpu));
	}
}

/* The thread does not enter a guest that has ended again: it would end, and be reported, once more. */
static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	int err;

	while (!__atomic_load_n(&vcpu->vm->ended, __ATOMIC_ACQUIRE) &&
	       vmgdb_vcpu_enter(vcpu->stub) == 0) {
		err = ioctl(vcpu->fd, KVM_RUN, 0) < 0 ? errno : 0;
		if (vmgdb_vcpu_exit(vcpu->stub))
			continue;
		if (!err)
			serve_exit(vcpu);
		else if (err != EINTR && err != EAGAIN)
			vm_end(vcpu->vm, 1, "vCPU %u: KVM_RUN: %s, at pc %#" PRIx64, vcpu->index,
			       strerror(err), machine_pc(vcpu));
	}
	return NULL;
}

static int start_threads(struct vm *vm, unsigned int *started)
{
	char name[16];
	int err = 0;

	for (*started = 0; *started < vm->ncpus && !err; *started += !err) {
		struct vcpu *vcpu = &vm->vcpus[*started];

		err = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
		if (err)
			continue;
		snprintf(name, sizeof(name), "vcpu %u", vcpu->index);
		pthread_setname_np(vcpu->thread, name);
	}
	return err;
}

/*
 * The kick signal ends a KVM_RUN that has begun, immediate_exit one that is about to begin. The
 * library resets the latter when it has parked a vCPU; hence the second and third try.
 */
static void join_thread(struct vcpu *vcpu)
{
	struct timespec until;

	do {
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_RELAXED);
		pthread_kill(vcpu->thread, VM_KICK_SIGNAL);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += KICK_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
	} while (pthread_timedjoin_np(vcpu->thread, NULL, &until) == ETIMEDOUT);
}

/* ---- the main thread ---- */

/* What SIGTSTP does by default, with the terminal as it was before vmgdb-run. Returns after SIGCONT. */
static void stop(struct terminal *t)
{
	sigset_t set;

	terminal_restore(t);
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	raise(SIGTSTP);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void serve_signal(struct vm *vm, int fd, struct terminal *t)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGTSTP: stop(t); break;
	case SIGCONT: terminal_continued(t); break;
	default: vm_end(vm, 128 + (int)info.ssi_signo, NULL);
	}
}

void vm_follow_terminal(struct vm *vm, struct terminal *t)
{
	bool was_console = t->changed;

	console_pause_input(vm->console, !terminal_acquire(t));
	if (t->changed && !was_console)
		message("the guest's console is this terminal; Ctrl-A x ends the VM, Ctrl-A h prints help");
}

/* An error of poll() lasts, as when the limit of descriptors was lowered: no signal would be seen any more. */
static void wait_for_end(struct vm *vm, int signal_fd, struct terminal *t)
{
	enum { END, SIGNAL, CONSOLE };
	struct pollfd fds[CONSOLE + CONSOLE_POLLFDS] = {
		[END] = { .fd = vm->end_event, .events = POLLIN },
		[SIGNAL] = { .fd = signal_fd, .events = POLLIN },
	};

	while (!__atomic_load_n(&vm->ended, __ATOMIC_ACQUIRE)) {
		console_poll_prepare(vm->console, &fds[CONSOLE]);
		if (poll(fds, CONSOLE + CONSOLE_POLLFDS, terminal_timeout_ms(t)) < 0) {
			if (errno != EINTR)
				vm_end(vm, 1, "poll: %s", strerror(errno));
			continue;
		}
		if (fds[SIGNAL].revents)
			serve_signal(vm, signal_fd, t);
		vm_follow_terminal(vm, t);
		console_poll_serve(vm->console, &fds[CONSOLE]);
		if (!vm->debuggable && console_output_lost(vm->console))
			vm_end(vm, 128 + SIGPIPE, NULL);
	}
}

int vm_run(struct vm *vm, int signal_fd, struct terminal *t)
{
	unsigned int started;
	int err = start_threads(vm, &started);

	if (err)
		vm_end(vm, 1, "a thread for vCPU %u: %s", started, strerror(err));
	wait_for_end(vm, signal_fd, t);
	vmgdb_exited(vm->stub, vm->status);
	vmgdb_shutdown(vm->stub);
	for (unsigned int i = 0; i < started; i++)
		join_thread(&vm->vcpus[i]);
	console_drain(vm->console, DRAIN_MS);
	return vm->status;
}

/* A signal that was ignored when vmgdb-run was started (nohup, a script's background job) stays so. */
static void add_unless_ignored(sigset_t *set, int number)
{
	struct sigaction sa;

	if (sigaction(number, NULL, &sa) == 0 && sa.sa_handler != SIG_IGN)
		sigaddset(set, number);
}

void signals_ending(sigset_t *set)
{
	static const int ending[] = { SIGINT,  SIGQUIT,	  SIGTERM, SIGHUP, SIGUSR1, SIGUSR2,
				      SIGALRM, SIGVTALRM, SIGPROF, SIGIO,  SIGPWR,  SIGXCPU };

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		add_unless_ignored(set, ending[i]);
}

int signals_open(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signals_ending(&set);
	add_unless_ignored(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	sigaddset(&set, SIGTTIN); /* a read gives EIO instead, and the console goes without input */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigdelset(&set, SIGTTIN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}
