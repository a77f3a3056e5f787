/* What `serve` knows: the client, the plans, the cells, the sandboxes, the execs. One process, one thread, one of each list. */
#ifndef CAISSON_STATE_H
#define CAISSON_STATE_H

#include "cgroup.h"
#include "frame.h"
#include "landlock_audit.h"
#include "launch.h"
#include "notify.h"
#include "nursery.h"

/* Every descriptor in epoll points to one of these, inside the thing it belongs to. */
enum watch_kind {
  WATCH_CLIENT, WATCH_SIGNALS, WATCH_NURSERY, WATCH_CONTROL, WATCH_SEAT, WATCH_PIDFD, WATCH_OOM, WATCH_STDOUT, WATCH_STDERR,
  WATCH_STDIN, WATCH_AGENT, WATCH_JOB, WATCH_NOTIFY, WATCH_HANDOVER, WATCH_AUDIT,
  WATCH_MOTHER,
};
struct watch {
  enum watch_kind kind;
  int fd; /* -1: not watched */
  uint32_t events;
  void *owner;
};

/* A process that makes sandboxes (nursery.h), and the sandboxes asked of it and not answered, in order. */
struct nursery {
  struct watch watch;
  pid_t pid;
  struct sandbox *waiting, **waiting_tail;
  unsigned sent; /* so many of them, the first, have been asked for */
};

/* A place for one sandbox after the other: an id of the host, and cgroups where the plan wants them. */
struct cell {
  struct cell *next; /* among the idle */
  unsigned number;
  bool grouped;
  struct cgroup_cell cgroup;
  struct watch oom;
  struct nursery *nursery;
  struct nursery own; /* v1: a nursery that stands in this cell's groups */
  struct sandbox *sandbox;
};

struct kind {
  struct kind *next;
  uint32_t id;
  uint8_t *bytes;
  size_t length;
  struct plan plan;
  struct sock_filter filter[PLAN_FILTER_MAX];
  int template, memory;
  unsigned wanted, making, ready_count, users;
  bool recycle_net, forgotten;
  struct sandbox *ready;
  unsigned net_count;
  int nets[64];
};

/* A forked job process that has not been given its job. */
struct seat {
  struct watch watch;
  uint32_t number;
  int output[2]; /* reading ends */
  pid_t pid;     /* of the process that waits; 0: not asked for */
  bool ready;
  unsigned tries; /* in vain, while somebody waits for it */
};

enum sandbox_state { SANDBOX_MAKING, SANDBOX_READY, SANDBOX_BUSY, SANDBOX_ENDING };

/* Datagram sockets asked for at once, for one sandbox. */
#define DATAGRAMS_MAX 16

struct sandbox {
  struct sandbox *next;         /* in kind->ready */
  struct sandbox *waiting_next; /* in nursery->waiting: its seat may speak before the nursery's answer is read */
  struct sandbox *all_next, **all_link;
  uint32_t id;                  /* of a kept one; 0 for a one-job sandbox */
  struct kind *kind;
  struct cell *cell;
  enum sandbox_state state;
  bool keep, opened, from_slot, asked;
  bool refused;                 /* it cannot be made, and said why */
  unsigned attempts;            /* made anew because its nursery or its init was killed */
  pid_t pid;
  struct watch control, pidfd;
  int ends[2];                  /* of its control and job sockets, while it has to be asked for; -1: given away */
  int net;                      /* kept for the kind's pool */
  int network[NETWORK_PARTS];   /* -1: not there, or handed over */
  int way_out;                  /* owns the host's side of its way out for packets; -1: there is none */
  uint32_t network_owner;       /* exec or sandbox whose network it is; 0 while it waits for one */
  uint32_t dial_owner;          /* exec or sandbox that asked for connections into it; 0: nobody has */
  unsigned dials;               /* asked of its init and not answered */
  struct datagram {
    uint32_t request;           /* 0: nothing */
    uint16_t port;
    uint8_t address[16];
  } datagrams[DATAGRAMS_MAX];   /* sockets among these */
  unsigned datagrams_open;      /* destinations that its filter lets datagrams to */
  struct seat seat;
  uint32_t next_number;
  struct exec *execs;           /* running here */
  struct exec *pending, **pending_tail; /* waiting for a seat */
  uint8_t *job;                 /* OPEN's, while it has to be bound, and for the agent */
  size_t job_length;
  struct agent *agent;
  uint32_t cause;               /* why it was killed: enum cause */
  bool made;                    /* its init is done with making it */
  bool reaped;                  /* the kernel says that nothing of it is left */
  struct slot_report last;
  uint32_t left;
};

