// SPDX-License-Identifier: MIT
#include "tests/unit/fake_target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- the CPU ----------------------------------------------------------------------------- */

#define AT(field) .offset = offsetof(struct fake_state, field)

static const struct reg_desc core_regs[] = {
	{ .name = "r0", AT(r0), .bits = 64, .dwarf = 0, .generic = "arg1" },
	{ .name = "sp",
	  .type = "data_ptr",
	  AT(sp),
	  .bits = 64,
	  .dwarf = 7,
	  .generic = "sp",
	  .flags = REG_EXPEDITE },
	{ .name = "pc",
	  .type = "code_ptr",
	  AT(pc),
	  .bits = 64,
	  .dwarf = 16,
	  .generic = "pc",
	  .flags = REG_EXPEDITE },
	{ .name = "flags", .type = "fake_flags", AT(flags), .bits = 32, .dwarf = -1 },
};

static const struct reg_desc system_regs[] = {
	{ .name = "id",
	  AT(id),
	  .bits = 64,
	  .dwarf = -1,
	  .group = "system",
	  .flags = REG_READONLY | REG_HIDDEN },
	{ .name = "picky", AT(picky), .bits = 64, .dwarf = -1, .group = "system" },
};

static const struct reg_desc vector_regs[] = {
	{ .name = "st", .type = "i387_ext", AT(st), .bits = 80, .bank = 1, .dwarf = -1 },
	{ .name = "vec",
	  .type = "uint128",
	  AT(vec),
	  .bits = 128,
	  .bank = 2,
	  .dwarf = -1,
	  .flags = REG_EXPEDITE },
};

static const struct reg_feature core = {
	.name = "org.vmgdb.fake.core",
	.annex = "fake-core.xml",
	.types =
		"  <flags id=\"fake_flags\" size=\"4\"><field name=\"Z\" start=\"0\" end=\"0\"/></flags>\n",
	.regs = core_regs,
	.nregs = 4,
};

static const struct reg_feature system = {
	.name = "org.vmgdb.fake.system",
	.annex = "fake-system.xml",
	.regs = system_regs,
	.nregs = 2,
};

static const struct reg_feature vector = {
	.name = "org.vmgdb.fake.vector",
	.annex = "fake-vector.xml",
	.regs = vector_regs,
	.nregs = 2,
};

static const struct reg_feature *const wide[] = { &core, &system, &vector };

static const struct reg_desc short_regs[] = {
	{ .name = "pc", AT(pc), .bits = 32, .dwarf = 16, .generic = "pc" },
};

static const struct reg_feature short_core = {
	.name = "org.vmgdb.fake.short",
	.annex = "fake-short.xml",
	.regs = short_regs,
	.nregs = 1,
};

static const struct reg_feature *const short_features[] = { &short_core };

static const struct tdesc fake_short = { "fake:short", NULL, short_features, 1 };

const struct tdesc fake_wide = { "fake:wide", NULL, wide, 3 };
const struct tdesc fake_narrow = { "fake:narrow", "none", wide, 1 };

static struct fake_target *owner(struct cpu_view *v);

static const struct tdesc *describe(struct cpu_view *v)
{
	if (owner(v)->short_pc)
		return &fake_short;
	return owner(v)->narrow ? &fake_narrow : &fake_wide;
}

static uint64_t get_pc(const void *state)
{
	return ((const struct fake_state *)state)->pc;
}

static int write_reg(struct cpu_view *v, const struct reg_desc *r, const void *value)
{
	uint64_t x;

	(void)v;
	if (r->bits != 64)
		return -EOPNOTSUPP;
	memcpy(&x, value, sizeof(x));
	if (r->offset == offsetof(struct fake_state, picky) && x > 0xff)
		return -EINVAL;
	if (r->offset == offsetof(struct fake_state, pc) && x >> 63)
		return -EINVAL;
	return -EOPNOTSUPP;
}

static void mode(struct cpu_view *v, char *buf, size_t len)
{
	snprintf(buf, len, "%s mode", owner(v)->narrow ? "narrow" : "wide");
}

static const struct cpu fake_cpu = {
	.name = "fake",
	.state_size = sizeof(struct fake_state),
	.nbanks = 3,
	.describe = describe,
	.pc = get_pc,
	.write_reg = write_reg,
	.mode = mode,
};

/* ---- its views --------------------------------------------------------------------------- */

static int need(struct cpu_view *v, unsigned int bank)
{
	struct fake_vcpu *c = (struct fake_vcpu *)v;

	owner(v)->faults += !owner(v)->held;
	return c->unreadable & 1u << bank ? -EIO : 0;
}

static void dirty(struct cpu_view *v, unsigned int bank)
{
	((struct fake_vcpu *)v)->dirty |= 1u << bank;
}

