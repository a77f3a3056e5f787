/** The client under load and in trouble: slow readers, aborts, a service that goes and comes again. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket, connect as tcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { RemoteCaisson } from '../../src/client/index.ts';
import { running as processesOf } from '../processes.ts';
import { type Served, served } from '../server/served.ts';
import { until } from '../until.ts';

let service: Served;
let gate: Gate;
let caisson: RemoteCaisson;

/** Between client and service, so that connections can be counted and cut. */
class Gate implements AsyncDisposable {
  readonly open = new Set<Socket>();
  readonly #server: Server;
  target: number;

  private constructor(target: number) {
    this.target = target;
    this.#server = createServer((socket) => {
      const other = tcp(this.target, '127.0.0.1');
      this.open.add(socket);
      socket.on('close', () => {
        this.open.delete(socket);
        other.destroy();
      });
      other.on('close', () => socket.destroy());
      for (const each of [socket, other]) each.on('error', () => {});
      socket.pipe(other).pipe(socket);
    });
  }

  static async open(address: string): Promise<Gate> {
    const gate = new Gate(Number(new URL(address).port));
    gate.#server.listen(0, '127.0.0.1');
    await once(gate.#server, 'listening');
    return gate;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  cut(): void {
    for (const socket of this.open) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

before(async () => {
  service = await served({});
  gate = await Gate.open(service.address);
  caisson = await RemoteCaisson.open({
    url: gate.address,
    apiKey: await service.key('operator', 'acme'),
  });
});
after(async () => {
  await caisson.close();
  await gate[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

/** Guests that run `sleep` with this number, asked of the host. */
function sleepers(seconds: string): number {
  return processesOf('sleep', seconds).length;
}

async function running(): Promise<number> {
  return (await caisson.sandboxes.list({ state: 'Running' })).length;
}

describe('a signal', () => {
  let number = 71_000;
  const doings: Record<string, (seconds: string, signal: AbortSignal) => Promise<unknown>> = {
    run: (seconds, signal) => caisson.run(['sleep', seconds], { signal }),
    spawn: async (seconds, signal) =>
      await (await caisson.spawn(['sleep', seconds], { signal })).outcome,
    exec: async (seconds, signal) => {
      await using sandbox = await caisson.create();
      return await sandbox.exec(['sleep', seconds], { signal });
    },
    'exec of a shell': async (seconds, signal) => {
      await using sandbox = await caisson.create();
      return await sandbox.shell().run(`exec sleep ${seconds}`, { signal });
    },
    'spawn in a sandbox': async (seconds, signal) => {
      await using sandbox = await caisson.create();
      return await sandbox.spawn(['sleep', seconds], { signal }).outcome;
    },
    'eval of shell': (seconds, signal) =>
      caisson.eval('shell', `exec sleep ${seconds}`, { signal, timeoutMs: 60_000 }),
  };
  for (const [name, doing] of Object.entries(doings)) {
    test(`ends ${name}: the guest, and its connection`, async () => {
      const seconds = String(++number);
      const controller = new AbortController();
      const done = assert.rejects(doing(seconds, controller.signal), { code: 'ABORTED' });
      await until('it runs', () => sleepers(seconds) === 1);
      const before = gate.open.size;
      controller.abort(new Error('enough'));
      await done;
      await until('the guest is ended', () => sleepers(seconds) === 0);
      await until('its connection is ended', () => gate.open.size < Math.max(2, before));
    });
  }

  test('ends it at whatever moment it comes', async () => {
    const seconds = String(++number);
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const signal = AbortSignal.timeout(1 + i * 4);
        const doing = i % 2 === 0 ? doings.run : doings.spawn;
        await assert.rejects(async () => await doing?.(seconds, signal), { code: 'ABORTED' });
      }),
    );
    // What was on its way when its client left may still have begun, also behind a look: nothing of it stays.
    for (let tries = 0, quiet = 0; quiet < 10; tries++) {
      assert.ok(tries < 1000, `${await running()} run, ${sleepers(seconds)} guests`);
      quiet = (await running()) === 0 && sleepers(seconds) === 0 ? quiet + 1 : 0;
      await sleep(25);
    }
  });

  test('ends an upload and a download in the middle', async () => {
    await using sandbox = await caisson.create();
    const endless = async function* () {
      for (let i = 0; i < 3; i++) yield Buffer.alloc(100_000);
      await sleep(300);
      throw new Error('broken off');
    };
    await assert.rejects(sandbox.files.writeStream('x', endless()), /broken off/);
    await until('its connection is ended', () => gate.open.size <= 2);
    await sandbox.files.write('large', Buffer.alloc(4_000_000));
    for await (const _ of sandbox.files.readStream('large')) break;
    await until('its connection is ended', () => gate.open.size <= 2);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 200);
    for await (const _ of sandbox.files.watch('.', { signal: controller.signal }));
    await until('its connection is ended', () => gate.open.size <= 2);
  });
});

describe('memory stays flat', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  /** Of this process: client and service both. */
  const inUse = (): number => {
    // What one collection found dead is let go of on another thread; the next one waits for that.
    collect();
    collect();
    const { arrayBuffers, external, heapUsed } = process.memoryUsage();
    return arrayBuffers + external + heapUsed;
  };
  /** Of transfers of 300 MB. */
  const MOST = 100 * 2 ** 20;

  test('with a reader that reads nothing, and then slowly', async () => {
    await using sandbox = await caisson.create();
    const guest = sandbox.spawn(['sh', '-c', 'head -c 300000000 /dev/zero; echo done >&2']);
    await guest.started;
    const before = inUse();
    await sleep(1000);
    assert.ok(inUse() - before < MOST, 'nobody reads');
    let size = 0;
    let most = 0;
    let pieces = 0;
    for await (const piece of guest.stdout as AsyncIterable<Buffer>) {
      size += piece.length;
      pieces += 1;
      if (pieces % 200 === 0) {
        most = Math.max(most, inUse());
        await sleep(1);
      }
    }
    assert.equal(size, 300_000_000);
    assert.ok(most - before < MOST, `${most - before} bytes more`);
    assert.equal((await guest.outcome).code, 0);
  });

  test('with a guest that takes nothing, and then slowly', async () => {
    await using sandbox = await caisson.create();
    const script = 'until [ -e go ]; do sleep 0.05; done; wc -c';
    const guest = sandbox.spawn(['sh', '-c', script]);
    await guest.started;
    const before = inUse();
    const piece = Buffer.alloc(1_000_000, 'y');
    let most = 0;
    let written = 0;
    let ahead = Number.NaN;
    const begins = sleep(900).then(async () => {
      ahead = written;
      await sandbox.files.write('go', '');
    });
    for (; written < 300; written++) {
      if (!guest.stdin.write(piece)) await once(guest.stdin, 'drain');
      if (written % 20 === 0) most = Math.max(most, inUse());
    }
    guest.stdin.end();
    await begins;
    assert.ok(ahead < 20, `it runs ${ahead} MB ahead`);
    const counted = Buffer.concat(await Array.fromAsync(guest.stdout as AsyncIterable<Buffer>));
    assert.equal(counted.toString().trim(), '300000000');
    assert.ok(most - before < MOST, `${most - before} bytes more`);
  });

  test('with a file that is read slowly', async () => {
    await using sandbox = await caisson.create({ policy: 'moderate', workspace: 'private' });
    const sink = async function* () {
      for (let i = 0; i < 300; i++) yield Buffer.alloc(1_000_000);
    };
    await sandbox.files.writeStream('large', sink());
    const before = inUse();
    let most = 0;
    let size = 0;
    let pieces = 0;
    for await (const piece of sandbox.files.readStream('large')) {
      size += piece.length;
      if (size < 10_000_000) await sleep(5);
      if (++pieces % 100 === 0) most = Math.max(most, inUse());
    }
    assert.equal(size, 300_000_000);
    assert.ok(most - before < MOST, `${most - before} bytes more`);
  });
});

describe('the audit log', () => {
  test('is followed over connections that are cut, and no record is missed or told twice', async () => {
    const controller = new AbortController();
    const seen: number[] = [];
    const first = Promise.withResolvers<void>();
    const ended = new Set<string>();
    const following = (async () => {
      for await (const { seq, run, event } of caisson.audit.follow({ signal: controller.signal })) {
        seen.push(seq);
        if (event === 'ended') ended.add(run ?? '');
        first.resolve();
      }
    })();
    const asked: Promise<unknown>[] = [];
    const busy = setInterval(() => asked.push(caisson.run(['true']).catch(() => {})), 100);
    await first.promise;
    for (let cuts = 0; cuts < 4 || seen.length <= 20; cuts++) {
      assert.ok(cuts < 100, `${seen.length} records were seen`);
      await sleep(350);
      gate.cut();
    }
    clearInterval(busy);
    await Promise.all(asked);
    // What was cut off has ended at the service, too.
    await until('no run goes on', async () => (await running()) === 0);
    const { auditId } = await caisson.run(['true']);
    await until('the last run is told of', () => ended.has(auditId));
    controller.abort();
    await following;
    const all: number[] = [];
    for await (const { seq } of caisson.audit.query({ after: (seen[0] ?? 0) - 1 })) all.push(seq);
    assert.deepEqual(seen, all.slice(0, seen.length));
    assert.ok(all.length - seen.length < 5, 'the last ones may still be on their way');
  });
});

describe('a service that goes', () => {
  test('is told of by whatever is open, and what comes next finds the next one', async () => {
    const state = mkdtempSync(join(tmpdir(), 'caisson-holding-'));
    const one = await served({}, { state });
    await using between = await Gate.open(one.address);
    const apiKey = await one.key('developer');
    await using client = await RemoteCaisson.open({ url: between.address, apiKey });
    const sandbox = await client.create();
    const guest = sandbox.spawn(['sleep', '79999']);
    await guest.started;
    const running = assert.rejects(client.run(['sleep', '79999']));
    await until('they run', () => sleepers('79999') === 2);
    await one.serving.stop(0);
    await assert.rejects(
      guest.outcome.then(({ kind }) => {
        if (kind === 'killed') throw new Error('killed');
      }),
    );
    await running;
    assert.equal(sleepers('79999'), 0);
    await assert.rejects(client.run(['true']), { code: 'REMOTE_FAILED' });
    const two = await served({}, { state });
    between.target = Number(new URL(two.address).port);
    assert.equal((await client.run(['echo', 'back'])).stdout.text, 'back\n');
    await assert.rejects(sandbox.exec(['true']), (error: { code?: string }) =>
      ['SANDBOX_CLOSED', 'NOT_FOUND'].includes(error.code ?? ''),
    );
    await sandbox.close();
    await two[Symbol.asyncDispose]();
    rmSync(state, { recursive: true, force: true });
  });

  test('a sandbox that is ended under the download of a tree ends the download alone', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'caisson-holding-'));
    const sandbox = await caisson.create();
    await sandbox.exec(['sh', '-c', 'mkdir t && truncate -s 250M t/zeros']);
    const to = join(directory, 'tree');
    const done = assert.rejects(sandbox.files.download('t', to), { code: 'REMOTE_FAILED' });
    await until('it has begun', () => existsSync(to) && readdirSync(to).length > 0);
    await caisson.sandboxes.kill(sandbox.id);
    await done;
    assert.equal((await caisson.run(['echo', 'still'])).stdout.text, 'still\n');
    rmSync(directory, { recursive: true, force: true });
  });

  test('a client that is closed asks nobody', async () => {
    const client = await RemoteCaisson.open({
      url: service.address,
      apiKey: await service.key('developer'),
    });
    const sandbox = await client.create();
    await client.close();
    await client.close();
    await assert.rejects(client.run(['true']), { code: 'SANDBOX_CLOSED' });
    await assert.rejects(sandbox.spawn(['true']).outcome, { code: 'SANDBOX_CLOSED' });
    await caisson.sandboxes.kill(sandbox.id);
  });
});