enum cause { CAUSE_SELF = 0, CAUSE_WALL = 1, CAUSE_CPU = 2, CAUSE_MEMORY = 3, CAUSE_OUTPUT = 4, CAUSE_KILLED = 5, CAUSE_VIOLATION = 6 };
enum limit_bit { LIMIT_WALL = 1, LIMIT_CPU = 2, LIMIT_MEMORY = 4, LIMIT_PROCESSES = 8, LIMIT_OUTPUT = 16, LIMIT_FILE = 32 };

/* Both streams go back in one frame, beside the rest of a result: what it cannot hold would end the connection, and every
 * sandbox with it. */
#define RESULT_OUTPUT_MAX ((size_t)FRAME_MAX - 1024 * 1024)

/* What a stream may be ahead of what its client has taken. */
#define STREAM_CREDIT (256 * 1024)

/* One output stream: kept whole up to the limit, then head and tail. Or passed on, as far as the client has room. */
struct capture {
  struct watch watch;
  enum stdio_mode mode;
  uint8_t *bytes;
  size_t length, capacity, limit, head;
  size_t turn; /* where the oldest byte of the tail is */
  uint64_t total;
  int64_t credit;
  size_t left; /* where `bounded`: what of it is still to be read */
};

struct exec {
  struct exec *next;                /* in sandbox->execs or ->pending */
  struct exec *active_next, **active_link;
  uint32_t id;
  struct sandbox *sandbox;
  uint32_t number;
  uint64_t signals_due;             /* bit n-1: signal n was asked for and is not sent */
  bool signalled;                   /* one was asked for */
  uint8_t *job;                     /* while it waits; in a kept sandbox until it runs */
  bool tried;                       /* given to a process that ended before it read it */
  size_t job_length;
  struct limits_plan limits;
  struct capture out[2];
  struct watch input;
  uint8_t *input_bytes;
  size_t input_length, input_done, input_room;
  struct winsize_request window;    /* of its terminal, where that was said before there was one */
  bool input_ends, streaming, pty, exec_seen, ended;
  bool bounded;                     /* ended, and what it has written is known */
  struct watch job_socket, notify;
  struct notify_log *refused;       /* from the first notified call on */
  struct observe_log *observed;     /* where the plan asks for it, as long */
  uint64_t notify_again_ns;         /* when its calls are answered again; 0: they are */
  struct landlock_log *landlock;    /* where the plan has its refusals logged */
  uint64_t settle_at_ns;            /* it ended, and is finished then: its last records may be on their way */
  uint64_t received_ns, started_ns, ended_ns, wall_deadline_ns, cpu_check_ns;
  uint32_t cause, limits_hit;
  struct slot_report report;
  struct cgroup_usage usage;
};

/* File requests go to one process inside a kept sandbox. */
struct agent {
  struct watch watch;
  struct sandbox *sandbox;
  uint8_t *bytes;
  size_t length, capacity;
};

struct serve {
  int epoll;
  struct host host;
  bool host_view; /* `child`: host plans alone, and no namespaces */
  bool device; /* the client is at a character device, not at a socket */
  struct watch client, signals;
  uint8_t *in;
  size_t in_length, in_capacity;
  uint8_t *out;
  size_t out_length, out_done, out_capacity;
  bool client_gone, hello_seen, stopping;
  bool held_back; /* an output is not read for want of room here */
  struct cgroup_tree tree;
  struct err tree_error;
  bool tree_tried;
  int mother; /* where nurseries are ordered */
  struct watch mother_end;
  pid_t mother_pid;
  struct nursery common;
  struct cell *idle_plain, *idle_grouped;
  struct cell *cells[4096];
  unsigned cell_count;
  struct kind *kinds;
  struct sandbox *sandboxes;
  struct exec *active;
  unsigned paused; /* execs whose notified calls wait for their turn */
  uint64_t now_ns, refill_at_ns;
  uint64_t seats_at_ns;   /* when seats that somebody waits for are asked for again; 0: nobody does */
  uint64_t orphans_at_ns; /* when children are looked for that nobody has told of; 0: there are none */
};

extern struct serve S;

/* watch.c */
uint64_t clock_ns(void);
bool watch_add(struct watch *watch, enum watch_kind kind, int fd, uint32_t events, void *owner);
/* 0: nothing, until it is changed again. */
void watch_change(struct watch *watch, uint32_t events);
/* Stops watching and closes. */
void watch_close(struct watch *watch);
/* Hands the descriptor over to another watch; events of this round follow it. */
void watch_move(struct watch *from, struct watch *to, enum watch_kind kind, void *owner);
/* What happens within `most` (NULL: whenever that is). */
void watch_wait(const struct timespec *most, void (*happened)(struct watch *watch, uint32_t what));

