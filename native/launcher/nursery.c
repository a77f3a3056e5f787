#include "nursery.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "channel.h"
#include "idmap.h"
#include "slot.h"
#include "sys.h"

static _Noreturn void become_init(const struct nursery_request *request, const struct nursery_fds *fds, int sync) {
  void *bytes = mmap(NULL, request->plan_length, PROT_READ, MAP_PRIVATE, fds->plan, 0);
  if (bytes == MAP_FAILED) _exit(1);
  struct slot_setup setup = {
      .plan = {bytes, request->plan_length}, .control = fds->control, .job = fds->job, .sync = sync,
      .fresh_net = request->namespaces & CLONE_NEWNET, .network = request->network, .pipes = request->pipes, .host_view = request->host_view,
  };
  slot_init(&setup);
}

/* A proc of the sandbox's own pid namespace, mounted from out here: inside its user namespace the kernel refuses where the
   host's proc is partly covered, as it is in containers. */
struct proc_request {
  int pid_ns; /* for the option `pidns` (Linux 6.17); -1: of the calling process's own pid namespace */
  int mount;  /* out */
  struct err result;
};

static int mount_proc(void *argument) {
  struct proc_request *request = argument;
  int context = sys_fsopen("proc");
  if (context < 0) {
    request->result = fail(ERR_SYSTEM, errno, "make proc", NULL);
    return 0;
  }
  request->mount = -1;
  if ((request->pid_ns >= 0 && sys_fsconfig(context, SYS_FSCONFIG_SET_FD, "pidns", NULL, request->pid_ns) < 0) ||
      sys_fsconfig(context, SYS_FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    request->result = fail(ERR_SYSTEM, errno, "make proc", NULL);
  else if ((request->mount = sys_fsmount(context, SYS_MOUNT_ATTR_NOSUID | SYS_MOUNT_ATTR_NODEV | SYS_MOUNT_ATTR_NOEXEC)) < 0)
    request->result = fail(ERR_SYSTEM, errno, "mount proc", NULL);
  close(context);
  return 0;
}

/* Before Linux 6.17 proc is always of the mounting process's own pid namespace, so one is put there to mount it: it shares
   our memory and descriptors, and we sleep until it is done, as after vfork(2). */
static struct err mount_proc_inside(const struct host *host, int pidfd, struct proc_request *request) {
  static uint8_t stack[16 * 1024] __attribute__((aligned(16)));
  if (setns(pidfd, CLONE_NEWPID) < 0) return fail(ERR_SYSTEM, errno, "enter pid namespace", NULL);
  int child = clone(mount_proc, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, request);
  int error = errno;
  if (child > 0)
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
  if (setns(host->pid_ns, CLONE_NEWPID) < 0) return fail(ERR_SYSTEM, errno, "return to own pid namespace", NULL);
  return child < 0 ? fail(ERR_SYSTEM, error, "clone for proc", NULL) : request->result;
}

static struct err make_proc(const struct host *host, pid_t pid, int pidfd, int *out) {
  static bool by_option = true;
  struct proc_request request = {-1, -1, OK};
  if (!host->privileged && setns(host->mount_ns, CLONE_NEWNS) < 0)
    return fail(ERR_SYSTEM, errno, "return to own mounts", NULL);
  if (by_option) {
    char path[64];
    snprintf(path, sizeof path, "%d/ns/pid", (int)pid);
    request.pid_ns = openat(host->proc, path, O_RDONLY | O_CLOEXEC);
    if (request.pid_ns < 0) return fail(ERR_SYSTEM, errno, "open pid namespace", NULL);
    mount_proc(&request);
    close(request.pid_ns);
    by_option = !failed(request.result) || request.result.errnum != EINVAL;
  }
  if (!by_option) {
    request = (struct proc_request){-1, -1, OK};
    TRY(mount_proc_inside(host, pidfd, &request));
  }
  *out = request.mount;
  return request.result;
}

/* Under memory pressure the guest goes first, and never the launcher. Raising needs no privilege. */
static void prefer_for_oom(const struct host *host, pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "%d/oom_score_adj", (int)pid);
  int fd = openat(host->proc, path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  (void)!write(fd, "500", 3);
  close(fd);
}

static void abandon(bool sibling, struct birth *birth) {
  siginfo_t info;
  sys_pidfd_kill(birth->pidfd, SIGKILL);
  if (!sibling) sys_waitid(SYS_P_PIDFD, birth->pidfd, &info, WEXITED, NULL);
  close(birth->pidfd);
  close(birth->sync);
}

bool nursery_is_host_net(const struct host *host, int net_ns) {
  struct stat mine, given;
  return fstat(host->net_ns, &mine) < 0 || fstat(net_ns, &given) < 0 ||
         (mine.st_ino == given.st_ino && mine.st_dev == given.st_dev);
}

struct err nursery_begin(const struct host *host, const struct nursery_request *request, const struct nursery_fds *fds,
                         bool sibling, struct birth *birth) {
  int sync[2];
  if (!request->host_view && fds->mount_ns >= 0 && setns(fds->mount_ns, CLONE_NEWNS) < 0)
    return fail(ERR_SYSTEM, errno, "enter template", NULL);
  if (request->join_net && nursery_is_host_net(host, fds->net_ns))
    return fail(ERR_SYSTEM, EPERM, "network namespace to join is the host's", NULL);
  /* A new one is init's to make; else it is the one that came along, or the host's, whichever this process was in last. */
  if (!request->host_view && !(request->namespaces & CLONE_NEWNET) && setns(request->join_net ? fds->net_ns : host->net_ns, CLONE_NEWNET) < 0)
    return fail(ERR_SYSTEM, errno, "enter network namespace", NULL);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sync) < 0) return fail(ERR_RESOURCE, errno, "socketpair", NULL);
  struct sys_clone_args args = {
      .flags = (request->namespaces & ~(uint64_t)(CLONE_NEWNS | CLONE_NEWNET)) | SYS_CLONE_PIDFD |
               (sibling ? SYS_CLONE_PARENT : 0) | (request->into_cgroup ? SYS_CLONE_INTO_CGROUP : 0),
      .pidfd = (uint64_t)(uintptr_t)&birth->pidfd,
      .exit_signal = sibling ? 0 : SIGCHLD, /* a sibling takes over the nursery's own, SIGCHLD too */
      .cgroup = request->into_cgroup ? (uint64_t)fds->cgroup : 0,
  };
  birth->pid = sys_clone3(&args);
  if (birth->pid == 0) {
    close(sync[0]);
    become_init(request, fds, sync[1]);
  }
  int error = errno;
  close(sync[1]);
  if (birth->pid < 0) {
    close(sync[0]);
    return fail(ERR_SYSTEM, error, "clone sandbox", NULL);
  }
  birth->sync = sync[0];
  if (request->host_view) return OK;
  prefer_for_oom(host, birth->pid);
  struct err result = idmap_write(host->proc, birth->pid, request->inside_uid, request->outside_uid, request->inside_gid,
                                  request->outside_gid);
  if (failed(result)) abandon(sibling, birth);
  return result;
}

