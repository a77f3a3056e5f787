#include "confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "sys.h"

#define OBSERVED 1u /* src/plan/seccomp/compile.ts */

static struct err add_path(int ruleset, const struct path_rule *rule) {
  int path = openat(AT_FDCWD, rule->path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
  if (path < 0) return errno == ENOENT ? OK : fail(ERR_SYSTEM, errno, "landlock path", rule->path);
  struct stat st;
  uint64_t access = rule->access;
  /* A rule on a file may hold only what can be done to a file: execute, write, read, truncate, ioctl (landlock(7), EINVAL). */
  if (fstat(path, &st) == 0 && !S_ISDIR(st.st_mode)) access &= 0xC007u;
  struct sys_landlock_path_beneath_attr attr = {.allowed_access = access, .parent_fd = path};
  int added = sys_landlock_add_rule(ruleset, SYS_LANDLOCK_RULE_PATH_BENEATH, &attr);
  int error = errno;
  close(path);
  return added < 0 ? fail(ERR_SYSTEM, error, "landlock rule", rule->path) : OK;
}

struct err confine_rules(const struct landlock_plan *plan, int ruleset, const struct path_rule *rules, size_t count) {
  if (!plan->present) return count == 0 ? OK : fail(ERR_JOB, EINVAL, "landlock rule without landlock", rules->path);
  for (size_t i = 0; i < count; i++) TRY(add_path(ruleset, &rules[i]));
  return OK;
}

struct err confine_ruleset(const struct landlock_plan *plan, int *out) {
  *out = -1;
  if (!plan->present) return OK;
  int abi = sys_landlock_create_ruleset(NULL, 0, SYS_LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < (int)plan->abi) return fail(ERR_UNSUPPORTED, abi < 0 ? errno : ENOTSUP, "landlock", NULL);
  struct sys_landlock_ruleset_attr attr = {plan->handled_fs, plan->handled_net, plan->scoped};
  /* Older kernels refuse a structure with fields that they do not know, unless those are cut off. */
  size_t size = plan->abi >= 6 ? sizeof attr : plan->abi >= 4 ? 16 : 8;
  int ruleset = sys_landlock_create_ruleset(&attr, size, 0);
  if (ruleset < 0) return fail(ERR_SYSTEM, errno, "landlock ruleset", NULL);
  TRY(confine_rules(plan, ruleset, plan->paths, plan->path_count));
  for (size_t i = 0; i < plan->port_count; i++) {
    struct sys_landlock_net_port_attr port = {plan->ports[i].access, plan->ports[i].port};
    if (sys_landlock_add_rule(ruleset, SYS_LANDLOCK_RULE_NET_PORT, &port) < 0)
      return fail(ERR_SYSTEM, errno, "landlock port", NULL);
  }
  *out = ruleset;
  return OK;
}

struct err confine_rlimits(const struct rlimit_plan *limits, size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct rlimit now;
    if (getrlimit((int)limits[i].resource, &now) < 0) return fail(ERR_SYSTEM, errno, "getrlimit", NULL);
    struct rlimit wanted = {.rlim_cur = limits[i].soft, .rlim_max = limits[i].hard};
    /* A plan asks for at most this much; a host that allows less is stricter, which is never weaker. */
    if (wanted.rlim_max > now.rlim_max) wanted.rlim_max = now.rlim_max;
    if (wanted.rlim_cur > wanted.rlim_max) wanted.rlim_cur = wanted.rlim_max;
    if (setrlimit((int)limits[i].resource, &wanted) < 0) return fail(ERR_SYSTEM, errno, "setrlimit", NULL);
  }
  return OK;
}

/* Of the five sets, in 64-bit masks. */
static struct err set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  for (int half = 0; half < 2; half++) {
    data[half].effective = (uint32_t)(effective >> (32 * half));
    data[half].permitted = (uint32_t)(permitted >> (32 * half));
    data[half].inheritable = (uint32_t)(inheritable >> (32 * half));
  }
  return syscall(SYS_capset, &header, data) < 0 ? fail(ERR_SYSTEM, errno, "capset", NULL) : OK;
}

static struct err get_capabilities(uint64_t *effective, uint64_t *permitted) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) < 0) return fail(ERR_SYSTEM, errno, "capget", NULL);
  *effective = data[0].effective | (uint64_t)data[1].effective << 32;
  *permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
  return OK;
}

struct err confine_prepare(const struct capability_plan *plan) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail(ERR_SYSTEM, errno, "no_new_privs", NULL);
  for (int cap = 0; cap < 64; cap++) {
    if (plan->bounding >> cap & 1) continue;
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
      if (errno == EINVAL) break; /* past the last capability that this kernel knows */
      return fail(ERR_SYSTEM, errno, "drop bounding capability", NULL);
    }
  }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
    return fail(ERR_SYSTEM, errno, "clear ambient capabilities", NULL);
  if (plan->ambient) {
    uint64_t effective, permitted;
    TRY(get_capabilities(&effective, &permitted));
    TRY(set_capabilities(effective, permitted, plan->inheritable));
    for (int cap = 0; cap < 64; cap++)
      if (plan->ambient >> cap & 1)
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
          return fail(ERR_SYSTEM, errno, "raise ambient capability", NULL);
  }
  if (plan->securebits && prctl(PR_SET_SECUREBITS, plan->securebits, 0, 0, 0) < 0)
    return fail(ERR_SYSTEM, errno, "set securebits", NULL);
  return OK;
}

static struct err drop_capabilities(const struct capability_plan *plan) {
  uint64_t effective, permitted;
  TRY(set_capabilities(plan->effective, plan->permitted, plan->inheritable));
  TRY(get_capabilities(&effective, &permitted));
  if (effective & ~plan->effective || permitted & ~plan->permitted)
    return fail(ERR_SYSTEM, EPERM, "capabilities are left", NULL);
  return OK;
}

/* Where nobody listens, what would be observed is allowed, as it is in any case. The plan marks it in the answer's data, which
   the kernel does not look at (SECCOMP_RET_DATA). */
static void allow_observed(const struct sock_fprog *program) {
  for (unsigned short i = 0; i < program->len; i++) {
    struct sock_filter *each = &program->filter[i];
    if (each->code == (BPF_RET | BPF_K) && each->k == (SECCOMP_RET_USER_NOTIF | OBSERVED)) each->k = SECCOMP_RET_ALLOW;
  }
}

struct err confine_seal(const struct plan *plan, int ruleset, int *listener) {
  if (listener) *listener = -1;
  /* Across execve, and not of the domains that a guest makes for itself. Only where it is asked for: who may write as much as
     a guest likes into the log of a host fills its disk. */
  uint32_t log = plan->landlock.log ? SYS_LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON | SYS_LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF : 0;
  if (ruleset >= 0 && sys_landlock_restrict_self(ruleset, log) < 0) return fail(ERR_SYSTEM, errno, "landlock restrict", NULL);
  TRY(drop_capabilities(&plan->capabilities));
  TRY(side_channels_job(plan->side_channels, listener != NULL));
  if (plan->seccomp.len == 0) return OK;
  bool listens = listener && plan->notified_count + plan->observed_count > 0;
  if (!listens && plan->observed_count > 0) allow_observed(&plan->seccomp);
  long done = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, listens ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0, &plan->seccomp);
  if (done < 0) return fail(ERR_SYSTEM, errno, "seccomp", NULL);
  if (listens) *listener = (int)done;
  return OK;
}