/* serve.c */
void refill_soon(void);

/* requests.c: what the client asks for. */
void requests_read(uint32_t what);

/* prober.c: forked before anything else, asked once, later. */
struct err prober_start(void);
void prober_answer(uint32_t id);
bool prober_is(pid_t pid);
/* One that nobody has asked. */
void prober_dismiss(void);

/* mother.c: the process that nurseries are ordered of; started again where it was killed. */
struct err mother_start(void);
struct err mother_watch(void);

/* orphans.c */
/* Somebody who makes children has ended: they are looked for from soon on. */
void orphans_expect(void);
void orphans_reap(void);
/* Everything that is known has ended. For a second at most. */
void orphans_await(void);

/* client.c: what goes to the client. */
void client_send(uint16_t type, uint32_t id, const void *body, size_t length);
void client_error(uint32_t id, struct err error);
void client_flush(void);
bool client_read(void);
size_t client_backlog(void);

/* cell.c */
struct err cell_take(bool grouped, struct cell **out);
void cell_give_back(struct cell *cell);
void cells_spare(bool grouped, unsigned wanted);
void cells_close(void);
/* A nursery for the cell where its own has ended, or none was. */
struct err nursery_ready(struct cell *cell);
bool nursery_answer(struct nursery *nursery);
/* More is asked of it when it has answered. */
bool nursery_is_busy(const struct nursery *nursery);
void nursery_await(struct nursery *nursery, struct sandbox *sandbox, bool sent);
/* It cannot be asked any more: reads what it said last. */
void nursery_drain(struct nursery *nursery);

/* kind.c */
struct err kind_add(uint32_t id, const struct plan_request *request);
struct kind *kind_find(uint32_t id);
void kind_forget(struct kind *kind);
void kind_release(struct kind *kind);
void kinds_refill(void);

/* sandbox_make.c */
struct err sandbox_make(struct kind *kind, struct sandbox **out);
struct err sandbox_take(struct kind *kind, struct sandbox **out);
/* Its request, with the ends of its sockets that init has; false: errno. */
bool sandbox_send_ask(struct sandbox *sandbox);
void sandbox_close_ends(struct sandbox *sandbox);
/* Whether it can be made anew: nothing of a guest has been in it, and nobody has had anything of it. */
bool sandbox_may_be_anew(const struct sandbox *sandbox);
struct err sandbox_make_anew(struct sandbox *sandbox);
/* Its nursery ended without having told of it, so that nothing of it has run: it is asked of another one. */
void sandbox_lost(struct sandbox *sandbox);

/* sandbox_network.c */
/* For the kind's pool, once init has said that it is done. */
void sandbox_keep_net(struct sandbox *sandbox);
/* To whoever it was asked for, where there is one and it is made. */
void sandbox_give_network(struct sandbox *sandbox);
/* Its network goes to whoever asked for `id`, now or as soon as there is one. */
void sandbox_own_network(struct sandbox *sandbox, uint32_t id);
void sandbox_drop_network(struct sandbox *sandbox);
/* What its init made of it is there; the rest only we can make. */
void sandbox_network_made(struct sandbox *sandbox);

/* sandbox.c */
struct sandbox *sandbox_find(uint32_t id);
/* A kept sandbox by its own id, one that has a single job by that job's. */
struct sandbox *sandbox_of(uint32_t id);
void sandbox_seat_event(struct sandbox *sandbox);
void sandbox_control_event(struct sandbox *sandbox, uint32_t what);
void sandbox_reap(struct sandbox *sandbox);
void sandbox_settle(struct sandbox *sandbox);
void sandbox_kill(struct sandbox *sandbox, enum cause cause);
void sandbox_dismiss(struct sandbox *sandbox);
void sandbox_failed(struct sandbox *sandbox, struct err error);
void sandbox_born(struct sandbox *sandbox, pid_t pid, int pidfd);
struct err sandbox_open(uint32_t id, struct kind *kind, struct span job);
/* Its groups get the plan's limits, narrowed by the job's; nothing where it has no groups. */
struct err sandbox_limit(struct sandbox *sandbox, const struct job *job);
struct err sandbox_clone_mounts(const struct sandbox *sandbox, const struct job *job, struct job_mounts *out);

/* seat.c */
void seat_next(struct sandbox *sandbox);
/* There ought to be one: it is asked for where none is, and none has been asked for. */
void seat_want(struct sandbox *sandbox);
/* A command can be given to it now. */
bool seat_is_free(struct sandbox *sandbox);
/* It ended, or could not be made: there is another one later, where somebody waits. */
void seat_lost(struct sandbox *sandbox);
void seats_tick(void);

