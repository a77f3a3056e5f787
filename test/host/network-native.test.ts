/**
 * The sandbox's side of a filtered network, with the launcher alone: what the guest reaches are the sockets that are handed
 * out, whoever has them; everything else is refused at once and listed; nothing of it can be changed from inside.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  bindTo,
  forwardNetwork,
  listenOn,
  type NetworkHandles,
  type OnNetwork,
} from '../../src/launcher/network-handles.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import type { Job, KindPlan } from '../../src/plan/plan.ts';
import {
  allCapabilities,
  type Mechanism,
  needs,
  Range,
  ranFrom,
  Wall,
  without,
} from '../escape/harness.ts';
import { NothingLeft } from '../nothing-left.ts';
import { until } from '../until.ts';
import { networkGuest } from './network-guest.ts';

const [EPERM, EACCES, ECONNREFUSED] = [1, 13, 111];

/** The sockets in use in this process, as the proxy's would be: TCP says where the guest wanted to go, names are all one. */
class Decider implements AsyncDisposable {
  readonly seen: string[] = [];
  readonly #servers: { close(done: () => void): unknown }[] = [];
  readonly ids: number[] = [];

  readonly onNetwork: OnNetwork = (id, handles) => {
    this.ids.push(id);
    const server = createServer((socket) => {
      const to = `${socket.localAddress} ${socket.localPort}`;
      this.seen.push(to);
      socket.on('error', () => {});
      socket.on('data', (data) => socket.write(`${to} said ${data}`));
    });
    const names = createSocket('udp4');
    names.on('message', (question, from) =>
      names.send(`answer to ${question}`, from.port, from.address),
    );
    const slowNames = createServer((socket) => socket.resume().end('answer over tcp'));
    listenOn(server, handles.tcp);
    listenOn(slowNames, handles.dnsTcp);
    bindTo(names, handles.dnsUdp);
    this.#servers.push(server, slowNames, names);
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    );
  }
}

function closeAll(handles: NetworkHandles): void {
  for (const handle of Object.values(handles)) handle.close();
}

interface Prepared {
  readonly kind: KindPlan;
  readonly job: Job;
}

/** A kind that the compiler made for no network, with the filtered one instead, and without what stands in front of it. */
function filtered(
  wall: Wall,
  range: Range,
  argv: readonly string[],
  ...out: Mechanism[]
): Prepared {
  const program = range.program('guest', networkGuest);
  const prepared = without(
    wall.prepare({
      policy: { filesystem: { read: [`${range.path}/bin`] } },
      argv: [program, ...argv],
    }),
    'landlock',
    ...out,
  );
  return { ...prepared, kind: { ...prepared.kind, network: { mode: 'filtered' } } };
}

async function lines(wall: Wall, { kind, job }: Prepared, onNetwork?: OnNetwork) {
  const plan = wall.client.preparePlan(encodePlan(kind));
  await plan.ready;
  try {
    const ran = ranFrom(
      await wall.client.run(plan, job, onNetwork === undefined ? {} : { onNetwork }),
    );
    assert.equal(ran.code, 0, ran.stderr);
    return { lines: ran.stdout.trimEnd().split('\n'), network: ran.raw.network };
  } finally {
    await wall.client.forgetPlan(plan);
  }
}

async function listening(port: number): Promise<Server> {
  const server = createServer((socket) => socket.resume().end('secret of the host'));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

test('connections arrive with the address that was meant; names are asked; the own loopback is its own', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  const left = new NothingLeft();
  {
    await using wall = await Wall.open();
    await using proxy = new Decider();
    left.note();
    const host = await listening(0);
    const at = host.address() as { port: number };
    const argv = ['tcp', '1.2.3.4', '443', 'tcp', '2001:db8::1', '8080', 'ask', 'own', '8080'];
    const local = ['tcp', '127.0.0.1', `${at.port}`, 'tcp', '127.0.0.1', '53'];
    const ran = await lines(wall, filtered(wall, range, [...argv, ...local]), proxy.onNetwork);
    host.close();
    assert.deepEqual(ran.lines, [
      'tcp 1.2.3.4 443 0 ::ffff:1.2.3.4 443 said hello',
      'tcp 2001:db8::1 8080 0 2001:db8::1 8080 said hello',
      'ask 0 answer to question',
      'own 8080 0 x',
      `tcp 127.0.0.1 ${at.port} ${ECONNREFUSED} `,
      'tcp 127.0.0.1 53 0 answer over tcp',
    ]);
    assert.deepEqual(proxy.seen, ['::ffff:1.2.3.4 443', '2001:db8::1 8080']);
    assert.equal(ran.network?.refusedPackets, 0);
    assert.ok((ran.network?.sentBytes ?? 0) > 10 && (ran.network?.receivedPackets ?? 0) > 4);
  }
  assert.equal(await left.check(), 1);
});

