/** What is on its way to a proxy process that dies: closed here, once, whatever Node has forgotten. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import type { RawHandle } from '../../src/launcher/network-handles.ts';
import type { NodeProcess } from '../../src/launcher/node-process.ts';
import { ProxyProcessClient } from '../../src/network/proxy-process-client.ts';

class Handle implements RawHandle {
  closed = 0;
  close(): void {
    this.closed++;
  }
}

/** Answers requests; a handle that it is sent stays on the way, as on a channel that nobody reads. */
class Child extends EventEmitter {
  readonly waiting: (() => void)[] = [];
  readonly pid = 1;
  refs = 0;
  arrives = false;
  /** Of requests that it does not answer. */
  ignores: readonly string[] = [];
  isKilled = false;
  send(
    message: { request?: number; type: string },
    _handle: unknown,
    done?: (error: Error | null) => void,
  ): void {
    if (this.ignores.includes(message.type)) return;
    if (message.request !== undefined) {
      const { request } = message;
      setImmediate(() => this.emit('message', { type: 'reply', request, reply: { port: 1 } }));
    } else if (this.arrives) setImmediate(() => done?.(null));
    else this.waiting.push(() => done?.(new Error('the channel is closed')));
  }
  ref(): void {
    this.refs++;
  }
  unref(): void {
    this.refs--;
  }
  kill(): void {
    this.isKilled = true;
    this.emit('exit', null, 'SIGKILL');
  }
}

const setUp = () => {
  const child = new Child();
  const client = new ProxyProcessClient(child as unknown as NodeProcess, () =>
    assert.fail('there are no secrets'),
  );
  return { child, client };
};
const turns = () => new Promise((resolve) => setTimeout(resolve, 20));

test('connections that were dialled for it', async () => {
  const { child, client } = setUp();
  const handles: Handle[] = [];
  const late = Promise.withResolvers<void>();
  const dial = async (port: number): Promise<RawHandle> => {
    if (port === 2) await late.promise;
    const handle = new Handle();
    handles.push(handle);
    return handle;
  };
  await client.publish({ guestPort: 1 } as never, dial);
  for (const port of [1, 1, 2]) child.emit('message', { type: 'dial', id: 1, dial: port, port });
  await turns();
  assert.deepEqual(
    handles.map(({ closed }) => closed),
    [0, 0],
  );
  child.emit('exit', 1, null);
  late.resolve();
  await turns();
  assert.deepEqual(
    handles.map(({ closed }) => closed),
    [1, 1, 1],
  );
  for (const done of child.waiting) done();
  assert.deepEqual(
    handles.map(({ closed }) => closed),
    [1, 1, 1],
    'what Node remembers after all closes nothing twice',
  );
});

test('connections that arrived are closed here then, and not again', async () => {
  const { child, client } = setUp();
  child.arrives = true;
  const handle = new Handle();
  await client.publish({ guestPort: 1 } as never, async () => handle);
  child.emit('message', { type: 'dial', id: 1, dial: 1, port: 1 });
  await turns();
  assert.equal(handle.closed, 1);
  child.emit('exit', 1, null);
  assert.equal(handle.closed, 1);
});

test('the sockets of a network, whoever waits for them, and requests without an answer', async () => {
  const { child, client } = setUp();
  const parts = { tcp: new Handle(), dnsUdp: new Handle(), dnsTcp: new Handle() };
  let gone = 0;
  const { network } = client.begin({
    policy: { mode: 'filtered' } as never,
    onDecision: () => {},
    onGone: () => {
      gone++;
    },
  });
  await network.opened;
  const attached = network.attach(parts);
  const asked = network.counters();
  child.emit('exit', null, 'SIGSEGV');
  await assert.rejects(attached, { code: 'NETWORK_GONE' });
  await assert.rejects(asked, { code: 'NETWORK_GONE' });
  for (const { closed } of Object.values(parts)) assert.equal(closed, 1);
  assert.deepEqual([gone, child.refs], [1, 0], 'nothing of it keeps this process alive');
});

test('one that stands still is ended, and with it what waits for it', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { child, client } = setUp();
  const { network } = client.begin({ policy: { mode: 'filtered' } as never, onDecision: () => {} });
  await network.opened;
  child.ignores = ['close', 'warm'];
  const closed = network.close();
  t.mock.timers.tick(15_000);
  await turns();
  assert.ok(!child.isKilled, 'it is asked first');
  t.mock.timers.tick(15_000);
  assert.equal(await closed, undefined);
  assert.ok(child.isKilled);
  assert.equal(child.refs, 0, 'nothing of it keeps this process alive');
});

test('one that takes long at something, and answers otherwise, is not', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { child, client } = setUp();
  const { network } = client.begin({ policy: { mode: 'filtered' } as never, onDecision: () => {} });
  await network.opened;
  child.ignores = ['update'];
  network.update({ mode: 'filtered' } as never).catch(() => {});
  for (let i = 0; i < 10; i++) {
    t.mock.timers.tick(15_000);
    await turns();
  }
  assert.ok(!child.isKilled);
  child.emit('exit', 0, null);
});
