/* Longer than 300 lines because one table of the protocol stands here whole: a record per function, in PROTOCOL.md's order. */
#include "plan.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BIT(n) (1u << (n))
#define PLAN_HEADER 16u

/* Above this a byte count or a rate cannot be meant, and signed arithmetic on it would overflow. */
#define VALUE_MAX ((uint64_t)INT64_MAX)
/* Milliseconds that still fit a signed count of nanoseconds. */
#define MS_MAX ((uint64_t)INT64_MAX / 1000000u)

#define NS_USER 0x10000000u
#define NS_MOUNT 0x00020000u
#define NS_PID 0x20000000u
#define NS_NET 0x40000000u
#define NS_IPC 0x08000000u
#define NS_UTS 0x04000000u
#define NS_CGROUP 0x02000000u
#define NS_REQUIRED (NS_USER | NS_MOUNT | NS_PID)
#define NS_ALL (NS_REQUIRED | NS_NET | NS_IPC | NS_UTS | NS_CGROUP)

/* Which of the two is being read: it decides the error's class, its step, and what a mount may be. */
enum subject { SUBJECT_PLAN = ERR_PLAN, SUBJECT_JOB = ERR_JOB };

static struct err refuse_with(enum subject subject, int errnum, const char *what) {
  return fail((enum err_class)subject, errnum, subject == SUBJECT_PLAN ? "plan_parse" : "job_parse", what);
}

static struct err refuse(enum subject subject, const char *what) { return refuse_with(subject, EINVAL, what); }

static struct err record(enum subject subject, struct span body, const struct wire_slot *slots, size_t count, uint32_t *seen) {
  struct err error = wire_record(body, slots, count, seen);
  return failed(error) ? refuse_with(subject, error.errnum, error.what) : OK;
}

bool path_is_normal(const char *path) {
  if (path[0] != '/' || strnlen(path, PATH_MAX) >= PATH_MAX) return false;
  if (path[1] == 0) return true;
  while (*path == '/') {
    const char *name = ++path;
    while (*path != 0 && *path != '/') path++;
    size_t length = (size_t)(path - name);
    if (length == 0 || (length == 1 && name[0] == '.') || (length == 2 && name[0] == '.' && name[1] == '.')) return false;
  }
  return true;
}

/* Fields of a mount, as bits of `seen`. */
enum mount_field {
  M_SOURCE = BIT(2), M_BYTES = BIT(5), M_INODES = BIT(6), M_MODE = BIT(7), M_CONTENT = BIT(8), M_MAJOR = BIT(9),
  M_MINOR = BIT(10), M_UPPER = BIT(11), M_WORK = BIT(12),
};
#define M_COMMON (BIT(1) | BIT(3) | BIT(4))
#define MF_HARDEN (MF_READONLY | MF_NOSUID | MF_NODEV | MF_NOEXEC | MF_NOSYMFOLLOW)

/* What each kind needs, what else it may have, and the flags that mean something for it. The rest is refused, so that
   nothing is asked for that would silently not happen. */
static const struct mount_shape {
  uint32_t needs, may_have, flags;
} mount_shapes[] = {
    [MOUNT_BIND] = {M_SOURCE, 0, MF_HARDEN | MF_RECURSIVE | MF_IDMAP | MF_OPTIONAL},
    [MOUNT_TMPFS] = {M_MODE, M_BYTES | M_INODES, MF_HARDEN | MF_PRIVATE},
    [MOUNT_PROC] = {0, 0, MF_HARDEN},
    [MOUNT_DEVPTS] = {0, 0, MF_HARDEN},
    [MOUNT_MQUEUE] = {0, 0, MF_HARDEN},
    [MOUNT_SYSFS] = {0, 0, MF_HARDEN},
    [MOUNT_DIRECTORY] = {M_MODE, 0, 0},
    [MOUNT_FILE] = {M_CONTENT | M_MODE, 0, 0},
    [MOUNT_SYMLINK] = {M_CONTENT, 0, 0},
    [MOUNT_DEVICE] = {M_SOURCE | M_MAJOR | M_MINOR, 0, MF_READONLY | MF_NOSUID | MF_NOEXEC | MF_OPTIONAL},
    [MOUNT_MASK] = {0, 0, MF_HARDEN},
    [MOUNT_OVERLAY] = {M_SOURCE | M_UPPER | M_WORK, 0, MF_HARDEN | MF_IDMAP},
    [MOUNT_READONLY] = {0, 0, MF_HARDEN | MF_RECURSIVE | MF_OPTIONAL},
};

static bool optional_path_is_normal(const char *path) { return path == NULL || path_is_normal(path); }

static bool link_is_valid(struct span content) {
  return content.length > 0 && content.length < PATH_MAX && memchr(content.data, 0, content.length) == NULL;
}

