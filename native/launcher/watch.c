/* What is waited for, and who is told when it happens: one epoll for everything. */
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "state.h"

uint64_t clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool watch_add(struct watch *watch, enum watch_kind kind, int fd, uint32_t events, void *owner) {
  *watch = (struct watch){kind, fd, events, owner};
  struct epoll_event event = {.events = events, .data.ptr = watch};
  if (epoll_ctl(S.epoll, EPOLL_CTL_ADD, fd, &event) == 0) return true;
  watch->fd = -1;
  return false;
}

void watch_change(struct watch *watch, uint32_t events) {
  if (watch->fd < 0 || watch->events == events) return;
  watch->events = events;
  /* Hang-ups and errors come unasked, again and again (epoll_ctl(2)): this way once at most. */
  struct epoll_event event = {.events = events ? events : EPOLLONESHOT, .data.ptr = watch};
  epoll_ctl(S.epoll, EPOLL_CTL_MOD, watch->fd, &event);
}

/* Events of one epoll_wait; what is closed while they are worked through must not be touched through them. */
static struct epoll_event events[64];
static int event_count;

void watch_close(struct watch *watch) {
  if (watch->fd < 0) return;
  /* Explicitly: another process may hold a copy of the open file, and then closing alone does not end the watch. */
  epoll_ctl(S.epoll, EPOLL_CTL_DEL, watch->fd, NULL);
  close(watch->fd);
  watch->fd = -1;
  for (int i = 0; i < event_count; i++)
    if (events[i].data.ptr == watch) events[i].data.ptr = NULL;
}

void watch_move(struct watch *from, struct watch *to, enum watch_kind kind, void *owner) {
  *to = (struct watch){kind, from->fd, from->events, owner};
  struct epoll_event event = {.events = to->events, .data.ptr = to};
  epoll_ctl(S.epoll, EPOLL_CTL_MOD, to->fd, &event);
  from->fd = -1;
  for (int i = 0; i < event_count; i++)
    if (events[i].data.ptr == from) events[i].data.ptr = to;
}

void watch_wait(const struct timespec *most, void (*happened)(struct watch *watch, uint32_t what)) {
  event_count = (int)syscall(SYS_epoll_pwait2, S.epoll, events, sizeof events / sizeof *events, most, NULL, 0);
  S.now_ns = clock_ns();
  for (int i = 0; i < event_count; i++) {
    struct watch *watch = events[i].data.ptr;
    if (watch) happened(watch, events[i].events);
  }
  event_count = 0;
}
