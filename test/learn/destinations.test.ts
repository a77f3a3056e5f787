/** Connections to destinations: by name where one leads there, by address else; and the queries that names come from. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encode } from 'dns-packet';
import { learnDestinations } from '../../src/learn/destinations.ts';
import { queriedName } from '../../src/learn/dns-query.ts';

/** After so many names as a run may ask for. */
const late = { sent: false, namesAtFirst: 99, namesAtLast: 99 };
const tcp = (address: string, port = 443) => ({ address, port, protocol: 'tcp', ...late }) as const;
const udp = (address: string, port: number) =>
  ({ address, port, protocol: 'udp', ...late }) as const;
const texts = ({ allow }: ReturnType<typeof learnDestinations>): string[] =>
  allow.map(({ text }) => text);

test('a name that leads to the address stands for it, also as a mapped one', () => {
  const answers = new Map([
    ['pkg.example', ['192.0.2.1', '2001:db8::1']],
    ['other.example', ['192.0.2.2']],
  ]);
  const { allow } = learnDestinations(
    [tcp('192.0.2.1'), tcp('::ffff:192.0.2.1', 80), tcp('2001:db8::1')],
    answers,
    [],
  );
  assert.deepEqual(allow, [
    { text: 'pkg.example', by: 'name', addresses: ['192.0.2.1', '2001:db8::1'] },
    { text: 'pkg.example:80', by: 'name', addresses: ['192.0.2.1'] },
  ]);
});

test('where no name leads there it is the address; the one name that is left is likely', () => {
  const connections = [tcp('192.0.2.9', 5432), tcp('2001:db8::9', 22)];
  const none = learnDestinations(connections, new Map([['gone.example', []]]), []);
  assert.deepEqual(
    none.allow.map(({ text, by }) => [text, by]),
    [
      ['192.0.2.9/32:5432', 'address'],
      ['[2001:db8::9]/128:22', 'address'],
    ],
  );
  const left = learnDestinations(
    [tcp('192.0.2.9')],
    new Map([['cdn.example', ['192.0.2.77']]]),
    [],
  );
  assert.deepEqual(
    left.allow.map(({ text, by }) => [text, by]),
    [['cdn.example', 'likely']],
  );
});

test('a name that is asked for after the connection is not why it was made; made again it may be', () => {
  const answers = new Map([
    ['a.example', ['192.0.2.1']],
    ['b.example', ['192.0.2.1']],
  ]);
  const at = (namesAtFirst: number, namesAtLast: number) =>
    learnDestinations([{ ...tcp('192.0.2.1'), namesAtFirst, namesAtLast }], answers, []);
  assert.deepEqual(texts(at(0, 0)), ['192.0.2.1/32']);
  assert.deepEqual(texts(at(1, 1)), ['a.example']);
  assert.deepEqual(texts(at(2, 2)), ['a.example', 'b.example']);
  assert.deepEqual(texts(at(0, 1)), ['192.0.2.1/32', 'a.example']);
});

test('datagrams beside connections: what was sent counts, and a trial of addresses does not', () => {
  const answers = new Map([['a.example', ['192.0.2.1', '2001:db8::1']]]);
  const found = learnDestinations(
    [
      udp('192.0.2.1', 80),
      udp('2001:db8::1', 80),
      tcp('192.0.2.1', 80),
      // At another port nobody tries; at the same something was sent.
      udp('192.0.2.1', 123),
      { ...udp('192.0.2.1', 443), sent: true },
      tcp('192.0.2.1', 443),
      udp('224.0.0.251', 5353),
    ],
    answers,
    [],
  );
  assert.deepEqual(texts(found), [
    'a.example',
    'a.example/udp',
    'a.example:123/udp',
    'a.example:80',
  ]);
  assert.deepEqual(found.unfit, ['224.0.0.251/32:5353/udp']);
});

test('loopback is the host’s own where the run did not listen there; address selection is no use', () => {
  const found = learnDestinations(
    [
      tcp('127.0.0.1', 5432),
      tcp('::1', 8080),
      udp('192.0.2.1', 443),
      tcp('192.0.2.1'),
      udp('192.0.2.4', 123),
    ],
    new Map(),
    [8080],
  );
  assert.deepEqual(found.loopback, ['127.0.0.1:5432']);
  assert.deepEqual(
    found.allow.map(({ text }) => text),
    ['192.0.2.1/32', '192.0.2.4/32:123/udp'],
  );
});

test('the name of a query for an address, and of nothing else', () => {
  const query = (type: 'A' | 'TXT', name: string) =>
    encode({ type: 'query', id: 7, questions: [{ type, name }] });
  assert.equal(queriedName(query('A', 'Pkg.Example')), 'pkg.example');
  assert.equal(queriedName(query('TXT', 'pkg.example')), undefined);
  assert.equal(queriedName(Buffer.from('not dns at all')), undefined);
  assert.equal(queriedName(new Uint8Array()), undefined);
});
