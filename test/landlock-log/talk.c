/* Starts `caisson-launcher serve`, sends it what a file holds, and writes what it answers as one line of hexadecimal for each
   frame, until so many commands have ended: talk LAUNCHER FILE COMMANDS */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RESULT = 70, ERROR = 72 };

static unsigned char bytes[1 << 20];

static int read_all(int fd, unsigned char *at, size_t length) {
  while (length > 0) {
    ssize_t got = read(fd, at, length);
    if (got <= 0) return 0;
    at += got;
    length -= (size_t)got;
  }
  return 1;
}

int main(int argc, char **argv) {
  int ends[2], commands = argc == 4 ? atoi(argv[3]) : 0;
  if (argc != 4 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) return 64;
  FILE *file = fopen(argv[2], "r");
  size_t length = file ? fread(bytes, 1, sizeof bytes, file) : 0;
  if (length == 0) return 66;
  pid_t launcher = fork();
  if (launcher < 0) return 71;
  if (launcher == 0) {
    close(ends[0]);
    dup2(ends[1], 3);
    execl(argv[1], argv[1], "serve", (char *)NULL);
    _exit(127);
  }
  close(ends[1]);
  if (write(ends[0], bytes, length) != (ssize_t)length) return 74;
  while (commands > 0) {
    uint32_t size;
    if (!read_all(ends[0], (unsigned char *)&size, sizeof size) || size > sizeof bytes || !read_all(ends[0], bytes, size)) return 76;
    for (uint32_t i = 0; i < size; i++) printf("%02x", bytes[i]);
    putchar('\n');
    if (bytes[0] == RESULT || bytes[0] == ERROR) commands--;
  }
  return 0;
}
