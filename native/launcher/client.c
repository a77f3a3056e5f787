/* The client's end of the socket: frames out at once where there is room, kept in order where there is not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "state.h"

static ssize_t transmit(const struct iovec *parts, uint8_t count) {
  if (S.device) return writev(S.client.fd, parts, count);
  struct msghdr message = {.msg_iov = (struct iovec *)(size_t)parts, .msg_iovlen = count};
  return sendmsg(S.client.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

size_t client_backlog(void) { return S.out_length - S.out_done; }

static void keep(const void *bytes, size_t length) {
  if (S.out_done == S.out_length) S.out_done = S.out_length = 0;
  /* A client that is always a little behind never takes the last of it. */
  if (S.out_length + length > S.out_capacity && S.out_done > S.out_length / 2) {
    memmove(S.out, S.out + S.out_done, S.out_length - S.out_done);
    S.out_length -= S.out_done;
    S.out_done = 0;
  }
  if (S.out_length + length > S.out_capacity) {
    size_t capacity = S.out_capacity ? S.out_capacity : 64 * 1024;
    while (capacity < S.out_length + length) capacity *= 2;
    uint8_t *grown = realloc(S.out, capacity);
    if (!grown) {
      S.client_gone = true; /* a frame lost in the middle would desynchronise: end instead */
      return;
    }
    S.out = grown;
    S.out_capacity = capacity;
  }
  memcpy(S.out + S.out_length, bytes, length);
  S.out_length += length;
}

void client_flush(void) {
  while (S.out_done < S.out_length && !S.client_gone) {
    struct iovec rest = {S.out + S.out_done, S.out_length - S.out_done};
    ssize_t sent = transmit(&rest, 1);
    if (sent > 0) {
      S.out_done += (size_t)sent;
    } else if (errno == EAGAIN) {
      watch_change(&S.client, EPOLLIN | EPOLLOUT);
      execs_resume();
      return;
    } else if (errno != EINTR) {
      S.client_gone = true;
    }
  }
  watch_change(&S.client, EPOLLIN);
  execs_resume();
}

void client_send(uint16_t type, uint32_t id, const void *body, size_t length) {
  uint8_t header[FRAME_HEADER];
  uint32_t size = (uint32_t)(8 + length);
  uint16_t zero = 0;
  memcpy(header, &size, 4);
  memcpy(header + 4, &type, 2);
  memcpy(header + 6, &zero, 2);
  memcpy(header + 8, &id, 4);
  if (S.client_gone) return;
  size_t sent = 0;
  if (client_backlog() == 0) {
    struct iovec parts[2] = {{header, sizeof header}, {(void *)(size_t)body, length}};
    ssize_t done = transmit(parts, length ? 2 : 1);
    if (done < 0 && errno != EAGAIN && errno != EINTR) {
      S.client_gone = true;
      return;
    }
    if (done > 0) sent = (size_t)done;
    if (sent == sizeof header + length) return;
  }
  if (sent < sizeof header) keep(header + sent, sizeof header - sent);
  size_t body_sent = sent > sizeof header ? sent - sizeof header : 0;
  if (length > body_sent) keep((const uint8_t *)body + body_sent, length - body_sent);
  watch_change(&S.client, EPOLLIN | EPOLLOUT);
}

void client_error(uint32_t id, struct err error) {
  struct out body = {0};
  out_u32(&body, 1, error.class);
  out_str(&body, 2, error.step ? error.step : "launcher");
  out_i32(&body, 3, error.errnum);
  if (error.what && error.what[0]) out_str(&body, 4, error.what);
  if (body.failed) S.client_gone = true;
  else client_send(FRAME_ERROR, id, body.data, body.length);
  out_free(&body);
}

/* Reads once. False when nothing came. */
bool client_read(void) {
  if (S.in_capacity - S.in_length < 64 * 1024) {
    size_t capacity = S.in_capacity ? S.in_capacity * 2 : 256 * 1024;
    uint8_t *grown = realloc(S.in, capacity);
    if (!grown) {
      S.client_gone = true;
      return false;
    }
    S.in = grown;
    S.in_capacity = capacity;
  }
  uint8_t *room = S.in + S.in_length;
  size_t size = S.in_capacity - S.in_length;
  ssize_t got = S.device ? read(S.client.fd, room, size) : recv(S.client.fd, room, size, MSG_DONTWAIT);
  if (got > 0) {
    S.in_length += (size_t)got;
    return true;
  }
  if (got == 0 || (errno != EAGAIN && errno != EINTR)) S.client_gone = true;
  return false;
}
