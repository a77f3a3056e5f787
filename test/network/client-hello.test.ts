import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  CLIENT_HELLO_MAX_BYTES,
  ClientHelloReader,
  type ClientHelloState,
} from '../../src/network/client-hello.ts';
import {
  clientHello,
  encryptedHello,
  extension,
  number,
  realHello,
  records,
  serverName,
  vector,
} from './hello-bytes.ts';

function read(bytes: Uint8Array, piece = bytes.length): ClientHelloState {
  const reader = new ClientHelloReader();
  let state: ClientHelloState = { kind: 'more' };
  for (let at = 0; at < bytes.length; at += Math.max(1, piece)) {
    state = reader.push(bytes.subarray(at, at + Math.max(1, piece)));
  }
  return state;
}

const NAMED = clientHello(serverName('example.org'));

test('the hello of a real client is read: name, protocols', async () => {
  const bytes = await realHello({ servername: 'Example.org', ALPNProtocols: ['h2', 'http/1.1'] });
  assert.deepEqual(read(bytes), {
    kind: 'hello',
    hello: { serverName: 'Example.org', encrypted: false, protocols: ['h2', 'http/1.1'] },
  });
});

test('a real client that names no server', async () => {
  const state = read(await realHello({}));
  assert.equal(state.kind, 'hello');
  assert.ok(state.kind === 'hello' && state.hello.serverName === undefined);
});

test('however it is split over records and segments, it is the same', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 1, max: 300 }),
      (each, piece) => {
        assert.deepEqual(read(records(NAMED, each), piece), read(records(NAMED)));
      },
    ),
  );
  assert.deepEqual(read(records(NAMED)), {
    kind: 'hello',
    hello: { serverName: 'example.org', encrypted: false, protocols: [] },
  });
});

test('an encrypted hello is seen, also the drafts', () => {
  for (const type of [0xfe0d, 0xfe08, 0xffce]) {
    const state = read(
      records(clientHello(serverName('a.example'), extension(type, number(2, 0)))),
    );
    assert.ok(state.kind === 'hello' && state.hello.encrypted, type.toString(16));
  }
  const plain = read(records(NAMED));
  assert.ok(plain.kind === 'hello' && !plain.hello.encrypted);
  const both = read(records(clientHello(encryptedHello, serverName('a.example'))));
  assert.ok(both.kind === 'hello' && both.hello.encrypted);
});

const REFUSED: [title: string, bytes: Uint8Array, reason: RegExp][] = [
  ['not TLS', Buffer.from('GET / HTTP/1.1\r\n'), /no TLS handshake/],
  ['an alert', Buffer.from([21, 3, 1, 0, 2, 1, 0]), /no TLS handshake/],
  ['an unknown version', Buffer.from([22, 2, 0, 0, 2, 1, 0]), /version/],
  ['an empty record', Buffer.from([22, 3, 1, 0, 0]), /empty/],
  ['a record of 16385 bytes', Buffer.from([22, 3, 1, 0x40, 1]), /too long/],
  ['a ServerHello', records(Buffer.from([2, 0, 0, 1, 0])), /no ClientHello/],
  ['a hello of 16 MiB', records(Buffer.from([1, 255, 255, 255])), /over 64 KiB/],
  ['bytes after the hello', records(Buffer.concat([NAMED, NAMED])), /more than a ClientHello/],
  ['NUL in the name', records(clientHello(serverName('a.example\0.b.example'))), /ASCII/],
  ['UTF-8 in the name', records(clientHello(serverName(Buffer.from('ä.example')))), /ASCII/],
  ['an empty name', records(clientHello(serverName(''))), /length/],
  ['another type of name', records(clientHello(serverName('a.example', 1))), /unknown type/],
  [
    'two names in one extension',
    records(
      clientHello(
        extension(
          0,
          vector(
            2,
            ...['a.example', 'b.example'].flatMap((name) => [
              number(1, 0),
              vector(2, Buffer.from(name)),
            ]),
          ),
        ),
      ),
    ),
    /two servers/,
  ],
  [
    'extensions by the thousand',
    records(
      clientHello(
        ...Array.from({ length: 10_000 }, (_, index) => extension(20_000 + index, Buffer.alloc(0))),
      ),
    ),
    /too many extensions/,
  ],
  [
    'protocols by the thousand',
    records(clientHello(extension(16, vector(2, Buffer.alloc(40_000, Buffer.from([1, 97])))))),
    /too many protocols/,
  ],
  [
    'two server_name extensions',
    records(clientHello(serverName('a.example'), serverName('b.example'))),
    /twice/,
  ],
  [
    'an extension that is longer than what holds it',
    records(clientHello(Buffer.from([0, 0, 0, 200, 1]))),
    /cut short/,
  ],
];
for (const [title, bytes, reason] of REFUSED) {
  test(`refused: ${title}`, () => {
    for (const piece of [bytes.length, 1]) {
      const state = read(bytes, piece);
      assert.equal(state.kind, 'refused', JSON.stringify(state));
      assert.match(state.kind === 'refused' ? state.reason : '', reason);
    }
  });
}

test('a hello that never ends is given up at 64 KiB, in however small records', () => {
  const endless = Buffer.concat([Buffer.from([1, 0, 0xff, 0xff]), Buffer.alloc(70_000, 1)]);
  for (const each of [1, 100, 16384]) {
    const bytes = records(endless, each);
    const reader = new ClientHelloReader();
    let taken = 0;
    while (taken < bytes.length && reader.push(bytes.subarray(taken, taken + 1000)).kind === 'more')
      taken += 1000;
    assert.ok(taken <= CLIENT_HELLO_MAX_BYTES, `${each}: ${taken}`);
    assert.equal(reader.push(Buffer.of(1)).kind, 'refused');
  }
});

test('cut anywhere it asks for more, and is never taken for a hello', () => {
  const bytes = records(NAMED, 40);
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(read(bytes.subarray(0, length)).kind, 'more', String(length));
  }
});

test('whatever bits are flipped, it answers and does not throw or read beyond', () => {
  const bytes = records(clientHello(serverName('example.org'), encryptedHello), 64);
  const flips = fc.array(fc.integer({ min: 0, max: bytes.length * 8 - 1 }), { minLength: 1 });
  fc.assert(
    fc.property(flips, fc.integer({ min: 1, max: bytes.length }), (bits, piece) => {
      const changed = Buffer.from(bytes);
      for (const bit of bits) changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      // Followed by a marker: were it read, it would be the name.
      const guarded = Buffer.concat([changed, Buffer.from('MARKER')]);
      const state = read(guarded.subarray(0, changed.length), piece);
      assert.deepEqual(state, read(changed));
      assert.ok(!JSON.stringify(state).includes('MARKER'));
    }),
    { numRuns: 2000 },
  );
});

test('arbitrary bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
      read(noise, 7);
      read(records(Buffer.concat([Buffer.from([1, 0]), vector(2, noise)])));
    }),
    { numRuns: 2000 },
  );
});
