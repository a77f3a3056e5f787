#include <stdlib.h>

#include "fuzz.h"

static struct plan plan;
static struct job job;
static struct sock_filter filter[PLAN_FILTER_MAX];
static volatile size_t sink;

static void use_bytes(struct span bytes) {
  for (size_t i = 0; i < bytes.length; i++) sink += bytes.data[i];
}

static void rewrite(struct out *out, struct span record, int depth);

static void rewrite_field(struct out *out, const struct field *field, int depth) {
  uint32_t small;
  int32_t with_sign;
  uint64_t large;
  const char *text;
  struct span rest = field->body;
  struct field inner;
  bool bad = true;
  while (depth > 0 && wire_next(&rest, &inner, &bad)) {
  }
  if (depth > 0 && !bad) {
    size_t mark = out_begin(out, field->tag);
    rewrite(out, field->body, depth - 1);
    out_end(out, mark);
  } else if (wire_str(field->body, &text, false)) out_str(out, field->tag, text);
  else if (field->tag % 2 == 0 && wire_u32(field->body, &small)) out_u32(out, field->tag, small);
  else if (wire_i32(field->body, &with_sign)) out_i32(out, field->tag, with_sign);
  else if (wire_u64(field->body, &large)) out_u64(out, field->tag, large);
  else out_bytes(out, field->tag, field->body.data, field->body.length);
}

static void rewrite(struct out *out, struct span record, int depth) {
  struct field field;
  bool bad;
  while (wire_next(&record, &field, &bad)) rewrite_field(out, &field, depth);
}

void fuzz_rewrite(struct span record) {
  struct out out = {0};
  rewrite(&out, record, 3);
  /* What could be read, up to where it was malformed, is written as the same bytes. */
  if (out.failed || out.length > record.length) __builtin_trap();
  if (out.length > 0 && memcmp(out.data, record.data, out.length) != 0) __builtin_trap();
  out_free(&out);
}

static void use_path(const char *path) {
  if (path != NULL && (!path_is_normal(path) || strlen(path) >= 4096 || strstr(path, "/../") != NULL)) __builtin_trap();
}

static void use_mounts(const struct mount_step *mounts, size_t count) {
  for (size_t i = 0; i < count; i++) {
    use_path(mounts[i].source);
    use_path(mounts[i].target);
    use_path(mounts[i].upper);
    use_path(mounts[i].work);
    use_bytes(mounts[i].content);
    if (mounts[i].target == NULL || mounts[i].flags & ~(uint32_t)MF_ALL || mounts[i].mode > 01777) __builtin_trap();
    if (mounts[i].kind == MOUNT_BIND && mounts[i].source == NULL) __builtin_trap();
  }
}

static void fuzz_host_plan(struct span bytes) {
  struct err error = plan_parse_host(bytes, &plan);
  if (failed(error) ? error.errnum == 0 || error.what == NULL : !plan.host_view || plan.mount_count != 0) __builtin_trap();
}

void fuzz_plan(struct span bytes) {
  fuzz_host_plan(bytes);
  struct err error = plan_parse(bytes, &plan, filter);
  if (failed(error)) {
    if (error.errnum == 0 || error.what == NULL) __builtin_trap();
    return;
  }
  if (plan.uid == 0 || plan.gid == 0 || strlen(plan.hostname) > 64 || plan.mount_count == 0 || plan.mounts[0].kind != MOUNT_TMPFS) __builtin_trap();
  use_mounts(plan.mounts, plan.mount_count);
  use_bytes((struct span){(const uint8_t *)plan.seccomp.filter, plan.seccomp.len * sizeof *filter});
  for (size_t i = 0; i < plan.landlock.path_count; i++) use_path(plan.landlock.paths[i].path);
  for (size_t i = 0; i < plan.scaffold_count; i++) use_path(plan.scaffold[i]);
  fuzz_job(plan.default_job);
  (void)job_fits(&plan, &job);
  (void)limits_merge(&plan.limits, &job.limits);
  (void)cgroup_merge(&plan.cgroup, &job.cgroup);
}

void fuzz_job(struct span bytes) {
  struct err error = job_parse(bytes, &job);
  if (failed(error)) {
    if (error.errnum == 0 || error.what == NULL) __builtin_trap();
    return;
  }
  use_mounts(job.mounts, job.mount_count);
  use_bytes(job.input);
  use_path(job.cwd);
  for (size_t i = 0; i < job.rule_count; i++) use_path(job.rules[i].path);
  /* Of exactly the size that job_strings may fill. */
  const char **argv = malloc((job.argc + 1) * sizeof *argv), **envp = malloc((job.envc + 1) * sizeof *envp);
  job_strings(&job, argv, envp);
  for (size_t i = 0; i < job.argc; i++) sink += strlen(argv[i]);
  for (size_t i = 0; i < job.envc; i++) sink += strchr(envp[i], '=') - envp[i] == 0 ? abort(), 0u : 1u;
  if (argv[job.argc] != NULL || envp[job.envc] != NULL) __builtin_trap();
  free(argv);
  free(envp);
}