/* pause.c */
struct err sandbox_freeze(struct sandbox *sandbox, bool freeze);
/* Its init has been sent its end: lets what stands still come to it, and no further. */
void sandbox_end_frozen(struct sandbox *sandbox);

/* exec.c */
struct err exec_begin(uint32_t id, struct sandbox *sandbox, struct span job_bytes);
struct exec *exec_find(uint32_t id);
void exec_seated(struct sandbox *sandbox);
/* False when the exec is no more: it could not start. */
bool exec_job_event(struct exec *exec);
void exec_ended(struct exec *exec, const struct slot_report *report);
/* Of one that ended: tells its result and frees it, once the client has taken its output. */
void exec_finish(struct exec *exec);
void exec_fail(struct exec *exec, struct err error);
/* Why it ends. */
void exec_mark(struct exec *exec, enum cause cause);
/* False when the exec is no more: it had not been given to anybody. */
bool exec_kill(struct exec *exec, enum cause cause);
/* A command that waits for its seat gets them when it has one. */
void exec_signal(struct exec *exec, int number);
void sandbox_send_signals(struct sandbox *sandbox);
uint64_t execs_tick(void);

/* exec_streams.c */
/* `guest_end` is what the job reads from, -1 where that is not a pipe of ours. */
struct err exec_input_open(struct exec *exec, const struct job *job, int *guest_end);
/* Takes over the reading ends, whatever comes of it. */
struct err exec_output_open(struct exec *exec, const struct job *job, const int reading[2]);
/* Takes over the terminal, which the job has opened; false where there is no room for it. */
bool exec_terminal_open(struct exec *exec, int master);
void exec_input(struct exec *exec, struct span bytes);
void exec_input_event(struct exec *exec);
void exec_output_event(struct exec *exec, int which);
/* Takes what is left of both outputs of one that has ended; false while the client has no room for it, and nobody ended it. */
bool exec_output_drain(struct exec *exec);
void exec_credit(struct exec *exec, const struct credit *credit);
/* The client has taken of what was kept for it, or is gone: those go on that were held back for that alone. */
void execs_resume(void);
void exec_window(struct exec *exec, const struct winsize_request *size);
void exec_streams_close(struct exec *exec);

/* exec_notified.c */
void exec_notify_event(struct exec *exec);
void exec_notify_resume(struct exec *exec);
void exec_notify_close(struct exec *exec);

/* exec_audit.c */
/* The process at this socket is to be known by the number that the audit log calls it by. */
void audit_know(int seat);
void exec_audit_begin(struct exec *exec);
/* Of an exec that is no longer among the active. */
void exec_audit_end(struct exec *exec);
/* False while records of its last moments may still come: exec_finish is called again then. */
bool exec_audit_settled(struct exec *exec);
void exec_audit_fields(struct out *out, const struct exec *exec);
void audit_event(void);
/* When the log is read again; 0: it is. */
uint64_t audit_tick(void);

/* exec_result.c */
/* Takes over init's report and what the groups counted: what it used, which limits it met, and so what ended it. */
void exec_account(struct exec *exec, const struct slot_report *report);
void exec_send_result(struct exec *exec);
/* The fields that RESULT and CLOSED have in common. */
void usage_fields(struct out *out, const struct cgroup_usage *group, const struct slot_report *report);

/* dial.c: connections into a sandbox, for exec or sandbox `id`. */
void dial_ask(uint32_t id, const struct dial_request *dial);
/* `fd` -1: the report says why there is none. */
void dial_answer(struct sandbox *sandbox, const struct slot_report *report, int fd);

/* traffic.c: what a filtered network let through and refused, into a RESULT or what is like one. */
void traffic_fields(struct out *out, const struct sandbox *sandbox);
/* The counters alone, as a field of that tag; nothing where there are none. */
void traffic_totals(struct out *out, uint16_t tag, const struct sandbox *sandbox);

/* stats.c: what every sandbox that a client knows uses now, as STATS_REPLY. */
void stats_send(uint32_t id);
/* What one uses, as USAGE_REPLY. */
void usage_send(uint32_t id, const struct sandbox *sandbox);

/* capture.c */
void capture_take(struct capture *capture, const uint8_t *bytes, size_t length);
void capture_finish(struct capture *capture);
bool capture_shrink(struct capture *capture, size_t most);

/* agent.c */
struct err agent_ask(struct sandbox *sandbox, struct span request);
void agent_event(struct agent *agent);
void agent_fail(struct agent *agent, struct err error);
void agent_close(struct agent *agent);

#endif
