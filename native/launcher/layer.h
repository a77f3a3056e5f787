/* `caisson-launcher layer UPPER`: what an overlay's upper directory holds, for the host to look at without following links. */
#ifndef CAISSON_LAYER_H
#define CAISSON_LAYER_H

#include "err.h"

/* Prints one entry per line to stdout as NUL-terminated fields:
   type (f d l w(hiteout) o(paque directory) s(pecial)), octal mode, size, mtime ns, path relative to UPPER, then "\n".
   Whiteouts: character device 0:0, or xattr user.overlay.whiteout. Opaque: xattr user.overlay.opaque (or trusted.) = y. */
struct err layer_print(const char *upper);

#endif
