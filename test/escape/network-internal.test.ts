/**
 * Internal networks and published ports: members of a group reach each other by name on the ports that their policies
 * name, and nothing else reaches or is reached. What counts is what the servers of the others heard.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Caisson, type CreateOptions } from '../../src/compose.ts';
import type { Outcome } from '../../src/core/outcome.ts';
import type { ObservedEvent } from '../../src/core/ports.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { needs } from './harness.ts';

const python = spawnSync('python3', ['-V']).status === 0;
const skip = python ? needs.root : 'python3 is not installed';

const LISTED = 8080;
const UNLISTED = 8081;

/** Level moderate: Landlock rules over no ports there, so that what is refused is refused by the network alone. */
const internal = (group: string, listen: readonly number[] = [LISTED]) => ({
  level: 'moderate' as const,
  network: { mode: 'internal' as const, group, listen: [...listen] },
});

/** Answers on both ports with its name, and writes down what it heard. */
const member = (name: string): string[] => [
  'python3',
  '-uc',
  `import socket, threading
def serve(s, port):
  while True:
    c, who = s.accept()
    threading.Thread(target=answer, args=(c, port)).start()
def answer(c, port):
  said = b''
  while True:
    try: more = c.recv(65536)
    except OSError: return
    if not more: break
    said += more
  print(f'heard {port} {said.decode()}\\n', end='')
  try: c.sendall(b'${name} heard ' + said); c.close()
  except OSError: pass
servers = [(socket.create_server(('', port), backlog=64), port) for port in (${LISTED}, ${UNLISTED})]
for each in servers: threading.Thread(target=serve, args=each).start()
print('up\\n', end='')`,
];

/** Tells each target something, and prints what comes back, or why nothing does. */
const tell = (word: string, ...targets: string[]): string[] => [
  'python3',
  '-uc',
  `import socket, sys
for target in sys.argv[2:]:
  host, port = target.rsplit(':', 1)
  try:
    c = socket.create_connection((host, int(port)), 5); c.settimeout(5)
    c.sendall(sys.argv[1].encode()); c.shutdown(socket.SHUT_WR)
    said = b''
    while True:
      more = c.recv(65536)
      if not more: break
      said += more
    print(target, said.decode() or 'nothing')
  except OSError as e: print(target, 'refused')`,
  word,
  ...targets,
];

const workspace = mkdtempSync(join(tmpdir(), 'caisson-internal-'));

const lines = (outcome: Outcome): string[] => outcome.stdout.text.trim().split('\n');

/** A sandbox in which {@link member} runs, and what that heard. */
class Running {
  readonly name: string;
  readonly sandbox: Sandbox;
  readonly heard: string[] = [];

  private constructor(name: string, sandbox: Sandbox) {
    this.name = name;
    this.sandbox = sandbox;
  }

  static async start(caisson: Caisson, name: string, options: CreateOptions): Promise<Running> {
    const running = new Running(name, await caisson.create({ workspace, ...options, name }));
    const guest = running.sandbox.spawn(member(name));
    await new Promise<void>((resolve, reject) => {
      let rest = '';
      guest.stdout.on('data', (bytes: Buffer) => {
        const said = (rest + bytes).split('\n');
        rest = said.pop() ?? '';
        running.heard.push(...said.filter((line) => line.startsWith('heard')));
        if (said.includes('up')) resolve();
      });
      guest.outcome.then((outcome) => reject(new Error(JSON.stringify(outcome))), reject);
    });
    return running;
  }
}

