/** What is compiled for packets, and where it is refused. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { compile } from '../../src/plan/compile.ts';
import type { HostFacts } from '../../src/plan/facts.ts';
import type { Compiled, NetworkSetup } from '../../src/plan/plan.ts';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import { capableHost } from './made-up-facts.ts';

const compiled = (network: PolicyDocument['network'], facts: HostFacts = capableHost): Compiled =>
  compile(policyFromDocument({ level: 'strict', network } as PolicyDocument), facts);
const ids = ({ unenforceable }: Compiled): string[] => unenforceable.map(({ id }) => id);
const setup = (result: Compiled): NetworkSetup | undefined =>
  result.wall === 'process' ? result.kind.network : undefined;
const icmp: PolicyDocument['network'] = { mode: 'filtered', allow: ['198.51.100.0/24/icmp'] };
const denied: PolicyDocument['network'] = { mode: 'full', deny: ['10.0.0.0/8:*'] };
const withPackets = (packets: Partial<NonNullable<HostFacts['packets']>>): HostFacts => ({
  ...capableHost,
  packets: { ...(capableHost.packets as NonNullable<HostFacts['packets']>), ...packets },
});

describe('packets', () => {
  test('of a filtered network are what rules without ports name, after what is denied', () => {
    const result = compiled({
      allow: ['a.example', '198.51.100.0/24/icmp', '192.0.2.1/32/47', '203.0.113.0/24/raw'],
      deny: ['198.51.100.7/icmp', '10.0.0.0/8:*'],
    });
    assert.deepEqual(ids(result), []);
    assert.deepEqual(setup(result), {
      mode: 'filtered',
      packets: [
        { denies: true, protocol: 1, address: '198.51.100.7', prefix: 32 },
        { denies: false, protocol: 47, address: '192.0.2.1', prefix: 32 },
        { denies: false, protocol: 1, address: '198.51.100.0', prefix: 24 },
        { denies: false, protocol: 'other', address: '203.0.113.0', prefix: 24 },
      ],
    });
    const rows = result.enforced.filter(({ test: name }) => name.includes('network-packets'));
    assert.deepEqual(
      rows.map(({ value }) => value.split(':')[0]),
      ['192.0.2.1/32/gre', '198.51.100.0/24/icmp', '203.0.113.0/24/raw'],
    );
    for (const { mechanisms } of rows) assert.ok(mechanisms.includes('veth'));
    assert.ok(result.notes.some((note) => note.includes('net_raw')));
    assert.ok(result.wall === 'process' && encodePlan(result.kind).length > 0);
  });

  test('there is no way out for them without such a rule', () => {
    assert.deepEqual(setup(compiled({ allow: ['a.example', '10.0.0.0/8:*'] })), {
      mode: 'filtered',
    });
    assert.equal(setup(compiled({ mode: 'full' })), undefined);
  });

  test('the whole network but for what is denied has a namespace of its own', () => {
    const result = compiled({
      mode: 'full',
      deny: ['10.0.0.0/8:*', '192.0.2.1:25,80-90/udp', '[fd00::]/8:*', '*:25'],
    });
    assert.deepEqual(ids(result), []);
    assert.deepEqual(setup(result), {
      mode: 'packets',
      packets: [
        { denies: true, protocol: 6, address: '0.0.0.0', prefix: 0, ports: { from: 25, to: 25 } },
        { denies: true, protocol: 6, address: '10.0.0.0', prefix: 8 },
        {
          denies: true,
          protocol: 17,
          address: '192.0.2.1',
          prefix: 32,
          ports: { from: 25, to: 25 },
        },
        {
          denies: true,
          protocol: 17,
          address: '192.0.2.1',
          prefix: 32,
          ports: { from: 80, to: 90 },
        },
      ],
    });
    assert.ok(result.wall === 'process' && result.kind.namespaces.includes('net'));
  });

  const refused: readonly [what: string, PolicyDocument['network'], HostFacts, string, RegExp][] = [
    [
      'an ordinary user',
      icmp,
      { ...capableHost, euid: 1000 },
      'network.packets:not-root',
      /as root/,
    ],
    [
      'an ordinary user',
      denied,
      { ...capableHost, euid: 1000 },
      'network.packets:not-root',
      /as root/,
    ],
    [
      'a host without veth',
      icmp,
      withPackets({ errno: 95 }),
      'network.packets:no-veth',
      /modprobe/,
    ],
    [
      'a host that forwards nothing',
      denied,
      withPackets({ routes: [{ to: '0.0.0.0/0', interface: 'eth0.7', forwards: false }] }),
      'network.packets:no-forwarding',
      /sysctl -w net\.ipv4\.conf\.eth0\/7\.forwarding=1/,
    ],
    [
      'a route that does not forward',
      icmp,
      withPackets({
        routes: [
          { to: '198.51.100.0/24', interface: 'tun0', forwards: false },
          { to: '0.0.0.0/0', interface: 'eth0', forwards: true },
        ],
      }),
      'network.packets:no-forwarding',
      /conf\.tun0\.forwarding/,
    ],
    [
      'a firewall of others',
      icmp,
      withPackets({ droppingChains: ['ip filter FORWARD'] }),
      'network.packets:forward-dropped',
      /cais/,
    ],
    ['IPv6', { allow: ['[2001:db8::]/32/icmpv6'] }, capableHost, 'network.packets:no-ipv6', /IPv4/],
    [
      'a resolver on loopback',
      denied,
      { ...capableHost, etc: { ...capableHost.etc, resolvConf: 'nameserver 127.0.0.53\n' } },
      'network.deny:no-resolver',
      /resolv\.conf/,
    ],
    [
      'more rules than the launcher takes',
      {
        mode: 'full',
        deny: Array.from({ length: 129 }, (_, i) => `10.0.${i}.0/32:${i + 1}`),
      },
      capableHost,
      'network.packets:too-many',
      /wider/,
    ],
  ];
  for (const [what, network, facts, id, cure] of refused) {
    test(`${what}: ${id}`, () => {
      const { unenforceable } = compiled(network, facts);
      assert.deepEqual(
        unenforceable.map((one) => one.id),
        [id],
      );
      assert.match(unenforceable[0]?.cure ?? '', cure);
      assert.ok((unenforceable[0]?.reason.length ?? 0) > 20);
    });
  }

  test('what is not known of a host is refused', () => {
    const { packets: _, ...unknown } = capableHost;
    assert.deepEqual(ids(compiled(icmp, unknown)), ['network.packets:no-veth']);
  });
});