static struct err mount_parse(enum subject subject, struct span body, bool is_root, struct mount_step *out) {
  *out = (struct mount_step){0};
  uint32_t kind = 0, seen;
  const struct wire_slot slots[] = {
      {1, WIRE_U32, true, &kind},           {2, WIRE_STR, false, &out->source}, {3, WIRE_STR, true, &out->target},
      {4, WIRE_U32, false, &out->flags},    {5, WIRE_U64, false, &out->bytes},  {6, WIRE_U64, false, &out->inodes},
      {7, WIRE_U32, false, &out->mode},     {8, WIRE_BYTES, false, &out->content}, {9, WIRE_U32, false, &out->major},
      {10, WIRE_U32, false, &out->minor},   {11, WIRE_STR, false, &out->upper}, {12, WIRE_STR, false, &out->work},
  };
  TRY(record(subject, body, slots, COUNT(slots), &seen));
  if (kind < MOUNT_BIND || kind > MOUNT_READONLY) return refuse(subject, "mount: unknown kind");
  out->kind = (enum mount_kind)kind;
  const struct mount_shape *shape = &mount_shapes[kind];
  if (shape->needs & ~seen) return refuse(subject, "mount: its kind needs another field");
  if (seen & ~(M_COMMON | shape->needs | shape->may_have)) return refuse(subject, "mount: a field that its kind does not have");
  if (out->flags & ~shape->flags) return refuse(subject, "mount: a flag that its kind does not have");
  if (subject == SUBJECT_PLAN && (kind == MOUNT_OVERLAY || kind == MOUNT_READONLY || out->flags & MF_IDMAP))
    return refuse(subject, "mount: for jobs only");
  if (is_root && (kind != MOUNT_TMPFS || strcmp(out->target, "/") != 0))
    return refuse(subject, "mount: the first is not the root tmpfs");
  if (!path_is_normal(out->target) || (!is_root && out->target[1] == 0))
    return refuse(subject, "mount: target is not an absolute, normal path below /");
  if (!optional_path_is_normal(out->source) || !optional_path_is_normal(out->upper) || !optional_path_is_normal(out->work))
    return refuse(subject, "mount: a host path is not absolute and normal");
  if ((seen & M_BYTES && (out->bytes == 0 || out->bytes > VALUE_MAX)) ||
      (seen & M_INODES && (out->inodes == 0 || out->inodes > VALUE_MAX)))
    return refuse(subject, "mount: size out of range");
  if (out->mode > 01777) return refuse(subject, "mount: mode has more than permission bits");
  if (kind == MOUNT_SYMLINK && !link_is_valid(out->content)) return refuse(subject, "mount: link is empty, too long or has a NUL");
  return OK;
}

static struct err path_rule_parse(enum subject subject, struct span body, struct path_rule *out) {
  *out = (struct path_rule){0};
  const struct wire_slot slots[] = {{1, WIRE_U64, true, &out->access}, {2, WIRE_STR, true, &out->path}};
  uint32_t seen;
  TRY(record(subject, body, slots, COUNT(slots), &seen));
  if (out->access == 0) return refuse(subject, "landlock: a rule that allows nothing");
  if (!path_is_normal(out->path)) return refuse(subject, "landlock: path is not absolute and normal");
  return OK;
}

static struct err port_rule_parse(struct span body, struct port_rule *out) {
  *out = (struct port_rule){0};
  const struct wire_slot slots[] = {{1, WIRE_U64, true, &out->access}, {2, WIRE_U64, true, &out->port}};
  uint32_t seen;
  TRY(record(SUBJECT_PLAN, body, slots, COUNT(slots), &seen));
  if (out->access == 0) return refuse(SUBJECT_PLAN, "landlock: a rule that allows nothing");
  if (out->port > 65535) return refuse(SUBJECT_PLAN, "landlock: port above 65535");
  return OK;
}

