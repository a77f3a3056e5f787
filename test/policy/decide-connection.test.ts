import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type ConnectionFacts, compileRules } from '../../src/policy/decide-connection.ts';
import { parseDestination } from '../../src/policy/destination.ts';
import { containsDestination, destinationSet } from '../../src/policy/destination-set.ts';
import { parseHttpRule } from '../../src/policy/http-rule.ts';
import type { NetworkPolicy } from '../../src/policy/policy.ts';
import {
  carriedAddresses,
  plainAddress,
  specialAddress,
} from '../../src/policy/special-address.ts';

function filtered(allow: readonly string[], deny: readonly string[] = []): NetworkPolicy {
  const rules = (texts: readonly string[]) => texts.map(parseDestination);
  return { mode: 'filtered', allow: rules(allow), deny: rules(deny), listen: [] };
}

function tls(name: string | undefined, address: string, port = 443): ConnectionFacts {
  return { port, protocol: 'tcp', name, address, speaks: 'tls' };
}

const OUTSIDE = '93.184.216.34';

describe('a connection', () => {
  const rows: [
    what: string,
    network: NetworkPolicy,
    facts: ConnectionFacts,
    verdict: string,
    by?: 'name' | 'address',
  ][] = [
    ['a named host', filtered(['a.x']), tls('a.x', OUTSIDE), 'a.x:443 is allowed', 'name'],
    [
      'another name',
      filtered(['a.x']),
      tls('b.x', OUTSIDE),
      'b.x:443 is not allowed: no rule under allow covers it',
    ],
    [
      'another port',
      filtered(['a.x']),
      tls('a.x', OUTSIDE, 444),
      'a.x:444 is not allowed: no rule under allow covers it',
    ],
    [
      'case and a dot at the end',
      filtered(['a.x']),
      tls('A.X.', OUTSIDE),
      'a.x:443 is allowed',
      'name',
    ],
    ['two dots at the end', filtered(['a.x']), tls('a.x..', OUTSIDE), '"a.x.." is not a host name'],
    [
      'a NUL in the name',
      filtered(['*.x']),
      tls('evil.y\0.x', OUTSIDE),
      '"evil.y\\u0000.x" is not a host name',
    ],
    [
      'a letter that lower case maps into ASCII',
      filtered(['k.x']),
      tls('\u212a.x', OUTSIDE),
      '"\u212a.x" is not a host name',
    ],
    [
      'an address in an odd notation',
      filtered(['*']),
      tls('0x7f.1', '127.0.0.1'),
      '"0x7f.1" is not a host name',
    ],
    [
      'no SNI',
      filtered(['*']),
      tls(undefined, OUTSIDE),
      `${OUTSIDE}:443 is not allowed: TLS without a readable server name, and no rule under allow covers the address`,
    ],
    [
      'no SNI, to a block',
      filtered(['93.184.216.0/24']),
      tls(undefined, OUTSIDE),
      `${OUTSIDE}:443 is allowed`,
      'address',
    ],
    [
      'any name, to a block',
      filtered(['93.184.216.0/24']),
      tls('evil.y', OUTSIDE),
      `${OUTSIDE}:443 is allowed`,
      'address',
    ],
    [
      'a name that leads to a private address',
      filtered(['a.x']),
      tls('a.x', '10.0.0.5'),
      'a.x leads to 10.0.0.5, which is private; only a rule for the address allows that, such as 10.0.0.5:443',
    ],
    [
      '… where a block names it',
      filtered(['a.x', '10.0.0.0/8']),
      tls('a.x', '10.0.0.5'),
      '10.0.0.5:443 is allowed',
      'address',
    ],
    [
      '… where a block names it for another port',
      filtered(['a.x', '10.0.0.0/8:80']),
      tls('a.x', '10.0.0.5'),
      'a.x leads to 10.0.0.5, which is private; only a rule for the address allows that, such as 10.0.0.5:443',
    ],
    [
      'the metadata service by any name',
      filtered(['*']),
      tls('a.x', '169.254.169.254'),
      'a.x leads to 169.254.169.254, which is the metadata service of a cloud; only a rule for the address allows that, such as 169.254.169.254:443',
    ],
    [
      'the same in IPv6 form',
      filtered(['a.x']),
      tls('a.x', '::ffff:169.254.169.254'),
      'a.x leads to 169.254.169.254, which is the metadata service of a cloud; only a rule for the address allows that, such as 169.254.169.254:443',
    ],
    [
      'a dual-stack socket',
      filtered(['93.184.216.34']),
      tls(undefined, `::ffff:${OUTSIDE}`),
      `${OUTSIDE}:443 is allowed`,
      'address',
    ],
    ['a denied name', filtered(['*.x'], ['a.x']), tls('a.x', OUTSIDE), 'a.x:443 is denied'],
    [
      'a denied block through a name',
      filtered(['*.x'], ['93.0.0.0/8:*']),
      tls('a.x', OUTSIDE),
      `a.x:443 is denied (it leads to ${OUTSIDE})`,
    ],
    [
      'a denied block through NAT64',
      filtered(['[64:ff9b::]/96'], ['93.0.0.0/8:*']),
      tls(undefined, '64:ff9b::5db8:d822'),
      '[64:ff9b::5db8:d822]:443 is denied',
    ],
    [
      'deny wins over a block',
      filtered(['93.184.216.0/24'], ['93.184.216.34:443']),
      tls('a.x', OUTSIDE),
      `a.x:443 is denied (it leads to ${OUTSIDE})`,
    ],
    [
      'a Host header with the address itself',
      filtered([`${OUTSIDE}:80`]),
      { ...tls(OUTSIDE, OUTSIDE, 80), speaks: 'http' },
      `${OUTSIDE}:80 is allowed`,
      'address',
    ],
    [
      'a Host header with another address',
      filtered([`${OUTSIDE}:80`]),
      { ...tls('1.1.1.1', OUTSIDE, 80), speaks: 'http' },
      `it names 1.1.1.1 and goes to ${OUTSIDE}:80`,
    ],
    [
      'a bracketed literal',
      filtered(['[2600::1]:80']),
      { ...tls('[2600::1]', '2600::1', 80), speaks: 'http' },
      '[2600::1]:80 is allowed',
      'address',
    ],
    [
      'a protocol without names',
      filtered(['a.x:5432']),
      { ...tls('a.x', OUTSIDE, 5432), speaks: 'other' },
      'a.x:5432 is allowed',
      'address',
    ],
    [
      '… to an address that no name gave',
      filtered(['*:5432']),
      { ...tls(undefined, OUTSIDE, 5432), speaks: 'other' },
      `${OUTSIDE}:5432 is not allowed: no allowed name was resolved to it, and no rule under allow covers the address`,
    ],
    [
      'UDP where TCP is allowed',
      filtered(['a.x']),
      { ...tls('a.x', OUTSIDE), protocol: 'udp', speaks: 'other' },
      'a.x:443/udp is not allowed: no rule under allow covers it',
    ],
    [
      'a port that is none',
      filtered(['*:*']),
      tls('a.x', OUTSIDE, 0),
      'its destination is no address and port',
    ],
    [
      'an address with a zone',
      filtered(['*:*']),
      tls('a.x', 'fe80::1%eth0'),
      'its destination is no address and port',
    ],
    [
      'no network',
      { mode: 'none', allow: [], deny: [], listen: [] },
      tls('a.x', OUTSIDE),
      'a.x:443: there is no network beyond the sandbox',
    ],
    [
      'the whole network',
      { mode: 'full', allow: [], deny: [], listen: [] },
      tls(undefined, '10.0.0.1'),
      '10.0.0.1:443 is allowed: nothing is filtered',
      'address',
    ],
    [
      'the whole network, denied',
      { ...filtered([], ['10.0.0.0/8:*']), mode: 'full' },
      tls('a.x', '10.0.0.1'),
      'a.x:443 is denied (it leads to 10.0.0.1)',
    ],
  ];
  for (const [what, network, facts, reason, by] of rows) {
    test(what, () => {
      const decision = compileRules(network).decideConnection(facts);
      assert.equal(decision.reason, reason);
      assert.equal(decision.allowed, by !== undefined);
      if (by !== undefined) assert.equal(decision.by, by);
    });
  }
});

