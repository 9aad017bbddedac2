/* SPDX-License-Identifier: MIT */
/*
 * The debug engine: stops, resumes and steps a set of vCPUs, and keeps their breakpoints. What a
 * session asks of it is in target.h, what a vCPU's thread calls is in vmgdb.h; here is what is left
 * for whoever puts a VM together. docs/engine.md draws its state machines.
 */
#ifndef VMGDB_CORE_ENGINE_H
#define VMGDB_CORE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include <vmgdb/vmgdb.h>

#include "core/accel.h"
#include "core/target.h"

struct engine;

/* The config is copied. 0 or -errno. On success *out is given to engine_destroy(). */
int engine_create(struct engine **out, const struct vmgdb_config *config);
/* No vCPU thread is in the library any more. NULL is fine. */
void engine_destroy(struct engine *e);

/* What a session debugs: the engine as target.h has it. */
struct target *engine_target(struct engine *e);

/* Whom to call when target_ops.poll would have something: any thread, no lock held. Before vCPUs run. */
void engine_set_notify(struct engine *e, void (*notify)(void *opaque), void *opaque);

/* As vmgdb_add_vcpu(), vmgdb_add_memory() and vmgdb_remove_memory(). */
int engine_add_vcpu(struct engine *e, unsigned int index, const struct vcpu_ops *ops,
		    const struct vcpu_caps *caps, void *ctx, struct vmgdb_vcpu **out);
int engine_add_memory(struct engine *e, uint64_t gpa, void *hva, uint64_t size);
int engine_remove_memory(struct engine *e, uint64_t gpa);

/* As vmgdb_hold(), vmgdb_exited() and vmgdb_shutdown(). */
void engine_hold_vm(struct engine *e);
void engine_exited(struct engine *e, int status);
void engine_shutdown(struct engine *e);

/* The VM waits for a debugger to let it run: none has since engine_hold_vm(), or since one stayed. */
bool engine_is_held(struct engine *e);

/*
 * Kick those again that are to park, or to leave, and do not come, and say so in the log after a second.
 * Returns in how many milliseconds to call this and poll() again, or -1: nobody is awaited. Any thread, no
 * lock held.
 */
int engine_chase_late_vcpus(struct engine *e);

/*
 * While a debugger steps, waiting threads look for their turn so many microseconds long before they
 * sleep; 0, the default: they sleep at once. Before vCPUs run.
 */
void engine_set_spin(struct engine *e, unsigned int us);
/* A step was asked for and has not ended: wait for its end, at most as long as that. True: poll() has
 * something. The server thread. */
bool engine_await_step(struct engine *e);
/* Was the last resume a single step? The server thread. */
bool engine_is_stepped(const struct engine *e);

const struct vmgdb_config *engine_config(const struct engine *e);

/* A line to the VMM's log. Any thread, no lock held. */
void engine_log(const struct engine *e, enum vmgdb_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
