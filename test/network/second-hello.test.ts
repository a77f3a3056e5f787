import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { openWorld, readAll } from './guest-side.ts';
import { clientHello, encryptedHello, extension, records, serverName } from './hello-bytes.ts';
import { filtered } from './judge-parts.ts';

const ZONE = { 'good.example': ['203.0.113.1'] };
const EARLY = extension(42, Buffer.alloc(0));
const CHANGE_CIPHER = Buffer.from([20, 3, 3, 0, 1, 1]);
const WARNING = Buffer.from([21, 3, 3, 0, 2, 1, 90]);
const data = (length: number): Buffer =>
  Buffer.concat([Buffer.from([23, 3, 3, length >> 8, length & 255]), Buffer.alloc(length, 7)]);

/** What a server got that answers each piece, as one does that asks for another hello. */
async function seenOf(first: Buffer, ...pieces: Buffer[]) {
  await using world = await openWorld(filtered(['good.example']), ZONE);
  const got: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on('data', (chunk) => {
      got.push(chunk);
      socket.write('again');
    });
    socket.on('end', () => socket.end());
  });
  await world.serve('203.0.113.1:443', server);
  await world.resolve('good.example');
  const socket = await world.connect('203.0.113.1', 443);
  socket.write(first);
  await new Promise((resolve) => socket.once('data', resolve));
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  socket.end();
  await readAll(socket);
  const after = Buffer.concat(got).subarray(first.length);
  return { after, refused: world.reported.filter(({ allowed }) => !allowed) };
}

const hello = (name: string, ...more: Uint8Array[]) => clientHello(serverName(name), ...more);
const good = records(hello('good.example'));
const evil = records(hello('evil.example'));
const cut = (bytes: Buffer, at: number) => [bytes.subarray(0, at), bytes.subarray(at)];

for (const [title, first, pieces] of [
  ['at once', good, [evil]],
  ['behind a change of ciphers', good, [CHANGE_CIPHER, evil]],
  ['behind a warning', good, [Buffer.concat([WARNING, evil])]],
  ['in two pieces', good, cut(evil, 3)],
  ['over records of one byte', good, [records(hello('evil.example'), 1)]],
  ['behind early data', records(hello('good.example', EARLY)), [data(9000), evil]],
  ['encrypted', good, [records(hello('good.example', encryptedHello))]],
  ['without a name', good, [records(clientHello(EARLY))]],
] as const) {
  test(`a second hello for another server is not sent on: ${title}`, async () => {
    const { after, refused } = await seenOf(first, ...pieces);
    assert.equal(after.includes('evil.example'), false);
    assert.equal(after.includes(pieces.at(-1) as Buffer), false);
    assert.match(refused[0]?.reason ?? '', /second TLS hello names another server/);
  });
}

for (const [title, pieces] of [
  ['alone', [evil]],
  ['behind a change of ciphers', [CHANGE_CIPHER, evil]],
  ['begun', [evil.subarray(0, 9)]],
] as const) {
  test(`a second hello for another server that comes in one piece with the first: ${title}`, async () => {
    await using world = await openWorld(filtered(['good.example']), ZONE);
    const got: Buffer[] = [];
    const server = createServer((socket) => socket.on('data', (chunk) => got.push(chunk)));
    await world.serve('203.0.113.1:443', server);
    await world.resolve('good.example');
    const socket = await world.connect('203.0.113.1', 443);
    socket.write(Buffer.concat([good, ...pieces]));
    const rest = evil.subarray(9);
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (title === 'begun') socket.write(rest);
    await Promise.race([
      readAll(socket),
      new Promise((resolve) => setTimeout(resolve, 10_000).unref()),
    ]);
    assert.equal(Buffer.concat(got).includes('evil.example'), false);
    assert.match(world.reported.at(-1)?.reason ?? '', /second TLS hello names another server/);
  });
}

test('what follows a hello in one piece with it goes on, byte for byte', async () => {
  await using world = await openWorld(filtered(['good.example']), ZONE);
  const all = Buffer.concat([good, CHANGE_CIPHER, good, data(50), evil]);
  const got: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on('data', (chunk) => got.push(chunk)).on('end', () => socket.end());
  });
  await world.serve('203.0.113.1:443', server);
  await world.resolve('good.example');
  const socket = await world.connect('203.0.113.1', 443);
  socket.end(all);
  await readAll(socket);
  assert.deepEqual(Buffer.concat(got), all);
});

for (const [title, first, pieces] of [
  ['a second hello for the same server', good, [CHANGE_CIPHER, good, data(50)]],
  // The end of a TLS 1.2 handshake, encrypted, which may begin with any byte.
  ['an encrypted end of a handshake', good, [CHANGE_CIPHER, records(Buffer.alloc(40, 1))]],
  ['a key exchange of TLS 1.2', good, [records(Buffer.alloc(70, 16)), CHANGE_CIPHER]],
  ['data that looks like a hello', good, [data(20), evil]],
  ['early data', records(hello('good.example', EARLY)), [data(100), CHANGE_CIPHER, data(60)]],
] as const) {
  test(`passed on: ${title}`, async () => {
    const { after, refused } = await seenOf(first, ...pieces);
    assert.deepEqual(after, Buffer.concat([...pieces]));
    assert.deepEqual(refused, []);
  });
}
