/**
 * A fault in the proxy that one guest finds: its connection, or its network, and no other's; told each time. The faults
 * are those of `faulty-proxy.ts`, in the proxy's own process.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CaissonError } from '../../src/core/error.ts';
import type { RawHandle } from '../../src/launcher/network-handles.ts';
import { startNodeProcess } from '../../src/launcher/node-process.ts';
import type { NetworkDecision } from '../../src/network/decision-log.ts';
import { faultText } from '../../src/network/fault-bounds.ts';
import { ProxyClient } from '../../src/network/proxy-client.ts';
import { until } from '../until.ts';
import { openDnsServer } from './dns-server.ts';
import { clientHello, records, serverName } from './hello-bytes.ts';
import { filtered } from './judge-parts.ts';
import { openGuest } from './open-guest.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
const HELLO = records(clientHello(serverName('host.example')));

async function openNetwork(client: ProxyClient) {
  const guest = await openGuest();
  const dns = await openDnsServer({ 'host.example': ['127.0.0.2'] });
  const decisions: NetworkDecision[] = [];
  const gone: CaissonError[] = [];
  const at = guest.port;
  const policy = filtered([`*:${at}`, `127.0.0.2/32:${at}`]);
  const network = await client.open({
    policy,
    servers: [dns.address],
    onDecision: (decision) => decisions.push(decision),
    onGone: (error) => gone.push(error),
  });
  await network.attach(guest.handles);
  /** Once there are so many of them; what is not to come has a moment to do so. */
  const refusals = async (count: number): Promise<string[]> => {
    const told = () => decisions.filter(({ allowed }) => !allowed);
    await until(`${count} refusals are told`, () => told().length >= count);
    await sleep(50);
    return told().map(({ reason }) => reason);
  };
  const works = async (): Promise<void> => {
    assert.equal(await guest.resolve('host.example'), '127.0.0.2');
    assert.equal(await guest.connect('127.0.0.2', HELLO), `HOST ${HELLO.length}`);
  };
  return {
    guest,
    network,
    policy,
    gone,
    refusals,
    works,
    [Symbol.asyncDispose]: async () => {
      await guest[Symbol.asyncDispose]();
      await dns[Symbol.asyncDispose]();
    },
  };
}

/** @returns what is answered to five bytes, or the error */
async function ask(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port }, () => socket.write('hello'));
  try {
    return String(Buffer.concat(await socket.toArray()));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? '';
  }
}

/** It is whoever's it is given to. */
function rawHandleOf(socket: Socket): RawHandle {
  const held = socket as unknown as { _handle: RawHandle | null };
  const handle = held._handle;
  assert.ok(handle);
  held._handle = null;
  return handle;
}

async function openTwo() {
  const client = new ProxyClient(() =>
    startNodeProcess(join(import.meta.dirname, 'faulty-proxy.ts')),
  );
  const finder = await openNetwork(client);
  const other = await openNetwork(client);
  return {
    client,
    finder,
    other,
    [Symbol.asyncDispose]: async () => {
      await client.close();
      await finder[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
    },
  };
}

for (const where of ['event', 'timer', 'promise']) {
  test(`a fault that nobody guarded shuts the network of who found it alone: in ${where}`, {
    skip,
  }, async () => {
    await using open = await openTwo();
    const { client, finder, other } = open;
    const { pid } = client;
    await finder.works();
    await finder.guest.connect('127.0.0.2', Buffer.from(`the ${where} of it\n`));
    const [told] = await finder.refusals(1);
    assert.match(
      told ?? '',
      /fault in the proxy.*TypeError: what nobody thought of \(faulty-proxy\.ts:\d+\)/,
    );
    assert.equal(finder.gone.length, 1);
    assert.equal(finder.gone[0]?.code, 'NETWORK_GONE');
    assert.match(finder.gone[0]?.message ?? '', /what nobody thought of/);
    // It is shut: nothing of it listens any more.
    assert.equal(await finder.guest.connect('127.0.0.2', HELLO), 'ECONNREFUSED');
    assert.notEqual(await finder.guest.resolve('host.example'), '127.0.0.2');
    await assert.rejects(finder.network.update(finder.policy), /shut.*what nobody thought of/);
    await other.works();
    assert.deepEqual(other.gone, []);
    assert.deepEqual(await other.refusals(0), []);
    assert.equal(client.pid, pid, 'the process lives');
    assert.notEqual(await finder.network.close(), undefined, 'what passed is still told');
    await using third = await openNetwork(client);
    await third.works();
  });
}

for (const [where, guestPort] of Object.entries({ event: 6661, timer: 6662, promise: 6663 })) {
  test(`a fault that a connection to a published port meets closes that port alone: in ${where}`, {
    skip,
  }, async () => {
    await using open = await openTwo();
    const { client, finder, other } = open;
    const { pid } = client;
    const dial = async (): Promise<RawHandle> => {
      const inside = connect({ host: '127.0.0.2', port: other.guest.port });
      await once(inside, 'connect');
      return rawHandleOf(inside);
    };
    const publish = (port: number) =>
      client.publish({ guestPort: port, host: '127.0.0.1', port: 0 }, dial);
    const [faulty, sound] = [await publish(guestPort), await publish(1)];
    await ask(faulty.port); // answered or reset, whichever comes first
    const { code, message } = await faulty.gone;
    assert.equal(code, 'NETWORK_GONE');
    assert.match(message, /^a fault of the proxy shut the port: TypeError: what nobody thought of/);
    assert.equal(await ask(faulty.port), 'ECONNREFUSED');
    assert.equal(await ask(sound.port), 'HOST 5');
    await finder.works();
    await other.works();
    assert.equal(client.pid, pid, 'the process lives');
    for (const port of [faulty, sound]) await port.close();
  });
}

test('a fault in a decision ends that connection, one in an answer that query; both are told', {
  skip,
}, async () => {
  await using open = await openTwo();
  const { client, finder, other } = open;
  const hello = records(clientHello(serverName('decision.example')));
  assert.equal(await finder.guest.connect('127.0.0.2', hello), '');
  assert.equal(await finder.guest.resolve('query.example'), 'ETIMEOUT');
  const [connection, query] = await finder.refusals(2);
  assert.match(
    connection ?? '',
    /127\.0\.0\.2:\d+: a fault in the proxy ended it: TypeError: what/,
  );
  assert.match(query ?? '', /a fault in the resolver: TypeError: what nobody thought of/);
  await finder.works();
  await other.works();
  assert.deepEqual([...finder.gone, ...other.gone], []);
  assert.ok(client.pid);
});

test("a fault that is nobody's ends the process, and each is told which", { skip }, async () => {
  await using open = await openTwo();
  const { finder, other } = open;
  await finder.guest.connect('127.0.0.2', Buffer.from('of nobody\n'));
  for (const { gone, guest } of [finder, other]) {
    await until('the end of the process is told', () => gone.length > 0);
    assert.match(gone[0]?.message ?? '', /process.*ended.*TypeError: what nobody thought of/);
    assert.equal(await guest.connect('127.0.0.2', HELLO), 'ECONNREFUSED');
  }
});

test('a fault is told in one line, without paths of this host', () => {
  const error = new RangeError('a\nb');
  error.stack =
    'RangeError: a\n    at push (file:///opt/some/where/first-bytes.ts:12:34)\n    at x';
  assert.equal(faultText(error), 'RangeError: a b (first-bytes.ts:12)');
  assert.equal(faultText(Object.assign(new Error('x'), { stack: '' })), 'Error: x');
});
