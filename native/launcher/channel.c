#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union control {
  struct cmsghdr align;
  char space[CMSG_SPACE(CHANNEL_FDS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

bool channel_send(int socket, const void *data, size_t length, const int *fds, size_t fd_count) {
  union control control;
  const char *at = data;
  while (length > 0) {
    struct iovec part = {.iov_base = (void *)(size_t)at, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
      if (fd_count > CHANNEL_FDS_MAX) {
        errno = E2BIG;
        return false;
      }
      message.msg_control = control.space;
      message.msg_controllen = (socklen_t)CMSG_SPACE(fd_count * sizeof(int));
      memset(control.space, 0, sizeof(struct cmsghdr));
      struct cmsghdr *header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = (socklen_t)CMSG_LEN(fd_count * sizeof(int));
      memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
    }
    ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    fd_count = 0;
    at += sent;
    length -= (size_t)sent;
  }
  return true;
}

/* musl's CMSG_NXTHDR compares signed with unsigned. */
static struct cmsghdr *next_header(struct msghdr *message, struct cmsghdr *header) {
  size_t at = (size_t)((char *)header - (char *)message->msg_control) + CMSG_ALIGN(header->cmsg_len);
  if (header->cmsg_len < sizeof *header || at + sizeof *header > message->msg_controllen) return NULL;
  return (struct cmsghdr *)(void *)((char *)message->msg_control + at);
}

static ssize_t receive(int socket, void *data, size_t length, int *fds, size_t fd_room, size_t *fd_count, pid_t *sender) {
  union control control;
  struct iovec part = {.iov_base = data, .iov_len = length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space,
                           .msg_controllen = sizeof control.space};
  *fd_count = 0;
  ssize_t got;
  do got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0) return got;
  bool overflow = (message.msg_flags & MSG_CTRUNC) != 0;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = next_header(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET) continue;
    if (header->cmsg_type == SCM_CREDENTIALS && sender) {
      struct ucred who;
      memcpy(&who, CMSG_DATA(header), sizeof who);
      *sender = who.pid;
    }
    if (header->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      if (*fd_count < fd_room) {
        fds[(*fd_count)++] = fd;
      } else {
        close(fd);
        overflow = true;
      }
    }
  }
  if (!overflow) return got;
  while (*fd_count > 0) close(fds[--*fd_count]);
  errno = EBADMSG;
  return -1;
}

ssize_t channel_receive(int socket, void *data, size_t length, int *fds, size_t fd_room, size_t *fd_count) {
  return receive(socket, data, length, fds, fd_room, fd_count, NULL);
}

bool channel_receive_all(int socket, void *data, size_t length, int *fds, size_t fd_room, size_t *fd_count) {
  return channel_receive_all_from(socket, data, length, fds, fd_room, fd_count, NULL);
}

bool channel_receive_all_from(int socket, void *data, size_t length, int *fds, size_t fd_room, size_t *fd_count, pid_t *sender) {
  char *at = data;
  *fd_count = 0;
  while (length > 0) {
    size_t more;
    ssize_t got = receive(socket, at, length, fds + *fd_count, fd_room - *fd_count, &more, sender);
    if (got <= 0) {
      int error = got < 0 ? errno : 0;
      while (*fd_count > 0) close(fds[--*fd_count]);
      errno = error;
      return false;
    }
    *fd_count += more;
    at += got;
    length -= (size_t)got;
  }
  return true;
}
