#include "init.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <linux/vm_sockets.h>

#include "loopback.h"
#include "serve.h"
#include "sys.h"

static bool is_a(const char *path, unsigned long magic) {
  struct statfs fs;
  return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == magic;
}

/* A proc of another pid namespace does not know this process as number 1. */
static bool has_own_proc(void) {
  char self[16];
  ssize_t length = readlink("/proc/self", self, sizeof self);
  return is_a("/proc", 0x9fa0) && length == 1 && self[0] == '1';
}

static bool has_devices(void) {
  struct stat st;
  return stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode);
}

static struct err mount_at(const char *type, const char *target, const char *options) {
  if (mkdir(target, 0755) < 0 && errno != EEXIST) return fail(ERR_SYSTEM, errno, "make mount point", target);
  if (mount(type, target, type, MS_NOSUID | MS_NOEXEC | (strcmp(target, "/dev") == 0 ? 0 : MS_NODEV), options) < 0)
    return fail(ERR_SYSTEM, errno, "mount", target);
  return OK;
}

static struct err mount_missing(void) {
  if (!has_own_proc()) TRY(mount_at("proc", "/proc", NULL));
  if (!has_devices()) TRY(mount_at("devtmpfs", "/dev", "mode=0755"));
  /* Where a container's owner keeps these back, what needs them is refused when a plan asks for it, by name. */
  if (!is_a("/sys", 0x62656572)) (void)mount_at("sysfs", "/sys", NULL);
  if (is_a("/sys/fs/cgroup", 0x62656572)) (void)mount_at("cgroup2", "/sys/fs/cgroup", NULL);
  return OK;
}

static struct err first_client(int listener, int *out) {
  for (;;) {
    struct sockaddr_vm peer = {0};
    socklen_t size = sizeof peer;
    *out = accept4(listener, (struct sockaddr *)(void *)&peer, &size, SOCK_CLOEXEC);
    if (*out < 0 && errno != EINTR && errno != ECONNABORTED) return fail(ERR_SYSTEM, errno, "accept", NULL);
    /* Another machine's, or a guest's own, is no client. */
    if (*out >= 0 && peer.svm_family == AF_VSOCK && peer.svm_cid != VMADDR_CID_HOST) close(*out);
    else if (*out >= 0) return OK;
  }
}

static struct err open_socket(const char *path, int *out) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct stat st;
  /* Under another name until it listens: who sees the path can connect. */
  if (snprintf(address.sun_path, sizeof address.sun_path, "%s.new", path) >= (int)sizeof address.sun_path)
    return fail(ERR_SYSTEM, ENAMETOOLONG, "socket path", path);
  /* What a dead init left there. */
  const char *const places[] = {path, address.sun_path};
  for (size_t i = 0; i < 2; i++)
    if (lstat(places[i], &st) == 0 && S_ISSOCK(st.st_mode)) unlink(places[i]);
  if (lstat(path, &st) == 0) return fail(ERR_SYSTEM, EEXIST, "socket path", path);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return fail(ERR_RESOURCE, errno, "socket", NULL);
  mode_t before = umask(0177);
  int bound = bind(listener, (struct sockaddr *)(void *)&address, sizeof address);
  int error = errno;
  umask(before);
  struct err result = bound < 0 ? fail(ERR_SYSTEM, error, "bind", path) : OK;
  if (!failed(result) && (listen(listener, 1) < 0 || rename(address.sun_path, path) < 0)) {
    result = fail(ERR_SYSTEM, errno, "listen", path);
    unlink(address.sun_path);
  }
  if (!failed(result)) {
    result = first_client(listener, out);
    unlink(path); /* nobody else is heard */
  }
  close(listener);
  return result;
}

