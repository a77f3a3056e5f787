/* Over 300 lines: one function per fact. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cgroup_base.h"
#include "landlock_audit.h"
#include "loopback.h"
#include "network.h"
#include "packets.h"
#include "side_channels.h"
#include "sys.h"
#include "vault.h"
#include "veth.h"

enum cgroup_bit {
  BIT_V2 = 1, BIT_V2_MEMORY = 2, BIT_V2_CPU = 4, BIT_V2_PIDS = 8, BIT_V2_IO = 16,
  BIT_V1_MEMORY = 32, BIT_V1_CPU = 64, BIT_V1_PIDS = 128, BIT_V1_BLKIO = 256, BIT_CLONE_INTO = 512, BIT_KILL = 1024,
};

/* What the children find out; shared with them. Before a child has answered: that nothing works. */
struct findings {
  int user_namespace, other_namespaces, proc_mount, seccomp, tmpfs_xattr, listener, network, packets;
  bool overlay;
};

#define UNTRIED (-1)

/* Runs `try` in a child of its own and waits for it. `flags`: the name spaces that clone3 is to make for it. */
static int in_child(uint64_t flags, void (*try)(struct findings *), struct findings *findings) {
  struct sys_clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
  pid_t pid = sys_clone3(&args);
  if (pid < 0) return errno;
  if (pid == 0) {
    try(findings);
    _exit(0);
  }
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
  return 0;
}

static int put_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = write(fd, text, strlen(text)) < 0 ? errno : 0;
  close(fd);
  return error;
}

/* A filter that hands calls over: not below another one that does (EBUSY), not before Linux 5.0 (EINVAL). */
static void try_listener(struct findings *findings) {
  struct sock_filter allow[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  struct sock_fprog program = {1, allow};
  findings->listener = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
                               syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) < 0
                           ? errno
                           : 0;
}