describe('internal networks', { skip }, () => {
  let caisson: Caisson;
  let a: Running[];
  let b: Running[];
  const events: ObservedEvent[] = [];
  before(async () => {
    caisson = await Caisson.open({ observer: (event) => events.push(event) });
    const start = (group: string, names: string[]): Promise<Running[]> =>
      Promise.all(names.map((name) => Running.start(caisson, name, { policy: internal(group) })));
    [a, b] = await Promise.all([
      start('a', ['one', 'two', 'three']),
      start('b', ['four', 'five', 'six']),
    ]);
  });
  after(async () => {
    await caisson.close();
    rmSync(workspace, { recursive: true });
  });

  const all = (): Running[] => [...a, ...b];
  const heard = (word: string): string[] =>
    all().flatMap(({ name, heard: said }) =>
      said.filter((line) => line.endsWith(` ${word}`)).map((line) => `${name} ${line}`),
    );

  /** By the address that its name has for its own group. */
  async function addressOf(from: Running, name: string): Promise<string> {
    const script = 'import socket, sys; print(socket.gethostbyname(sys.argv[1]))';
    const outcome = await from.sandbox.exec(['python3', '-c', script, name]);
    assert.equal(outcome.code, 0, outcome.stderr.text);
    return lines(outcome)[0] ?? '';
  }

  test('each member reaches each of its group by name, on the listed port', async () => {
    for (const group of [a, b]) {
      for (const from of group) {
        const targets = group.flatMap(({ name }) => [
          `${name}:${LISTED}`,
          `${name}.internal:${LISTED}`,
        ]);
        const word = `from-${from.name}`;
        const outcome = await from.sandbox.exec(tell(word, ...targets));
        const expected = targets.map(
          (target) => `${target} ${target.split(/[.:]/)[0]} heard ${word}`,
        );
        assert.deepEqual(lines(outcome), expected);
        assert.deepEqual(outcome.violations, []);
      }
    }
  });

  test('a name has one address in its group, another one than any of another group', async () => {
    const seen = await Promise.all(a.map((from) => addressOf(from, 'one')));
    assert.equal(new Set(seen).size, 1);
    assert.match(seen[0] ?? '', /^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./);
    const [first, second] = [a[0] as Running, b[0] as Running];
    const addresses = await Promise.all([
      ...a.map(({ name }) => addressOf(first, name)),
      ...b.map(({ name }) => addressOf(second, name)),
    ]);
    assert.equal(new Set(addresses).size, 6);
  });

  test('not on a port that the policy does not name, though the guest listens there', async () => {
    for (const from of a) {
      const own = await from.sandbox.exec(tell('itself', `127.0.0.1:${UNLISTED}`));
      assert.deepEqual(lines(own), [`127.0.0.1:${UNLISTED} ${from.name} heard itself`]);
      const targets = a.map(({ name }) => `${name}:${UNLISTED}`);
      const outcome = await from.sandbox.exec(tell('unlisted', ...targets));
      assert.deepEqual(
        lines(outcome),
        targets.map((target) => `${target} refused`),
      );
      const reasons = outcome.violations.map(({ target, reason }) => `${target} ${reason}`);
      for (const target of targets) {
        assert.ok(
          reasons.some(
            (each) => each.startsWith(`${target}/tcp`) && /add `listen: \[8081\]`/.test(each),
          ),
          reasons.join('\n'),
        );
      }
    }
    assert.deepEqual(heard('unlisted'), []);
  });

  test("not another group's members, by name or by address, and not the host or the outside", async () => {
    await using host = await HostServers.start();
    const [one, four] = [a[0] as Running, b[0] as Running];
    for (const [from, own, others] of [
      [one, a, b],
      [four, b, a],
    ] as const) {
      const addresses = await Promise.all(
        others.map(({ name }) => addressOf(others[0] as Running, name)),
      );
      const hosts = [...others.flatMap(({ name }) => [name, `${name}.internal`]), ...addresses];
      const targets = [
        ...hosts.map((each) => `${each}:${LISTED}`),
        ...host.targets,
        '8.8.8.8:53',
        'example.org:443',
        'localhost.localdomain:80',
      ];
      const outcome = await from.sandbox.exec(tell('stranger', ...targets));
      assert.deepEqual(
        lines(outcome),
        targets.map((target) => `${target} refused`),
      );
      assert.ok(own.length === 3 && outcome.violations.length > 0);
    }
    assert.deepEqual(heard('stranger'), []);
    assert.deepEqual(host.heard, []);
  });

  test('not by UDP, and not through the sockets that make the network', async () => {
    const script = `import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1)
try: s.sendto(b'x', (socket.gethostbyname('two'), ${LISTED})); print('sent')
except OSError as e: print('refused')`;
    const [one] = a as [Running];
    assert.deepEqual(lines(await one.sandbox.exec(['python3', '-c', script])), ['refused']);
    const direct = await one.sandbox.exec(tell('direct', '127.0.0.1:61000'));
    assert.deepEqual(lines(direct), ['127.0.0.1:61000 refused']);
  });

  test('in the same group all of it passes: the group alone is in the way', async () => {
    const both = internal('b', [LISTED, UNLISTED]);
    const guest = await Running.start(caisson, 'seven', { policy: both });
    const word = 'ablation';
    const addresses = await Promise.all(b.map(({ name }) => addressOf(guest, name)));
    const targets = [...b.map(({ name }) => name), ...addresses].map((each) => `${each}:${LISTED}`);
    const outcome = await guest.sandbox.exec(tell(word, ...targets));
    const names = [...b, ...b].map(({ name }) => name);
    assert.deepEqual(
      lines(outcome),
      targets.map((target, i) => `${target} ${names[i]} heard ${word}`),
    );
    const back = await (b[0] as Running).sandbox.exec(tell(word, `seven:${UNLISTED}`));
    assert.deepEqual(lines(back), [`seven:${UNLISTED} seven heard ${word}`]);
    await guest.sandbox.close();
  });

  test('the same group of another tenant, or of another Caisson, is another group', async () => {
    const stranger = await Running.start(caisson, 'one', {
      policy: internal('a'),
      tenant: 'other',
    });
    const outcome = await stranger.sandbox.exec(tell('tenant', `two:${LISTED}`, `one:${LISTED}`));
    assert.deepEqual(lines(outcome), [`two:${LISTED} refused`, `one:${LISTED} one heard tenant`]);
    await stranger.sandbox.close();
    await using elsewhere = await Caisson.open();
    const run = await elsewhere.run(tell('tenant', `two:${LISTED}`), {
      workspace,
      policy: internal('a'),
    });
    assert.deepEqual(lines(run), [`two:${LISTED} refused`]);
    assert.deepEqual(heard('tenant'), []);
  });

  test('a name is unique, free again once its sandbox is closed or has died, and keeps its address', async () => {
    const policy = internal('names');
    await using watcher = await caisson.create({ workspace, policy, name: 'watcher' });
    const first = await Running.start(caisson, 'db', { policy });
    await assert.rejects(caisson.create({ workspace, policy, name: 'db' }), {
      code: 'REQUEST_INVALID',
      message: /db is taken/,
    });
    const ask = async (word: string): Promise<string[]> =>
      lines(await watcher.exec(tell(word, `db:${LISTED}`)));
    const address = lines(
      await watcher.exec(['python3', '-c', "import socket; print(socket.gethostbyname('db'))"]),
    );
    assert.deepEqual(await ask('x'), [`db:${LISTED} db heard x`]);
    await first.sandbox.close();
    assert.deepEqual(await ask('x'), [`db:${LISTED} refused`]);
    const second = await Running.start(caisson, 'db', { policy });
    assert.deepEqual(await ask('y'), [`db:${LISTED} db heard y`]);
    assert.deepEqual(
      lines(
        await watcher.exec(['python3', '-c', "import socket; print(socket.gethostbyname('db'))"]),
      ),
      address,
    );
    // Its own init killed from outside: nobody closed it.
    process.kill(await pidOf(second.sandbox), 'SIGKILL');
    await second.sandbox.gone;
    assert.deepEqual(await ask('z'), [`db:${LISTED} refused`]);
    const third = await Running.start(caisson, 'db', { policy });
    assert.deepEqual(await ask('z'), [`db:${LISTED} db heard z`]);
    await Promise.all([second.sandbox.close(), third.sandbox.close()]);
  });

  for (const name of ['', 'Db', 'a b', '127', 'localhost', '-x', 'a.b', 'x'.repeat(64)]) {
    test(`${JSON.stringify(name)} is no name`, async () => {
      await assert.rejects(caisson.create({ workspace, policy: internal('a'), name }), {
        code: 'REQUEST_INVALID',
      });
    });
  }

  test('whoever may not listen is reached by nobody', async () => {
    const policy = internal('quiet', []);
    const quiet = await Running.start(caisson, 'quiet', { policy });
    const outcome = await caisson.run(tell('w', `quiet:${LISTED}`), { workspace, policy });
    assert.deepEqual(lines(outcome), [`quiet:${LISTED} refused`]);
    assert.deepEqual(quiet.heard, []);
    await quiet.sandbox.close();
  });
});