describe('a request', () => {
  const network: NetworkPolicy = {
    ...filtered([]),
    intercept: true,
    allow: [
      { ...parseDestination('api.x'), http: ['GET /repos/**', 'POST /graphql'].map(parseHttpRule) },
      { ...parseDestination('b.x') },
    ],
  };
  const rows: [method: string, target: string, allowed: boolean][] = [
    ['GET', '/repos', true],
    ['GET', '/repos/a%20b?x=/../y', true],
    ['HEAD', '/repos/a', false],
    ['get', '/repos/a', false],
    ['GET', '/reposx', false],
    ['GET', '/repos/../user', false],
    ['GET', '/repos/%2e%2e/user', false],
    ['GET', '/repos/..;x/user', false],
    ['GET', '/repos/a%2f..%2fuser', false],
    ['GET', '/repos/%252e%252e/user', false],
    ['GET', '/repos\\..\\user', false],
    ['GET', '/repos//a', false],
    ['GET', '/repos/%00', false],
    ['GET', '/repos/%ff', false],
    ['GET', 'http://api.x/repos/a', false],
    ['POST', '/graphql', true],
    ['POST', '/graphql/', false],
    ['POST', '/%67raphql', true],
    ['GET', '/graphql', false],
  ];
  for (const [method, target, allowed] of rows) {
    test(`${method} ${target}`, () => {
      const facts = tls('api.x', OUTSIDE);
      assert.equal(compileRules(network).decideConnection(facts).requests, true);
      assert.equal(compileRules(network).decideRequest(facts, { method, target }).allowed, allowed);
    });
  }

  test('on a connection for some requests, without a way to see them, is refused before it', () => {
    const { intercept: _, ...blind } = network;
    assert.match(
      compileRules(blind).decideConnection(tls('api.x', OUTSIDE)).reason,
      /set network.intercept$/,
    );
    const other = { ...tls('api.x', OUTSIDE), speaks: 'other' } as const;
    assert.match(compileRules(network).decideConnection(other).reason, /this is no HTTP$/);
  });

  test('for a name that the connection was not made for is decided by that name', () => {
    const request = { method: 'GET', target: '/' };
    assert.equal(compileRules(network).decideRequest(tls('b.x', OUTSIDE), request).allowed, true);
    assert.equal(compileRules(network).decideRequest(tls('c.x', OUTSIDE), request).allowed, false);
  });
});

