#include "self.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "launch.h"
#include "sys.h"

extern char **environ;

enum { SEALS = 0xf /* seal, shrink, grow, write */ };

static int memory_file(void) {
  /* MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC; the last is unknown before Linux 6.3. */
  int fd = (int)syscall(SYS_memfd_create, "caisson-launcher", 0x13u);
  return fd < 0 && errno == EINVAL ? (int)syscall(SYS_memfd_create, "caisson-launcher", 3u) : fd;
}

static struct err go_on_as_copy(int program, off_t size, char **argv) {
  int copy = memory_file();
  if (copy < 0) return fail(ERR_RESOURCE, errno, "copy own program", "memfd_create");
  struct err result = OK;
  for (off_t done = 0; done < size && !failed(result);) {
    if (sendfile(copy, program, &done, (size_t)(size - done)) <= 0)
      result = fail(ERR_RESOURCE, errno ? errno : EIO, "copy own program", NULL);
  }
  if (!failed(result) && (fchmod(copy, 0555) < 0 || fcntl(copy, SYS_F_ADD_SEALS, SEALS) < 0))
    result = fail(ERR_SYSTEM, errno, "seal own program", NULL);
  if (!failed(result) && sys_execveat(copy, "", argv, environ, AT_EMPTY_PATH) < 0)
    result = fail(ERR_UNSUPPORTED, errno, "run own program from memory", errno == EACCES ? "sysctl vm.memfd_noexec" : NULL);
  close(copy);
  return result;
}

struct err self_seal(char **argv) {
  /* Guests of the host's root are somebody else, who may neither write to its files nor change their mode. */
  if (launch_is_host_root()) return OK;
  int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  struct stat st;
  if (program < 0 || fstat(program, &st) < 0) {
    int error = errno;
    if (program >= 0) close(program);
    return fail(ERR_SYSTEM, error, "open own program", "/proc/self/exe");
  }
  bool ours = st.st_uid == geteuid() || faccessat(program, "", W_OK, AT_EMPTY_PATH | AT_EACCESS) == 0;
  bool sealed = fcntl(program, SYS_F_GET_SEALS) == SEALS;
  struct err result = ours && !sealed ? go_on_as_copy(program, st.st_size, argv) : OK;
  close(program);
  return result;
}