test('all else is refused at once and listed with its packets', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  await using proxy = new Decider();
  const argv = ['udp', '8.8.8.8', '53', 'udp', '8.8.8.8', '443', 'udp', '8.8.8.8', '443'];
  const more = ['udp', '2001:db8::53', '53', 'icmp', '9.9.9.9', 'tcp', '127.0.0.1', '61000'];
  // Raw sockets only so that there is something to refuse: the plain guest gets none.
  const able = filtered(wall, range, [...argv, ...more], 'seccomp', 'no capabilities');
  assert.deepEqual(able.kind.capabilities, allCapabilities);
  const ran = await lines(wall, able, proxy.onNetwork);
  assert.deepEqual(ran.lines, [
    `udp 8.8.8.8 53 ${EPERM}`,
    `udp 8.8.8.8 443 ${EPERM}`,
    `udp 8.8.8.8 443 ${EPERM}`,
    `udp 2001:db8::53 53 ${EPERM}`,
    `icmp 9.9.9.9 0 ${EPERM}`,
    `tcp 127.0.0.1 61000 ${ECONNREFUSED}`,
  ]);
  assert.deepEqual(proxy.seen, []);
  const refused = [...(ran.network?.refused ?? [])].sort((a, b) =>
    `${a.address} ${a.port}` < `${b.address} ${b.port}` ? -1 : 1,
  );
  assert.deepEqual(refused, [
    { protocol: 'tcp', address: '127.0.0.1', port: 61000, packets: 1 },
    { protocol: 'udp', address: '2001:db8::53', port: 53, packets: 1 },
    { protocol: 'udp', address: '8.8.8.8', port: 443, packets: 2 },
    { protocol: 'udp', address: '8.8.8.8', port: 53, packets: 1 },
    { protocol: 'icmp', address: '9.9.9.9', port: 0, packets: 1 },
  ]);
  assert.equal(ran.network?.refusedPackets, 6);
  const plain = await lines(wall, filtered(wall, range, ['icmp', '9.9.9.9']), proxy.onNetwork);
  assert.match(plain.lines[0] ?? '', /^icmp 9.9.9.9 0 socket (1|13|93|97)$/);
});

test('with nobody at the sockets, and with nobody who wants them, nothing passes', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const argv = ['wait', 'tcp', '1.2.3.4', '443', 'tcp', '2001:db8::1', '80', 'ask'];
  const prepared = filtered(wall, range, argv);
  const job: Job = { ...prepared.job, stdin: 'stream', stdout: 'stream', stderr: 'stream' };
  const plan = wall.client.preparePlan(encodePlan(prepared.kind));
  const closed = Promise.withResolvers<void>();
  const execution = wall.client.spawn(plan, job, {
    onNetwork: (_id, handles) => {
      closeAll(handles);
      closed.resolve();
    },
  });
  await closed.promise;
  // Closing a handle takes Node a turn, and the launcher its own copies an answer, which it hears of before a question.
  for (let turn = 0; turn < 2; turn++) await wall.client.stats();
  execution.stdin.end('\n');
  const text = (await execution.stdout.toArray()).join('');
  const { network } = await execution.result;
  assert.equal(
    text,
    `tcp 1.2.3.4 443 ${ECONNREFUSED} \ntcp 2001:db8::1 80 ${ECONNREFUSED} \nask ${ECONNREFUSED} \n`,
  );
  assert.deepEqual(network?.refused.map(({ address }) => address).sort(), [
    '1.2.3.4',
    '2001:db8::1',
  ]);

  const unwanted = await lines(wall, filtered(wall, range, ['tcp', '1.2.3.4', '443']));
  assert.match(unwanted.lines[0] ?? '', /^tcp 1.2.3.4 443 (104|111)$/);
});

