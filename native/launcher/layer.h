/* `caisson-launcher layer UPPER [AFTER]`: what an overlay's upper directory holds, for the host to look at without following links. */
#ifndef CAISSON_LAYER_H
#define CAISSON_LAYER_H

#include "err.h"

/* Prints one entry per line to stdout as NUL-terminated fields:
   type (f d l w(hiteout) o(paque directory) s(pecial)), octal mode, size, mtime ns, path relative to UPPER, then "\n".
   In the order of their paths, byte by byte. Bytes of a name that are no UTF-8 are told as U+FFFD; such an entry is of type s,
   and what it holds is left out. AFTER: of what comes no later only the directories (and what overlays say of them) are told
   that lead to something later, or hold it.
   Whiteouts: character device 0:0, or xattr user.overlay.whiteout. Opaque: xattr user.overlay.opaque (or trusted.) = y. */
struct err layer_print(const char *upper, const char *after);

#endif