static struct err landlock_parse(struct span body, struct landlock_plan *out) {
  const struct wire_slot slots[] = {
      {1, WIRE_U32, true, &out->abi},    {2, WIRE_U64, true, &out->handled_fs}, {3, WIRE_U64, true, &out->handled_net},
      {4, WIRE_U64, true, &out->scoped}, {5, WIRE_LIST, false, NULL},           {6, WIRE_LIST, false, NULL},
      {7, WIRE_U32, false, &out->log},
  };
  uint32_t seen;
  TRY(record(SUBJECT_PLAN, body, slots, COUNT(slots), &seen));
  if (out->abi < 1 || out->abi > 255) return refuse(SUBJECT_PLAN, "landlock: no such ABI");
  if (out->log > 1 || (out->log && out->abi < 7)) return refuse(SUBJECT_PLAN, "landlock: log is 0 or 1, and needs ABI 7");
  if ((out->handled_fs | out->handled_net | out->scoped) == 0) return refuse(SUBJECT_PLAN, "landlock: handles nothing");
  struct field field;
  bool bad;
  while (wire_next(&body, &field, &bad)) {
    if (field.tag == 5) {
      if (out->path_count == PLAN_RULES_MAX) return refuse_with(SUBJECT_PLAN, E2BIG, "landlock: too many path rules");
      struct path_rule *rule = &out->paths[out->path_count++];
      TRY(path_rule_parse(SUBJECT_PLAN, field.body, rule));
      if (rule->access & ~out->handled_fs) return refuse(SUBJECT_PLAN, "landlock: a rule beyond what is handled");
    } else if (field.tag == 6) {
      if (out->port_count == PLAN_RULES_MAX) return refuse_with(SUBJECT_PLAN, E2BIG, "landlock: too many port rules");
      struct port_rule *rule = &out->ports[out->port_count++];
      TRY(port_rule_parse(field.body, rule));
      if (rule->access & ~out->handled_net) return refuse(SUBJECT_PLAN, "landlock: a rule beyond what is handled");
    }
  }
  out->present = true;
  return OK;
}

static struct err capabilities_parse(struct span body, struct capability_plan *out) {
  const struct wire_slot slots[] = {
      {1, WIRE_U64, true, &out->bounding},    {2, WIRE_U64, true, &out->effective}, {3, WIRE_U64, true, &out->permitted},
      {4, WIRE_U64, true, &out->inheritable}, {5, WIRE_U64, true, &out->ambient},   {6, WIRE_U32, true, &out->securebits},
  };
  uint32_t seen;
  TRY(record(SUBJECT_PLAN, body, slots, COUNT(slots), &seen));
  /* The kernel's own conditions (capabilities(7)); a plan that breaks them would end in less than it says. */
  if (out->effective & ~out->permitted) return refuse(SUBJECT_PLAN, "capabilities: effective beyond permitted");
  if (out->ambient & ~(out->permitted & out->inheritable))
    return refuse(SUBJECT_PLAN, "capabilities: ambient beyond permitted and inheritable");
  if (out->securebits > 0xfff) return refuse(SUBJECT_PLAN, "capabilities: unknown securebits");
  return OK;
}

static struct err rlimit_parse(enum subject subject, struct span body, struct rlimit_plan *rlimits, size_t *count) {
  if (*count == PLAN_RLIMITS_MAX) return refuse_with(subject, E2BIG, "rlimit: too many");
  struct rlimit_plan *out = &rlimits[*count];
  *out = (struct rlimit_plan){0};
  const struct wire_slot slots[] = {
      {1, WIRE_U32, true, &out->resource}, {2, WIRE_U64, true, &out->soft}, {3, WIRE_U64, true, &out->hard}};
  uint32_t seen;
  TRY(record(subject, body, slots, COUNT(slots), &seen));
  if (out->resource > 15) return refuse(subject, "rlimit: unknown resource");
  if (out->soft > out->hard) return refuse(subject, "rlimit: soft above hard");
  for (size_t i = 0; i < *count; i++)
    if (rlimits[i].resource == out->resource) return refuse(subject, "rlimit: resource named twice");
  (*count)++;
  return OK;
}

static struct err cgroup_parse(enum subject subject, struct span body, struct cgroup_plan *out) {
  uint32_t weight = 0;
  const struct wire_slot slots[] = {
      {1, WIRE_U64, false, &out->memory_max},    {2, WIRE_U64, false, &out->memory_high},
      {3, WIRE_U64, false, &out->cpu_quota_us},  {4, WIRE_U64, false, &out->cpu_period_us},
      {5, WIRE_U32, false, &weight},             {6, WIRE_U64, false, &out->pids_max},
      {7, WIRE_U64, false, &out->read_bytes},    {8, WIRE_U64, false, &out->write_bytes},
      {9, WIRE_U64, false, &out->read_ops},      {10, WIRE_U64, false, &out->write_ops},
      {11, WIRE_U64, false, &out->swap_max},
  };
  TRY(record(subject, body, slots, COUNT(slots), &out->set));
  out->cpu_weight = weight;
  out->present = true;
  for (size_t i = 0; i < COUNT(slots); i++) {
    if (slots[i].type != WIRE_U64 || !(out->set & BIT(slots[i].tag))) continue;
    uint64_t value = *(const uint64_t *)slots[i].out;
    /* No swap at all is a limit that one sets; no memory, no processes, no bytes cannot be meant. */
    if (value > VALUE_MAX || (value == 0 && slots[i].tag != 11)) return refuse(subject, "cgroup: a limit of 0 or above 2^63");
  }
  if (out->set & CG_CPU_WEIGHT && (weight < 1 || weight > 10000)) return refuse(subject, "cgroup: weight is 1 to 10000");
  /* The kernel's bounds on a CFS quota and period (Documentation/scheduler/sched-bwc.rst). */
  if (out->set & CG_CPU_QUOTA && out->cpu_quota_us < 1000) return refuse(subject, "cgroup: CPU quota below 1 ms");
  if (out->set & CG_CPU_PERIOD && (out->cpu_period_us < 1000 || out->cpu_period_us > 1000000))
    return refuse(subject, "cgroup: CPU period is 1 ms to 1 s");
  return OK;
}