/** On the host's loopback and its other addresses: nobody inside may reach them. */
class HostServers implements AsyncDisposable {
  readonly heard: string[] = [];
  readonly targets: string[] = [];
  readonly #servers: Server[] = [];

  static async start(): Promise<HostServers> {
    const started = new HostServers();
    const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    const own = addresses.filter(({ family }) => family === 'IPv4').map(({ address }) => address);
    for (const address of new Set(['127.0.0.1', ...own])) {
      const server = createServer((socket) => {
        started.heard.push(address);
        socket.destroy();
      });
      server.listen(0, address);
      await once(server, 'listening');
      started.#servers.push(server);
      started.targets.push(`${address}:${(server.address() as AddressInfo).port}`);
    }
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server.close();
  }
}

async function pidOf(sandbox: Sandbox): Promise<number> {
  const setup = spawnSync('ps', ['-eo', 'pid,ppid,args']).stdout.toString();
  const marker = await sandbox.exec(['readlink', '/proc/self/ns/pid']);
  const namespace = marker.stdout.text.trim();
  for (const line of setup.split('\n')) {
    const pid = Number(line.trim().split(/\s+/)[0]);
    const link = spawnSync('readlink', [`/proc/${pid}/ns/pid`])
      .stdout.toString()
      .trim();
    if (link !== namespace) continue;
    const status = spawnSync('grep', ['NSpid', `/proc/${pid}/status`]).stdout.toString();
    if (/\t1\n?$/.test(status)) return pid;
  }
  assert.fail('the init of the sandbox is not found');
}
