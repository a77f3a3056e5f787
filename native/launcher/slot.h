/* Inside a sandbox: its init (PID 1), and the jobs that init forks, each of which becomes the guest. */
#ifndef CAISSON_SLOT_H
#define CAISSON_SLOT_H

#include "plan.h"

/* What a sandbox is made from; descriptors as the new process has them. */
struct slot_setup {
  struct span plan;   /* the plan's bytes, mapped */
  int control;        /* init ↔ launcher, SOCK_SEQPACKET */
  int job;            /* first job ↔ launcher, SOCK_STREAM */
  int sync;           /* from the nursery, once the launcher has been told of us: struct slot_go, with the proc mount and the root */
  bool fresh_net;     /* it makes a network namespace of its own */
  bool host_view;     /* not in namespaces of its own: the plan is a host plan, nothing comes with slot_go, init is a subreaper */
  struct network_plan network; /* of that namespace; kind 0: its loopback alone */
  bool pipes;         /* jobs make their own stdout and stderr pipes and hand over the reading ends; without: one job, our stdio */
};

/* `class` other than ERR_NONE: its root could not be made; without descriptors then. */
struct slot_go {
  uint32_t class;
  int32_t errnum;
  char step[48];
};

/* Launcher → init, on `control`. */
enum slot_command { SLOT_FORK = 1, SLOT_KEEP = 2, SLOT_SIGNAL = 3, SLOT_DIAL = 4, SLOT_DATAGRAM = 5 };
struct slot_request {
  uint32_t command;
  uint32_t job;    /* SLOT_FORK: number of the new job (its socket comes along). SLOT_SIGNAL: which. SLOT_DIAL, SLOT_DATAGRAM: for the answer */
  int32_t signal;  /* SLOT_DIAL: the port of loopback. SLOT_DATAGRAM: AF_INET or AF_INET6 */
};

/* Init → launcher, on `control`. */
enum slot_event { SLOT_ENDED = 1, SLOT_FAILED = 2, SLOT_DIALED = 3 };
struct slot_report {
  uint32_t event;
  uint32_t job;
  int32_t status;      /* as wait(2) encodes it. SLOT_DIALED: errno, or 0 and the socket comes along */
  uint32_t left;       /* processes that were still alive when a one-job sandbox's job ended, killed */
  uint64_t user_us, system_us, max_rss_bytes;
};

/* Init → launcher, on the first job's socket, before that job says anything: NETWORK, with the descriptors of network.h.
   Job → launcher, on its socket: READY (with the reading ends of stdout and stderr), then either FAILED, or BOUND (after a
   job without argv), or end-of-file, which is execve's success. Just before it, LISTENER, with the descriptor where notified
   system calls wait. */
enum job_event { JOB_READY = 1, JOB_FAILED = 2, JOB_BOUND = 3, JOB_PTY = 4, JOB_LISTENER = 5, JOB_NETWORK = 8 };
struct job_report {
  uint32_t event;
  uint32_t class;
  int32_t errnum;
  char step[48];
  char what[256];
};

/* Launcher → job: this header, then `length` bytes of job record, or a file that holds them where `in_file`: what a socket
   does not take at once the launcher would have to wait for. Descriptors travel with the header: first those of the mounts,
   in order, then stdin where `has_stdin`, then the file. */
#define JOB_IN_MESSAGE_MAX (32 * 1024)
enum job_kind { JOB_EXEC = 1, JOB_BIND = 2, JOB_FILES = 3, JOB_EXEC_AMONG_OTHERS = 4 };
struct job_header {
  uint32_t kind;
  uint32_t length;
  uint32_t has_stdin;
  uint32_t inherit; /* stdio is what init was started with */
  uint32_t in_file;
  uint8_t fd_counts[JOB_MOUNTS_MAX];
};

/* Runs as PID 1 of the new name spaces, or as the supervisor of a tree in the host's; never returns. */
_Noreturn void slot_init(const struct slot_setup *setup);

#endif
