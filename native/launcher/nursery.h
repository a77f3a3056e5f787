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
  struct network_plan network; /* of the network namespace that init makes */
  bool pipes;
  bool join_net;    /* a network namespace comes along */
  bool into_cgroup; /* a cgroup v2 directory comes along */
  bool host_view;   /* no namespace at all: `mount_ns` is not entered */
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

/* A sandbox in the making. */
struct birth {
  pid_t pid;
  int pidfd;
  int sync; /* to its init */
};

/* Clones init into its name spaces, all but the mount namespace, which it shares with the caller until it is raised: while
   init makes its network namespace (0.5 ms), the caller can build the root. As `sibling` init is a child of the caller's
   parent. */
struct err nursery_begin(const struct host *host, const struct nursery_request *request, const struct nursery_fds *fds,
                         bool sibling, struct birth *birth);

/* Lets init go on in the root that the caller has now: it copies the caller's mounts, makes its private ones, and announces
   itself on the job socket. On failure it is told so as a sibling, and says why on the job socket; as our child it is ended
   and reaped. */
struct err nursery_raise(const struct host *host, bool sibling, struct birth *birth);

/* The process that nurseries are forked from, started while the launcher's memory is still small: what it changes later
   would otherwise be kept once more by each nursery. Answers nursery_order on `socket` until it closes. */
_Noreturn void nursery_mother(struct host *host, int socket);

/* Orders a nursery: a child of the caller that answers requests on `socket` until it closes. Where it is given a cell it
   first enters the cell's v1 groups. The caller keeps its own copy of `socket`. */
struct err nursery_order(int mother, int socket, const struct cgroup_tree *tree, const struct cgroup_cell *group, pid_t *pid);

/* Whether a network namespace is the host's, or cannot be told from it. */
bool nursery_is_host_net(const struct host *host, int net_ns);

/* The launcher's end. */
bool nursery_ask(int socket, const struct nursery_request *request, const struct nursery_fds *fds);

#endif