static struct err open_vsock(const char *number, int *out) {
  char *end;
  unsigned long port = strtoul(number, &end, 10);
  if (!*number || *end || port == 0 || port >= UINT32_MAX) return fail(ERR_SYSTEM, EINVAL, "vsock port", number);
  struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = (unsigned)port};
  int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return fail(ERR_UNSUPPORTED, errno, "vsock", NULL);
  struct err result = OK;
  if (bind(listener, (struct sockaddr *)(void *)&address, sizeof address) < 0 || listen(listener, 1) < 0)
    result = fail(ERR_SYSTEM, errno, "listen", "vsock");
  if (!failed(result)) result = first_client(listener, out);
  close(listener);
  return result;
}

static struct err open_port(const char *path, int *out) {
  struct stat st;
  int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st) < 0) return fail(ERR_SYSTEM, errno, "open port", path);
  if (!S_ISCHR(st.st_mode)) return fail(ERR_SYSTEM, ENODEV, "open port", path);
  struct termios line;
  if (tcgetattr(fd, &line) == 0) { /* a serial line: bytes as they are */
    cfmakeraw(&line);
    line.c_cflag |= CLOCAL;
    if (tcsetattr(fd, TCSANOW, &line) < 0) return fail(ERR_SYSTEM, errno, "raw line", path);
  }
  /* A virtio-serial port hangs until the host has opened its end, and tells of that by nothing but not hanging any more. */
  for (struct pollfd port = {.fd = fd, .events = POLLIN}; poll(&port, 1, 0) > 0 && port.revents & POLLHUP;) {
    struct timespec moment = {.tv_nsec = 10000000};
    nanosleep(&moment, NULL);
  }
  *out = fd;
  return OK;
}

static struct err open_endpoint(enum init_endpoint endpoint, const char *where, int *out) {
  switch (endpoint) {
    case INIT_SOCKET:
      return open_socket(where, out);
    case INIT_PORT:
      return open_port(where, out);
    default:
      return open_vsock(where, out);
  }
}

/* The initial pid namespace has a fixed inode number (PROC_PID_INIT_INO of the kernel). */
static bool is_whole_machine(void) {
  struct stat st;
  return stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == 0xEFFFFFFCu;
}

/* Never returns where this is PID 1 of a kernel of its own. A machine without ACPI has no power to switch off; such virtual
   machines end when they restart (Firecracker, QEMU's microvm). */
static void end_machine(void) {
  if (!is_whole_machine()) return;
  sync();
  reboot(access("/sys/firmware/acpi", F_OK) == 0 ? RB_POWER_OFF : RB_AUTOBOOT);
  for (;;) pause();
}

static int reap_until(pid_t server) {
  sigset_t heard;
  sigemptyset(&heard);
  const int signals[] = {SIGCHLD, SIGTERM, SIGINT, SIGPWR};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaddset(&heard, signals[i]);
  for (;;) {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0;)
      if (pid == server) return status;
    int number = sigwaitinfo(&heard, NULL);
    if (number > 0 && number != SIGCHLD) kill(server, SIGTERM); /* a container's stop: everything is taken down in order */
  }
}

static struct err be_first(enum init_endpoint endpoint, const char *where) {
  TRY(mount_missing());
  TRY(loopback_up());
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  pid_t server = fork();
  if (server < 0) return fail(ERR_RESOURCE, errno, "fork", NULL);
  if (server == 0) {
    int fd;
    sigprocmask(SIG_SETMASK, &before, NULL);
    struct err result = open_endpoint(endpoint, where, &fd);
    if (!failed(result)) result = serve(fd);
    if (failed(result)) dprintf(2, "caisson-launcher: %s: %s\n", result.step, strerror(result.errnum));
    _exit(failed(result) ? 1 : 0);
  }
  int status = reap_until(server);
  kill(-1, SIGKILL);
  while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR) continue;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? OK : fail(ERR_SYSTEM, ECHILD, "serve", NULL);
}

struct err init_run(enum init_endpoint endpoint, const char *where) {
  if (getpid() == 1) {
    struct err result = be_first(endpoint, where);
    if (failed(result)) dprintf(2, "caisson-launcher: %s: %s\n", result.step, strerror(result.errnum));
    end_machine();
    return result;
  }
  int fd;
  TRY(open_endpoint(endpoint, where, &fd));
  return serve(fd);
}