static struct err limits_parse(enum subject subject, struct span body, struct limits_plan *out) {
  uint32_t policy = 0;
  const struct wire_slot slots[] = {{1, WIRE_U64, false, &out->wall_ms},
                                    {2, WIRE_U64, false, &out->cpu_ms},
                                    {3, WIRE_U64, false, &out->output_bytes},
                                    {4, WIRE_U32, false, &policy}};
  TRY(record(subject, body, slots, COUNT(slots), &out->set));
  if ((out->set & BIT(1) && (out->wall_ms == 0 || out->wall_ms > MS_MAX)) ||
      (out->set & BIT(2) && (out->cpu_ms == 0 || out->cpu_ms > MS_MAX)) ||
      (out->set & BIT(3) && (out->output_bytes == 0 || out->output_bytes > VALUE_MAX)))
    return refuse(subject, "limits: out of range");
  if (policy > 1) return refuse(subject, "limits: output policy is 0 or 1");
  out->kill_on_output = policy == 1;
  return OK;
}

static struct err mount_append(enum subject subject, struct span body, struct mount_step *mounts, size_t *count, size_t max) {
  if (*count == max) return refuse_with(subject, E2BIG, "mount: too many");
  TRY(mount_parse(subject, body, subject == SUBJECT_PLAN && *count == 0, &mounts[*count]));
  (*count)++;
  return OK;
}

static struct err scaffold_parse(struct span body, struct plan *out) {
  if (out->scaffold_count == PLAN_SCAFFOLD_MAX) return refuse_with(SUBJECT_PLAN, E2BIG, "scaffold: too many");
  const char *path;
  if (!wire_str(body, &path, false)) return refuse_with(SUBJECT_PLAN, EBADMSG, "scaffold: not a string");
  if (!path_is_normal(path) || path[1] == 0 || strchr(path + 1, '/') != NULL)
    return refuse(SUBJECT_PLAN, "scaffold: not a top-level directory");
  for (size_t i = 0; i < out->scaffold_count; i++)
    if (strcmp(out->scaffold[i], path) == 0) return refuse(SUBJECT_PLAN, "scaffold: named twice");
  out->scaffold[out->scaffold_count++] = path;
  return OK;
}

static struct err notified_parse(struct span body, struct plan *out) {
  if (out->notified_count == PLAN_NOTIFIED_MAX) return refuse_with(SUBJECT_PLAN, E2BIG, "notified: too many");
  uint32_t number = 0, errnum = 0, ends = 0, spared = 0, seen;
  const char *name = NULL;
  const struct wire_slot slots[] = {
      {1, WIRE_U32, true, &number}, {2, WIRE_U32, true, &errnum}, {3, WIRE_U32, true, &ends}, {4, WIRE_STR, true, &name},
      {5, WIRE_U32, false, &spared}};
  TRY(record(SUBJECT_PLAN, body, slots, COUNT(slots), &seen));
  /* 0 would tell the guest that it was done. */
  if (errnum < 1 || errnum > 4095) return refuse(SUBJECT_PLAN, "notified: errno is 1 to 4095");
  if (ends > 1) return refuse(SUBJECT_PLAN, "notified: ends is 0 or 1");
  for (size_t i = 0; i < out->notified_count; i++)
    if (out->notified[i].number == number) return refuse(SUBJECT_PLAN, "notified: a call named twice");
  /* What goes on in any case is not what is refused. */
  for (size_t i = 0; i < out->observed_count; i++)
    if (out->observed[i] == number) return refuse(SUBJECT_PLAN, "notified: a call that is observed");
  out->notified[out->notified_count++] = (struct notified){number, (int32_t)errnum, ends == 1, (seen & BIT(5)) != 0, spared, name};
  return OK;
}

