/* Makes sandboxes. A nursery process stands in the (v1) cgroups that its sandboxes shall inherit: attaching costs up to
   10 ms a hierarchy, being forked there costs nothing. In `run` the launcher itself does this once. */
#ifndef CAISSON_NURSERY_H
#define CAISSON_NURSERY_H

#include "cgroup.h"
#include "mount.h"

struct nursery_request {
  uint32_t namespaces; /* CLONE_NEW* */
  uint32_t plan_length;
  uid_t inside_uid, outside_uid;
  gid_t inside_gid, outside_gid;
  bool loopback_up, pipes;
  bool join_net;    /* a network namespace comes along */
  bool into_cgroup; /* a cgroup v2 directory comes along */
};

/* Descriptors of a request, in the order in which they travel; -1 where there is none. */
struct nursery_fds {
  int mount_ns, plan, control, job, net_ns, cgroup;
};

struct nursery_reply {
  uint32_t class;
  int32_t errnum;
  int32_t pid;
  char step[48];
};

/* Makes one sandbox: its init runs, with its id maps and its proc, and will announce itself on the job socket.
   As `sibling` the new process is a child of the caller's parent. */
struct err nursery_spawn(const struct host *host, const struct nursery_request *request, const struct nursery_fds *fds,
                         bool sibling, pid_t *pid, int *pidfd);

/* The nursery process: enters `group` where it is given one, then answers requests on `socket` until it closes. */
_Noreturn void nursery_serve(struct host *host, int socket, const struct cgroup_tree *tree, struct cgroup_cell *group);

/* The launcher's end. */
bool nursery_ask(int socket, const struct nursery_request *request, const struct nursery_fds *fds);

#endif
