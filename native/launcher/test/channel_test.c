/* Descriptors that came with half a message are not left behind. */
#include "../channel.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

static int open_descriptors(void) {
  DIR *all = opendir("/proc/self/fd");
  int count = 0;
  while (all && readdir(all)) count++;
  if (all) closedir(all);
  return count;
}

int main(void) {
  int ends[2], fds[4];
  size_t count;
  char message[8];
  int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (file < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return 1;
  CHECK(channel_send(ends[0], "whole...", 8, (int[]){file, file}, 2));
  CHECK(channel_receive_all(ends[1], message, sizeof message, fds, 4, &count) && count == 2);
  close(fds[0]);
  close(fds[1]);
  int before = open_descriptors();
  CHECK(channel_send(ends[0], "half", 4, (int[]){file, file, file}, 3));
  close(ends[0]);
  CHECK(!channel_receive_all(ends[1], message, sizeof message, fds, 4, &count));
  CHECK(count == 0);
  CHECK(open_descriptors() == before - 1);
  close(ends[1]);
  close(file);
  return harness_end("channel");
}