static struct err packet_rule_parse(struct span body, struct plan *out) {
  static const uint8_t mapped[12] = {[10] = 255, [11] = 255};
  if (out->packet_count == PLAN_PACKETS_MAX) return refuse_with(SUBJECT_PLAN, E2BIG, "packets: more than 128 rules");
  struct packet_rule *rule = &out->packets[out->packet_count];
  uint32_t seen, verdict, prefix, from = 0, to = 0;
  struct span address;
  const struct wire_slot slots[] = {{1, WIRE_U32, true, &verdict}, {2, WIRE_U32, true, &rule->protocol}, {3, WIRE_BYTES, true, &address},
                                    {4, WIRE_U32, true, &prefix},  {5, WIRE_U32, false, &from},          {6, WIRE_U32, false, &to}};
  TRY(record(SUBJECT_PLAN, body, slots, COUNT(slots), &seen));
  if (verdict != 1 && verdict != 2) return refuse(SUBJECT_PLAN, "packets: verdict is 1 or 2");
  if (rule->protocol > PACKET_PROTOCOL_OTHER) return refuse(SUBJECT_PLAN, "packets: unknown protocol");
  if (address.length != 16 || memcmp(address.data, mapped, sizeof mapped) != 0 || prefix < 96 || prefix > 128)
    return refuse(SUBJECT_PLAN, "packets: not a block of IPv4");
  /* Compared with what is left of a packet's address, bits behind the prefix would never be met: a denial of nothing. */
  for (uint32_t bit = prefix; bit < 128; bit++)
    if (address.data[bit / 8] >> (7 - bit % 8) & 1) return refuse(SUBJECT_PLAN, "packets: not a block of IPv4");
  bool ported = rule->protocol == 6 || rule->protocol == 17;
  if (seen & (BIT(5) | BIT(6)) && (!ported || from < 1 || from > to || to > 65535)) return refuse(SUBJECT_PLAN, "packets: ports");
  memcpy(rule->address, address.data + 12, sizeof rule->address);
  rule->prefix = (uint8_t)(prefix - 96);
  rule->denies = verdict == 2;
  rule->from = (uint16_t)from;
  rule->to = (uint16_t)to;
  out->packet_count++;
  return OK;
}

static struct err observed_parse(struct span body, bool filtered, struct plan *out) {
  if (!filtered) return refuse(SUBJECT_PLAN, "observed: without seccomp");
  if (body.length == 0 || body.length % sizeof(uint32_t) != 0) return refuse(SUBJECT_PLAN, "observed: not numbers of 4 bytes");
  if (body.length / sizeof(uint32_t) > PLAN_OBSERVED_MAX) return refuse_with(SUBJECT_PLAN, E2BIG, "observed: too many");
  for (size_t at = 0; at < body.length; at += sizeof(uint32_t)) {
    uint32_t number;
    memcpy(&number, body.data + at, sizeof number);
    out->observed[out->observed_count++] = number;
  }
  return OK;
}

static struct err network_parse(struct span body, struct plan *out) {
  struct network_plan *network = &out->network;
  uint32_t seen;
  const struct wire_slot slots[] = {{1, WIRE_U32, true, &network->kind}, {2, WIRE_U32, false, &network->port}, {3, WIRE_LIST, false, NULL}};
  TRY(record(SUBJECT_PLAN, body, slots, COUNT(slots), &seen));
  if (network->kind != NETWORK_FILTERED && network->kind != NETWORK_PACKETS) return refuse(SUBJECT_PLAN, "network: unknown kind");
  bool listens = network->kind == NETWORK_FILTERED;
  if (listens && (network->port < 1024 || network->port > 65535)) return refuse(SUBJECT_PLAN, "network: port is 1024 to 65535");
  if (!listens && seen & BIT(2)) return refuse(SUBJECT_PLAN, "network: a port without a listener");
  struct field field;
  bool bad;
  while (wire_next(&body, &field, &bad))
    if (field.tag == 3) TRY(packet_rule_parse(field.body, out));
  network->packets = !listens || out->packet_count > 0;
  if (!(out->namespaces & NS_NET)) return refuse(SUBJECT_PLAN, "network: without a network namespace");
  return OK;
}

static struct err plan_lists(struct span body, struct plan *out) {
  struct field field;
  bool bad;
  while (wire_next(&body, &field, &bad)) {
    if (field.tag == 5) TRY(mount_append(SUBJECT_PLAN, field.body, out->mounts, &out->mount_count, PLAN_MOUNTS_MAX));
    if (field.tag == 9) TRY(rlimit_parse(SUBJECT_PLAN, field.body, out->rlimits, &out->rlimit_count));
    if (field.tag == 12) TRY(scaffold_parse(field.body, out));
    if (field.tag == 15) TRY(notified_parse(field.body, out));
  }
  return out->mount_count == 0 ? refuse(SUBJECT_PLAN, "mount: the first is not the root tmpfs") : OK;
}

