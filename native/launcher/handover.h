/* Hands sockets of a sandbox's network to the client, which is a Node process, over the channel that Node makes for
   `stdio: [..., 'ipc']` (NODE_CHANNEL_FD; lib/internal/child_process.js): lines of JSON, a descriptor along with a NODE_HANDLE
   line, the next one only once a NODE_HANDLE_ACK has come back. */
#ifndef CAISSON_HANDOVER_H
#define CAISSON_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "network.h"

/* Takes up the channel where the client gave one. */
void handover_open(void);
bool handover_is_open(void);

/* Sends the first NETWORK_HANDED of `fds` for exec or sandbox `id`, now or when it is their turn, and closes them. Nobody
   waits for it: what connects meanwhile waits in the backlog. Where the channel is gone they are closed, and nothing passes. */
void handover_send(uint32_t id, const int *fds);

/* As handover_send, of one connection into a sandbox, or of a datagram socket in it, for that request of the client. */
void handover_send_dial(uint32_t id, uint32_t request, int fd, bool datagram);

/* Closes what is not sent yet of an exec or sandbox that is gone. */
void handover_forget(uint32_t id);

void handover_event(void);

#endif
