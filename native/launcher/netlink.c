#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel's own NLA_HDRLEN and NLA_TYPE_MASK mix signs. */
#define HEADER sizeof(struct nlattr)
#define FLAGS (NLA_F_NESTED | NLA_F_NET_BYTEORDER)

static void *reserve(struct netlink *out, size_t length) {
  size_t aligned = NLMSG_ALIGN(length);
  if (out->overflow || aligned > out->capacity - out->length) {
    out->overflow = true;
    return NULL;
  }
  uint8_t *at = out->data + out->length;
  memset(at, 0, aligned);
  out->length += aligned;
  return at;
}

void netlink_begin(struct netlink *out, uint16_t type, uint16_t flags, const void *header, size_t length) {
  out->message = out->length;
  struct nlmsghdr *message = reserve(out, NLMSG_HDRLEN);
  void *family = reserve(out, length);
  if (!message || !family) return;
  message->nlmsg_type = type;
  message->nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST);
  message->nlmsg_seq = ++out->sequence;
  memcpy(family, header, length);
}

void netlink_end(struct netlink *out) {
  if (out->overflow) return;
  uint32_t length = (uint32_t)(out->length - out->message);
  memcpy(out->data + out->message, &length, sizeof length); /* nlmsg_len, its first field */
}

void netlink_attribute(struct netlink *out, uint16_t type, const void *data, size_t length) {
  struct nlattr header = {.nla_len = (uint16_t)(HEADER + length), .nla_type = type};
  uint8_t *at = reserve(out, HEADER + length);
  if (!at) return;
  memcpy(at, &header, sizeof header);
  memcpy(at + HEADER, data, length);
}

void netlink_raw(struct netlink *out, const void *data, size_t length) {
  uint8_t *at = reserve(out, length);
  if (at) memcpy(at, data, length);
}

void netlink_string(struct netlink *out, uint16_t type, const char *value) {
  netlink_attribute(out, type, value, strlen(value) + 1);
}

void netlink_u8(struct netlink *out, uint16_t type, uint8_t value) { netlink_attribute(out, type, &value, sizeof value); }

void netlink_u32(struct netlink *out, uint16_t type, uint32_t value) { netlink_attribute(out, type, &value, sizeof value); }

void netlink_be32(struct netlink *out, uint16_t type, uint32_t value) { netlink_u32(out, type, htonl(value)); }

size_t netlink_nest(struct netlink *out, uint16_t type) {
  size_t mark = out->length;
  struct nlattr *header = reserve(out, HEADER);
  if (header) header->nla_type = (uint16_t)(type | NLA_F_NESTED);
  return mark;
}

void netlink_close(struct netlink *out, size_t mark) {
  if (out->overflow) return;
  uint16_t length = (uint16_t)(out->length - mark);
  memcpy(out->data + mark, &length, sizeof length); /* nla_len, its first field */
}

struct err netlink_open(int family, int *out) {
  *out = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family);
  return *out < 0 ? fail(ERR_UNSUPPORTED, errno, "netlink socket", NULL) : OK;
}

static bool transmit(int socket, const struct netlink *messages) {
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  ssize_t sent;
  do sent = sendto(socket, messages->data, messages->length, MSG_NOSIGNAL, (struct sockaddr *)&kernel, sizeof kernel);
  while (sent < 0 && errno == EINTR);
  return sent == (ssize_t)messages->length;
}