static struct err plan_body(struct span body, struct plan *out, struct span *seccomp) {
  struct span landlock, capabilities, cgroup, limits, network, observed;
  uint32_t seen;
  const struct wire_slot slots[] = {
      {1, WIRE_U32, true, &out->namespaces},   {2, WIRE_U32, true, &out->uid},      {3, WIRE_U32, true, &out->gid},
      {4, WIRE_STR, true, &out->hostname},     {5, WIRE_LIST, false, NULL},         {6, WIRE_BYTES, false, seccomp},
      {7, WIRE_BYTES, false, &landlock},       {8, WIRE_BYTES, true, &capabilities}, {9, WIRE_LIST, false, NULL},
      {10, WIRE_BYTES, false, &cgroup},        {11, WIRE_BYTES, true, &limits},     {12, WIRE_LIST, false, NULL},
      {13, WIRE_BYTES, false, &out->default_job}, {14, WIRE_BYTES, false, &network}, {15, WIRE_LIST, false, NULL},
      {16, WIRE_U32, false, &out->side_channels}, {17, WIRE_BYTES, false, &observed},
  };
  TRY(record(SUBJECT_PLAN, body, slots, COUNT(slots), &seen));
  if ((out->namespaces & NS_REQUIRED) != NS_REQUIRED) return refuse(SUBJECT_PLAN, "namespaces: user, mount and pid are required");
  if (out->namespaces & ~NS_ALL) return refuse(SUBJECT_PLAN, "namespaces: unknown bits");
  /* 2^32-1 means "no change" to the kernel. */
  if (out->uid == 0 || out->uid == UINT32_MAX) return refuse(SUBJECT_PLAN, "uid: 0 or 2^32-1");
  if (out->gid == 0 || out->gid == UINT32_MAX) return refuse(SUBJECT_PLAN, "gid: 0 or 2^32-1");
  if (strlen(out->hostname) > 64) return refuse(SUBJECT_PLAN, "hostname: longer than 64 bytes");
  if (seen & BIT(6)) {
    size_t size = sizeof(struct sock_filter);
    if (seccomp->length == 0 || seccomp->length % size != 0 || seccomp->length / size > PLAN_FILTER_MAX)
      return refuse(SUBJECT_PLAN, "seccomp: not 1 to 4096 instructions of 8 bytes");
  }
  if (seen & BIT(15) && !(seen & BIT(6))) return refuse(SUBJECT_PLAN, "notified: without seccomp");
  if (out->side_channels & ~(uint32_t)SIDE_ALL) return refuse(SUBJECT_PLAN, "side channels: unknown bits");
  if (seen & BIT(17)) TRY(observed_parse(observed, (seen & BIT(6)) != 0, out));
  if (seen & BIT(14)) TRY(network_parse(network, out));
  if (seen & BIT(7)) TRY(landlock_parse(landlock, &out->landlock));
  TRY(capabilities_parse(capabilities, &out->capabilities));
  if (seen & BIT(10)) TRY(cgroup_parse(SUBJECT_PLAN, cgroup, &out->cgroup));
  TRY(limits_parse(SUBJECT_PLAN, limits, &out->limits));
  return plan_lists(body, out);
}

static struct err plan_unwrap(struct span bytes, const char *magic, struct span *record) {
  if (bytes.length < PLAN_HEADER || memcmp(bytes.data, magic, 8) != 0) return refuse_with(SUBJECT_PLAN, EBADMSG, "not a plan");
  uint32_t version, length;
  if (!wire_u32((struct span){bytes.data + 8, 4}, &version) || version != PLAN_VERSION)
    return refuse_with(SUBJECT_PLAN, EPROTONOSUPPORT, "a plan of another version");
  if (!wire_u32((struct span){bytes.data + 12, 4}, &length) || length != bytes.length - PLAN_HEADER)
    return refuse_with(SUBJECT_PLAN, EBADMSG, "truncated, or followed by something");
  *record = (struct span){bytes.data + PLAN_HEADER, length};
  return OK;
}

/* The arrays are written before they are read: clearing them would only cost each idle sandbox their pages. */
static void plan_clear(struct plan *out) {
  memset(out, 0, offsetof(struct plan, landlock) + offsetof(struct landlock_plan, paths));
}