describe('a name', () => {
  const network = filtered(
    ['a.x', '*.y:80-81', '10.0.0.0/8:*'],
    ['b.y:*', 'c.y:80', '198.51.100.0/24:*'],
  );
  const rows: [name: string, allowed: boolean][] = [
    ['a.x', true],
    ['A.x.', true],
    ['q.y', true],
    ['y', false],
    ['b.y', false],
    ['c.y', true],
    ['d.z', false],
    ['10.0.0.1', false],
    ['a.x\0', false],
    [`${'a.'.repeat(127)}x`, false],
  ];
  for (const [name, allowed] of rows) {
    test(`${JSON.stringify(name.slice(0, 20))} is ${allowed ? '' : 'not '}resolved`, () => {
      assert.equal(compileRules(network).decideName(name).allowed, allowed);
    });
  }

  test('leads to addresses outside, to blocks that are allowed, and not to what is special or denied', () => {
    const may = (address: string) => compileRules(network).decideAnswer('a.x', address).allowed;
    assert.deepEqual(
      [
        OUTSIDE,
        '10.0.0.1',
        '127.0.0.1',
        '192.168.0.1',
        '::1',
        '::ffff:1.2.3.4',
        '198.51.100.7',
        '2600::1',
        'x',
      ].map(may),
      [true, true, false, false, false, false, false, true, false],
    );
  });
});

test('decisions agree with the sets: what a rule covers and is not special is allowed, nothing else is', () => {
  const hosts = [
    '*',
    'a.x',
    '*.x',
    'b.a.x',
    '93.184.216.0/24',
    '93.184.216.34',
    '10.0.0.0/8',
    '[2600::]/16',
    '[::]/0',
  ];
  const rule = fc
    .tuple(
      fc.constantFrom(...hosts),
      fc.constantFrom('1', '2', '1-2', '*'),
      fc.constantFrom('', '/udp'),
    )
    .map(([host, port, protocol]) => parseDestination(`${host}:${port}${protocol}`));
  const facts = fc.record<ConnectionFacts>({
    port: fc.constantFrom(1, 2, 3),
    protocol: fc.constantFrom('tcp', 'udp'),
    name: fc.constantFrom(undefined, 'a.x', 'c.x', 'b.a.x', 'y'),
    address: fc.constantFrom(
      OUTSIDE,
      '1.1.1.1',
      '10.0.0.1',
      '127.0.0.1',
      '2600::1',
      'fe80::1',
      `::ffff:${OUTSIDE}`,
    ),
    speaks: fc.constantFrom('tls', 'http', 'other'),
  });
  fc.assert(
    fc.property(
      fc.array(rule, { maxLength: 4 }),
      fc.array(rule, { maxLength: 3 }),
      facts,
      (allow, deny, at) => {
        const { port, protocol, name } = at;
        const rules = compileRules({ mode: 'filtered', allow, deny, listen: [] });
        const decision = rules.decideConnection(at);
        const address = plainAddress(at.address) ?? '';
        const inside = (rules: typeof allow, host: string) =>
          containsDestination(destinationSet(rules), { host, port, protocol });
        const blocks = allow.filter(({ host }) => host.includes('/'));
        const names = allow.filter(({ host }) => !host.includes('/'));
        const denied = inside(deny, address) || (name !== undefined && inside(deny, name));
        const covered =
          inside(blocks, address) ||
          (name !== undefined && inside(names, name) && specialAddress(address) === undefined);
        assert.equal(decision.allowed, covered && !denied, JSON.stringify(decision));
        if (decision.allowed && name !== undefined)
          assert.equal(rules.decideName(name).allowed || decision.by === 'address', true);
      },
    ),
    { numRuns: 2000 },
  );
});

test('IPv4 addresses that IPv6 addresses carry', () => {
  const rows: [string, readonly string[]][] = [
    ['64:ff9b::a00:1', ['10.0.0.1']],
    ['::ffff:10.0.0.1', ['10.0.0.1']],
    ['::ffff:0:10.0.0.1', ['10.0.0.1']],
    ['::10.0.0.1', ['10.0.0.1']],
    ['2002:a00:1::', ['10.0.0.1']],
    ['2001:0:a00:1::f5ff:fffd', ['10.0.0.1', '10.0.0.2']],
    ['2600::1', []],
    ['10.0.0.1', []],
  ];
  for (const [address, carried] of rows) {
    assert.deepEqual(carriedAddresses(address), carried, address);
  }
});
