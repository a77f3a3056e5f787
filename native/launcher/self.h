/* The launcher's own program, out of a guest's reach. */
#ifndef CAISSON_SELF_H
#define CAISSON_SELF_H

#include "err.h"

/* Goes on as a sealed copy in memory where guests will run as the user who owns the program's file: a guest that makes the
   launcher execute /proc/self/exe (through a link, or as a script's interpreter) then finds the copy there, which it cannot
   change, and not the file of the host (CVE-2019-5736). Returns at once where that is not needed, or done. */
struct err self_seal(char **argv);

#endif