struct err plan_parse_host(struct span bytes, struct plan *out) {
  plan_clear(out);
  out->host_view = true;
  struct span body, cgroup, limits;
  uint32_t seen, no_new_privs = 0;
  const struct wire_slot slots[] = {{1, WIRE_U32, true, &no_new_privs}, {2, WIRE_LIST, false, NULL},
                                    {3, WIRE_BYTES, false, &cgroup},    {4, WIRE_BYTES, true, &limits},
                                    {5, WIRE_U64, false, &out->processes}};
  TRY(plan_unwrap(bytes, "CAISHOST", &body));
  TRY(record(SUBJECT_PLAN, body, slots, COUNT(slots), &seen));
  if (no_new_privs > 1) return refuse(SUBJECT_PLAN, "no_new_privs: 0 or 1");
  out->no_new_privs = no_new_privs == 1;
  if (seen & BIT(5) && (out->processes == 0 || out->processes > INT32_MAX)) return refuse(SUBJECT_PLAN, "processes: out of range");
  if (seen & BIT(3)) TRY(cgroup_parse(SUBJECT_PLAN, cgroup, &out->cgroup));
  TRY(limits_parse(SUBJECT_PLAN, limits, &out->limits));
  struct field field;
  bool bad;
  while (wire_next(&body, &field, &bad))
    if (field.tag == 2) TRY(rlimit_parse(SUBJECT_PLAN, field.body, out->rlimits, &out->rlimit_count));
  return OK;
}

struct err plan_parse(struct span bytes, struct plan *out, struct sock_filter *filter) {
  plan_clear(out);
  struct span body, seccomp = {0};
  TRY(plan_unwrap(bytes, "CAISPLAN", &body));
  TRY(plan_body(body, out, &seccomp));
  if (seccomp.length > 0) {
    /* Copied because the message need not be aligned as the structure must be. */
    memcpy(filter, seccomp.data, seccomp.length);
    out->seccomp = (struct sock_fprog){(unsigned short)(seccomp.length / sizeof *filter), filter};
  }
  return OK;
}

static struct err job_string(struct span body, size_t *count, bool is_env) {
  if (*count == JOB_STRINGS_MAX) return refuse_with(SUBJECT_JOB, E2BIG, is_env ? "env: too many" : "argv: too many");
  if (body.length > JOB_STRING_MAX) return refuse_with(SUBJECT_JOB, E2BIG, is_env ? "env: too long" : "argv: too long");
  const char *string;
  if (!wire_str(body, &string, !is_env))
    return refuse_with(SUBJECT_JOB, EBADMSG, is_env ? "env: not a string" : "argv: not a string");
  if (is_env && (string[0] == '=' || strchr(string, '=') == NULL)) return refuse(SUBJECT_JOB, "env: not NAME=value");
  (*count)++;
  return OK;
}

static struct err job_lists(struct span body, struct job *out) {
  struct field field;
  bool bad;
  while (wire_next(&body, &field, &bad)) {
    switch (field.tag) {
      case 1: TRY(job_string(field.body, &out->argc, false)); break;
      case 2: TRY(job_string(field.body, &out->envc, true)); break;
      case 4: TRY(mount_append(SUBJECT_JOB, field.body, out->mounts, &out->mount_count, JOB_MOUNTS_MAX)); break;
      case 5: TRY(rlimit_parse(SUBJECT_JOB, field.body, out->rlimits, &out->rlimit_count)); break;
      case 8:
        if (out->rule_count == JOB_RULES_MAX) return refuse_with(SUBJECT_JOB, E2BIG, "landlock: too many path rules");
        TRY(path_rule_parse(SUBJECT_JOB, field.body, &out->rules[out->rule_count++]));
        break;
      default: break;
    }
  }
  return OK;
}

static struct err pty_parse(struct span body, struct job *out) {
  const struct wire_slot slots[] = {{1, WIRE_U32, true, &out->rows}, {2, WIRE_U32, true, &out->columns}};
  uint32_t seen;
  TRY(record(SUBJECT_JOB, body, slots, COUNT(slots), &seen));
  if (out->rows < 1 || out->rows > 65535 || out->columns < 1 || out->columns > 65535)
    return refuse(SUBJECT_JOB, "pty: rows and columns are 1 to 65535");
  if (out->stdin_mode == STDIN_INLINE) return refuse(SUBJECT_JOB, "pty: input cannot be inline");
  out->pty = true;
  if (out->stdin_mode != STDIO_INHERIT) out->stdin_mode = STDIO_STREAM;
  if (out->stdout_mode != STDIO_INHERIT) out->stdout_mode = STDIO_STREAM;
  out->stderr_mode = STDIO_NULL;
  return OK;
}