struct err nursery_raise(const struct host *host, bool sibling, struct birth *birth) {
  int given[2] = {-1, openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC)};
  struct slot_go go = {.class = ERR_NONE};
  struct err result = given[1] < 0 ? fail(ERR_SYSTEM, errno, "open root", NULL) : OK;
  if (!failed(result)) result = make_proc(host, birth->pid, birth->pidfd, &given[0]);
  if (!failed(result) && !channel_send(birth->sync, &go, sizeof go, given, 2))
    result = fail(ERR_SYSTEM, errno, "start init", NULL);
  if (given[0] >= 0) close(given[0]);
  if (given[1] >= 0) close(given[1]);
  if (failed(result) && sibling) {
    go = (struct slot_go){.class = result.class, .errnum = result.errnum};
    snprintf(go.step, sizeof go.step, "%s", result.step);
    channel_send(birth->sync, &go, sizeof go, NULL, 0);
  }
  if (failed(result) && !sibling) abandon(false, birth);
  else close(birth->sync);
  return result;
}

/* A guest that sees the host needs no root of its own. */
static void let_go(struct birth *birth) {
  struct slot_go go = {.class = ERR_NONE};
  channel_send(birth->sync, &go, sizeof go, NULL, 0);
  close(birth->sync);
}

bool nursery_ask(int socket, const struct nursery_request *request, const struct nursery_fds *fds) {
  int list[6] = {fds->mount_ns, fds->plan, fds->control, fds->job};
  size_t count = 4;
  if (request->join_net) list[count++] = fds->net_ns;
  if (request->into_cgroup) list[count++] = fds->cgroup;
  return channel_send(socket, request, sizeof *request, list, count);
}

/* A copy of any other descriptor of the launcher, held here, would keep a sandbox from seeing that it was let go. */
static bool keep_only(struct host *host, int *socket, struct cgroup_cell *group) {
  int *wanted[6 + CGROUP_V1_COUNT] = {socket, &host->root, &host->proc, &host->mount_ns, &host->pid_ns, &host->net_ns};
  int count = 6;
  for (int i = 0; group && i < CGROUP_V1_COUNT; i++)
    if (group->v1[i] >= 0) wanted[count++] = &group->v1[i];
  for (int i = 0; i < count; i++)
    if ((*wanted[i] = fcntl(*wanted[i], F_DUPFD_CLOEXEC, 64)) < 0) return false;
  for (int i = 0; i < count; i++) {
    if (dup3(*wanted[i], 3 + i, O_CLOEXEC) < 0) return false;
    *wanted[i] = 3 + i;
  }
  return sys_close_range((unsigned)(3 + count), ~0u, 0) == 0;
}

