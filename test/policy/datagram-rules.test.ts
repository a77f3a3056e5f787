/** Which rules of datagrams can be held, and what they open. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  DATAGRAM_BLOCK_MAX,
  datagramProblem,
  fixedDatagrams,
  namedDatagramPorts,
} from '../../src/policy/datagram-rules.ts';
import { parseDestination } from '../../src/policy/destination.ts';
import type { NetworkPolicy } from '../../src/policy/policy.ts';

const network = (...allow: string[]): NetworkPolicy => ({
  mode: 'filtered',
  allow: allow.map(parseDestination),
  deny: [],
  listen: [],
});

describe('rules for datagrams', () => {
  for (const [rule, problem] of [
    ['a.example:123/udp', undefined],
    ['*:443/udp', undefined],
    ['a.example:1-16/udp', undefined],
    ['a.example:1-17/udp', /17 ports/],
    ['a.example:*/udp', /65535 ports/],
    ['192.0.2.0/26:123/udp', undefined],
    ['192.0.2.0/26:123,124/udp', /128 pairs/],
    ['192.0.2.1:1-64/udp', undefined],
    ['192.0.2.1:1-65/udp', /65 pairs/],
    ['192.0.2.1:65535/udp', /port 65535/],
    ['a.example:65535/udp', /port 65535/],
    ['[2001:db8::]/122:53/udp', undefined],
    ['[::]/0:53/udp', /340282366920938463463374607431768211456 pairs/],
    ['10.1.2.3:53/udp', undefined],
    ['127.0.0.1:53/udp', /loopback/],
    ['[::1]:53/udp', /loopback/],
    ['0.0.0.0:53/udp', /of this host itself/],
    ['255.255.255.255:67/udp', /reserved/],
    ['239.255.255.250:1900/udp', /multicast/],
    ['[ff02::fb]:5353/udp', /multicast/],
  ] as const) {
    test(`${rule}: ${problem === undefined ? 'holds' : `is refused, ${problem}`}`, () => {
      const told = datagramProblem(parseDestination(rule));
      if (problem === undefined) assert.equal(told, undefined);
      else assert.match(told ?? '', problem);
    });
  }

  test('what opens: pairs of narrow rules with an address, each once; ports of names', () => {
    const policy = network(
      '192.0.2.4/31:5,6/udp',
      '192.0.2.5:6/udp',
      '192.0.2.9:53',
      'a.example:123,443/udp',
      'b.example:123/udp',
      '0.0.0.0/0:53/udp',
      'c.example:*/udp',
    );
    assert.deepEqual(
      fixedDatagrams(policy).map(({ address, port }) => `${address}:${port}`),
      ['192.0.2.4:5', '192.0.2.4:6', '192.0.2.5:5', '192.0.2.5:6'],
    );
    assert.deepEqual(namedDatagramPorts(policy), [123, 443]);
    assert.deepEqual(fixedDatagrams({ ...policy, mode: 'none' }), []);
    assert.deepEqual(namedDatagramPorts({ ...policy, mode: 'internal' }), []);
    assert.ok(fixedDatagrams(network('192.0.2.0/26:123/udp')).length <= DATAGRAM_BLOCK_MAX);
  });
});