test('the guest can change neither filter nor routes, nor pass for the proxy', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  await using proxy = new Decider();
  const argv = ['flush', 'route', 'mark', 'udp', '8.8.8.8', '53', 'tcp', '1.2.3.4', '443'];
  // With every capability over its namespace it could: what keeps it from that is that it has none, and seccomp.
  const able = filtered(wall, range, argv, 'seccomp', 'no capabilities');
  const could = await lines(wall, able, proxy.onNetwork);
  assert.deepEqual(could.lines.slice(0, 4), [
    'flush 0',
    'route 0',
    'mark 0 0',
    'udp 8.8.8.8 53 101',
  ]);
  assert.deepEqual(proxy.seen, []);

  const noCapability = await lines(wall, filtered(wall, range, argv, 'seccomp'), proxy.onNetwork);
  const held = ['udp 8.8.8.8 53 1', 'tcp 1.2.3.4 443 0 ::ffff:1.2.3.4 443 said hello'];
  assert.deepEqual(noCapability.lines, [
    `flush ${EPERM}`,
    `route ${EPERM}`,
    `mark ${EPERM} ${EPERM}`,
    ...held,
  ]);

  const whole = await lines(wall, filtered(wall, range, argv), proxy.onNetwork);
  assert.match(whole.lines[0] ?? '', /^flush socket (1|13|93|97)$/);
  assert.match(whole.lines[1] ?? '', new RegExp(`^route (${EPERM}|${EACCES})$`));
  assert.deepEqual(whole.lines.slice(3), held);
});

test('slots have it already, and each sandbox one of its own', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  const left = new NothingLeft();
  const before = socketsOf('self');
  {
    await using wall = await Wall.open();
    await using decider = new Decider();
    const { kind, job } = filtered(wall, range, ['tcp', '1.2.3.4', '443', 'own', '8080']);
    // Recycling is asked for and not done: what a guest left in its namespace would be the next one's.
    const plan = wall.client.preparePlan(encodePlan(kind), { slots: 3, recycleNetwork: true });
    await plan.ready;
    let warm = 0;
    let runs = 0;
    while (runs < 12 || (warm === 0 && runs < 200)) {
      runs++;
      await sleep(20);
      const ran = ranFrom(await wall.client.run(plan, job, { onNetwork: decider.onNetwork }));
      assert.match(ran.stdout, /^tcp 1.2.3.4 443 0 ::ffff:1.2.3.4 443 said hello\nown 8080 0 x\n$/);
      if (ran.raw.warm) warm++;
    }
    assert.ok(warm > 0, 'no run had a slot');
    assert.equal(new Set(decider.ids).size, runs);
    const together = Array.from({ length: 20 }, () =>
      wall.client.run(plan, job, { onNetwork: decider.onNetwork }),
    );
    for (const raw of await Promise.all(together)) assert.equal(ranFrom(raw).code, 0);
    assert.equal(decider.seen.length, runs + 20);
    await wall.client.forgetPlan(plan);
    const bare = wall.client.preparePlan(encodePlan(kind));
    await wall.client.run(bare, job, { onNetwork: decider.onNetwork });
    const launcher = wall.client.pid ?? 0;
    await sleep(100);
    const held = socketsOf(launcher);
    for (let i = 0; i < 10; i++) await wall.client.run(bare, job, { onNetwork: decider.onNetwork });
    await becomes(
      held,
      () => socketsOf(launcher),
      'the launcher keeps no socket of what has ended',
    );
    left.note();
  }
  assert.ok((await left.check()) > 0);
  await becomes(before, () => socketsOf('self'), 'we keep no socket of what has ended');
});