static void try_seccomp(struct findings *findings) {
  struct sock_filter allow[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  struct sock_fprog program = {1, allow};
  findings->seccomp = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0 ? errno : 0;
}

/* Makes a proc of the caller's pid namespace and attaches it nowhere. The kernel's check that it shows no more than the
   /proc that is visible already is made all the same (fsmount). */
static void try_proc(struct findings *findings) {
  int context = sys_fsopen("proc");
  bool made = context >= 0 && sys_fsconfig(context, SYS_FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0;
  findings->proc_mount = made && sys_fsmount(context, 0) >= 0 ? 0 : errno;
}

/* An overlay of three directories of a tmpfs, in a mount namespace that nobody else sees. */
static void try_overlay(struct findings *findings) {
  static const char *const places[] = {"/tmp", "/mnt", "/var", "/usr"};
  const char *place = NULL;
  for (size_t i = 0; i < sizeof places / sizeof *places && place == NULL; i++)
    if (mount("caisson", places[i], "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=0755") == 0) place = places[i];
  if (place == NULL || chdir(place) != 0) return;
  static const char *const names[] = {"lower", "upper", "work", "merged"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) (void)!mkdir(names[i], 0755);
  findings->tmpfs_xattr = setxattr("upper", "user.caisson", "1", 1, 0) == 0 ? 0 : errno;
  findings->overlay = mount("caisson", "merged", "overlay", MS_NOSUID | MS_NODEV, "lowerdir=lower,upperdir=upper,workdir=work,userxattr") == 0;
}

/* The network of a sandbox with a filtered one, whole; it ends with the process. */
static void try_network(struct findings *findings) {
  const struct network_plan plan = {NETWORK_FILTERED, 61000, 0};
  int fds[NETWORK_PARTS];
  struct err result = loopback_up();
  if (!failed(result)) result = network_make(&plan, fds);
  findings->network = failed(result) ? result.errnum : 0;
}

/* A way out for packets, between two network namespaces that end with the process: of the host's only root may make one. */
static void try_packets(struct findings *findings) {
  const struct network_plan network = {NETWORK_PACKETS, 0, 1};
  static struct plan plan;
  int fds[NETWORK_PARTS], owner;
  struct host host = {.proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  plan.network = network;
  struct err result = unshare(CLONE_NEWNET) < 0 ? fail(ERR_SYSTEM, errno, "network namespace", NULL) : network_make(&network, fds);
  if (!failed(result) && unshare(CLONE_NEWNET) < 0) result = fail(ERR_SYSTEM, errno, "network namespace", NULL);
  host.net_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (!failed(result)) result = veth_make(&host, &plan, fds[NETWORK_FILTER], getegid(), &owner);
  findings->packets = failed(result) ? result.errnum : 0;
}

/* The name spaces of a sandbox in the order in which an ordinary user has to make them. */
static void try_namespaces(struct findings *findings) {
  char uid_map[32], gid_map[32];
  snprintf(uid_map, sizeof uid_map, "1000 %u 1", (unsigned)geteuid());
  snprintf(gid_map, sizeof gid_map, "1000 %u 1", (unsigned)getegid());
  int error = unshare(CLONE_NEWUSER) == 0 ? 0 : errno;
  if (error == 0) error = put_file("/proc/self/setgroups", "deny");
  if (error == 0) error = put_file("/proc/self/uid_map", uid_map);
  if (error == 0) error = put_file("/proc/self/gid_map", gid_map);
  findings->user_namespace = error;
  if (error != 0) return;
  /* A host that lets everybody make a user namespace but grants nothing in it (AppArmor) says no here. */
  const int others = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  findings->other_namespaces = unshare(others) == 0 ? 0 : errno;
  if (findings->other_namespaces != 0) return;
  /* The first child is the one that stands in the new pid namespace. Root makes the proc outside, where more is allowed. */
  if (findings->proc_mount == UNTRIED) {
    int refused = in_child(0, try_proc, findings);
    if (refused != 0) findings->proc_mount = refused;
  }
  try_overlay(findings);
  try_network(findings);
}

/* An idmapped clone of the working directory's mount, attached nowhere. */
static int try_idmap(void) {
  struct sys_clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  pid_t pid = sys_clone3(&args);
  if (pid < 0) return errno;
  if (pid == 0) {
    pause();
    _exit(0);
  }
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/uid_map", (int)pid);
  int error = put_file(path, "0 1000 1");
  snprintf(path, sizeof path, "/proc/%d/gid_map", (int)pid);
  if (error == 0) error = put_file(path, "0 1000 1");
  snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
  int map = error == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (error == 0 && map < 0) error = errno;
  int tree = error == 0 ? sys_open_tree(AT_FDCWD, ".", SYS_OPEN_TREE_CLONE) : -1;
  if (error == 0 && tree < 0) error = errno;
  struct sys_mount_attr attributes = {.attr_set = SYS_MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)map};
  if (error == 0 && sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attributes) != 0) error = errno;
  if (map >= 0) close(map);
  if (tree >= 0) close(tree);
  kill(pid, SIGKILL); /* our own child, not yet waited for: the number cannot have passed on */
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
  return error;
}

/* cgroups */

static const struct {
  enum cgroup_v1 hierarchy;
  const char *file;
  unsigned bit;
} v1_tests[] = {
    {CGROUP_V1_MEMORY, "memory.limit_in_bytes", BIT_V1_MEMORY},
    {CGROUP_V1_CPU, "cpu.cfs_quota_us", BIT_V1_CPU},
    {CGROUP_V1_PIDS, "pids.max", BIT_V1_PIDS},
    {CGROUP_V1_BLKIO, "blkio.throttle.read_bps_device", BIT_V1_BLKIO},
};

static const struct {
  unsigned controller, bit;
  const char *file, *add, *take;
} v2_tests[] = {
    {CGROUP_MEMORY, BIT_V2_MEMORY, "memory.max", "+memory", "-memory"},
    {CGROUP_CPU, BIT_V2_CPU, "cpu.max", "+cpu", "-cpu"},
    {CGROUP_PIDS, BIT_V2_PIDS, "pids.max", "+pids", "-pids"},
    {CGROUP_IO, BIT_V2_IO, "io.max", "+io", "-io"},
};

typedef char group_path[CGROUP_PATH_MAX + 96];

static void group_name(group_path out, const char *base, const char *below) {
  snprintf(out, sizeof(group_path), "%s/caisson-probe-%d%s%s", base, (int)getpid(), below[0] == 0 ? "" : "/", below);
}

static bool is_writable(const char *base, const char *file) {
  group_path path;
  group_name(path, base, file);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

static unsigned try_v1(const struct cgroup_base *base, int *error) {
  unsigned bits = 0;
  for (size_t i = 0; i < sizeof v1_tests / sizeof *v1_tests; i++) {
    const char *dir = base->v1[v1_tests[i].hierarchy];
    group_path group;
    group_name(group, dir, "");
    if (dir[0] == 0) continue;
    if (mkdir(group, 0700) != 0) {
      if (*error == 0) *error = errno;
      continue;
    }
    if (is_writable(dir, v1_tests[i].file) && is_writable(dir, "cgroup.procs")) bits |= v1_tests[i].bit;
    rmdir(group);
  }
  return bits;
}

static bool clones_into(const char *group) {
  int fd = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  struct sys_clone_args args = {.flags = SYS_CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)fd};
  pid_t pid = sys_clone3(&args);
  if (pid == 0) _exit(0);
  close(fd);
  if (pid < 0) return false;
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
  return true;
}

/* Which controllers a group of ours gets: those that the base hands on already, and those that it can be told to, which
   is taken back at once. Where we stand in the base ourselves, we step aside for that (no-internal-process rule). */
static unsigned try_v2_controllers(const struct cgroup_base *base, int *error) {
  group_path control, group, home;
  snprintf(control, sizeof control, "%s/cgroup.subtree_control", base->v2);
  snprintf(home, sizeof home, "%s/cgroup.procs", base->v2);
  group_name(group, base->v2, "cgroup.procs");
  unsigned bits = 0, missing = base->v2_available & ~base->v2_enabled;
  bool may_enable = base->v2_is_root || (!base->v2_is_shared && !base->v2_above), aside = false;
  if (missing != 0 && !may_enable && base->v2_enabled == 0 && *error == 0) *error = EBUSY;
  if (missing != 0 && may_enable && !base->v2_is_root) {
    int moved = put_file(group, "0");
    aside = moved == 0;
    may_enable = aside;
    if (*error == 0) *error = moved;
  }
  for (size_t i = 0; i < sizeof v2_tests / sizeof *v2_tests; i++) {
    if (!(base->v2_available & v2_tests[i].controller)) continue;
    bool add = missing & v2_tests[i].controller;
    int refused = !add ? 0 : may_enable ? put_file(control, v2_tests[i].add) : EBUSY;
    if (refused == 0 && is_writable(base->v2, v2_tests[i].file)) bits |= v2_tests[i].bit;
    if (refused == 0 && add) (void)put_file(control, v2_tests[i].take);
  }
  if (aside) (void)put_file(home, "0");
  return bits;
}

static unsigned try_v2(const struct cgroup_base *base, int *error) {
  if (base->v2[0] == 0) return 0;
  group_path group;
  group_name(group, base->v2, "");
  if (mkdir(group, 0700) != 0) {
    if (*error == 0) *error = errno;
    return BIT_V2;
  }
  unsigned bits = BIT_V2 | try_v2_controllers(base, error);
  if (clones_into(group)) bits |= BIT_CLONE_INTO;
  group_path kill_file;
  group_name(kill_file, base->v2, "cgroup.kill");
  if (put_file(kill_file, "1") == 0) bits |= BIT_KILL;
  rmdir(group);
  return bits;
}

static void cgroup_facts(struct out *out) {
  static struct cgroup_base base; /* large for a stack */
  int error = 0;
  unsigned bits = 0;
  if (failed(cgroup_base_find(&base))) error = ENOENT;
  else {
    bits = try_v1(&base, &error) | try_v2(&base, &error);
    if (bits == 0 && error == 0) error = ENOENT;
  }
  out_u32(out, 9, bits);
  if (base.v2[0] != 0) out_str(out, 10, base.v2);
  out_i32(out, 18, error);
}

/* what needs no trying */

static uint64_t own_capabilities(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {0};
  if (syscall(SYS_capget, &header, data) != 0) return 0;
  return data[0].effective | (uint64_t)data[1].effective << 32;
}

/* The type of the mount in mountinfo whose number the descriptor of the working directory has. */
static void write_file_system(struct out *out) {
  int fd = open(".", O_PATH | O_CLOEXEC);
  if (fd < 0) return;
  char path[48], *line = NULL;
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  size_t capacity = 0;
  long wanted = -1;
  FILE *file = fopen(path, "re");
  while (file != NULL && getline(&line, &capacity, file) > 0)
    if (strncmp(line, "mnt_id:", 7) == 0) wanted = strtol(line + 7, NULL, 10);
  if (file != NULL) fclose(file);
  close(fd);
  file = fopen("/proc/self/mountinfo", "re");
  while (file != NULL && getline(&line, &capacity, file) > 0) {
    char *type = strstr(line, " - ");
    if (strtol(line, NULL, 10) != wanted || type == NULL) continue;
    type += 3;
    type[strcspn(type, " \n")] = 0;
    out_str(out, 15, type);
    break;
  }
  if (file != NULL) fclose(file);
  free(line);
}

static void write_lsms(struct out *out) {
  char text[512];
  int fd = open("/sys/kernel/security/lsm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return;
  text[length] = 0;
  text[strcspn(text, "\n")] = 0;
  if (text[0] != 0) out_str(out, 19, text);
}

static uint32_t landlock_abi(void) {
  int abi = sys_landlock_create_ruleset(NULL, 0, SYS_LANDLOCK_CREATE_RULESET_VERSION);
  return abi < 0 ? 0 : (uint32_t)abi;
}

static uint32_t pidfd_works(void) {
  int fd = sys_pidfd_open(getpid());
  if (fd >= 0) close(fd);
  return fd >= 0;
}

/* Asks whether the kernel's audit log is on (audit.h); asking changes nothing. Whoever may not ask learns nothing. */
static void write_audit(struct out *out) {
  struct {
    struct nlmsghdr header;
    struct audit_status status;
    char more[64];
  } message = {.header = {.nlmsg_len = NLMSG_LENGTH(0), .nlmsg_type = AUDIT_GET, .nlmsg_flags = NLM_F_REQUEST}};
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);
  if (fd < 0) return;
  /* The answer comes from a thread of the kernel's; where none is to be had the kernel says so at once. */
  struct timeval patience = {.tv_usec = 200000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  bool answered = send(fd, &message, message.header.nlmsg_len, 0) > 0 && recv(fd, &message, sizeof message, 0) > 0 &&
                  message.header.nlmsg_type == AUDIT_GET;
  close(fd);
  if (!answered) return;
  out_u32(out, 31, message.status.enabled != 0);
  /* A log that ends the machine when it overflows is nothing to let a guest write to. */
  int group = message.status.failure > 1 ? -1 : landlock_audit_open();
  out_i32(out, 32, group >= 0 ? 0 : message.status.failure > 1 ? EOPNOTSUPP : errno);
  if (group >= 0) close(group);
}

static void write_chain(void *out, const char *chain) { out_str(out, 41, chain); }

/* Again where somebody changed the host's rules meanwhile, as every sandbox with a way out does. */
static void write_chains(struct out *out) {
  size_t before = out->length;
  for (int tries = 0; tries < 8; tries++) {
    struct err result = packets_dropping_chains(write_chain, out);
    if (!failed(result) || result.errnum != EINTR) return;
    out->length = before;
  }
}

static void write_findings(struct out *out, const struct findings *findings) {
  out_u32(out, 4, findings->seccomp == 0);
  out_i32(out, 5, findings->user_namespace);
  out_i32(out, 6, findings->other_namespaces);
  out_i32(out, 7, findings->proc_mount);
  out_i32(out, 8, try_idmap());
  out_u32(out, 12, findings->overlay);
  out_i32(out, 17, findings->seccomp);
  out_i32(out, 20, findings->tmpfs_xattr);
  out_i32(out, 21, findings->network);
  out_i32(out, 30, findings->listener);
  out_i32(out, 40, findings->packets);
  if (findings->packets == 0) write_chains(out);
}

struct err probe_facts(struct out *out) {
  struct findings *findings = mmap(NULL, sizeof *findings, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (findings == MAP_FAILED) return fail(ERR_RESOURCE, errno, "probe_facts", NULL);
  *findings = (struct findings){ENOSYS, ENOSYS, UNTRIED, ENOSYS, ENOSYS, ENOSYS, ENOSYS, EPERM, false};
  struct utsname kernel;
  if (uname(&kernel) != 0) return fail(ERR_SYSTEM, errno, "probe_facts", "uname");
  if (geteuid() == 0) {
    findings->proc_mount = ENOSYS;
    int refused = in_child(CLONE_NEWPID, try_proc, findings);
    if (refused != 0) findings->proc_mount = refused;
  }
  (void)in_child(0, try_seccomp, findings);
  (void)in_child(0, try_listener, findings);
  (void)in_child(0, try_namespaces, findings);
  if (geteuid() == 0) (void)in_child(0, try_packets, findings);
  if (findings->proc_mount == UNTRIED) {
    int earlier = findings->user_namespace != 0 ? findings->user_namespace : findings->other_namespaces;
    findings->proc_mount = earlier != 0 ? earlier : EIO;
  }
  out_str(out, 1, kernel.release);
  out_u32(out, 2, geteuid());
  out_u32(out, 3, landlock_abi());
  write_findings(out, findings);
  munmap(findings, sizeof *findings);
  cgroup_facts(out);
  out_u64(out, 11, own_capabilities());
  out_u32(out, 13, pidfd_works());
  out_str(out, 14, kernel.machine);
  write_file_system(out);
  /* A range where no descriptor can be. */
  out_u32(out, 16, sys_close_range(0x7ffffffe, 0x7fffffff, 0) == 0);
  write_lsms(out);
  write_audit(out);
  side_channels_facts(out);
  vault_facts(out);
  return out->failed ? fail(ERR_RESOURCE, ENOMEM, "probe_facts", NULL) : OK;
}
