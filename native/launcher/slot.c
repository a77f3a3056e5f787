#include "slot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "channel.h"
#include "launch.h"
#include "loopback.h"
#include "mount.h"
#include "slot_parts.h"
#include "sys.h"

struct plan slot_plan;
static struct sock_filter filter[PLAN_FILTER_MAX];

static struct err place_descriptors(const struct slot_setup *setup, int proc) {
  int wanted[3] = {setup->control, setup->job, proc};
  for (int i = 0; i < 3; i++) {
    wanted[i] = fcntl(wanted[i], F_DUPFD_CLOEXEC, 64);
    if (wanted[i] < 0) return fail(ERR_RESOURCE, errno, "descriptors", NULL);
  }
  for (int i = 0; i < 3; i++)
    if (dup3(wanted[i], FD_CONTROL + i, O_CLOEXEC) < 0) return fail(ERR_RESOURCE, errno, "descriptors", NULL);
  if (sys_close_range(FD_FIRST_FREE, ~0u, 0) < 0) return fail(ERR_SYSTEM, errno, "close_range", NULL);
  return OK;
}

/* Its own network, and its own copy of the mounts: locked, since they belong to a user namespace above (user_namespaces(7)). */
static struct err own_mounts(int root) {
  if (fchdir(root) < 0 || chroot(".") < 0) return fail(ERR_SYSTEM, errno, "enter root", NULL);
  if (unshare(CLONE_NEWNS) < 0) return fail(ERR_SYSTEM, errno, "mount namespace", NULL);
  close(root);
  return OK;
}

static struct err become_sandbox(const struct slot_setup *setup) {
  TRY(plan_parse(setup->plan, &slot_plan, filter));
  if (setresgid(slot_plan.gid, slot_plan.gid, slot_plan.gid) < 0 || setresuid(slot_plan.uid, slot_plan.uid, slot_plan.uid) < 0)
    return fail(ERR_SYSTEM, errno, "switch user", NULL);
  /* After the switch, which clears both. Unreadable and untraceable for the guest, whose uid is the same. */
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
    return fail(ERR_SYSTEM, errno, "prctl", NULL);
  umask(022);
  launch_blank_arguments();
  if ((slot_plan.namespaces & CLONE_NEWUTS) && sethostname(slot_plan.hostname, strlen(slot_plan.hostname)) < 0)
    return fail(ERR_SYSTEM, errno, "hostname", NULL);
  TRY(side_channels_apart(slot_plan.side_channels));
  TRY(mount_private(&slot_plan, FD_PROC));
  close(FD_PROC);
  return OK;
}

/* The caller's ids, umask, mounts and all stay as they are. */
static struct err become_supervisor(const struct slot_setup *setup) {
  int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) return fail(ERR_SYSTEM, errno, "open", "/proc");
  TRY(place_descriptors(setup, proc));
  TRY(plan_parse_host(setup->plan, &slot_plan));
  /* Whatever loses its parent becomes our child, so that nothing gets away by forking twice. */
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) return fail(ERR_SYSTEM, errno, "subreaper", NULL);
  return OK;
}

/* The launcher has it before it hears that the sandbox is ready; in here nothing of it stays. */
static struct err make_network(const struct slot_setup *setup) {
  int fds[NETWORK_PARTS];
  TRY(network_make(&setup->network, fds));
  int first = setup->network.kind == NETWORK_PACKETS ? NETWORK_FILTER : 0;
  slot_job_tell(setup->job, JOB_NETWORK, OK, fds + first, (size_t)(NETWORK_PARTS - first));
  for (int i = first; i < NETWORK_PARTS; i++) close(fds[i]);
  return OK;
}

_Noreturn void slot_init(const struct slot_setup *setup) {
  struct slot_go go;
  int given[2];
  size_t fd_count;
  struct err result = OK;
  if (setup->host_view) {
    if (!channel_receive_all(setup->sync, &go, sizeof go, NULL, 0, &fd_count)) _exit(1);
    result = become_supervisor(setup);
    if (failed(result)) _exit(1);
    slot_supervise(setup->pipes);
  }
  /* The slowest step, while the nursery writes the id maps and the launcher may still be building the root. */
  if (setup->fresh_net) {
    if (unshare(CLONE_NEWNET) < 0) result = fail(ERR_SYSTEM, errno, "network namespace", NULL);
    else result = loopback_up();
    if (!failed(result) && setup->network.kind) result = make_network(setup);
  }
  /* End-of-file: the nursery was killed. Nobody may know of us, and the launcher asks another one. */
  if (!channel_receive_all(setup->sync, &go, sizeof go, given, 2, &fd_count)) _exit(1);
  if (go.class != ERR_NONE) slot_job_give_up(setup->job, fail((enum err_class)go.class, go.errnum, go.step, NULL));
  if (fd_count != 2) _exit(1);
  if (!failed(result)) result = own_mounts(given[1]);
  if (failed(result)) slot_job_give_up(setup->job, result);
  result = place_descriptors(setup, given[0]);
  if (failed(result)) _exit(1);
  result = become_sandbox(setup);
  if (failed(result)) slot_job_give_up(FD_JOB, result);
  slot_supervise(setup->pipes);
}