test('a kept sandbox: one network for all its commands, counted while it lives and when it ends', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  await using decider = new Decider();
  const { kind, job } = filtered(wall, range, []);
  const run = (...argv: string[]): Job => ({ ...job, argv: [job.argv[0] ?? '', ...argv] });
  const plan = wall.client.preparePlan(encodePlan(kind));
  const sandbox = wall.client.openSandbox(
    plan,
    { ...job, argv: [] },
    { onNetwork: decider.onNetwork },
  );
  await sandbox.opened;
  const first = ranFrom(await sandbox.run(run('tcp', '1.2.3.4', '443')));
  assert.equal(first.stdout, 'tcp 1.2.3.4 443 0 ::ffff:1.2.3.4 443 said hello\n');
  const second = ranFrom(await sandbox.run(run('udp', '8.8.8.8', '443')));
  assert.equal(second.stdout, `udp 8.8.8.8 443 ${EPERM}\n`);
  const expected = [{ protocol: 'udp', address: '8.8.8.8', port: 443, packets: 1 }];
  assert.deepEqual(second.raw.network?.refused, expected);
  assert.deepEqual((await sandbox.usage()).network?.refused, expected);
  await sandbox.close();
  assert.deepEqual((await sandbox.closed).network?.refused, expected);
  assert.equal(decider.ids.length, 1);
});

test('another process can have the sockets; when it ends, connections are refused', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const other = fork(fileURLToPath(new URL('network-process.ts', import.meta.url)));
  try {
    const argv = ['tcp', '1.2.3.4', '443', 'ask', 'wait', 'tcp', '1.2.3.4', '443', 'ask'];
    const { kind, job } = filtered(wall, range, argv);
    const plan = wall.client.preparePlan(encodePlan(kind));
    const forwarded = Promise.withResolvers<void>();
    const execution = wall.client.spawn(
      plan,
      { ...job, stdin: 'stream', stdout: 'stream', stderr: 'stream' },
      {
        onNetwork: (id, handles) => {
          forwardNetwork(other, id, handles).then(forwarded.resolve, forwarded.reject);
        },
      },
    );
    await forwarded.promise;
    let text = '';
    execution.stdout.on('data', (chunk) => {
      text += chunk;
    });
    while (!text.includes('ask')) await once(execution.stdout, 'data');
    assert.equal(text, 'tcp 1.2.3.4 443 0 elsewhere ::ffff:1.2.3.4 443\nask 0 elsewhere\n');
    other.kill('SIGKILL');
    await once(other, 'exit');
    execution.stdin.end('\n');
    await execution.result;
    assert.match(text, /\ntcp 1.2.3.4 443 111 \nask 111 \n$/);
  } finally {
    other.kill('SIGKILL');
  }
});

test('an ordinary user has it, too', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  await using wall = await Wall.ordinary(range.copyOfLauncher());
  await using decider = new Decider();
  assert.equal(wall.facts.networkFilterErrno, 0);
  const argv = ['tcp', '1.2.3.4', '443', 'udp', '8.8.8.8', '443', 'ask', 'flush', 'mark'];
  const { kind, job } = filtered(wall, range, argv);
  const { cgroup: _, ...plain } = kind;
  const ran = await lines(wall, { kind: plain, job }, decider.onNetwork);
  assert.deepEqual(ran.lines.slice(0, 3), [
    'tcp 1.2.3.4 443 0 ::ffff:1.2.3.4 443 said hello',
    `udp 8.8.8.8 443 ${EPERM}`,
    'ask 0 answer to question',
  ]);
  assert.match(ran.lines[3] ?? '', /^flush (socket )?[1-9]/);
  assert.equal(ran.lines[4], `mark ${EPERM} ${EPERM}`);
  assert.equal(ran.network?.refused.length, 1);
});

/** Sockets that a process holds open. A network namespace lives as long as one of its sockets does. */
function socketsOf(pid: number | 'self'): number {
  const at = `/proc/${pid}/fd`;
  return readdirSync(at).filter((fd) => {
    try {
      return readlinkSync(`${at}/${fd}`).startsWith('socket:');
    } catch {
      return false; // closed meanwhile
    }
  }).length;
}

/** Sockets close within a turn or a round trip. */
async function becomes(wanted: number, count: () => number, what: string): Promise<void> {
  await until(
    () => `${what}: ${count()} sockets, ${wanted} before`,
    () => count() <= wanted,
  );
}
