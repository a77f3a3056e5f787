/* Mode `trace`: runs a command as its caller would and writes down what it uses of the host, for `caisson learn`.

   It observes and never decides. A filter notifies of the calls that name a path or a destination, and of those that
   the caller lists; every notification is answered with CONTINUE. What is read of the caller's memory may change before
   the kernel reads it again (seccomp_unotify(2)): a program that does this on purpose deceives nobody but the person who
   asked what it needs, since nothing was permitted on the strength of it, and the policy that comes of it is enforced by
   mounts, not by this.

   The command is not isolated. It has no_new_privs, without which an ordinary user may install no filter, so set-user-ID
   programs gain nothing. */
#ifndef CAISSON_TRACE_H
#define CAISSON_TRACE_H

#include "err.h"

/* Records go to `out`: a length (u32, little endian), then fields that end with NUL; the first one names the record.
   Numbers are decimal. Equal records are written once. A full pipe makes the command wait.

     path   OP STATE DETAIL PATH [PATH]   OP: open exec stat link-read unlink rmdir mkdir mknod rename link symlink
                                          attribute truncate chdir; STATE before the call: - f d l s (nothing, file,
                                          directory, link, other); DETAIL: open's flags; PATH absolute, links unresolved
     net    OP TYPE FAMILY PORT ADDRESS   OP: connect bind listen send; TYPE of socket(2); FAMILY 4 6 u (unix);
                                          ADDRESS in its usual text, for u a path or @name
     dns    HEX                           a query that was sent to port 53, at most 512 bytes
     call   ARCH NUMBER DETAIL            a listed call, or one of another architecture (AUDIT_ARCH, decimal); DETAIL:
                                          clone's flags, socket's family and type
     end    STATUS WALL_MS CPU_MS MAX_RSS PEAK_RSS PEAK_TASKS NOTIFICATIONS LEFT
                                          wait status; bytes: the largest process, the largest sum seen every 50 ms;
                                          LEFT: processes that outlived the command and were killed
     failed ERRNO                         the command could not be executed

   `listed`: numbers of further calls, separated by commas. */
struct err trace_run(int out, const char *listed, char *const argv[]);

#endif
