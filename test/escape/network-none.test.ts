/**
 * No network: no device but a loopback of its own, no route, TCP refused by Landlock behind that, and the host's
 * sockets out of reach, those without a name in the file system included.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { test } from 'node:test';
import { needs, Range, Wall, without } from './harness.ts';

const probe = `
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
static struct sockaddr_in at(const char *address, int port) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, address, &in.sin_addr);
  return in;
}
static void say(const char *what, int result) { printf("%s=%d\\n", what, result < 0 ? errno : 0); fflush(stdout); }
int main(int argc, char **argv) {
  int port = atoi(argv[1]);
  struct sockaddr_in host = at("127.0.0.1", port), away = at("192.0.2.1", 53), own = at("127.0.0.1", 0);
  int tcp = socket(AF_INET, SOCK_STREAM, 0);
  int connected = connect(tcp, (void *)&host, sizeof host);
  say("host tcp", connected);
  char text[64] = "";
  if (connected == 0 && read(tcp, text, 63) > 0) printf("read=%s\\n", text);
  int udp = socket(AF_INET, SOCK_DGRAM, 0);
  say("route", connect(udp, (void *)&away, sizeof away));
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  say("listen", bind(listener, (void *)&own, sizeof own));
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  strcpy(name.sun_path + 1, argv[2]);
  int local = socket(AF_UNIX, SOCK_STREAM, 0);
  say("host abstract", connect(local, (void *)&name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argv[2]))));
  struct sockaddr_un file = {.sun_family = AF_UNIX};
  strcpy(file.sun_path, argv[3]);
  say("host path", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&file, sizeof file));
  struct if_nameindex *devices = if_nameindex();
  printf("devices=");
  for (struct if_nameindex *one = devices; one && one->if_index; one++) printf("%s,", one->if_name);
  puts("");
  /* Inside, its own loopback works. */
  struct sockaddr_in here = at("127.0.0.1", 0);
  socklen_t size = sizeof here;
  int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
  bind(a, (void *)&here, sizeof here);
  getsockname(a, (void *)&here, &size);
  sendto(b, "ping", 4, 0, (void *)&here, size);
  struct timeval wait = {1, 0};
  setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  printf("loopback=%zd\\n", recv(a, text, 4, 0));
  /* A way round Landlock's TCP: listening without binding, and UDP. */
  say("listen without bind", listen(socket(AF_INET, SOCK_STREAM, 0), 1));
  say("raw", socket(AF_INET, SOCK_RAW, 1));
  struct ifreq lo = {.ifr_name = "lo"};
  say("set address", ioctl(udp, 0x8914 /* SIOCSIFFLAGS */, &lo));
  return 0;
}`;

const [EPERM, ENOENT, EACCES, ECONNREFUSED, ENETUNREACH] = [1, 2, 13, 111, 101];

async function listening(where: number | string): Promise<Server & AsyncDisposable> {
  const server = createServer((socket) => socket.on('error', () => {}).end('secret of the host'));
  await new Promise<void>((resolve) =>
    typeof where === 'number'
      ? server.listen(where, '127.0.0.1', resolve)
      : server.listen(where, resolve),
  );
  return Object.assign(server, {
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  });
}

test('a service of the host, a route, a device, an abstract socket: each layer alone', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const abstract = `caisson-escape-${process.pid}`;
  const path = `${range.directory('host')}/socket`;
  await using tcp = await listening(0);
  await using _abstract = await listening(`\0${abstract}`);
  await using _path = await listening(path);
  const address = tcp.address();
  assert.ok(address !== null && typeof address === 'object');
  const program = range.program('probe', probe);
  const whole = wall.prepare({
    policy: { filesystem: { read: [`${range.path}/bin`] } },
    argv: [program, String(address.port), abstract, path],
  });
  const seen = async (prepared: typeof whole): Promise<Record<string, string>> => {
    const { stdout, code } = await wall.run(prepared);
    assert.equal(code, 0);
    const lines = stdout.trimEnd().split('\n');
    return Object.fromEntries(lines.map((line) => line.split('=') as [string, string]));
  };

  const open = await seen(without(whole, 'net namespace', 'landlock'));
  assert.equal(open['host tcp'], '0');
  assert.equal(open.read, 'secret of the host');
  assert.equal(open['host abstract'], '0');
  assert.equal(open.listen, '0');

  const landlock = await seen(without(whole, 'net namespace'));
  assert.equal(landlock['host tcp'], String(EACCES), 'Landlock alone');
  assert.equal(landlock.read, undefined);
  assert.equal(landlock['host abstract'], String(EPERM), 'Landlock alone');
  assert.equal(landlock.listen, String(EACCES), 'Landlock alone');

  const namespace = await seen(without(whole, 'landlock'));
  assert.equal(namespace['host tcp'], String(ECONNREFUSED), 'the namespace alone');
  assert.equal(namespace['host abstract'], String(ECONNREFUSED), 'the namespace alone');
  assert.equal(namespace.route, String(ENETUNREACH));
  assert.equal(namespace.devices, 'lo,');

  const both = await seen(whole);
  assert.equal(both['host tcp'], String(EACCES));
  assert.equal(both.route, String(ENETUNREACH));
  assert.equal(both.listen, String(EACCES));
  assert.equal(both['host abstract'], String(ECONNREFUSED));
  assert.equal(both['host path'], String(ENOENT));
  assert.equal(both.devices, 'lo,');
  assert.equal(both.loopback, '4', 'its own loopback works');
  assert.equal(both.raw, String(EPERM));
  assert.equal(both['set address'], String(EPERM));
  assert.equal(both['listen without bind'], '0', 'on a loopback of its own, where nobody is');

  // A socket of the host that a policy shows as a file is its owner's decision: shown, it is reachable.
  const shown = wall.prepare({
    policy: { filesystem: { read: [range.path], write: [`${range.path}/host`] } },
    argv: whole.job.argv,
  });
  assert.notEqual((await seen(shown))['host path'], String(ENOENT));
  assert.ok(existsSync(path));
});

test('what a recycled network namespace of a tenant hands on: nothing', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const program = range.program(
    'squat',
    `
#include <netinet/in.h>
#include <stddef.h>
int main(void) {
  char text[64];
  ssize_t n = readlink("/proc/self/ns/net", text, 63);
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(5353), .sin_addr.s_addr = htonl(0x7f000001)};
  struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\\0squat"};
  int udp = socket(AF_INET, SOCK_DGRAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0);
  int one = bind(udp, (void *)&here, sizeof here), two = bind(local, (void *)&name, 8);
  printf("%.*s %d %d\\n", (int)n, text, one, two);
  fflush(stdout);
  if (fork() == 0) { setsid(); for (;;) pause(); } /* holds both sockets for as long as it lives */
  return 0;
}`,
  );
  const { kind, job } = wall.prepare({
    policy: { filesystem: { read: [range.path] } },
    argv: [program],
  });
  const { encodePlan } = await import('../../src/launcher/protocol/encode-plan.ts');
  const plan = wall.client.preparePlan(encodePlan(kind), { recycleNetwork: true });
  await plan.ready;
  const namespaces: string[] = [];
  const used = () => new Set(namespaces).size;
  for (let round = 0; round < 6 || (round < 60 && used() === round); round++) {
    const text = (await wall.client.run(plan, job)).stdout.bytes.toString();
    const [name = '', ...binds] = text.trim().split(' ');
    assert.deepEqual(binds, ['0', '0'], 'both names are free in every run');
    namespaces.push(name);
  }
  assert.ok(used() < namespaces.length, 'one was used again, so the test saw it');
  await wall.client.forgetPlan(plan);
});
