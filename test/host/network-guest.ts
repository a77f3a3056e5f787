/** A guest that tries what its arguments say, and prints a line with the errno for each. */
export const networkGuest = `
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
static socklen_t parse(const char *text, int port, struct sockaddr_storage *out) {
  struct sockaddr_in *v4 = (void *)out; struct sockaddr_in6 *v6 = (void *)out;
  memset(out, 0, sizeof *out);
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) { v4->sin_family = AF_INET; v4->sin_port = htons(port); return sizeof *v4; }
  inet_pton(AF_INET6, text, &v6->sin6_addr); v6->sin6_family = AF_INET6; v6->sin6_port = htons(port); return sizeof *v6;
}
static void limit(int fd) { struct timeval wait = {5, 0}; setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait); }
static void tcp(const char *to, int port, int hold) {
  struct sockaddr_storage at; socklen_t size = parse(to, port, &at);
  int fd = socket(at.ss_family, SOCK_STREAM, 0);
  char text[100] = ""; size_t got = 0;
  limit(fd);
  int error = connect(fd, (void *)&at, size) < 0 ? errno : 0;
  if (!error) {
    if (write(fd, "hello", 5) != 5) error = errno;
    shutdown(fd, SHUT_WR);
    for (ssize_t n; got < 99 && (n = read(fd, text + got, 99 - got)) != 0;) { if (n < 0) { error = errno; break; } got += n; }
  }
  printf("tcp %s %d %d %s\\n", to, port, error, text);
  if (hold) pause();
  close(fd);
}
static void datagram(const char *name, int type, int protocol, const char *to, int port) {
  struct sockaddr_storage at; socklen_t size = parse(to, port, &at);
  int fd = socket(at.ss_family, type, protocol);
  if (fd < 0) { printf("%s %s %d socket %d\\n", name, to, port, errno); return; }
  int error = sendto(fd, "\\10\\0\\367\\377\\0\\0\\0\\0", 8, 0, (void *)&at, size) < 0 ? errno : 0;
  printf("%s %s %d %d\\n", name, to, port, error);
  close(fd);
}
static void ask(void) {
  struct sockaddr_storage at; socklen_t size = parse("127.0.0.1", 53, &at);
  int fd = socket(AF_INET, SOCK_DGRAM, 0); char text[64] = "";
  limit(fd); connect(fd, (void *)&at, size); send(fd, "question", 8, 0);
  printf("ask %d %s\\n", recv(fd, text, 63, 0) < 0 ? errno : 0, text);
}
static void own(int port) {
  struct sockaddr_storage at; socklen_t size = parse("127.0.0.1", port, &at);
  int server = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
  int error = bind(server, (void *)&at, size) < 0 || listen(server, 1) < 0 || connect(fd, (void *)&at, size) < 0 ? errno : 0;
  char byte = 0; int taken = error ? -1 : accept(server, 0, 0);
  if (!error && (write(taken, "x", 1) != 1 || read(fd, &byte, 1) != 1)) error = errno;
  printf("own %d %d %c\\n", port, error, byte);
}
/* Asks the kernel to change something over netlink: 0, or why not. */
static int change(int family, uint16_t type, const void *body, size_t length) {
  int fd = socket(AF_NETLINK, SOCK_RAW, family);
  if (fd < 0) return errno;
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  char message[256] = {0}, answer[512];
  struct nlmsghdr *header = (void *)message;
  *header = (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(length), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK};
  memcpy(message + NLMSG_HDRLEN, body, length);
  limit(fd);
  if (sendto(fd, message, header->nlmsg_len, 0, (void *)&kernel, sizeof kernel) < 0) return errno;
  if (recv(fd, answer, sizeof answer, 0) < 0) return errno;
  return -((struct nlmsgerr *)NLMSG_DATA(answer))->error;
}
static void flush(void) {
  struct { uint8_t family, version; uint16_t subsystem; } begin = {0, 0, htons(10)}, table = {1, 0, 0};
  int fd = socket(AF_NETLINK, SOCK_RAW, 12);
  if (fd < 0) { printf("flush socket %d\\n", errno); return; }
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  struct { struct nlmsghdr h; char body[4]; } batch[3] = {
    {{sizeof batch[0], 16, NLM_F_REQUEST, 1, 0}, {0}},
    {{sizeof batch[0], 10 << 8 | 2 /* DELTABLE */, NLM_F_REQUEST | NLM_F_ACK, 2, 0}, {0}},
    {{sizeof batch[0], 17, NLM_F_REQUEST, 3, 0}, {0}}};
  memcpy(batch[0].body, &begin, 4); memcpy(batch[1].body, &table, 4); memcpy(batch[2].body, &begin, 4);
  char answer[512]; limit(fd);
  if (sendto(fd, batch, sizeof batch, 0, (void *)&kernel, sizeof kernel) < 0 || recv(fd, answer, sizeof answer, 0) < 0) { printf("flush %d\\n", errno); return; }
  printf("flush %d\\n", -((struct nlmsgerr *)NLMSG_DATA(answer))->error);
}
static void route(void) {
  struct rtmsg local = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_LOCAL, .rtm_type = RTN_LOCAL, .rtm_scope = RT_SCOPE_HOST};
  printf("route %d\\n", change(NETLINK_ROUTE, RTM_DELROUTE, &local, sizeof local));
}
static void mark(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), value = 0x43414953, one = 1;
  int marked = setsockopt(fd, SOL_SOCKET, SO_MARK, &value, sizeof value) < 0 ? errno : 0;
  printf("mark %d %d\\n", marked, setsockopt(fd, SOL_IP, 19 /* IP_TRANSPARENT */, &one, sizeof one) < 0 ? errno : 0);
}
int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const char *what = argv[i];
    if (!strcmp(what, "tcp")) { tcp(argv[i + 1], atoi(argv[i + 2]), 0); i += 2; }
    else if (!strcmp(what, "udp")) { datagram(what, SOCK_DGRAM, 0, argv[i + 1], atoi(argv[i + 2])); i += 2; }
    else if (!strcmp(what, "icmp")) { datagram(what, SOCK_RAW, IPPROTO_ICMP, argv[i + 1], 0); i += 1; }
    else if (!strcmp(what, "own")) { own(atoi(argv[i + 1])); i += 1; }
    else if (!strcmp(what, "ask")) ask();
    else if (!strcmp(what, "flush")) flush();
    else if (!strcmp(what, "route")) route();
    else if (!strcmp(what, "mark")) mark();
    else if (!strcmp(what, "wait")) { char byte; (void)!read(0, &byte, 1); }
    else { printf("what is %s?\\n", what); return 2; }
    fflush(stdout);
  }
  return 0;
}`;
