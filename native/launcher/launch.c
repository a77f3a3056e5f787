#include "launch.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "channel.h"
#include "idmap.h"
#include "sys.h"

/* Root of the initial user namespace: the whole id range maps to itself. */
bool launch_is_host_root(void) {
  char text[128];
  if (geteuid() != 0) return false;
  int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return false;
  text[length] = 0;
  unsigned inside, outside, count;
  return sscanf(text, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 && outside == 0 && count == ~0u;
}

static char *arguments;
static size_t arguments_length;

void launch_remember_arguments(int argc, char **argv) {
  if (argc < 1) return;
  arguments = argv[0];
  arguments_length = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) - argv[0]);
}

void launch_blank_arguments(void) {
  static const char name[] = "caisson-init";
  for (size_t i = 0; i < arguments_length; i++) arguments[i] = i < sizeof name - 1 ? name[i] : 0;
}

static struct err own_user_namespace(void) {
  uid_t uid = geteuid();
  gid_t gid = getegid();
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) return fail(ERR_UNSUPPORTED, errno, "user namespace", NULL);
  int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) return fail(ERR_SYSTEM, errno, "open", "/proc");
  struct err result = idmap_write(proc, getpid(), uid, uid, gid, gid);
  close(proc);
  return result;
}

struct err launch_prepare(struct host *host) {
  host->privileged = launch_is_host_root();
  if (host->privileged) {
    if (setgroups(0, NULL) < 0) return fail(ERR_SYSTEM, errno, "drop supplementary groups", NULL);
  } else {
    TRY(own_user_namespace());
  }
  umask(022);
  return host_open(host);
}

uid_t launch_guest_uid(const struct host *host, unsigned number) {
  return host->privileged ? GUEST_ID_BASE + number % GUEST_ID_COUNT : geteuid();
}

gid_t launch_guest_gid(const struct host *host, unsigned number) {
  return host->privileged ? GUEST_ID_BASE + number % GUEST_ID_COUNT : getegid();
}

void launch_close_mounts(struct job_mounts *mounts) {
  while (mounts->count > 0) close(mounts->fds[--mounts->count]);
}

static struct err clone_overlay(const struct host *host, const struct mount_step *step, uid_t uid, gid_t gid,
                                struct job_mounts *out) {
  char state[4096];
  const char *slash = step->upper ? strrchr(step->upper, '/') : NULL;
  size_t length = slash ? (size_t)(slash - step->upper) : 0;
  if (!step->work || !slash || length == 0 || length >= sizeof state || strcmp(slash, "/upper") != 0 ||
      strlen(step->work) != length + 5 || strncmp(step->work, step->upper, length) != 0 ||
      strcmp(step->work + length, "/work") != 0)
    return fail(ERR_JOB, EINVAL, "overlay layers are not upper and work of one directory", step->target);
  memcpy(state, step->upper, length);
  state[length] = 0;
  struct mount_step lower = *step, layers = *step;
  lower.flags = (step->flags & (MF_IDMAP | MF_NOSUID | MF_NODEV)) | MF_READONLY;
  layers.flags = MF_IDMAP | MF_NOSUID | MF_NODEV;
  TRY(mount_clone(host, &lower, step->source, uid, gid, &out->fds[out->count]));
  out->count++;
  struct err result = mount_clone(host, &layers, state, uid, gid, &out->fds[out->count]);
  if (failed(result)) {
    result.what = step->upper;
    return result;
  }
  out->count++;
  return OK;
}

struct err launch_clone_mounts(const struct host *host, const struct job *job, uid_t uid, gid_t gid,
                               struct job_mounts *out) {
  out->count = 0;
  memset(out->fd_counts, 0, sizeof out->fd_counts);
  for (size_t i = 0; i < job->mount_count; i++) {
    const struct mount_step *step = &job->mounts[i];
    if (!mount_needs_source(step)) continue;
    size_t before = out->count;
    struct err result = OK;
    if (before + 2 > CHANNEL_FDS_MAX - 2) { /* stdin and the job's own file may come along */
      result = fail(ERR_JOB, E2BIG, "too many mounts", step->target);
    } else if (step->kind == MOUNT_OVERLAY) {
      result = clone_overlay(host, step, uid, gid, out);
    } else {
      int fd = -1;
      result = mount_clone(host, step, step->source, uid, gid, &fd);
      if (fd >= 0) out->fds[out->count++] = fd;
    }
    if (failed(result)) {
      launch_close_mounts(out);
      return result;
    }
    out->fd_counts[i] = (uint8_t)(out->count - before);
  }
  return OK;
}

struct err launch_send_job(int socket, enum job_kind kind, bool inherit, struct span job, struct job_mounts *mounts,
                           int stdin_fd) {
  static union {
    struct job_header header;
    uint8_t bytes[sizeof(struct job_header) + JOB_IN_MESSAGE_MAX];
  } message;
  bool small = job.length <= JOB_IN_MESSAGE_MAX;
  message.header = (struct job_header){.kind = kind, .length = (uint32_t)job.length, .has_stdin = stdin_fd >= 0,
                                       .inherit = inherit, .in_file = !small};
  memcpy(message.header.fd_counts, mounts->fd_counts, sizeof mounts->fd_counts);
  size_t fd_count = mounts->count;
  if (stdin_fd >= 0) mounts->fds[fd_count++] = stdin_fd;
  int file = -1;
  struct err result = small ? OK : launch_seal_plan(job, &file);
  if (file >= 0) mounts->fds[fd_count++] = file;
  /* One message: the job process wakes once, and it fits into an empty socket, so that nothing here waits for that process,
     which stands in the guest's cgroup and may be frozen or throttled. */
  if (small && job.length > 0) memcpy(message.bytes + sizeof message.header, job.data, job.length);
  size_t length = sizeof message.header + (small ? job.length : 0);
  if (!failed(result) && !channel_send(socket, message.bytes, length, mounts->fds, fd_count))
    result = fail(ERR_SYSTEM, errno, "send job", NULL);
  if (file >= 0) close(file);
  launch_close_mounts(mounts);
  return result;
}

struct err launch_seal_plan(struct span bytes, int *out) {
  int fd = (int)syscall(SYS_memfd_create, "plan", 3u /* MFD_CLOEXEC | MFD_ALLOW_SEALING */);
  if (fd < 0) return fail(ERR_RESOURCE, errno, "memfd", NULL);
  size_t done = 0;
  while (done < bytes.length) {
    ssize_t n = write(fd, bytes.data + done, bytes.length - done);
    if (n <= 0) {
      int error = errno;
      close(fd);
      return fail(ERR_RESOURCE, error, "write plan", NULL);
    }
    done += (size_t)n;
  }
  if (fcntl(fd, 1033 /* F_ADD_SEALS */, 0xf /* seal, shrink, grow, write */) < 0) {
    int error = errno;
    close(fd);
    return fail(ERR_SYSTEM, error, "seal plan", NULL);
  }
  *out = fd;
  return OK;
}

struct err launch_error_of(const struct job_report *report) {
  return fail(report->class == 0 ? ERR_SYSTEM : (enum err_class)report->class, report->errnum,
              report->step[0] ? report->step : "sandbox", report->what[0] ? report->what : NULL);
}
