import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, decode, encode } from 'dns-packet';
import fc from 'fast-check';
import { type NameAnswer, readAnswer } from '../../src/network/name-answer.ts';
import { plainAddress } from '../../src/policy/special-address.ts';

const NAME = 'a.example';
const QUESTION = Buffer.from([1, 97, 7, ...Buffer.from('example'), 0, 0, 1, 0, 1]);
const AT_NAME = 12;

function message(answers: readonly Uint8Array[], counted = answers.length, more = 0): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(counted, 6);
  header.writeUInt16BE(more, 10);
  return Buffer.concat([header, QUESTION, ...answers]);
}

/** Its name is a pointer, or bytes. */
function record(name: number | Uint8Array, type: number, data: Uint8Array, ip = 1): Buffer {
  const head = Buffer.from([0, type, 0, ip, 0, 0, 0, 60, data.length >> 8, data.length & 255]);
  return Buffer.concat([typeof name === 'number' ? pointer(name) : name, head, data]);
}

function pointer(to: number): Buffer {
  return Buffer.from([0xc0 | (to >> 8), to & 255]);
}

const read = (bytes: Buffer): NameAnswer => readAnswer(bytes, { name: NAME, family: 4 });
const GOOD = record(AT_NAME, 1, Buffer.from([203, 0, 113, 1]));

/** Pointers, each to the one before it, the first to the question's name; a record of a type that nobody knows holds them. */
function chain(length: number): { readonly holder: Buffer; readonly last: number } {
  const start = AT_NAME + QUESTION.length + 12;
  const pointers = Array.from({ length }, (_, i) =>
    pointer(i === 0 ? AT_NAME : start + 2 * (i - 1)),
  );
  return { holder: record(AT_NAME, 200, Buffer.concat(pointers)), last: start + 2 * (length - 1) };
}

test('honest messages: the addresses that another reader finds, whatever else is in them', () => {
  const label = fc.stringMatching(/^[a-z0-9]{1,12}$/);
  const other = fc.oneof(
    fc.record({ type: fc.constant('TXT' as const), name: label, data: label }),
    fc.record({ type: fc.constant('NS' as const), name: label, data: label }),
    fc.record({ type: fc.constant('CNAME' as const), name: label, data: label }),
  );
  const address = fc.record({
    type: fc.constant('A' as const),
    name: fc.constantFrom(NAME, 'A.Example', 'b.example'),
    data: fc.ipV4(),
    ttl: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(fc.oneof(address, other)), fc.array(other), (answers, additionals) => {
      const bytes = encode({
        type: 'response',
        questions: [{ type: 'A', name: NAME }],
        answers: answers as Answer[],
        authorities: additionals as Answer[],
        additionals: additionals as Answer[],
      });
      const expected = (decode(bytes).answers ?? []).flatMap((one) =>
        one.type === 'A' && one.name.toLowerCase() === NAME ? [plainAddress(one.data)] : [],
      );
      const found = read(bytes);
      assert.equal(found.kind, 'addresses');
      const addresses = found.kind === 'addresses' ? found.addresses : [];
      assert.deepEqual(
        addresses.map((one) => one.address),
        expected.slice(0, 64),
      );
    }),
  );
});

test('names over some pointers are read', () => {
  const { holder, last } = chain(20);
  const answer = record(last, 1, Buffer.from([203, 0, 113, 9]));
  assert.deepEqual(read(message([holder, answer])), {
    kind: 'addresses',
    addresses: [{ address: '203.0.113.9', ttlSeconds: 60 }],
  });
});

test('pointers without measure are no answer: a few bytes would stand for seconds of work', () => {
  const { holder, last } = chain(8000);
  const records = Array.from({ length: 3000 }, () => record(last, 5, pointer(last)));
  assert.deepEqual(read(message([holder, ...records])), { kind: 'foreign' });
});

const TWICE = AT_NAME + QUESTION.length;
for (const [title, bytes] of [
  ['a pointer to itself', message([record(TWICE, 1, Buffer.alloc(4))])],
  ['a pointer forward', message([record(TWICE + 4, 1, Buffer.alloc(4))])],
  ['a pointer beyond the end', message([record(0x3fff, 1, Buffer.alloc(4))])],
  ['more records than there are', message([GOOD], 2)],
  ['more in a later section than there is', message([GOOD], 1, 65535)],
  ['data beyond the end', message([GOOD.subarray(0, -1)])],
  ['an address of three bytes', message([record(AT_NAME, 1, Buffer.alloc(3))])],
  ['an address of sixteen bytes as one of IPv4', message([record(AT_NAME, 1, Buffer.alloc(16))])],
  [
    'a label of a kind that nobody knows',
    message([record(Buffer.from([0x80]), 1, Buffer.alloc(4))]),
  ],
  ['a header that is cut', message([GOOD]).subarray(0, 11)],
] as const) {
  test(`no answer: ${title}`, () => assert.deepEqual(read(bytes), { kind: 'foreign' }));
}

test('a name over 255 bytes is no answer', () => {
  const long = Buffer.concat([
    ...Array.from({ length: 5 }, () => label('b'.repeat(63))),
    Buffer.of(0),
  ]);
  assert.deepEqual(read(message([record(long, 1, Buffer.alloc(4))])), { kind: 'foreign' });
});

function label(text: string): Buffer {
  return Buffer.concat([Buffer.of(text.length), Buffer.from(text, 'latin1')]);
}

for (const [title, owner, ip] of [
  ['one label with a dot in it', Buffer.concat([label(NAME), Buffer.of(0)]), 1],
  ['of class CH', pointer(AT_NAME), 3],
  ['beyond ASCII', Buffer.concat([label('\u00e1'), label('example'), Buffer.of(0)]), 1],
] as const) {
  test(`an address of another name leads nowhere: ${title}`, () => {
    const bytes = message([record(owner, 1, Buffer.from([203, 0, 113, 66]), ip)]);
    assert.deepEqual(read(bytes), { kind: 'addresses', addresses: [] });
  });
}

test('any bytes at all: an answer of some kind, never a throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), (noise, at) => {
      const bytes = message([GOOD, GOOD]);
      bytes.set(
        noise.subarray(0, Math.max(0, bytes.length - (at % bytes.length))),
        at % bytes.length,
      );
      assert.equal(typeof read(bytes).kind, 'string');
      assert.equal(typeof read(Buffer.from(noise)).kind, 'string');
    }),
  );
});
