/* Messages with descriptors between the launcher's own processes (unix(7), SCM_RIGHTS). */
#ifndef CAISSON_CHANNEL_H
#define CAISSON_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CHANNEL_FDS_MAX 250

/* Sends all of `data`; the descriptors go with its first byte. Retries on EINTR, never raises SIGPIPE. */
bool channel_send(int socket, const void *data, size_t length, const int *fds, size_t fd_count);

/* Receives at most `length` bytes once. Received descriptors are close-on-exec; more than `fd_room` is an error and closes
   them. Returns bytes, 0 at the end, -1 with errno: EBADMSG where the bytes are there, and a descriptor could not be taken. */
ssize_t channel_receive(int socket, void *data, size_t length, int *fds, size_t fd_room, size_t *fd_count);

/* Receives exactly `length` bytes (the first may carry descriptors). Where it fails, no descriptor is left. */
bool channel_receive_all(int socket, void *data, size_t length, int *fds, size_t fd_room, size_t *fd_count);

/* As channel_receive_all; *sender is set to who sent the last of it, where the socket has SO_PASSCRED. */
bool channel_receive_all_from(int socket, void *data, size_t length, int *fds, size_t fd_room, size_t *fd_count, pid_t *sender);

#endif
