/* `caisson-launcher serve`: the launcher as a library's servant, for as long as the library's end of the socket is open. */
#ifndef CAISSON_SERVE_H
#define CAISSON_SERVE_H

#include "err.h"

/* Speaks protocol/PROTOCOL.md on `fd`, a stream socket or a character device. Returns when the client is gone and everything that ran has been taken down. */
struct err serve(int fd);

/* `caisson-launcher child`: the same with host plans alone, whose guests see and are what the caller sees and is. */
struct err serve_host_view(int fd);

#endif
