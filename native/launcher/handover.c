#include "handover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "channel.h"
#include "state.h"
#include "sys.h"

enum { DIAL = NETWORK_HANDED, DATAGRAM };
#define TRIES_MAX 3 /* a client may be out of descriptors for a moment; then it says NACK */

struct parcel {
  struct parcel *next;
  uint32_t id, dial; /* `dial`: of parts DIAL and DATAGRAM, the client's number */
  int part, fd; /* fd -1: it is on its way, and nobody wants it any more */
  unsigned tries;
};

static struct watch channel = {.fd = -1};
static struct parcel *queue, **tail = &queue; /* the first is on its way while `unanswered` */
static bool unanswered;
static char line[256];
static size_t line_length;
static bool line_is_cut;

void handover_open(void) {
  const char *text = getenv("NODE_CHANNEL_FD");
  char *end;
  int type;
  socklen_t size = sizeof type;
  long fd = text ? strtol(text, &end, 10) : -1;
  if (fd <= 3 || fd > 1023 || *end || getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM) return;
  fcntl((int)fd, F_SETFD, FD_CLOEXEC);
  fcntl((int)fd, F_SETFL, O_NONBLOCK);
  watch_add(&channel, WATCH_HANDOVER, (int)fd, EPOLLIN, NULL);
}

bool handover_is_open(void) { return channel.fd >= 0; }

static void drop_first(void) {
  struct parcel *first = queue;
  queue = first->next;
  if (!queue) tail = &queue;
  if (first->fd >= 0) close(first->fd);
  free(first);
}

static void give_up(void) {
  watch_close(&channel);
  while (queue) drop_first();
  unanswered = false;
}

static void send_next(void) {
  static const char *const types[DATAGRAM + 1] = {"net.Native", "dgram.Native", "net.Native", "net.Native", "dgram.Native"};
  static const char *const parts[DATAGRAM + 1] = {"tcp", "dnsUdp", "dnsTcp", "dial", "dial"};
  if (unanswered || !queue || channel.fd < 0) return;
  char text[160];
  int length = snprintf(text, sizeof text, "{\"cmd\":\"NODE_HANDLE\",\"type\":\"%s\",\"msg\":{\"id\":%u,\"part\":\"%s\",\"dial\":%u}}\n",
                        types[queue->part], queue->id, parts[queue->part], queue->dial);
  queue->tries++;
  unanswered = true;
  /* One message at a time: there is always room for it, or the client is no Node. */
  if (!channel_send(channel.fd, text, (size_t)length, &queue->fd, 1)) give_up();
}

static void enqueue(const struct parcel *parcel) {
  struct parcel *kept = channel.fd >= 0 ? malloc(sizeof *kept) : NULL;
  if (!kept) {
    close(parcel->fd);
    return;
  }
  *kept = *parcel;
  *tail = kept;
  tail = &kept->next;
}

void handover_send(uint32_t id, const int *fds) {
  for (int part = 0; part < NETWORK_HANDED; part++) enqueue(&(struct parcel){.id = id, .part = part, .fd = fds[part]});
  send_next();
}

void handover_send_dial(uint32_t id, uint32_t request, int fd, bool datagram) {
  enqueue(&(struct parcel){.id = id, .dial = request, .part = datagram ? DATAGRAM : DIAL, .fd = fd});
  send_next();
}

void handover_forget(uint32_t id) {
  for (struct parcel **link = &queue, *parcel; (parcel = *link);) {
    if (parcel->id != id) {
      link = &parcel->next;
      continue;
    }
    if (parcel->fd >= 0) close(parcel->fd);
    parcel->fd = -1;
    if (parcel == queue && unanswered) {
      link = &parcel->next;
      continue;
    }
    *link = parcel->next;
    free(parcel);
  }
  tail = &queue;
  while (*tail) tail = &(*tail)->next;
}

static void take_line(void) {
  bool done = strstr(line, "\"NODE_HANDLE_ACK\"") != NULL, again = strstr(line, "\"NODE_HANDLE_NACK\"") != NULL;
  if (!unanswered || line_is_cut || (!done && !again)) return; /* what else Node says to a child is not for us */
  unanswered = false;
  if (done || queue->fd < 0 || queue->tries >= TRIES_MAX) drop_first();
  send_next();
}

void handover_event(void) {
  char text[512];
  ssize_t got = recv(channel.fd, text, sizeof text, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    give_up();
    return;
  }
  for (ssize_t i = 0; i < got && channel.fd >= 0; i++) {
    if (text[i] != '\n') {
      if (line_length < sizeof line - 1) line[line_length++] = text[i];
      else line_is_cut = true;
      continue;
    }
    line[line_length] = 0;
    take_line();
    line_length = 0;
    line_is_cut = false;
  }
}
