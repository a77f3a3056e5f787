/* The committed golden bytes are what the builder says, and the parsers read out of them what was meant. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "../frame.h"
#include "../plan.h"
#include "golden.h"
#include "harness.h"

static struct plan plan;
static struct job job;
static struct sock_filter filter[PLAN_FILTER_MAX];

static struct out read_hex(const char *name) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s.hex", GOLDEN_DIR, name);
  struct out out = {0};
  FILE *file = fopen(path, "re");
  if (file == NULL) return out;
  unsigned byte;
  while (fscanf(file, "%2x", &byte) == 1) out_raw(&out, &(uint8_t){(uint8_t)byte}, 1);
  fclose(file);
  return out;
}

static void committed_bytes_are_built(void) {
  for (size_t i = 0; i < golden_count; i++) {
    struct out read = read_hex(goldens[i].name), built = golden_bytes(&goldens[i]);
    CHECK_THAT(read.length == built.length && memcmp(read.data, built.data, built.length) == 0, "%s.hex differs", goldens[i].name);
    struct frame frame;
    size_t taken;
    if (goldens[i].kind == GOLDEN_PLAN) CHECK(!failed(plan_parse(span_of(&read), &plan, filter)));
    else if (goldens[i].kind == GOLDEN_HOST_PLAN) CHECK(!failed(plan_parse_host(span_of(&read), &plan)));
    else if (goldens[i].kind == GOLDEN_JOB) CHECK(!failed(job_parse(span_of(&read), &job)));
    else
      CHECK_THAT(frame_parse(span_of(&read), &frame, &taken) == FRAME_WHOLE && taken == read.length &&
                     frame.type == goldens[i].type && frame.id == goldens[i].id, "%s", goldens[i].name);
    out_free(&read);
    out_free(&built);
  }
}

static void full_plan_says_what_was_meant(void) {
  struct out bytes = golden_named("plan-full");
  CHECK(!failed(plan_parse(span_of(&bytes), &plan, filter)));
  CHECK(plan.namespaces == 0x7e020000 && plan.uid == 1000 && plan.gid == 1001 && strcmp(plan.hostname, "caisson") == 0);
  CHECK(plan.mount_count == 14);
  CHECK(plan.mounts[0].kind == MOUNT_TMPFS && plan.mounts[0].bytes == 1048576 && plan.mounts[0].inodes == 1024 && plan.mounts[0].mode == 0755);
  CHECK(plan.mounts[2].kind == MOUNT_BIND && strcmp(plan.mounts[2].source, "/usr") == 0 && plan.mounts[2].flags == (1 | 2 | 4 | 16));
  CHECK(plan.mounts[4].content.length == 7 && memcmp(plan.mounts[4].content.data, "usr/bin", 7) == 0);
  CHECK(plan.mounts[9].major == 1 && plan.mounts[9].minor == 3);
  CHECK(plan.mounts[11].kind == MOUNT_FILE && plan.mounts[11].content.length == 0 && plan.mounts[11].mode == 0444);
  CHECK(plan.mounts[12].bytes == 8589934592u && plan.mounts[12].flags & MF_PRIVATE);
  CHECK(plan.seccomp.len == 2 && plan.seccomp.filter == filter && filter[0].code == 0x20 && filter[0].k == 4 && filter[1].k == 0x7fff0000);
  CHECK(plan.landlock.present && plan.landlock.abi == 6 && plan.landlock.path_count == 2 && plan.landlock.port_count == 2);
  CHECK(plan.landlock.paths[1].access == 0xffff && strcmp(plan.landlock.paths[1].path, "/tmp") == 0 && plan.landlock.ports[0].port == 443);
  CHECK(plan.capabilities.bounding == 0x401 && plan.capabilities.ambient == 1 && plan.capabilities.securebits == 0xef);
  CHECK(plan.rlimit_count == 3 && plan.rlimits[2].resource == 3 && plan.rlimits[2].hard == UINT64_MAX);
  CHECK(plan.cgroup.present && plan.cgroup.memory_max == 268435456 && plan.cgroup.cpu_weight == 100 && plan.cgroup.pids_max == 64);
  CHECK(plan.cgroup.set & CG_SWAP_MAX && plan.cgroup.swap_max == 0 && !(plan.cgroup.set & CG_READ_OPS));
  CHECK(plan.limits.wall_ms == 30000 && plan.limits.cpu_ms == 10000 && plan.limits.output_bytes == 1048576 && plan.limits.kill_on_output);
  CHECK(plan.scaffold_count == 2 && strcmp(plan.scaffold[1], "/srv") == 0 && plan.default_job.length == 0);
  out_free(&bytes);
}

static void side_channels_say_what_was_meant(void) {
  struct out bytes = golden_named("plan-side-channels");
  CHECK(!failed(plan_parse(span_of(&bytes), &plan, filter)));
  CHECK(plan.side_channels == (SIDE_STORE_BYPASS | SIDE_L1D_FLUSH | SIDE_CORE | SIDE_TSC));
  out_free(&bytes);
}

static void notified_plan_says_what_was_meant(void) {
  struct out bytes = golden_named("plan-notified");
  CHECK(!failed(plan_parse(span_of(&bytes), &plan, filter)));
  CHECK(plan.notified_count == 2 && filter[1].k == 0x7fc00000);
  CHECK(plan.notified[0].number == 101 && plan.notified[0].errnum == 1 && plan.notified[0].ends && strcmp(plan.notified[0].name, "ptrace") == 0);
  CHECK(plan.notified[0].spares && plan.notified[0].spared == 16 && !plan.notified[1].spares);
  CHECK(plan.notified[1].number == 250 && plan.notified[1].errnum == 38 && !plan.notified[1].ends);
  out_free(&bytes);
}

static void network_plan_says_what_was_meant(void) {
  struct out bytes = golden_named("plan-network");
  CHECK(!failed(plan_parse(span_of(&bytes), &plan, filter)));
  CHECK(plan.network.kind == NETWORK_FILTERED && plan.network.port == 61000);
  out_free(&bytes);
  bytes = golden_named("plan-minimal");
  CHECK(!failed(plan_parse(span_of(&bytes), &plan, filter)) && plan.network.kind == NETWORK_NONE);
  out_free(&bytes);
}

static void host_plan_says_what_was_meant(void) {
  struct out bytes = golden_named("plan-host");
  CHECK(!failed(plan_parse_host(span_of(&bytes), &plan)));
  CHECK(plan.host_view && plan.no_new_privs && plan.namespaces == 0 && plan.mount_count == 0 && plan.processes == 128);
  CHECK(plan.rlimit_count == 2 && plan.rlimits[0].resource == 1 && plan.rlimits[0].soft == 1048576);
  CHECK(plan.cgroup.present && plan.cgroup.set == (CG_MEMORY_MAX | CG_PIDS_MAX | CG_SWAP_MAX) && plan.cgroup.pids_max == 64);
  CHECK(plan.limits.wall_ms == 30000 && plan.limits.kill_on_output && plan.limits.cpu_ms == 0);
  CHECK_THAT(failed(plan_parse(span_of(&bytes), &plan, filter)), "a launcher of sandboxes takes no host plan");
  out_free(&bytes);
  bytes = golden_named("plan-full");
  CHECK_THAT(failed(plan_parse_host(span_of(&bytes), &plan)), "and `child` no plan of a sandbox");
  out_free(&bytes);
}

static void full_job_says_what_was_meant(void) {
  struct out bytes = golden_named("job-full");
  CHECK(!failed(job_parse(span_of(&bytes), &job)));
  CHECK(job.argc == 4 && job.envc == 2 && strcmp(job.cwd, "/work") == 0);
  const char *argv[5], *envp[3];
  job_strings(&job, argv, envp);
  CHECK(strcmp(argv[0], "sh") == 0 && argv[2][0] == 0 && strcmp(argv[3], "caf\xc3\xa9") == 0 && argv[4] == NULL);
  CHECK(strcmp(envp[0], "PATH=/usr/bin") == 0 && strcmp(envp[1], "EMPTY=") == 0 && envp[2] == NULL);
  CHECK(job.mount_count == 3 && job.mounts[0].flags & MF_IDMAP && strcmp(job.mounts[1].upper, "/var/tmp/u") == 0);
  CHECK(job.mounts[2].kind == MOUNT_READONLY && job.mounts[2].source == NULL);
  CHECK(job.rlimit_count == 1 && job.rlimits[0].soft == 64 && job.cgroup.set == (CG_MEMORY_MAX | CG_PIDS_MAX));
  CHECK(job.limits.set == 1 << 1 && job.limits.wall_ms == 5000 && job.rule_count == 1);
  CHECK(job.stdin_mode == STDIN_INLINE && job.stdout_mode == STDIO_CAPTURE && job.stderr_mode == STDIO_STREAM);
  CHECK(job.input.length == 3 && memcmp(job.input.data, "a\0b", 3) == 0 && !job.pty);
  struct out planned = golden_named("plan-full");
  CHECK(!failed(plan_parse(span_of(&planned), &plan, filter)) && !failed(job_fits(&plan, &job)));
  out_free(&planned);
  out_free(&bytes);
}

int main(void) {
  committed_bytes_are_built();
  full_plan_says_what_was_meant();
  notified_plan_says_what_was_meant();
  side_channels_say_what_was_meant();
  network_plan_says_what_was_meant();
  host_plan_says_what_was_meant();
  full_job_says_what_was_meant();
  return harness_end("golden");
}
