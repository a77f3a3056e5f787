/* Limits, both versions side by side: what a limit is in one stands next to what it is in the other. */
#include <errno.h>
#include <stdio.h>

#include "cgroup_parts.h"

/* Both versions of one limit. `scale`: v1's number for v2's. */
struct knob {
  enum cgroup_field field;
  enum cgroup_v1 controller;
  const char *v1, *v1_unlimited, *v2, *v2_unlimited;
};

static const struct knob knobs[] = {
    {CG_MEMORY_MAX, CGROUP_V1_MEMORY, "memory.limit_in_bytes", "-1", "memory.max", "max"},
    {CG_MEMORY_HIGH, CGROUP_V1_MEMORY, "memory.soft_limit_in_bytes", "-1", "memory.high", "max"},
    {CG_PIDS_MAX, CGROUP_V1_PIDS, "pids.max", "max", "pids.max", "max"},
    {CG_CPU_WEIGHT, CGROUP_V1_CPU, "cpu.shares", "1024", "cpu.weight", "100"},
    {CG_SWAP_MAX, CGROUP_V1_MEMORY, NULL, NULL, "memory.swap.max", "max"},
};

static uint64_t field_of(const struct cgroup_plan *plan, enum cgroup_field field) {
  switch (field) {
    case CG_MEMORY_MAX: return plan->memory_max;
    case CG_MEMORY_HIGH: return plan->memory_high;
    case CG_PIDS_MAX: return plan->pids_max;
    case CG_CPU_WEIGHT: return plan->cpu_weight;
    case CG_SWAP_MAX: return plan->swap_max;
    default: return 0;
  }
}

static int turn(const struct cgroup_tree *tree, const struct cgroup_cell *cell, const struct knob *knob, bool set,
                uint64_t value, unsigned extra_pids) {
  if (knob->field == CG_PIDS_MAX && set) value += extra_pids;
  if (tree->v2_limits) {
    int error = set ? cgroup_put_number(cell->v2, knob->v2, value) : cgroup_put(cell->v2, knob->v2, knob->v2_unlimited);
    /* A kernel without swap accounting has no such file, and then nothing to limit. */
    return error == ENOENT && (knob->field == CG_SWAP_MAX || !set) ? 0 : error;
  }
  int dir = cell->v1[knob->controller];
  if (!knob->v1) return 0;
  if (dir < 0) return set ? ENOTSUP : 0;
  if (knob->field == CG_CPU_WEIGHT && set) value = value * 1024 / 100 < 2 ? 2 : value * 1024 / 100;
  if (knob->field == CG_MEMORY_MAX) {
    /* memory and swap together may not be below memory: up first, or down last. */
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    cgroup_put(dir, "memory.memsw.limit_in_bytes", "-1");
    int error = cgroup_put(dir, knob->v1, set ? text : "-1");
    if (!error && set) {
      int swap = cgroup_put(dir, "memory.memsw.limit_in_bytes", text);
      if (swap && swap != ENOENT && swap != EACCES) error = swap;
    }
    return error;
  }
  return set ? cgroup_put_number(dir, knob->v1, value) : cgroup_put(dir, knob->v1, knob->v1_unlimited);
}

static int set_cpu(const struct cgroup_tree *tree, const struct cgroup_cell *cell, const struct cgroup_plan *plan) {
  bool limited = plan->set & CG_CPU_QUOTA;
  uint64_t period = plan->set & CG_CPU_PERIOD ? plan->cpu_period_us : 100000;
  char text[64];
  if (tree->v2_limits) {
    if (limited) snprintf(text, sizeof text, "%llu %llu", (unsigned long long)plan->cpu_quota_us, (unsigned long long)period);
    else snprintf(text, sizeof text, "max %llu", (unsigned long long)period);
    int error = cgroup_put(cell->v2, "cpu.max", text);
    return !limited && error == ENOENT ? 0 : error;
  }
  int dir = cell->v1[CGROUP_V1_CPU];
  if (dir < 0) return limited ? ENOTSUP : 0;
  cgroup_put(dir, "cpu.cfs_quota_us", "-1");
  int error = cgroup_put_number(dir, "cpu.cfs_period_us", period);
  if (!error && limited) error = cgroup_put_number(dir, "cpu.cfs_quota_us", plan->cpu_quota_us);
  return !limited && error == ENOENT ? 0 : error;
}