struct err job_parse(struct span bytes, struct job *out) {
  memset(out, 0, offsetof(struct job, mounts));
  memset(&out->cgroup, 0, offsetof(struct job, rules) - offsetof(struct job, cgroup));
  memset(&out->stdin_mode, 0, sizeof *out - offsetof(struct job, stdin_mode));
  out->cwd = "/";
  out->bytes = bytes;
  uint32_t modes[3] = {STDIO_NULL, STDIO_CAPTURE, STDIO_CAPTURE}, seen;
  struct span cgroup, limits, pty;
  const struct wire_slot slots[] = {
      {1, WIRE_LIST, false, NULL},      {2, WIRE_LIST, false, NULL},        {3, WIRE_STR, false, &out->cwd},
      {4, WIRE_LIST, false, NULL},      {5, WIRE_LIST, false, NULL},        {6, WIRE_BYTES, false, &cgroup},
      {7, WIRE_BYTES, false, &limits},  {8, WIRE_LIST, false, NULL},        {9, WIRE_U32, false, &modes[0]},
      {10, WIRE_U32, false, &modes[1]}, {11, WIRE_U32, false, &modes[2]},   {12, WIRE_BYTES, false, &out->input},
      {13, WIRE_BYTES, false, &pty},
  };
  TRY(record(SUBJECT_JOB, bytes, slots, COUNT(slots), &seen));
  if (!path_is_normal(out->cwd)) return refuse(SUBJECT_JOB, "cwd: not absolute and normal");
  for (size_t i = 0; i < COUNT(modes); i++)
    if (modes[i] > STDIO_INHERIT) return refuse(SUBJECT_JOB, "stdio: unknown mode");
  out->stdin_mode = (enum stdio_mode)modes[0];
  out->stdout_mode = (enum stdio_mode)modes[1];
  out->stderr_mode = (enum stdio_mode)modes[2];
  if ((modes[0] == STDIN_INLINE) != !!(seen & BIT(12))) return refuse(SUBJECT_JOB, "input: belongs to stdin inline, and there alone");
  if (seen & BIT(6)) TRY(cgroup_parse(SUBJECT_JOB, cgroup, &out->cgroup));
  if (seen & BIT(7)) TRY(limits_parse(SUBJECT_JOB, limits, &out->limits));
  if (seen & BIT(13)) TRY(pty_parse(pty, out));
  return job_lists(bytes, out);
}

void job_strings(const struct job *job, const char **argv, const char **envp) {
  struct span rest = job->bytes;
  struct field field;
  bool bad;
  while (wire_next(&rest, &field, &bad)) {
    if (field.tag == 1) *argv++ = (const char *)field.body.data;
    if (field.tag == 2) *envp++ = (const char *)field.body.data;
  }
  *argv = NULL;
  *envp = NULL;
}

struct err job_fits(const struct plan *plan, const struct job *job) {
  if (job->cgroup.present && !plan->cgroup.present) return refuse(SUBJECT_JOB, "cgroup: the plan has none");
  for (size_t i = 0; i < job->rlimit_count; i++)
    for (size_t j = 0; j < plan->rlimit_count; j++)
      if (plan->rlimits[j].resource == job->rlimits[i].resource && job->rlimits[i].hard > plan->rlimits[j].hard)
        return refuse(SUBJECT_JOB, "rlimit: above the plan's hard limit");
  if (job->rule_count > 0 && !plan->landlock.present) return refuse(SUBJECT_JOB, "landlock: the plan has none");
  for (size_t i = 0; i < job->rule_count; i++)
    if (job->rules[i].access & ~plan->landlock.handled_fs) return refuse(SUBJECT_JOB, "landlock: a rule beyond what is handled");
  return OK;
}

struct limits_plan limits_merge(const struct limits_plan *plan, const struct limits_plan *job) {
  struct limits_plan out = *plan;
  if (job->set & BIT(1)) out.wall_ms = job->wall_ms;
  if (job->set & BIT(2)) out.cpu_ms = job->cpu_ms;
  if (job->set & BIT(3)) out.output_bytes = job->output_bytes;
  if (job->set & BIT(4)) out.kill_on_output = job->kill_on_output;
  out.set |= job->set;
  return out;
}

struct cgroup_plan cgroup_merge(const struct cgroup_plan *plan, const struct cgroup_plan *job) {
  struct cgroup_plan out = *plan;
  if (job->set & CG_MEMORY_MAX) out.memory_max = job->memory_max;
  if (job->set & CG_MEMORY_HIGH) out.memory_high = job->memory_high;
  if (job->set & CG_CPU_QUOTA) out.cpu_quota_us = job->cpu_quota_us;
  if (job->set & CG_CPU_PERIOD) out.cpu_period_us = job->cpu_period_us;
  if (job->set & CG_CPU_WEIGHT) out.cpu_weight = job->cpu_weight;
  if (job->set & CG_PIDS_MAX) out.pids_max = job->pids_max;
  if (job->set & CG_READ_BYTES) out.read_bytes = job->read_bytes;
  if (job->set & CG_WRITE_BYTES) out.write_bytes = job->write_bytes;
  if (job->set & CG_READ_OPS) out.read_ops = job->read_ops;
  if (job->set & CG_WRITE_OPS) out.write_ops = job->write_ops;
  if (job->set & CG_SWAP_MAX) out.swap_max = job->swap_max;
  out.set |= job->set;
  out.present = plan->present || job->present;
  return out;
}
