// SPDX-License-Identifier: MIT
/*
 * Run control: vCont c C s S, and the ways to end: D k vKill. GDB manual, "Packets". A VM takes no
 * signals, so the numbers that C and S bring are read and dropped.
 */
#include <errno.h>
#include <string.h>

#include "core/regs.h"
#include "core/rsp/command_table.h"

/* ---- resuming ---------------------------------------------------------------------------- */

/* Every vCPU stays parked unless an action names it, and so does one that is added later. */
static bool start_actions(struct session *s)
{
	int err = vcpu_list_update(s);

	if (!err && !s->vcpus.n)
		err = -ESRCH;
	if (err)
		return fail_errno(s, err, "threads");
	for (unsigned int i = 0; i <= s->vcpus.n; i++) {
		s->vcpus.action[i] = (struct resume_action){
			.vcpu = s->vcpus.index[i],
			.kind = RESUME_HOLD,
		};
		s->vcpus.claimed[i] = false;
	}
	return true;
}

/* Give the action to the vCPUs that id names, unless an earlier one claimed them. */
static void add_action(struct session *s, const struct thread_id *id,
		       const struct resume_action *action)
{
	struct vcpu_list *l = &s->vcpus;
	unsigned int vcpu = id->kind == THREAD_ONE ? id->vcpu : s->general;

	for (unsigned int i = 0; i <= l->n; i++) {
		if (l->claimed[i] || (id->kind != THREAD_ALL && (i == l->n || l->index[i] != vcpu)))
			continue;
		l->action[i] = *action;
		l->action[i].vcpu = l->index[i];
		l->claimed[i] = true;
	}
}

static bool resume(struct session *s)
{
	struct target *t = s->target;
	struct vcpu_list *l = &s->vcpus;
	int err = t->ops->resume(t, l->action, l->n, &l->action[l->n]);

	if (err)
		return fail_errno(s, err, "resume");
	s->refused.state = NULL;
	s->hold = false;
	s->running = true;
	s->no_reply = true;
	if (s->interrupt_due)
		t->ops->interrupt(t);
	s->interrupt_due = false;
	return true;
}

/* A jump is a change, and so is a step: it decides which code runs between two stops. */
static bool may_resume(struct session *s, enum resume_kind kind, bool jumps)
{
	if (!s->config.ro || (!jumps && (kind == RESUME_CONTINUE || kind == RESUME_HOLD)))
		return true;
	return fail(s, EROFS, "this session is read-only");
}

/* ---- vCont ------------------------------------------------------------------------------- */

/* One letter, with its argument. */
static bool scan_kind(struct scan *text, struct resume_action *out)
{
	uint64_t signal;

	*out = (struct resume_action){ .kind = RESUME_STEP };
	if (scan_char(text, 's'))
		return true;
	if (scan_char(text, 'S'))
		return scan_hex(text, &signal);
	out->kind = RESUME_HOLD;
	if (scan_char(text, 't'))
		return true;
	if (scan_char(text, 'r')) {
		out->kind = RESUME_RANGE;
		return scan_hex(text, &out->start) && scan_char(text, ',') &&
		       scan_hex(text, &out->end);
	}
	out->kind = RESUME_CONTINUE;
	return scan_char(text, 'c') || (scan_char(text, 'C') && scan_hex(text, &signal));
}

/* "ACTION[:thread-id]" */
static bool scan_action(struct session *s, struct scan *text)
{
	struct thread_id id = { THREAD_ALL, 0 };
	struct resume_action action;

	if (!scan_kind(text, &action))
		return fail(s, EINVAL, "action: unknown or malformed");
	if (scan_char(text, ':') && !scan_thread(s, text, &id))
		return false;
	if (!scan_done(s, text) || !may_resume(s, action.kind, false))
		return false;
	add_action(s, &id, &action);
	return true;
}

/* The leftmost action that names a thread applies to it. */
static void vcont(struct session *s, struct scan *args)
{
	struct scan text;

	if (!scan_char(args, ';') || scan_end(args)) {
		fail(s, EINVAL, "action: missing");
		return;
	}
	if (!start_actions(s))
		return;
	while (scan_field(args, ';', &text))
		if (!scan_action(s, &text))
			return;
	resume(s);
}

static void vcont_actions(struct session *s, struct scan *args)
{
	if (scan_done(s, args))
		buf_str(&s->reply, "vCont;c;C;s;S;t;r");
}

/* ---- c C s S ----------------------------------------------------------------------------- */

/* The register that is the PC in the debugger's description, and its value. NULL: it can't be read. */
static const struct reg_desc *pc_register(struct session *s, unsigned int vcpu, uint64_t *pc)
{
	struct cpu_view *v = view_of(s, vcpu);
	const struct reg_desc *r = v && s->tdesc ? regs_find_generic(s->tdesc, "pc") : NULL;
	const void *value = r ? reg_value(v, r) : NULL;

	if (!value)
		return NULL;
	*pc = 0;
	memcpy(pc, value, reg_size(r));
	return r;
}

/*
 * Set the PC to the address of a c, s, C or S, by the same checks as P. False with the reply already an
 * error and nothing changed; otherwise *old is the PC before.
 */