/* What a nursery has to know; the descriptors of `group` come along, in its order. */
struct order {
  bool grouped;
  struct cgroup_cell group;
  struct cgroup_tree tree;
};

static size_t order_fds(struct order *order, int *fds) {
  size_t count = 0;
  for (int i = 0; order->grouped && i < CGROUP_V1_COUNT; i++)
    if (order->group.v1[i] >= 0) fds[count++] = order->group.v1[i];
  return count;
}

static _Noreturn void nursery_serve(struct host *host, int socket);

static _Noreturn void become_nursery(const struct host *given, struct order *order, const int *fds) {
  struct host own = *given, *host = &own; /* on the stack, which is written anyway: the other page stays shared */
  size_t next = 1;
  int socket = fds[0];
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  for (int i = 0; order->grouped && i < CGROUP_V1_COUNT; i++)
    if (order->group.v1[i] >= 0) order->group.v1[i] = fds[next++];
  if (!keep_only(host, &socket, order->grouped ? &order->group : NULL)) _exit(1);
  /* Where entering fails, asking fails too: the launcher reads an end-of-file and says so. */
  if (order->grouped && failed(cgroup_cell_enter(&order->tree, &order->group))) _exit(1);
  munmap(order, sizeof *order);
  sys_trim_stack();
  nursery_serve(host, socket);
}

_Noreturn void nursery_mother(struct host *host, int socket) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (!keep_only(host, &socket, NULL)) _exit(1);
  for (;;) {
    int fds[1 + CGROUP_V1_COUNT];
    size_t count;
    /* Mapped for each order, so that no nursery keeps a copy of the next one's. */
    struct order *order = mmap(NULL, sizeof *order, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (order == MAP_FAILED || !channel_receive_all(socket, order, sizeof *order, fds, 1 + CGROUP_V1_COUNT, &count)) _exit(0);
    int old[CGROUP_V1_COUNT];
    if (count != 1 + order_fds(order, old)) _exit(1);
    struct sys_clone_args args = {.flags = SYS_CLONE_PARENT};
    pid_t pid = sys_clone3(&args);
    if (pid == 0) become_nursery(host, order, fds);
    int32_t answer = pid < 0 ? -errno : pid;
    for (size_t i = 0; i < count; i++) close(fds[i]);
    munmap(order, sizeof *order);
    if (!channel_send(socket, &answer, sizeof answer, NULL, 0)) _exit(0);
  }
}

struct err nursery_order(int mother, int socket, const struct cgroup_tree *tree, const struct cgroup_cell *group, pid_t *pid) {
  static struct order order;
  int fds[1 + CGROUP_V1_COUNT] = {socket};
  order.grouped = group != NULL;
  if (group) {
    order.group = *group;
    order.tree = *tree;
  }
  size_t count = 1 + order_fds(&order, fds + 1);
  int32_t answer;
  size_t none;
  if (!channel_send(mother, &order, sizeof order, fds, count) ||
      !channel_receive_all(mother, &answer, sizeof answer, NULL, 0, &none))
    return fail(ERR_SYSTEM, EPIPE, "order nursery", NULL);
  if (answer < 0) return fail(ERR_RESOURCE, -answer, "fork nursery", NULL);
  *pid = answer;
  return OK;
}

static _Noreturn void nursery_serve(struct host *host, int socket) {
  for (;;) {
    struct nursery_request request;
    int list[6];
    size_t count;
    ssize_t got = channel_receive(socket, &request, sizeof request, list, 6, &count);
    if (got <= 0) _exit(0);
    size_t expected = 4u + (request.join_net ? 1 : 0) + (request.into_cgroup ? 1 : 0);
    if (got != (ssize_t)sizeof request || count != expected) _exit(1);
    struct nursery_fds fds = {list[0], list[1], list[2], list[3], -1, -1};
    if (request.join_net) fds.net_ns = list[4];
    if (request.into_cgroup) fds.cgroup = list[count - 1];
    struct birth birth = {.pid = -1};
    struct err result = nursery_begin(host, &request, &fds, true, &birth);
    /* Init has its own: copies in here would outlive it, and stand still where the guest's groups do. */
    for (size_t i = 0; i < count; i++) close(list[i]);
    struct nursery_reply reply = {.class = result.class, .errnum = result.errnum, .pid = birth.pid};
    if (result.step) snprintf(reply.step, sizeof reply.step, "%s", result.step);
    /* First it is told of, then it goes on: whatever of a sandbox can have run, the launcher knows it. */
    if (!channel_send(socket, &reply, sizeof reply, &birth.pidfd, failed(result) ? 0 : 1)) _exit(1);
    if (!failed(result) && request.host_view) let_go(&birth);
    else if (!failed(result)) nursery_raise(host, true, &birth);
    if (!failed(result)) close(birth.pidfd);
  }
}