/* ---- the target -------------------------------------------------------------------------- */

static struct fake_target *fake(struct target *t)
{
	return (struct fake_target *)t;
}

/* As fake(), for calls that need the hold. */
static struct fake_target *held(struct target *t)
{
	fake(t)->faults += !fake(t)->held;
	return fake(t);
}

/* As fake(), for calls that must not be made with it. */
static struct fake_target *not_held(struct target *t)
{
	fake(t)->faults += fake(t)->held;
	return fake(t);
}

static int hold(struct target *t)
{
	struct fake_target *f = not_held(t);

	if (f->ended || (f->stop_ready && f->stop.kind == STOP_EXITED))
		return -ESHUTDOWN;
	if (f->running)
		return -EBUSY;
	f->held = true;
	return 0;
}

static void release(struct target *t)
{
	held(t)->held = false;
}

static unsigned int vcpus(struct target *t, unsigned int *out, unsigned int max)
{
	for (unsigned int i = 0; i < fake(t)->nvcpus && i < max; i++)
		out[i] = i;
	return fake(t)->nvcpus;
}

static struct cpu_view *view(struct target *t, unsigned int vcpu)
{
	struct fake_target *f = held(t);

	if (vcpu >= f->nvcpus)
		return NULL;
	return &f->vcpus[vcpu < FAKE_VCPUS ? vcpu : FAKE_VCPUS - 1].view;
}

static const char *halted(struct target *t, unsigned int vcpu)
{
	(void)vcpu;
	return held(t)->halted;
}

/* Where addr is in the memory. */
static uint64_t offset_of(const struct fake_target *f, uint64_t addr)
{
	return addr - (f->top ? FAKE_TOP : FAKE_BASE);
}

/* How much of [addr, addr + len) is memory, from addr on; address 0 does not follow the last one. */
static size_t there(const struct fake_target *f, uint64_t addr, size_t len)
{
	uint64_t at = offset_of(f, addr);

	if (at >= FAKE_SIZE)
		return 0;
	if (addr && len > -addr)
		len = -addr;
	return len < FAKE_SIZE - at ? len : FAKE_SIZE - at;
}

static ssize_t mem_read(struct target *t, unsigned int vcpu, uint64_t addr, void *buf, size_t len)
{
	size_t n = there(held(t), addr, len);

	(void)vcpu;
	if (!n)
		return -EFAULT;
	memcpy(buf, fake(t)->memory + offset_of(fake(t), addr), n);
	return (ssize_t)n;
}

static int mem_write(struct target *t, unsigned int vcpu, uint64_t addr, const void *buf,
		     size_t len)
{
	(void)vcpu;
	if (there(held(t), addr, len) < len)
		return -EFAULT;
	memcpy(fake(t)->memory + offset_of(fake(t), addr), buf, len);
	return 0;
}

static int insert(struct target *t, unsigned int vcpu, enum bp_type type, uint64_t addr,
		  uint64_t kind, const char **why)
{
	struct fake_target *f = held(t);

	f->inserts++;
	f->last_breakpoint = (struct fake_breakpoint){ type, addr, kind, vcpu };
	*why = f->insert_why;
	return f->insert_error;
}

static int remove_breakpoint(struct target *t, enum bp_type type, uint64_t addr, uint64_t kind)
{
	struct fake_target *f = held(t);

	f->removes++;
	f->last_breakpoint = (struct fake_breakpoint){ .type = type, .addr = addr, .kind = kind };
	return 0;
}

static int flush(struct target *t, unsigned int vcpu)
{
	struct fake_vcpu *c = &held(t)->vcpus[vcpu < FAKE_VCPUS ? vcpu : FAKE_VCPUS - 1];

	if (fake(t)->flush_error)
		c->state = c->stored;
	c->stored = c->state;
	return fake(t)->flush_error;
}

static int conditions(struct target *t, enum bp_type type, uint64_t addr, uint64_t kind,
		      const struct agent_code *codes, unsigned int n)
{
	struct fake_target *f = held(t);

	(void)addr;
	(void)kind;
	if (type > BP_HARDWARE)
		return -EOPNOTSUPP;
	f->conditions[0] = '\0';
	for (unsigned int i = 0; i < n && strlen(f->conditions) < sizeof(f->conditions) / 2; i++) {
		strcat(f->conditions, codes[i].command ? "do " : "if ");
		strncat(f->conditions, (const char *)codes[i].code, codes[i].len);
		strcat(f->conditions, ";");
	}
	return f->conditions_error;
}

static bool option(struct target *t, enum target_option o)
{
	return fake(t)->options[o];
}

static void set_option(struct target *t, enum target_option o, bool on)
{
	fake(t)->options[o] = on;
}

