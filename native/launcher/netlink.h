/* Netlink messages (netlink(7)): written into a given buffer, sent at once, answered at once. Allocates nothing. */
#ifndef CAISSON_NETLINK_H
#define CAISSON_NETLINK_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* Several messages, one after the other. What does not fit sets `overflow`, and sending fails. */
struct netlink {
  uint8_t *data;
  size_t length, capacity;
  size_t message; /* where the current one begins */
  uint32_t sequence;
  bool overflow;
};

/* Begins a message; `header` (of the family) follows its nlmsghdr. NLM_F_REQUEST is added. */
void netlink_begin(struct netlink *out, uint16_t type, uint16_t flags, const void *header, size_t length);
void netlink_end(struct netlink *out);

void netlink_attribute(struct netlink *out, uint16_t type, const void *data, size_t length);
/* What has no attribute around it: a header within a message. */
void netlink_raw(struct netlink *out, const void *data, size_t length);
void netlink_string(struct netlink *out, uint16_t type, const char *value);
void netlink_u8(struct netlink *out, uint16_t type, uint8_t value);
/* As the kernel's integers are; netfilter wants them in network order. */
void netlink_u32(struct netlink *out, uint16_t type, uint32_t value);
void netlink_be32(struct netlink *out, uint16_t type, uint32_t value);
/* Attributes inside an attribute: returns a mark that netlink_close patches. */
size_t netlink_nest(struct netlink *out, uint16_t type);
void netlink_close(struct netlink *out, size_t mark);

/* A socket of a family of netlink, close-on-exec. */
struct err netlink_open(int family, int *out);

/* Sends everything, and reads the answers: at least one of the messages must have asked for one (NLM_F_ACK). The kernel
   answers before sendmsg returns, so nothing is waited for. `step` names what was tried. */
struct err netlink_carry_out(int socket, const struct netlink *messages, const char *step);

/* Sends one dump request and calls `each` for every message of the answer, with what follows the family's header of
   `header` bytes. EINTR where the kernel's list changed meanwhile. */
struct netlink_view {
  const uint8_t *data;
  size_t length;
};
struct err netlink_dump(int socket, const struct netlink *request, size_t header,
                        void (*each)(void *context, struct netlink_view message), void *context, const char *step);

/* The next attribute of `rest`, its type without flags; false at the end. */
bool netlink_next(struct netlink_view *rest, uint16_t *type, struct netlink_view *value);
/* The attribute of a type, of length 0 where there is none. */
struct netlink_view netlink_find(struct netlink_view attributes, uint16_t type);
/* Big-endian, as netfilter writes it; 0 where the length is another. */
uint64_t netlink_be64_of(struct netlink_view value);

#endif