static bool jump(struct session *s, unsigned int vcpu, uint64_t addr, uint64_t *old)
{
	const struct reg_desc *r = pc_register(s, vcpu, old);

	if (!r)
		return fail(s, EIO, "address: the PC can't be changed");
	if (reg_size(r) < sizeof(addr) && addr >> r->bits)
		return fail(s, EINVAL, "address: longer than the PC");
	return write_register(s, vcpu, r, &addr);
}

/* If Hc selected one thread, that one alone runs. Otherwise all run, and only the thread that Hg
 * selected steps. */
static void resume_selected(struct session *s, enum resume_kind kind, const uint64_t *pc)
{
	bool one = s->resume.kind == THREAD_ONE;
	struct thread_id id = { THREAD_ONE, one ? s->resume.vcpu : s->general };
	uint64_t old;

	if (!s->target->ops->has_vcpu(s->target, id.vcpu)) {
		fail(s, ESRCH, "the selected thread is gone");
		return;
	}
	if (!may_resume(s, kind, pc) || !start_actions(s) || (pc && !jump(s, id.vcpu, *pc, &old)))
		return;
	add_action(s, &id, &(struct resume_action){ .kind = kind });
	if (!one)
		add_action(s, &(struct thread_id){ THREAD_ALL, 0 },
			   &(struct resume_action){ .kind = RESUME_CONTINUE });
	if (!resume(s) && pc)
		jump(s, id.vcpu, old, &old);
}

/* "[ADDR]" */
static void resume_at(struct session *s, struct scan *args, enum resume_kind kind)
{
	bool jumps = !scan_end(args);
	uint64_t pc;

	if (jumps && !scan_hex(args, &pc))
		fail(s, EINVAL, "address: not hexadecimal");
	else if (scan_done(s, args))
		resume_selected(s, kind, jumps ? &pc : NULL);
}

/* "SIGNAL[;ADDR]" */
static void resume_signal(struct session *s, struct scan *args, enum resume_kind kind)
{
	uint64_t signal;

	if (!scan_hex(args, &signal) || (!scan_end(args) && !scan_char(args, ';')))
		fail(s, EINVAL, "signal: malformed");
	else
		resume_at(s, args, kind);
}

static void cont(struct session *s, struct scan *args)
{
	resume_at(s, args, RESUME_CONTINUE);
}

static void cont_signal(struct session *s, struct scan *args)
{
	resume_signal(s, args, RESUME_CONTINUE);
}

static void step(struct session *s, struct scan *args)
{
	resume_at(s, args, RESUME_STEP);
}

static void step_signal(struct session *s, struct scan *args)
{
	resume_signal(s, args, RESUME_STEP);
}

/* ---- ends -------------------------------------------------------------------------------- */

static void detach_target(struct session *s, enum detach_how how)
{
	s->target->ops->detach(s->target, how);
	s->running = false;
	s->end = SESSION_DETACHED;
}

/* Where the VMM does not let a debugger end its VM, a kill detaches. */
static void kill_target(struct session *s)
{
	if (!s->config.may_kill || s->target->ops->kill(s->target) < 0) {
		detach_target(s, DETACH_RUN);
		return;
	}
	s->running = false;
	s->end = SESSION_KILLED;
}

/* ";PID" */
static bool scan_own_process(struct session *s, struct scan *args)
{
	if (scan_char(args, ';') && scan_process(args))
		return scan_done(s, args);
	return fail(s, ESRCH, "process: malformed, or not ours");
}

static void detach(struct session *s, struct scan *args)
{
	if (!scan_end(args) && !scan_own_process(s, args))
		return;
	detach_target(s, DETACH_RUN);
	reply_ok(s);
}

/* vmgdb's own, for a client that has only read: a VM that was held for a debugger stays held, which D
 * would resume. */
static void withdraw(struct session *s, struct scan *args)
{
	if (!scan_done(s, args))
		return;
	detach_target(s, DETACH_AS_FOUND);
	reply_ok(s);
}

/* k has no reply: GDB manual, "Packets". */
static void kill_all(struct session *s, struct scan *args)
{
	if (!scan_done(s, args))
		return;
	kill_target(s);
	s->no_reply = true;
}

static void kill_process(struct session *s, struct scan *args)
{
	if (!scan_own_process(s, args))
		return;
	kill_target(s);
	reply_ok(s);
}

const struct command run_commands[] = {
	{ "vCont?", CMD_NO_HOLD, vcont_actions, NULL },
	{ "vCont", CMD_RESUME, vcont, "vContSupported+" },
	{ "c", CMD_PREFIX | CMD_RESUME, cont, NULL },
	{ "C", CMD_PREFIX | CMD_RESUME, cont_signal, NULL },
	{ "s", CMD_PREFIX | CMD_RESUME, step, NULL },
	{ "S", CMD_PREFIX | CMD_RESUME, step_signal, NULL },
	{ "D", CMD_NO_HOLD | CMD_ANY_TIME, detach, NULL },
	{ "QVmgdb.Withdraw", CMD_NO_HOLD | CMD_ANY_TIME, withdraw, "QVmgdb.Withdraw+" },
	{ "k", CMD_NO_HOLD | CMD_ANY_TIME | CMD_CHANGES, kill_all, NULL },
	{ "vKill", CMD_NO_HOLD | CMD_ANY_TIME | CMD_CHANGES, kill_process, NULL },
	{ 0 },
};
