/** Destinations without ports: how they are written, and what they hold. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import { subsumes } from '../../src/policy/compare.ts';
import { compileRules } from '../../src/policy/decide-connection.ts';
import { formatDestination, parseDestination } from '../../src/policy/destination.ts';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';

describe('rules for packets', () => {
  for (const [text, form] of [
    ['198.51.100.0/24/icmp', '198.51.100.0/24/icmp'],
    ['192.0.2.1/gre', '192.0.2.1/32/gre'],
    ['192.0.2.1/32/47', '192.0.2.1/32/gre'],
    ['10.0.0.0/8/253', '10.0.0.0/8/253'],
    ['10.0.0.0/8/0', '10.0.0.0/8/0'],
    ['0.0.0.0/0/raw', '0.0.0.0/0/raw'],
    ['[2001:db8::]/32/icmpv6', '[2001:db8::]/32/icmpv6'],
    ['2001:db8::1/esp', '[2001:db8::1]/128/esp'],
    ['[2001:db8::]/32/132', '[2001:db8::]/32/sctp'],
  ] as const) {
    test(`${text} is written ${form}, and read again as the same`, () => {
      const rule = parseDestination(text);
      assert.equal(formatDestination(rule), form);
      assert.deepEqual(parseDestination(form), rule);
    });
  }

  for (const [text, problem] of [
    ['example.org/icmp', /carry no name/],
    ['*/icmp', /carry no name/],
    ['*.example.org/47', /not a host/],
    ['192.0.2.1/47', /not a host/],
    ['10.0.0.0/8:80/icmp', /has ports/],
    ['10.0.0.0/8/6', /not a protocol/],
    ['10.0.0.0/8/17', /not a protocol/],
    ['10.0.0.0/8/256', /not a protocol/],
    ['10.0.0.0/8/igmp', /not a protocol/],
    ['10.0.0.0/8/icmpv6', /not of IPv4/],
    ['[fd00::]/8/icmp', /not of IPv6/],
    ['10.0.0.1/8/icmp', /bits set outside/],
  ] as const) {
    test(`${text} is refused`, () => {
      assert.throws(
        () => parseDestination(text),
        (error) =>
          isCaissonError(error) && error.code === 'POLICY_INVALID' && problem.test(error.message),
      );
    });
  }

  const policy = (network: PolicyDocument['network']) =>
    policyFromDocument({ level: 'strict', network } as PolicyDocument);
  const witness = (a: PolicyDocument['network'], b: PolicyDocument['network']): string => {
    const answer = subsumes(policy(a), policy(b));
    return answer.ok ? '' : answer.witness;
  };

  test('one policy holds another, packets included, and says by what it does not', () => {
    const wide = { allow: ['198.51.100.0/24/raw'] };
    assert.equal(witness(wide, { allow: ['198.51.100.7/icmp', '198.51.100.0/25/253'] }), '');
    assert.match(
      witness({ allow: ['198.51.100.0/24/icmp'] }, { allow: ['198.51.100.0/24/gre'] }),
      /b may send packets to 198\.51\.100\.0\/24\/gre/,
    );
    assert.match(witness({ allow: ['198.51.100.0/24:*'] }, wide), /send packets/);
    assert.match(witness(wide, { allow: ['198.51.100.7:80'] }), /connect to 198\.51\.100\.7:80/);
    assert.match(
      witness({ ...wide, deny: ['198.51.100.7/icmp'] }, wide),
      /send packets to 198\.51\.100\.7\/icmp/,
    );
    assert.equal(witness({ mode: 'full' }, wide), '');
    assert.match(
      witness({ mode: 'full', deny: ['198.51.100.7/raw'] }, wide),
      /send packets to 198\.51\.100\.7/,
    );
    assert.equal(witness({ mode: 'full' }, { mode: 'full', deny: ['198.51.100.7/raw'] }), '');
  });

  test('no connection is decided by them, and no name leads to a block because of them', () => {
    const rules = compileRules(
      policy({ allow: ['a.example', '10.0.0.0/8/raw', '10.0.0.0/8/icmp'] }).network,
    );
    const at = { port: 443, protocol: 'tcp', address: '10.1.2.3', speaks: 'other' } as const;
    assert.equal(rules.decideConnection({ ...at, name: undefined }).allowed, false);
    assert.equal(rules.decideAnswer('a.example', '10.1.2.3').allowed, false);
  });
});
