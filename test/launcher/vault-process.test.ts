/** The holder of secrets, as its owner and its reader have it. */
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { VAULT_VALUE_MAX, VaultChannel, vaultOperation } from '../../src/launcher/vault-channel.ts';
import { type VaultMemory, VaultProcess } from '../../src/launcher/vault-process.ts';
import { VaultReader } from '../../src/network/intercept/vault-reader.ts';
import { NotedProcesses } from '../noted-processes.ts';

async function open(memory: VaultMemory = 'secret') {
  const vault = new VaultProcess(locateLauncher().path, memory);
  const reader = new VaultReader(vault.takeReader());
  return {
    vault,
    reader,
    pid: vault.pid as number,
    [Symbol.asyncDispose]: () => vault.end(),
  };
}

async function text(taken: Promise<Buffer>): Promise<string> {
  return (await taken).toString();
}

for (const memory of ['secret', 'locked'] as const) {
  test(`values in and out, and none when they were dropped (${memory})`, async () => {
    await using held = await open(memory);
    const { vault, reader } = held;
    const ids = await Promise.all(['first', 'second', 'x'.repeat(VAULT_VALUE_MAX)].map(put));
    assert.equal(new Set(ids).size, 3);
    assert.equal(await vault.count(), 3);
    const [first = 0, second = 0, long = 0] = ids;
    const taken = await Promise.all([first, second, first].map((id) => text(reader.take(id))));
    assert.deepEqual(taken, ['first', 'second', 'first']);
    assert.equal((await reader.take(long)).length, VAULT_VALUE_MAX);
    await vault.drop(first);
    await assert.rejects(reader.take(first), { details: { errno: 'ENOENT' } });
    assert.equal(await text(reader.take(second)), 'second');
    await Promise.all(ids.map((id) => vault.drop(id)));
    assert.equal(await vault.count(), 0);

    function put(value: string): Promise<number> {
      return vault.put(Buffer.from(value));
    }
  });
}

test('what cannot be held is refused by name', async () => {
  await using held = await open();
  await assert.rejects(held.vault.put(Buffer.alloc(0)), { details: { errno: 'EINVAL' } });
  await assert.rejects(held.reader.take(1), { details: { errno: 'ENOENT' } });
});

test('the reader cannot put, nor the owner get', async () => {
  const vault = new VaultProcess(locateLauncher().path, 'secret');
  const socket = new Socket({ handle: vault.takeReader() } as never);
  const channel = new VaultChannel((bytes, done) => socket.write(bytes, done));
  socket.on('data', (chunk) => channel.take(chunk));
  try {
    await vault.put(Buffer.from('kept'));
    for (const operation of [vaultOperation.put, vaultOperation.drop, vaultOperation.count]) {
      await assert.rejects(channel.request(operation, 1), { details: { errno: 'EPERM' } });
    }
    assert.equal(await vault.count(), 1);
  } finally {
    await vault.end();
    socket.destroy();
  }
});

test('one that was killed, and one that does not start, say so to whoever asks', async () => {
  await using held = await open();
  const id = await held.vault.put(Buffer.from('value'));
  process.kill(held.pid, 'SIGKILL');
  await assert.rejects(held.vault.count(), /gone: SIGKILL/);
  await assert.rejects(held.reader.take(id), /gone: it has ended/);
  assert.ok(held.vault.isGone);
  await held.vault.drop(id);

  const absent = new VaultProcess('/nonexistent/launcher', 'secret');
  await assert.rejects(absent.put(Buffer.from('value')), /gone: .*ENOENT/);
  const refusing = new VaultProcess('/bin/false', 'secret');
  await assert.rejects(refusing.put(Buffer.from('value')), /gone: exit code 1/);
});

test('one that stands still is not waited for', { timeout: 30_000 }, async () => {
  await using held = await open();
  const id = await held.vault.put(Buffer.from('value'));
  process.kill(held.pid, 'SIGSTOP');
  try {
    await assert.rejects(held.reader.take(id), /gone: it does not answer/);
  } finally {
    process.kill(held.pid, 'SIGCONT');
  }
});

test('one that stands still and is asked by its owner is ended', { timeout: 30_000 }, async () => {
  await using held = await open();
  const holder = new NotedProcesses([held.pid]);
  await held.vault.put(Buffer.from('value'));
  process.kill(held.pid, 'SIGSTOP');
  await assert.rejects(held.vault.count(), /gone: it does not answer/);
  await held.vault.end();
  assert.deepEqual(holder.left(), []);
});

test('it ends with its owner, and every message of ours is overwritten once it is sent', async () => {
  const held = await open();
  const holder = new NotedProcesses([held.pid]);
  const sent: Buffer[] = [];
  const channel = new VaultChannel((bytes, done) => {
    sent.push(bytes);
    done();
  });
  void channel.request(vaultOperation.put, 1, Buffer.from('value')).catch(() => {});
  assert.ok(sent[0]?.every((byte) => byte === 0));
  channel.end('the test is over');
  await held.vault.end();
  assert.deepEqual(holder.left(), []);
});

test('replies in any pieces; a reply to no request ends it', async () => {
  const channel = new VaultChannel((_bytes, done) => done());
  const asked = [1, 2].map((id) => channel.request(vaultOperation.get, id));
  const reply = (id: number, value: string): Buffer => {
    const bytes = Buffer.alloc(12 + value.length);
    bytes.writeUInt32LE(id, 4);
    bytes.writeUInt32LE(value.length, 8);
    bytes.write(value, 12);
    return bytes;
  };
  const all = Buffer.concat([reply(1, 'one'), reply(2, 'two')]);
  for (const byte of all) channel.take(Uint8Array.of(byte));
  assert.deepEqual(
    (await Promise.all(asked)).map(({ id, bytes }) => `${id} ${bytes}`),
    ['1 one', '2 two'],
  );
  channel.take(reply(3, 'three'));
  await assert.rejects(channel.request(vaultOperation.get, 4), /nonsense/);
});