static size_t console(struct target *t, char *buf, size_t len)
{
	struct fake_target *f = fake(t);
	size_t n;

	if (!f->text || !*f->text) {
		f->text = f->text_after;
		f->text_after = NULL;
	}
	n = f->text ? strlen(f->text) : 0;
	n = n < len ? n : len;
	if (n)
		memcpy(buf, f->text, n);
	f->text = f->text ? f->text + n : NULL;
	return n;
}

static int resume(struct target *t, const struct resume_action *actions, unsigned int n,
		  const struct resume_action *rest)
{
	struct fake_target *f = held(t);

	if (f->resume_error)
		return f->resume_error;
	f->nactions = n;
	memcpy(f->actions, actions, (n < FAKE_VCPUS ? n : FAKE_VCPUS) * sizeof(*actions));
	f->rest = *rest;
	f->resumes++;
	f->running = true;
	f->held = false;
	return 0;
}

static void interrupt(struct target *t)
{
	struct fake_target *f = fake(t);

	f->interrupts++;
	if (f->running && !f->stop_ready)
		fake_stop(f, (struct stop){ .kind = STOP_INTERRUPT });
}

static bool poll_stop(struct target *t, struct stop *out)
{
	struct fake_target *f = not_held(t);

	if (!f->stop_ready || (!f->running && f->stop.kind != STOP_EXITED))
		return false;
	*out = f->stop;
	f->ended = f->stop.kind == STOP_EXITED;
	f->running = f->stop_ready = false;
	f->text_after = f->text_at_stop;
	f->text_at_stop = NULL;
	return true;
}

static bool has_vcpu(struct target *t, unsigned int vcpu)
{
	return vcpu < fake(t)->nvcpus;
}

static int attach(struct target *t, struct stop *stop)
{
	*stop = not_held(t)->attach_stop;
	fake(t)->attaches++;
	fake(t)->running = false;
	return fake(t)->attach_error;
}

static void detach(struct target *t, enum detach_how how)
{
	not_held(t)->detaches++;
	fake(t)->detached = how;
}

static void renew(struct target *t)
{
	held(t)->renewals++;
	memset(fake(t)->options, 0, sizeof(fake(t)->options));
}

static int breakpoint(struct target *t, unsigned int i, struct bp_info *out)
{
	struct fake_target *f = held(t);

	if (i >= f->nbreakpoints)
		return -ENOENT;
	*out = f->breakpoints[i < 3 ? i : 3];
	return 0;
}

static void set_description(struct target *t, const struct tdesc *d)
{
	held(t)->description = d;
}

static int kill_vm(struct target *t)
{
	fake(t)->kills++;
	return fake(t)->kill_error;
}

static const struct target_ops fake_ops = {
	.vcpus = vcpus,
	.view = view,
	.flush = flush,
	.halted = halted,
	.read = mem_read,
	.write = mem_write,
	.insert = insert,
	.remove = remove_breakpoint,
	.conditions = conditions,
	.option = option,
	.set_option = set_option,
	.console = console,
	.resume = resume,
	.interrupt = interrupt,
	.poll = poll_stop,
	.hold = hold,
	.release = release,
	.has_vcpu = has_vcpu,
	.breakpoint = breakpoint,
	.set_description = set_description,
	.attach = attach,
	.detach = detach,
	.renew = renew,
	.kill = kill_vm,
};

static struct fake_target *owner(struct cpu_view *v)
{
	struct fake_vcpu *c = (struct fake_vcpu *)v;
	size_t index = (size_t)(c->state.id - 0x1d00);

	return (struct fake_target *)((char *)(c - index) - offsetof(struct fake_target, vcpus));
}

void fake_init(struct fake_target *f, unsigned int nvcpus)
{
	memset(f, 0, sizeof(*f));
	f->target = (struct target){ &fake_ops, &fake_cpu };
	f->nvcpus = nvcpus;
	for (unsigned int i = 0; i < FAKE_VCPUS; i++) {
		struct fake_vcpu *c = &f->vcpus[i];

		c->view = (struct cpu_view){
			.cpu = &fake_cpu, .state = &c->state, .need = need, .dirty = dirty
		};
		c->state = (struct fake_state){ .r0 = 0x1111 * (i + 1),
						.sp = 0x8000 + i,
						.pc = 0x1000 + i,
						.flags = 2,
						.id = 0x1d00 + i };
		c->stored = c->state;
	}
	for (unsigned int i = 0; i < FAKE_SIZE; i++)
		f->memory[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
}

void fake_stop(struct fake_target *f, struct stop stop)
{
	f->stop = stop;
	f->stop_ready = true;
}

unsigned int fake_faults(const struct fake_target *f)
{
	return f->faults + f->held;
}