static int set_io(const struct cgroup_tree *tree, const struct cgroup_cell *cell, const struct cgroup_plan *plan) {
  const struct {
    enum cgroup_field field;
    uint64_t value;
    const char *v1, *v2;
  } rates[] = {
      {CG_READ_BYTES, plan->read_bytes, "blkio.throttle.read_bps_device", "rbps"},
      {CG_WRITE_BYTES, plan->write_bytes, "blkio.throttle.write_bps_device", "wbps"},
      {CG_READ_OPS, plan->read_ops, "blkio.throttle.read_iops_device", "riops"},
      {CG_WRITE_OPS, plan->write_ops, "blkio.throttle.write_iops_device", "wiops"},
  };
  for (size_t i = 0; i < 4; i++) {
    bool limited = plan->set & rates[i].field;
    if (limited && tree->device_count == 0) return ENODEV;
    for (size_t d = 0; d < tree->device_count; d++) {
      char text[96];
      unsigned long long value = rates[i].value;
      int error;
      if (tree->v2_limits) {
        if (limited) snprintf(text, sizeof text, "%s %s=%llu", tree->devices[d], rates[i].v2, value);
        else snprintf(text, sizeof text, "%s %s=max", tree->devices[d], rates[i].v2);
        error = cgroup_put(cell->v2, "io.max", text);
      } else {
        snprintf(text, sizeof text, "%s %llu", tree->devices[d], limited ? value : 0ull);
        error = cell->v1[CGROUP_V1_BLKIO] < 0 ? ENOTSUP : cgroup_put(cell->v1[CGROUP_V1_BLKIO], rates[i].v1, text);
      }
      if (error && limited) return error;
    }
  }
  return 0;
}

struct err cgroup_cell_apply(const struct cgroup_tree *tree, struct cgroup_cell *cell, const struct cgroup_plan *plan,
                             unsigned extra_pids) {
  struct cgroup_plan *now = &cell->applied;
  for (size_t i = 0; i < sizeof knobs / sizeof *knobs; i++) {
    const struct knob *knob = &knobs[i];
    bool want = plan->set & knob->field, have = now->set & knob->field;
    if (want == have && (!want || field_of(plan, knob->field) == field_of(now, knob->field))) continue;
    int error = turn(tree, cell, knob, want, field_of(plan, knob->field), extra_pids);
    if (error) return fail(ERR_SYSTEM, error, "set cgroup limit", tree->v2_limits ? knob->v2 : knob->v1);
  }
  const uint32_t cpu = CG_CPU_QUOTA | CG_CPU_PERIOD;
  if ((plan->set & cpu) != (now->set & cpu) || plan->cpu_quota_us != now->cpu_quota_us ||
      plan->cpu_period_us != now->cpu_period_us) {
    int error = set_cpu(tree, cell, plan);
    if (error) return fail(ERR_SYSTEM, error, "set cgroup limit", "cpu quota");
  }
  const uint32_t io = CG_READ_BYTES | CG_WRITE_BYTES | CG_READ_OPS | CG_WRITE_OPS;
  if ((plan->set & io) != (now->set & io) || plan->read_bytes != now->read_bytes ||
      plan->write_bytes != now->write_bytes || plan->read_ops != now->read_ops || plan->write_ops != now->write_ops) {
    int error = set_io(tree, cell, plan);
    if (error) return fail(ERR_SYSTEM, error, "set cgroup limit", "io rates");
  }
  *now = *plan;
  return OK;
}