struct err netlink_carry_out(int socket, const struct netlink *messages, const char *step) {
  if (messages->overflow) return fail(ERR_SYSTEM, EMSGSIZE, step, NULL);
  if (!transmit(socket, messages)) return fail(ERR_SYSTEM, errno, step, NULL);
  uint8_t answer[4096] __attribute__((aligned(8)));
  bool answered = false;
  int error = 0;
  for (;;) {
    ssize_t got = recv(socket, answer, sizeof answer, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) return fail(ERR_SYSTEM, got < 0 ? errno : EPIPE, step, NULL);
    size_t left = (size_t)got;
    for (const struct nlmsghdr *message = (const void *)answer; left >= NLMSG_HDRLEN && message->nlmsg_len >= NLMSG_HDRLEN &&
                                                                message->nlmsg_len <= left;) {
      if (message->nlmsg_type == NLMSG_ERROR && message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr))) {
        int code;
        memcpy(&code, (const uint8_t *)message + NLMSG_HDRLEN, sizeof code); /* nlmsgerr.error, its first field */
        answered = true;
        if (code != 0 && error == 0) error = -code;
      }
      size_t step_size = NLMSG_ALIGN(message->nlmsg_len);
      if (step_size >= left) break;
      left -= step_size;
      message = (const void *)((const uint8_t *)message + step_size);
    }
  }
  if (error != 0) return fail(ERR_SYSTEM, error, step, NULL);
  return answered ? OK : fail(ERR_SYSTEM, ENOMSG, step, NULL);
}

struct err netlink_dump(int socket, const struct netlink *request, size_t header,
                        void (*each)(void *context, struct netlink_view message), void *context, const char *step) {
  if (request->overflow) return fail(ERR_SYSTEM, EMSGSIZE, step, NULL);
  if (!transmit(socket, request)) return fail(ERR_SYSTEM, errno, step, NULL);
  uint8_t answer[32 * 1024] __attribute__((aligned(8))); /* the kernel fills no more than this at a time (netlink_dump) */
  for (;;) {
    ssize_t got = recv(socket, answer, sizeof answer, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail(ERR_SYSTEM, got < 0 ? errno : EPIPE, step, NULL);
    size_t left = (size_t)got, at = 0;
    while (left >= NLMSG_HDRLEN) {
      struct nlmsghdr message;
      memcpy(&message, answer + at, sizeof message);
      if (message.nlmsg_len < NLMSG_HDRLEN || message.nlmsg_len > left) return fail(ERR_SYSTEM, EBADMSG, step, NULL);
      size_t body = message.nlmsg_len - NLMSG_HDRLEN;
      if (message.nlmsg_flags & NLM_F_DUMP_INTR) return fail(ERR_SYSTEM, EINTR, step, NULL);
      if (message.nlmsg_type == NLMSG_DONE) return OK;
      if (message.nlmsg_type == NLMSG_ERROR) {
        int code = -EBADMSG;
        if (body >= sizeof code) memcpy(&code, answer + at + NLMSG_HDRLEN, sizeof code);
        return fail(ERR_SYSTEM, -code, step, NULL);
      }
      if (body >= header) each(context, (struct netlink_view){answer + at + NLMSG_HDRLEN + header, body - header});
      size_t size = NLMSG_ALIGN(message.nlmsg_len);
      if (size >= left) break;
      left -= size;
      at += size;
    }
  }
}

bool netlink_next(struct netlink_view *rest, uint16_t *type, struct netlink_view *value) {
  struct nlattr header;
  if (rest->length < HEADER) return false;
  memcpy(&header, rest->data, sizeof header);
  if (header.nla_len < HEADER || header.nla_len > rest->length) return false;
  *type = (uint16_t)(header.nla_type & ~(unsigned)FLAGS);
  *value = (struct netlink_view){rest->data + HEADER, header.nla_len - HEADER};
  size_t size = ((size_t)header.nla_len + 3) & ~(size_t)3;
  if (size > rest->length) size = rest->length;
  rest->data += size;
  rest->length -= size;
  return true;
}

struct netlink_view netlink_find(struct netlink_view attributes, uint16_t type) {
  uint16_t seen;
  struct netlink_view value;
  while (netlink_next(&attributes, &seen, &value))
    if (seen == type) return value;
  return (struct netlink_view){attributes.data, 0};
}

uint64_t netlink_be64_of(struct netlink_view value) {
  uint64_t number = 0;
  if (value.length != sizeof number) return 0;
  for (size_t i = 0; i < sizeof number; i++) number = number << 8 | value.data[i];
  return number;
}
