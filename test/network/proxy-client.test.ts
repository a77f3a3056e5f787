/** The proxy as its own process, with sockets of another network namespace, as the launcher hands them over. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import type { NetworkDecision } from '../../src/network/decision-log.ts';
import type { NetworkOptions } from '../../src/network/network-client.ts';
import { ProxyClient } from '../../src/network/proxy-client.ts';
import type { NetworkPolicy } from '../../src/policy/policy.ts';
import { NotedProcesses } from '../noted-processes.ts';
import { until } from '../until.ts';
import { openDnsServer } from './dns-server.ts';
import { clientHello, records, serverName } from './hello-bytes.ts';
import { filtered } from './judge-parts.ts';
import { ended, openGuest } from './open-guest.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';

async function openNetwork(
  policy: (port: number) => NetworkPolicy,
  more: Partial<NetworkOptions> = {},
) {
  const guest = await openGuest();
  const dns = await openDnsServer({
    'host.example': ['127.0.0.2'],
    'far.example': ['203.0.113.9'],
  });
  const client = new ProxyClient();
  const decisions: NetworkDecision[] = [];
  const network = await client.open({
    policy: policy(guest.port),
    servers: [dns.address],
    onDecision: (decision) => decisions.push(decision),
    ...more,
  });
  await network.attach(guest.handles);
  return {
    guest,
    dns,
    client,
    network,
    decisions,
    [Symbol.asyncDispose]: async () => {
      await client.close();
      await guest[Symbol.asyncDispose]();
      await dns[Symbol.asyncDispose]();
    },
  };
}

const ALERT = '\x15\x03\x03\x00\x02\x02\x31';
const HELLO = records(clientHello(serverName('host.example')));

test('names and connections of another namespace, by the process; counters at the end', {
  skip,
}, async () => {
  await using open = await openNetwork((port) =>
    filtered([`host.example:${port}`, `127.0.0.2/32:${port}`, `far.example:${port}`]),
  );
  assert.equal(await open.guest.resolve('host.example'), '127.0.0.2');
  assert.equal(await open.guest.resolve('evil.example'), 'EREFUSED');
  assert.equal(await open.guest.connect('127.0.0.2', HELLO), `HOST ${HELLO.length}`);
  assert.equal(await open.guest.connect('::ffff:127.0.0.2', HELLO), `HOST ${HELLO.length}`);
  const far = records(clientHello(serverName('front.example')));
  assert.equal(await open.guest.connect('203.0.113.9', far), ALERT);
  assert.equal(await open.guest.connect('2001:db8::1', far), ALERT);
  const counters = await open.network.close();
  assert.equal(counters?.connections, 4);
  assert.ok((counters?.sentBytes ?? 0) >= 2 * HELLO.length);
  const told = open.decisions.map(({ allowed, target }) => `${allowed} ${target}`);
  for (const expected of [
    'false evil.example',
    `true host.example:${open.guest.port}/tcp`,
    `false front.example:${open.guest.port}/tcp`,
  ]) {
    assert.ok(told.includes(expected), `${expected} in ${told.join(', ')}`);
  }
  assert.deepEqual(open.dns.asked, ['A host.example']);
  assert.equal(await open.guest.connect('127.0.0.2', HELLO), 'ECONNREFUSED', 'closed is shut');
});

test('a change of the policy of an open network', { skip }, async () => {
  await using open = await openNetwork(() => filtered([]));
  assert.equal(await open.guest.connect('127.0.0.2', HELLO), ALERT);
  await open.network.update(filtered([`127.0.0.2/32:${open.guest.port}`]));
  assert.equal(await open.guest.connect('127.0.0.2', HELLO), `HOST ${HELLO.length}`);
});

test('who is asked decides; who does not answer has said no', { skip }, async () => {
  const questions: string[] = [];
  await using open = await openNetwork(() => filtered([]), {
    askTimeoutMs: 200,
    ask: async ({ target }) => {
      questions.push(target);
      if (target.startsWith('127.0.0.2')) return { allow: true, remember: true };
      return await new Promise(() => {});
    },
  });
  const noise = Buffer.from([0, 1, 2, 3]);
  assert.equal(await open.guest.connect('127.0.0.2', noise), 'HOST 4');
  assert.equal(await open.guest.connect('127.0.0.2', noise), 'HOST 4');
  assert.equal(await open.guest.resolve('far.example'), 'EREFUSED');
  assert.deepEqual(questions, [`127.0.0.2:${open.guest.port}`, 'far.example']);
  assert.deepEqual(open.dns.asked, []);
});

test('a proxy that was killed: the network is shut, its owner is told, the next gets a new one', {
  skip,
}, async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  await using open = await openNetwork((port) => filtered([`127.0.0.2/32:${port}`]), {
    onGone: ({ code }) => resolve(code),
  });
  assert.equal(await open.guest.connect('127.0.0.2', HELLO), `HOST ${HELLO.length}`);
  const first = open.client.pid;
  assert.ok(first !== undefined);
  process.kill(first, 'SIGKILL');
  assert.equal(await promise, 'NETWORK_GONE');
  assert.equal(await open.guest.connect('127.0.0.2', HELLO), 'ECONNREFUSED');
  await assert.rejects(open.network.update(filtered([])), { code: 'NETWORK_GONE' });
  const next = await open.client.open({ policy: filtered([]), onDecision: () => {} });
  assert.notEqual(open.client.pid, first);
  await next.close();
});

test('interception gives the certificate of an authority of its own', async () => {
  const client = new ProxyClient();
  const policy = filtered(['host.example'], [], { intercept: true });
  const first = await client.open({ policy, onDecision: () => {} });
  const second = await client.open({ policy, onDecision: () => {} });
  assert.match(first.certificatePem ?? '', /BEGIN CERTIFICATE/);
  assert.notEqual(first.certificatePem, second.certificatePem);
  const plain = await client.open({ policy: filtered([]), onDecision: () => {} });
  assert.equal(plain.certificatePem, undefined);
  await assert.rejects(plain.update(policy), { code: 'NETWORK_FAILED' });
  await client.close();
});

test('the process ends with whoever started it', async () => {
  const program = `
    import { ProxyClient } from ${JSON.stringify(join(import.meta.dirname, '../../src/network/proxy-client.ts'))};
    const client = new ProxyClient();
    await client.open({ policy: ${JSON.stringify(filtered([]))}, onDecision: () => {} });
    process.send(client.pid);`;
  const owner = fork('--input-type=module', ['-e', program], {
    execPath: process.execPath,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [pid] = (await once(owner, 'message')) as [number];
  const proxy = new NotedProcesses([pid]);
  assert.equal(proxy.size, 1);
  await ended(owner);
  await until(
    () => `no process is left: ${proxy.left()}`,
    () => proxy.left().length === 0,
  );
});
